"""SDK v1's words for how a run goes, and MLflow's."""

from mlflow.entities import RunStatus as MlflowStatus

from mlflow_workspace_plugin.stores.jobs import states

QUEUED = states.QUEUED
RUNNING = states.RUNNING
COMPLETED = states.COMPLETED
FAILED = states.FAILED
CANCELED = states.CANCELED

TERMINAL = states.LAST

_OF_MLFLOW = {
    MlflowStatus.to_string(MlflowStatus.SCHEDULED): QUEUED,
    MlflowStatus.to_string(MlflowStatus.RUNNING): RUNNING,
    MlflowStatus.to_string(MlflowStatus.FINISHED): COMPLETED,
    MlflowStatus.to_string(MlflowStatus.FAILED): FAILED,
    MlflowStatus.to_string(MlflowStatus.KILLED): CANCELED,
}


def of_mlflow(status: str) -> str:
    """Return SDK v1's word for a status of MLflow's. Of a job there may be a finer one."""
    return _OF_MLFLOW[status]


def to_mlflow(status: str) -> str | None:
    """Return MLflow's word for a status of SDK v1's, the finer ones too; None where it has none."""
    return states.to_mlflow(status) if status in states.ALL else None
