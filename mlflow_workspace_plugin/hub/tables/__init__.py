"""The tables of ours in a hub's database, beside MLflow's, whose schema check allows them.

They are defined here as they are now. A change of them is a step of its own in ``versions``, too,
which brings hubs that are there to it.
"""

from sqlalchemy import JSON, BigInteger, Column, MetaData, String, Table

from mlflow_workspace_plugin import names

METADATA = MetaData()

WORKSPACES = Table(
    "workspace_plugin_workspaces",
    METADATA,
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
    METADATA,
    Column("writer", String(64), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
)
"""The last record of each journal that is stored."""

RECEIPTS = Table(
    "workspace_plugin_receipts",
    METADATA,
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
    METADATA,
    Column("run_uuid", String(32), primary_key=True),
    Column("table", String(64), primary_key=True),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    Column("timestamp", BigInteger, primary_key=True, autoincrement=False),
)
"""The place of each row of a table of SDK v1's, that rows of several processes never share one."""
