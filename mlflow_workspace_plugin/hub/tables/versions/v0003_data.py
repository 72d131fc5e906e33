"""Datastores and datasets."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make their tables."""
    op.create_table(
        "workspace_plugin_datastores",
        sa.Column("workspace", sa.String(63), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("location", sa.Text),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("is_default", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "workspace_plugin_datasets",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("workspace", sa.String(63), nullable=False),
        sa.Column("definition", sa.JSON, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index(
        "workspace_plugin_datasets_by_workspace", "workspace_plugin_datasets", ["workspace"]
    )
    op.create_table(
        "workspace_plugin_dataset_versions",
        sa.Column("workspace", sa.String(63), primary_key=True),
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("dataset", sa.String(36), nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("manifest", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index(
        "workspace_plugin_dataset_versions_by_dataset",
        "workspace_plugin_dataset_versions",
        ["dataset"],
    )
