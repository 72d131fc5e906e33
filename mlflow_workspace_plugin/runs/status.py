"""SDK v1's words for how a run goes, and MLflow's."""

from mlflow.entities import RunStatus as MlflowStatus

QUEUED = "Queued"
RUNNING = "Running"
COMPLETED = "Completed"
FAILED = "Failed"
CANCELED = "Canceled"

TERMINAL = frozenset({COMPLETED, FAILED, CANCELED})

_OF_MLFLOW = {
    MlflowStatus.to_string(MlflowStatus.SCHEDULED): QUEUED,
    MlflowStatus.to_string(MlflowStatus.RUNNING): RUNNING,
    MlflowStatus.to_string(MlflowStatus.FINISHED): COMPLETED,
    MlflowStatus.to_string(MlflowStatus.FAILED): FAILED,
    MlflowStatus.to_string(MlflowStatus.KILLED): CANCELED,
}
_TO_MLFLOW = {ours: mlflows for mlflows, ours in _OF_MLFLOW.items()}


def of_mlflow(status: str) -> str:
    """Return SDK v1's word for a status of MLflow's."""
    return _OF_MLFLOW[status]


def to_mlflow(status: str) -> str | None:
    """Return MLflow's word for a status of SDK v1's; None where it has none."""
    return _TO_MLFLOW.get(status)
