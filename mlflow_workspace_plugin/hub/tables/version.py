"""The version of our tables in a hub's database, and the way from an older one to ours.

It stands in a table of our own, beside that of MLflow's. As with MLflow's tables, opening a hub
changes nothing that is there: older tables are upgraded by ``mlflow-workspace hub upgrade``, and
newer ones are refused. Only what is missing is made, in a database that MLflow made.

To change the tables, change them in ``hub.tables`` and add a step to ``versions``, whose
``down_revision`` is the newest one there; it is the version then.
"""

import functools
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

from mlflow_workspace_plugin.errors import HubTooNewError, HubTooOldError
from mlflow_workspace_plugin.hub.databases.database import connected, transaction
from mlflow_workspace_plugin.hub.databases.schema import backup_advice
from mlflow_workspace_plugin.hub.files.folder import HubFolder
from mlflow_workspace_plugin.hub.lock import locked
from mlflow_workspace_plugin.hub.revisions import OUR_TABLES, OUR_VERSION, PREFIX, VERSION_TABLE
from mlflow_workspace_plugin.hub.tables import METADATA

_FIRST = "0001"
# What databases without a version may lack, from before it.
_CAME_LATER = ((f"{PREFIX}workspaces", "tags"), (f"{PREFIX}receipts", "logged"))


def table_names() -> list[str]:
    """Return the names of our tables."""
    return [*METADATA.tables, VERSION_TABLE]


@functools.cache
def newest_version() -> str:
    """Return the version that this package works with."""
    return str(ScriptDirectory(str(Path(__file__).parent)).get_current_head())


def make(engine: Engine) -> None:
    """Make those of our tables that are missing, and write their version down."""
    with transaction(engine) as connection:
        METADATA.create_all(connection)
        command.stamp(_config(connection), "head")


@contextmanager
def upgraded(engine: Engine) -> Iterator[None]:
    """Bring our tables to the newest version, whatever they are; there may be none.

    The block comes before the commit: where the database undoes such changes, that is PostgreSQL,
    what fails in it undoes them.
    """
    with transaction(engine) as connection:
        command.upgrade(_config(connection), "head")
        yield


def open_tables(engine: Engine, folder: HubFolder) -> None:
    """Check our tables as a hub is opened, and make them in a database that only MLflow filled.

    Raises:
        HubTooOldError: an earlier version of this package made them.
        HubTooNewError: a later version of this package made them.
    """
    if not verify(engine, folder.path):
        with locked(folder, engine):
            if not verify(engine, folder.path):
                make(engine)


def verify(engine: Engine, hub: Path) -> bool:
    """Check the version of our tables.

    Returns:
        Whether they are there; False where nothing but a table or their version is missing.

    Raises:
        HubTooOldError: an earlier version of this package made them.
        HubTooNewError: a later version of this package made them.
    """
    with connected(engine) as connection:
        names = inspect(connection).get_table_names()
    found = {name for name in names if name.startswith(PREFIX)}
    version = _version(engine, found)
    # Reading all steps takes a while, which most often is not needed.
    if found == OUR_TABLES and version == OUR_VERSION:
        return True
    unknown = sorted(found.difference(table_names()))
    if unknown or (version and not _is_known(version)):
        what = f"the tables {', '.join(unknown)}" if unknown else f"tables of version {version!r}"
        raise HubTooNewError(
            f"Hub {str(hub)!r} was made by a newer mlflow-workspace-plugin: it holds {what}, which "
            "this version does not know. Install a newer version, from where this one came, with "
            "pip install -U."
        )
    if version != newest_version():
        if found and (version or newest_version() != _FIRST or _is_before_first(engine, found)):
            raise HubTooOldError(
                f"Hub {str(hub)!r} was made by an older mlflow-workspace-plugin. Upgrade it "
                f"({backup_advice(engine)}, and older versions cannot open it afterwards): "
                f"mlflow-workspace hub upgrade {shlex.quote(str(hub))}"
            )
        return False
    return found.issuperset(table_names())


def _version(engine: Engine, tables: set[str]) -> str | None:
    if VERSION_TABLE not in tables:
        return None
    with connected(engine) as connection:
        found = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return None if found is None else str(found)


def _is_known(version: str) -> bool:
    steps = ScriptDirectory(str(Path(__file__).parent)).walk_revisions()
    return version in {each.revision for each in steps}


def _is_before_first(engine: Engine, found: set[str]) -> bool:
    with connected(engine) as connection:
        columns = inspect(connection).get_columns
        return any(
            column not in {each["name"] for each in columns(table)}
            for table, column in _CAME_LATER
            if table in found
        )


def _config(connection: Connection) -> Config:
    config = Config()
    # As in a file of settings, where "%" begins a reference.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
