"""A workspace of your own for MLflow.

``import mlflow`` imports this module in every process that has the package installed, so it
imports nothing, and each public name is loaded when it is first used (PEP 562).
"""

from __future__ import annotations

# As typing's, which is not imported for it: with the ``azureml`` alias enabled, this module is
# imported whenever Python starts.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from mlflow_workspace_plugin.sdk.experiment import Experiment
    from mlflow_workspace_plugin.sdk.models.model import Model
    from mlflow_workspace_plugin.sdk.runs.run import Run
    from mlflow_workspace_plugin.sdk.use import use
    from mlflow_workspace_plugin.sdk.workspace import Workspace

__all__ = ["Experiment", "Model", "Run", "Workspace", "use"]

_HOME = {
    "Experiment": "mlflow_workspace_plugin.sdk.experiment",
    "Model": "mlflow_workspace_plugin.sdk.models.model",
    "Run": "mlflow_workspace_plugin.sdk.runs.run",
    "Workspace": "mlflow_workspace_plugin.sdk.workspace",
    "use": "mlflow_workspace_plugin.sdk.use",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name == "__version__":
        from importlib.metadata import version

        return version("mlflow-workspace-plugin")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    from mlflow_workspace_plugin.late_imports import late_imports

    with late_imports():
        value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])


def load_ipython_extension(ipython: Any) -> None:
    """Serve the name ``azureml`` in this notebook: ``%load_ext mlflow_workspace_plugin``.

    Args:
        ipython: the shell that asks; not used.

    Raises:
        ImportError: the real ``azureml-core`` is installed.
    """
    import mlflow_workspace_plugin.azureml  # noqa: F401  importing it is what it takes
