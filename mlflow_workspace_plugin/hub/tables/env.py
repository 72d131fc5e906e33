"""What Alembic runs for each command on our tables: it is given the connection to work on."""

from alembic import context

from mlflow_workspace_plugin.hub.revisions import VERSION_TABLE
from mlflow_workspace_plugin.hub.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    # SQLite cannot change a column; Alembic makes the table anew.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
