"""Hubs of older versions, of MLflow and of this package."""

from pathlib import Path

from alembic import command
from mlflow.store.db.utils import _get_alembic_config
from mlflow.store.tracking.dbmodels.initial_models import Base as InitialBase
from sqlalchemy import create_engine, text

from mlflow_workspace_plugin.hub import trust
from mlflow_workspace_plugin.hub.databases import schema
from mlflow_workspace_plugin.hub.databases.database import url_of
from mlflow_workspace_plugin.hub.files.folder import HubFolder, HubSettings
from mlflow_workspace_plugin.hub.tables.version import table_names

DATA = Path(__file__).parent / "data"

MLFLOW_3_15 = "6f8d9c3b2a1e"
MLFLOW_3_14 = "b7e4c1a90f23"
OLDER = MLFLOW_3_14 if schema.head_revision() == MLFLOW_3_15 else MLFLOW_3_15


def older_hub(folder, url=None, revision=OLDER):
    """A hub whose database was made by the migrations of an older MLflow."""
    folder.mkdir()
    (folder / "artifacts").mkdir()
    settings = HubSettings(database=url)
    HubFolder(folder).save_settings(settings)
    trust.remember(trust.destinations(settings))
    engine = create_engine(url_of_hub(folder))
    InitialBase.metadata.create_all(engine)
    config = _get_alembic_config(engine.url.render_as_string(hide_password=False))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO experiments (experiment_id, name, lifecycle_stage, workspace, "
            "artifact_location) VALUES (7, 'kept', 'active', 'default', "
            "'mlflow-artifacts:/workspaces/default/7')"
        )
    engine.dispose()
    return folder


def fill_with_tables_without_version(folder):
    """Give a hub the tables of this package as they were before they had a version."""
    engine = create_engine(url_of_hub(folder))
    with engine.begin() as connection:
        for name in table_names():
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")
    script = (DATA / f"tables_without_version.{engine.dialect.name}.sql").read_text()
    connection = engine.raw_connection()
    if engine.dialect.name == "sqlite":
        connection.executescript(script)
    else:
        connection.cursor().execute(script)
    connection.commit()
    connection.close()
    engine.dispose()


def fill_with_early_tables(folder):
    """Give a hub our tables as they were still earlier, some without columns that came later."""
    fill_with_tables_without_version(folder)
    execute(folder, "ALTER TABLE workspace_plugin_workspaces DROP COLUMN tags")
    execute(folder, "ALTER TABLE workspace_plugin_receipts DROP COLUMN logged")
    execute(folder, "DROP TABLE workspace_plugin_rows")


def url_of_hub(folder):
    """The URL of a hub's database."""
    return url_of(HubFolder(folder), HubFolder(folder).load_settings())


def execute(folder, statement):
    """Run a statement on a hub's database, below this package."""
    engine = create_engine(url_of_hub(folder))
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        rows = result.all() if result.returns_rows else None
    engine.dispose()
    return rows


_TABLES_OF_VERSION = {
    "0002": ("jobs", "computes", "environments"),
    "0003": ("datastores", "datasets", "dataset_versions"),
    "0004": ("charts", "views"),
    "0005": (
        *("log_ins", "tokens", "codes", "attempts", "identities", "states"),
        *("journals", "refusals"),
    ),
}
_COLUMNS_OF_VERSION = {"0006": (("0005", "log_ins", "parent"), ("0005", "codes", "parent"))}
"""The columns of a step, each with that of its table."""


def take_back(folder, version):
    """Make a hub what it was at an earlier version of this package's tables."""
    for step, tables in _TABLES_OF_VERSION.items():
        for table in tables if step > version else ():
            execute(folder, f"DROP TABLE workspace_plugin_{table}")
    for step, columns in _COLUMNS_OF_VERSION.items():
        for of_table, table, column in columns:
            if of_table <= version < step:
                execute(folder, f"DROP INDEX IF EXISTS workspace_plugin_{table}_by_{column}")
                execute(folder, f"ALTER TABLE workspace_plugin_{table} DROP COLUMN {column}")
    execute(folder, f"UPDATE workspace_plugin_version SET version_num = '{version}'")


def set_revision(folder, revision):
    """Say of a hub that it is at another revision of MLflow's than it is."""
    execute(folder, f"UPDATE alembic_version SET version_num = '{revision}'")
