"""The schema of a hub's database: MLflow's own tables, at the revision of the installed MLflow.

MLflow migrates a database on opening it, without asking, as soon as a newer version adds a table,
and thereby locks out everybody who has the older version. A hub is shared, so here the revision is
looked at before MLflow does, and a hub is only ever migrated by ``mlflow-workspace hub upgrade``.
"""

import functools
import logging
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import mlflow.store.db.utils as mlflow_db
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from mlflow.store.tracking.dbmodels.initial_models import Base as InitialBase
from sqlalchemy import Engine, inspect

from mlflow_workspace_plugin.errors import HubCorruptError, HubTooNewError, HubTooOldError
from mlflow_workspace_plugin.hub.databases.database import RESTORE_REMEDY, connected, uses_of
from mlflow_workspace_plugin.hub.databases.postgresql import place
from mlflow_workspace_plugin.hub.revisions import MLFLOW_OF_REVISION, SUPPORTED, is_of_mlflow

MIGRATIONS = Path(mlflow.__file__).parent / "store" / "db_migrations"
"""The folder of MLflow's migrations, as Alembic takes it."""


@functools.cache
def _migrations() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))


@functools.cache
def head_revision() -> str:
    """Return the revision that the installed MLflow works with."""
    return str(_migrations().get_current_head())


def current_revision(engine: Engine) -> str | None:
    """Return the revision of a database; None if MLflow never made tables there."""
    with connected(engine) as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    return None if revision is None else str(revision)


def is_fresh(engine: Engine) -> bool:
    """Whether a database without a revision is empty, or an initialisation was broken off in it."""
    with connected(engine) as connection:
        tables = set(inspect(connection).get_table_names())
    # MLflow commits its first tables before it migrates them.
    return tables in (set(), set(InitialBase.metadata.tables))


def initialise(engine: Engine) -> None:
    """Make MLflow's tables in an empty database, without the line that each migration logs."""
    with (
        uses_of(engine),
        _quiet(logging.getLogger("alembic")),
        _quiet(logging.getLogger(mlflow_db.__name__)),
    ):
        mlflow_db._initialize_tables(engine)


def upgrade(engine: Engine) -> None:
    """Migrate a database of an older MLflow to the installed one's revision."""
    with uses_of(engine):
        mlflow_db._upgrade_db(engine)


def verify(engine: Engine, hub: Path) -> None:
    """Check that a hub's database is at the installed MLflow's revision.

    Raises:
        HubTooOldError: an older MLflow made it.
        HubTooNewError: a newer MLflow made it.
        HubCorruptError: it holds no tables of MLflow's.
    """
    revision = current_revision(engine)
    # Reading all migrations takes a while, which most often is not needed.
    if revision and (is_of_mlflow(mlflow.__version__, revision) or revision == head_revision()):
        return
    if revision is None:
        raise HubCorruptError(_no_tables(engine, hub))
    made_by = MLFLOW_OF_REVISION.get(revision)
    if _is_known(revision):
        raise HubTooOldError(
            f"Hub {str(hub)!r} was made by MLflow {made_by or 'of an older version'}, and MLflow "
            f"{mlflow.__version__} is installed. Upgrade it ({backup_advice(engine)}, and older "
            f"MLflow versions cannot open it afterwards): "
            f"mlflow-workspace hub upgrade {shlex.quote(str(hub))}"
        )
    remedy = f"Install: pip install 'mlflow=={made_by}.*'"
    if made_by not in SUPPORTED:
        remedy = (
            "Install a newer mlflow-workspace-plugin, from where this one came, and the MLflow "
            "that it asks for, with pip install -U."
        )
    raise HubTooNewError(
        f"Hub {str(hub)!r} was made by MLflow {made_by or 'of a newer version'}, and MLflow "
        f"{mlflow.__version__} is installed, which cannot open it. {remedy}"
    )


def _no_tables(engine: Engine, hub: Path) -> str:
    if engine.dialect.name == "sqlite":
        return (
            f"Hub {str(hub)!r} is not usable: its hub.db holds no tables of MLflow. "
            f"Create the workspaces in another folder, or {RESTORE_REMEDY}"
        )
    return (
        f"Hub {str(hub)!r} is not usable: database {place(engine.url)!r} holds no tables of "
        "MLflow. Restore it with pg_restore; or, to begin anew, name an empty database in another "
        "folder with mlflow-workspace hub init."
    )


def backup_advice(engine: Engine) -> str:
    """Return what is to be said of a backup before an upgrade, as a part of a sentence."""
    if engine.dialect.name == "sqlite":
        return "it is backed up first"
    return "back its database up with pg_dump first"


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _is_known(revision: str) -> bool:
    try:
        return _migrations().get_revision(revision) is not None
    except CommandError:
        return False
