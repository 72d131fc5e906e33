"""The tables of ours in a hub's database, beside MLflow's, whose schema check allows them."""

from sqlalchemy import JSON, BigInteger, Column, Engine, MetaData, String, Table

from mlflow_workspace_plugin import names

_metadata = MetaData()

WORKSPACES = Table(
    "workspace_plugin_workspaces",
    _metadata,
    Column("name", String(names.MAX_LENGTH), primary_key=True),
    Column("display_name", String(255), nullable=False),
    Column("subscription_id", String(255), nullable=False),
    Column("resource_group", String(255), nullable=False),
    Column("location", String(255), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("tags", JSON, nullable=False),
)
"""How workspaces were named when they were created."""

WRITERS = Table(
    "workspace_plugin_writers",
    _metadata,
    Column("writer", String(64), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
)
"""The last record of each journal that is stored."""

RECEIPTS = Table(
    "workspace_plugin_receipts",
    _metadata,
    Column("run_uuid", String(32), primary_key=True),
    Column("key", String(250), primary_key=True),
    Column("writer", String(64), primary_key=True),
    Column("logged", BigInteger, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("repeated", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("dropped", BigInteger, nullable=False),
)
"""What became of the values that a writer logged to a metric of a run.

No foreign key: a value may be refused because there is no such run.
"""

ROWS = Table(
    "workspace_plugin_rows",
    _metadata,
    Column("run_uuid", String(32), primary_key=True),
    Column("table", String(64), primary_key=True),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    Column("timestamp", BigInteger, primary_key=True, autoincrement=False),
)
"""The place of each row of a table of SDK v1's, that rows of several processes never share one."""


def create_tables(engine: Engine) -> None:
    """Make those of our tables that are missing."""
    _metadata.create_all(engine)


def table_names() -> list[str]:
    """Return the names of our tables."""
    return list(_metadata.tables)
