"""What was refused after its call had returned, noted on its run."""

from sqlalchemy import Connection

from mlflow_workspace_plugin.journal.files.records import Record
from mlflow_workspace_plugin.stores.tags.warnings import add_warning


def note_conflict(connection: Connection, record: Record, error: Exception) -> None:
    """Note on an active run that a param, a tag or a change was refused.

    Args:
        connection: in the transaction that notes that the record was dealt with.
        record: what was refused.
        error: why.
    """
    add_warning(connection, record.run_id, f"{record.kind} {record.content}: {error}")
