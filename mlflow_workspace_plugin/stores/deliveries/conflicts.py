"""What was refused after its call had returned, noted on its run."""

from mlflow.utils.validation import MAX_TAG_VAL_LENGTH
from sqlalchemy import Connection, text

from mlflow_workspace_plugin.hub.databases import storable
from mlflow_workspace_plugin.journal.files.records import Record
from mlflow_workspace_plugin.stores.tags.own_tags import CONFLICT_TAG
from mlflow_workspace_plugin.stores.writes.run_writes import upsert_tags

_TAG = text("SELECT value FROM tags WHERE run_uuid = :run_id AND key = :key")


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
    # The text may hold what no database takes, which is why it was refused.
    value = storable.storable(said)[:MAX_TAG_VAL_LENGTH]
    upsert_tags(connection, record.run_id, {CONFLICT_TAG: value})
