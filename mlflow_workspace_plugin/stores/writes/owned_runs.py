"""What others say of how a job goes: only its owner's word counts, and stands in ``stores.jobs``.

Stock servers of MLflow on the same database know nothing of it.
"""

from sqlalchemy import Connection, text

from mlflow_workspace_plugin.stores.jobs import states
from mlflow_workspace_plugin.stores.tags.failure import REASON_TAG
from mlflow_workspace_plugin.stores.tags.warnings import add_warning

_STATE = text("""
    SELECT jobs.state FROM workspace_plugin_jobs AS jobs
    JOIN runs ON runs.run_uuid = jobs.run_uuid
    JOIN experiments ON experiments.experiment_id = runs.experiment_id
    WHERE jobs.run_uuid = :run_id AND experiments.workspace = :workspace
    AND runs.lifecycle_stage = 'active'
""")
_SAY = text("""
    UPDATE workspace_plugin_jobs SET said = :status
    WHERE run_uuid = :run_id AND workspace = :workspace
""")
_REASON = text("SELECT value FROM tags WHERE run_uuid = :run_id AND key = :key")
_RENAME = text("UPDATE runs SET name = :name WHERE run_uuid = :run_id")
_ENDS = {"FINISHED", "FAILED", "KILLED"}
_NOT_WELL: dict[str | None, str] = {"FAILED": "failed", "KILLED": "was canceled"}


def update_info_of_job(
    connection: Connection, workspace: str, run_id: str, status: str | None, name: str | None
) -> bool:
    """Take from others what they say of a job: its name is changed, and how it ended is noted.

    Args:
        connection: to a hub's database; in a transaction, if the name is to change.
        workspace: that the run is in.
        run_id: the run.
        status: MLflow's word.
        name: the name; None leaves it as it is.

    Returns:
        Whether there is such a job, and its run was not deleted.
    """
    parameters = {"run_id": run_id, "workspace": workspace}
    if status in _ENDS:
        # First: an owner that ends it just now is waited for, or sees this.
        connection.execute(_SAY, parameters | {"status": status})
    state = connection.execute(_STATE, parameters).scalar_one_or_none()
    if state is None:
        return False
    if state == states.COMPLETED:
        warn_of_said(connection, run_id, status)
    if name:
        connection.execute(_RENAME, {"run_id": run_id, "name": name})
    return True


def warn_of_said(connection: Connection, run_id: str, said: str | None) -> None:
    """Note on a job that completed that somebody said otherwise, or why it failed, if so.

    Args:
        connection: to a hub's database.
        run_id: the run.
        said: how others said that it ended, in MLflow's word.
    """
    parameters = {"run_id": run_id, "key": REASON_TAG}
    reason = connection.execute(_REASON, parameters).scalar_one_or_none()
    if reason is None and said not in _NOT_WELL:
        return
    because = "" if reason is None else f" ({reason})"
    add_warning(
        connection,
        run_id,
        f"The script, or somebody else, said that this run {_NOT_WELL.get(said, 'failed')}"
        f"{because}. It is completed all the same: its command ended with exit code 0, which "
        "counts.",
    )
