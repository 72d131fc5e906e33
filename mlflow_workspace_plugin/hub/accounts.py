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
# A scorer is named by its experiment and its own name.
_FORGET_EXPERIMENT = (
    f"{_FORGET[0]} AND ((resource_type = 'experiment' AND resource_pattern = :id) "
    "OR (resource_type = 'scorer' AND resource_pattern LIKE :scorers))"
)
_FORGET_MODEL = (
    f"{_FORGET[0]} AND resource_type IN ('registered_model', 'prompt') "
    "AND resource_pattern = :model"
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
    _change(folder, connection, _FORGET, {"name": workspace})


def forget_experiment(
    folder: HubFolder, connection: Connection, workspace: str, experiment_id: str
) -> None:
    """Delete what roles in a workspace grant, or deny, of an experiment that is freed.

    Else it would be so of the next one of its number, which SQLite gives again.

    Args:
        folder: the hub's folder.
        connection: to the hub's database, in a transaction.
        workspace: the name MLflow knows.
        experiment_id: of the experiment.
    """
    named = {"name": workspace, "id": experiment_id, "scorers": f"{experiment_id}/%"}
    _change(folder, connection, (_FORGET_EXPERIMENT,), named)


def forget_model(folder: HubFolder, connection: Connection, workspace: str, name: str) -> None:
    """Delete what roles in a workspace grant, or deny, of a registered model or prompt.

    MLflow's server does that where it is asked to delete one. Here it is for all who delete.

    Args:
        folder: the hub's folder.
        connection: to the hub's database, in a transaction.
        workspace: the name MLflow knows.
        name: of what was deleted.
    """
    _change(folder, connection, (_FORGET_MODEL,), {"name": workspace, "model": name})


def _change(
    folder: HubFolder, connection: Connection, statements: tuple[str, ...], named: dict[str, str]
) -> None:
    if connection.dialect.name == "postgresql":
        if inspect(connection).has_table(_TABLE):
            for statement in statements:
                connection.execute(text(statement), named)
        return
    if not folder.accounts.exists():
        return
    with (
        closing(sqlite3.connect(folder.accounts, timeout=BUSY_TIMEOUT_MS / 1000)) as accounts,
        accounts,
    ):
        tables = accounts.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if (_TABLE,) in tables.fetchall():
            for statement in statements:
                accounts.execute(statement, named)
