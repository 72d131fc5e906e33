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
            __all__=sorted([*found.served, *found.not_served, *found.values]),
            __getattr__=_attributes_of(module, found),
            __dir__=lambda: sorted({*vars(module), *found.served, *found.not_served}),
            **found.values,
        )


def _attributes_of(module: ModuleType, found: names.Module) -> Callable[[str], Any]:
    def look_up(name: str) -> Any:
        value = _attribute(module.__name__, found, name)
        setattr(module, name, value)
        return value

    return look_up


def _attribute(module: str, found: names.Module, name: str) -> Any:
    if name in found.served:
        home, _, attribute = found.served[name].partition(":")
        return getattr(import_module(home), attribute)
    # As in the real SDK, where importing a package has imported what is below it.
    if f"{module}.{name}" in names.MODULES:
        return import_module(f"{module}.{name}")
    sentence = found.not_served.get(name, found.sentence)
    if sentence is None or name.startswith("_"):
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    return not_served(f"{module}.{name}", sentence)
