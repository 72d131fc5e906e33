"""SDK v1's states of a job, finer than MLflow's five."""

from collections.abc import Collection

NOT_STARTED = "NotStarted"
QUEUED = "Queued"
PREPARING = "Preparing"
PROVISIONING = "Provisioning"
STARTING = "Starting"
RUNNING = "Running"
CANCEL_REQUESTED = "CancelRequested"
FINALIZING = "Finalizing"
COMPLETED = "Completed"
FAILED = "Failed"
CANCELED = "Canceled"
NOT_RESPONDING = "NotResponding"
"""Never stored: what a reader says of a job whose owner gave no sign of life for a while."""

ALL = frozenset(
    {
        NOT_STARTED,
        QUEUED,
        PREPARING,
        PROVISIONING,
        STARTING,
        RUNNING,
        CANCEL_REQUESTED,
        FINALIZING,
        COMPLETED,
        FAILED,
        CANCELED,
        NOT_RESPONDING,
    }
)
LAST = frozenset({COMPLETED, FAILED, CANCELED})
"""No state follows these."""
WAITING = frozenset({NOT_STARTED, QUEUED})
"""No runner has the job yet."""
GOING_ON = ALL - LAST - WAITING - {NOT_RESPONDING}
"""A runner has it, or is to have it at once."""

_TO_MLFLOW = {
    NOT_STARTED: "SCHEDULED",
    QUEUED: "SCHEDULED",
    COMPLETED: "FINISHED",
    FAILED: "FAILED",
    CANCELED: "KILLED",
}


def check(state: str, allowed: Collection[str], what: str) -> None:
    """Refuse a state that a job cannot have.

    Args:
        state: SDK v1's.
        allowed: those that it can have.
        what: the beginning of the sentence that names them.

    Raises:
        UserErrorException: it is none of them.
    """
    if state not in allowed:
        # Only now: commands that only look import neither MLflow nor a database.
        from mlflow_workspace_plugin.errors import UserErrorException
        from mlflow_workspace_plugin.hub.databases.storable import shown

        raise UserErrorException(f"{what} {', '.join(sorted(allowed))}, and not {shown(state)}.")


def to_mlflow(state: str) -> str:
    """Return MLflow's status of a run in a state."""
    return _TO_MLFLOW.get(state, "RUNNING")
