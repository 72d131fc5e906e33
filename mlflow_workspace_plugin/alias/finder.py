"""Finds the modules of the name ``azureml``, behind everything else that could.

With the alias enabled this module is imported whenever Python starts: it imports nothing that
Python has not imported by then, until ``azureml`` itself is imported.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

NAME = "azureml"
_CORE = "azureml.core"


class AzureMLFinder:
    """Serves the modules of :mod:`~mlflow_workspace_plugin.alias.names`.

    It stands last in ``sys.meta_path``, so it is asked only for what nobody else has. A folder
    ``azureml`` beside a script, or a package that adds its part to that name, such as
    ``azureml-mlflow``, keeps its own modules.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module of that name (PEP 451); None for those we do not have."""
        if fullname != NAME and not fullname.startswith(f"{NAME}."):
            return None
        from mlflow_workspace_plugin.alias import names

        if names.module_of(fullname) is None or real_sdk() is not None:
            return None
        from importlib.machinery import ModuleSpec

        from mlflow_workspace_plugin.alias.loader import AzureMLLoader

        return ModuleSpec(
            fullname, AzureMLLoader(), origin="mlflow_workspace_plugin", is_package=True
        )


_finder = AzureMLFinder()


def install() -> None:
    """Serve ``azureml`` in this process; once is enough.

    Raises:
        ImportError: the real ``azureml-core`` is installed.
    """
    if _finder in sys.meta_path:
        return
    found = real_sdk()
    if found is not None:
        raise ImportError(refusal(found))
    sys.meta_path.append(_finder)


def real_sdk() -> ModuleSpec | None:
    """Return where the real ``azureml.core`` is, or None if it is not installed."""
    package = _found(NAME, None)
    if package is None or package.submodule_search_locations is None:
        return None
    return _found(_CORE, package.submodule_search_locations)


def refusal(found: ModuleSpec) -> str:
    """Return why the alias is not installed beside the real SDK."""
    return (
        f"The name azureml belongs to the real azureml-core here ({found.origin}), and is never "
        "taken from it. Uninstall that (pip uninstall azureml-core), or use an environment of its "
        "own."
    )


def _found(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    """Ask every finder but ours, as an import does."""
    for finder in sys.meta_path:
        if finder is not _finder and hasattr(finder, "find_spec"):
            spec: ModuleSpec | None = finder.find_spec(name, path)
            if spec is not None:
                return spec
    return None
