"""The tag of a run that says what was refused of it, line by line."""

from mlflow.utils.validation import MAX_TAG_VAL_LENGTH
from sqlalchemy import Connection, text

from mlflow_workspace_plugin.hub.databases import storable
from mlflow_workspace_plugin.stores.tags.own_tags import CONFLICT_TAG

_TAG = text("SELECT value FROM tags WHERE run_uuid = :run_id AND key = :key")
_SET_TAG = text(
    "INSERT INTO tags (run_uuid, key, value) VALUES (:run_id, :key, :value) "
    "ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value"
)


def add_warning(connection: Connection, run_id: str, what: str) -> None:
    """Note on a run that something was refused; the same thing once.

    Args:
        connection: in a transaction.
        run_id: a run of the workspace.
        what: was refused, and why; any text.
    """
    parameters = {"run_id": run_id, "key": CONFLICT_TAG}
    before = connection.execute(_TAG, parameters).scalar_one_or_none()
    # The text may hold what no database takes, which is why it was refused.
    what = storable.storable(what)
    if before is not None and what in before:
        return
    said = what if before is None else f"{before}\n{what}"
    connection.execute(_SET_TAG, parameters | {"value": said[:MAX_TAG_VAL_LENGTH]})
