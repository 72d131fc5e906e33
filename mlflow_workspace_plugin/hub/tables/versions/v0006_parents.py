"""Which log-in another one came from."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns; of log-ins that are there it is not known."""
    op.add_column("workspace_plugin_log_ins", sa.Column("parent", sa.String(32)))
    op.create_index("workspace_plugin_log_ins_by_parent", "workspace_plugin_log_ins", ["parent"])
    op.add_column("workspace_plugin_codes", sa.Column("parent", sa.String(32)))
