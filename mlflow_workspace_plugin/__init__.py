"""A workspace of your own for MLflow.

``import mlflow`` imports this module in every process that has the package installed, so it
imports only the standard library, and each public name is loaded when it is first used (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.experiment import Experiment
    from mlflow_workspace_plugin.sdk.model import Model
    from mlflow_workspace_plugin.sdk.run import Run
    from mlflow_workspace_plugin.sdk.workspace import Workspace

__all__ = ["Experiment", "Model", "Run", "Workspace"]

_HOME = {
    "Experiment": "mlflow_workspace_plugin.sdk.experiment",
    "Model": "mlflow_workspace_plugin.sdk.model",
    "Run": "mlflow_workspace_plugin.sdk.run",
    "Workspace": "mlflow_workspace_plugin.sdk.workspace",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name == "__version__":
        from importlib.metadata import version

        return version("mlflow-workspace-plugin")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
