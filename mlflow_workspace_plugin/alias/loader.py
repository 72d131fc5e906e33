"""Fills a module of the name ``azureml``: each of its names is loaded when it is first used."""

from collections.abc import Callable
from importlib import import_module
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from mlflow_workspace_plugin.alias import names
from mlflow_workspace_plugin.alias.not_served import not_served


class AzureMLLoader(Loader):
    """Makes modules whose attributes are this package's, or say that they are not served."""

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to Python (PEP 451)."""

    def exec_module(self, module: ModuleType) -> None:
        """Give a module its names (PEP 451, PEP 562)."""
        found = names.module_of(module.__name__)
        assert found is not None, module.__name__  # noqa: S101  the finder has looked
        module.__doc__ = f"``{module.__name__}`` of Azure ML's SDK v1, served by this package."
        module.__dict__.update(
            __all__=[*found.starred],
            __getattr__=_attributes_of(module, found),
            __dir__=lambda: sorted({*vars(module), *found.served, *found.not_served}),
            **found.values,
        )


def _attributes_of(module: ModuleType, found: names.Module) -> Callable[[str], Any]:
    def look_up(name: str) -> Any:
        value = attribute(module.__name__, found, name)
        setattr(module, name, value)
        return value

    return look_up


def attribute(module: str, found: names.Module, name: str) -> Any:
    """Return what a name of a module is.

    Raises:
        AttributeError: the module has no such name.
    """
    target = found.target(name)
    if target is not None:
        home, _, attribute = target.partition(":")
        return getattr(import_module(home), attribute)
    # As in the real SDK, where importing a package has imported what is below it.
    if names.is_module(f"{module}.{name}"):
        return import_module(f"{module}.{name}")
    sentence = found.refusal(name)
    if sentence is None:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    return not_served(f"{module}.{name}", sentence)
