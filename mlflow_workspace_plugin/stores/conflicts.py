"""What was refused after its call had returned, noted on its run."""

from mlflow.utils.validation import MAX_TAG_VAL_LENGTH
from sqlalchemy import Connection, text

from mlflow_workspace_plugin.journal.records import Record
from mlflow_workspace_plugin.stores.faults import is_refusal
from mlflow_workspace_plugin.stores.run_writes import upsert_tags
from mlflow_workspace_plugin.terminal import get_logger

CONFLICT_TAG = "mlflow.workspace.refused"
"""What was refused after its call had returned. MLflow's UI hides tags of this prefix."""

_TAG = text("SELECT value FROM tags WHERE run_uuid = :run_id AND key = :key")

_logger = get_logger(__name__)


def note_conflict(connection: Connection, record: Record, error: Exception) -> None:
    """Note on an active run that a param, a tag or a change was refused.

    Args:
        connection: in the transaction that notes that the record was dealt with.
        record: what was refused.
        error: why.
    """
    what = f"{record.kind} {record.content}: {error}"
    parameters = {"run_id": record.run_id, "key": CONFLICT_TAG}
    before = connection.execute(_TAG, parameters).scalar_one_or_none()
    said = what if before is None else f"{before}\n{what}"
    try:
        with connection.begin_nested():
            upsert_tags(connection, record.run_id, {CONFLICT_TAG: said[:MAX_TAG_VAL_LENGTH]})
    except Exception as fault:
        if not is_refusal(fault):
            raise
        # The text may be what no database takes, which is why it was refused.
        _logger.debug("The refusal could not be noted on its run.", exc_info=True)
