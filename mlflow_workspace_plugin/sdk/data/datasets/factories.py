"""``Dataset.File`` and ``Dataset.Tabular``, which are imported when they are used."""

from importlib import import_module
from typing import Any

_PACKAGE = __name__.rpartition(".")[0]


class Factory:
    """A class that makes datasets, as an attribute of what it makes.

    Args:
        home: its module in this package, and its name there: ``module:Name``.
    """

    def __init__(self, home: str) -> None:
        self._module, _, self._name = home.partition(":")

    def __get__(self, instance: Any, owner: type) -> Any:
        return getattr(import_module(f"{_PACKAGE}.{self._module}"), self._name)
