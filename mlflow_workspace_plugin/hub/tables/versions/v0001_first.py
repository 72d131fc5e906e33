"""The first version that is written down; databases from before it hold a part, or older forms."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables that are missing, and the columns that two of them had not from the start."""
    found = sa.inspect(op.get_bind())
    if not found.has_table("workspace_plugin_workspaces"):
        op.create_table(
            "workspace_plugin_workspaces",
            sa.Column("name", sa.String(63), primary_key=True),
            sa.Column("display_name", sa.String(255), nullable=False),
            sa.Column("subscription_id", sa.String(255), nullable=False),
            sa.Column("resource_group", sa.String(255), nullable=False),
            sa.Column("location", sa.String(255), nullable=False),
            sa.Column("created_at", sa.BigInteger, nullable=False),
            sa.Column("tags", sa.JSON, nullable=False),
        )
    elif _lacks(found, "workspace_plugin_workspaces", "tags"):
        _add("workspace_plugin_workspaces", sa.Column("tags", sa.JSON), "'{}'")
    if not found.has_table("workspace_plugin_writers"):
        op.create_table(
            "workspace_plugin_writers",
            sa.Column("writer", sa.String(64), primary_key=True),
            sa.Column("sequence", sa.BigInteger, nullable=False),
        )
    if not found.has_table("workspace_plugin_receipts"):
        op.create_table(
            "workspace_plugin_receipts",
            sa.Column("run_uuid", sa.String(32), primary_key=True),
            sa.Column("key", sa.String(250), primary_key=True),
            sa.Column("writer", sa.String(64), primary_key=True),
            sa.Column("logged", sa.BigInteger, nullable=False),
            sa.Column("stored", sa.BigInteger, nullable=False),
            sa.Column("repeated", sa.BigInteger, nullable=False),
            sa.Column("refused", sa.BigInteger, nullable=False),
            sa.Column("dropped", sa.BigInteger, nullable=False),
        )
    elif _lacks(found, "workspace_plugin_receipts", "logged"):
        # Until then nothing was counted as logged but what became of it.
        logged = sa.Column("logged", sa.BigInteger)
        _add("workspace_plugin_receipts", logged, "stored + repeated + refused + dropped")
    if not found.has_table("workspace_plugin_rows"):
        op.create_table(
            "workspace_plugin_rows",
            sa.Column("run_uuid", sa.String(32), primary_key=True),
            sa.Column("table", sa.String(64), primary_key=True),
            sa.Column("step", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("timestamp", sa.BigInteger, primary_key=True, autoincrement=False),
        )


def _lacks(found: sa.Inspector, table: str, column: str) -> bool:
    return column not in {each["name"] for each in found.get_columns(table)}


def _add(table: str, column: "sa.Column[Any]", value: str) -> None:
    """Add a column that is never NULL, and fill it in the rows that are there."""
    op.add_column(table, column)
    op.execute(f"UPDATE {table} SET {column.name} = {value}")
    with op.batch_alter_table(table) as batch:
        batch.alter_column(column.name, existing_type=column.type, nullable=False)
