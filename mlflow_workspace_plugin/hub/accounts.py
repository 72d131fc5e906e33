"""Where a served hub keeps accounts and roles: MLflow's tables of them, on which it decides.

They are in the hub's PostgreSQL, or else in a file of their own beside ``hub.db``, so that a log-in
never waits for who logs values.
"""

import sqlite3
from contextlib import closing

from sqlalchemy import Connection, inspect, text

from mlflow_workspace_plugin.hub.databases.database import BUSY_TIMEOUT_MS, database_url
from mlflow_workspace_plugin.hub.databases.postgresql import url_for_mlflow
from mlflow_workspace_plugin.hub.files.folder import HubFolder

# Children first: the rows of a role refer to it.
_FORGET = (
    "DELETE FROM role_permissions WHERE role_id IN (SELECT id FROM roles WHERE workspace = :name)",
    "DELETE FROM user_role_assignments WHERE role_id IN "
    "(SELECT id FROM roles WHERE workspace = :name)",
    "DELETE FROM roles WHERE workspace = :name",
)
_TABLE = "roles"


def accounts_url(folder: HubFolder, database: str | None) -> str:
    """Return the SQLAlchemy URL of a hub's accounts, as MLflow's server takes it, without a secret.

    Args:
        folder: the hub's folder.
        database: the URL of its PostgreSQL database, if it has one.
    """
    return database_url(folder.accounts) if database is None else url_for_mlflow(database)


def forget_roles(folder: HubFolder, connection: Connection, workspace: str) -> None:
    """Delete the roles that there were in a workspace, and who had them.

    Else whoever had one would have it in the next workspace of that name.

    Args:
        folder: the hub's folder.
        connection: to the hub's database, in a transaction.
        workspace: the name MLflow knows.
    """
    if connection.dialect.name == "postgresql":
        if inspect(connection).has_table(_TABLE):
            for statement in _FORGET:
                connection.execute(text(statement), {"name": workspace})
        return
    if not folder.accounts.exists():
        return
    with (
        closing(sqlite3.connect(folder.accounts, timeout=BUSY_TIMEOUT_MS / 1000)) as accounts,
        accounts,
    ):
        tables = accounts.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if (_TABLE,) in tables.fetchall():
            for statement in _FORGET:
                accounts.execute(statement, {"name": workspace})
