"""Log-ins at a served hub, their tokens, who others say logs in, and journals sent to it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make their tables."""
    op.create_table(
        "workspace_plugin_log_ins",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("label", sa.String(255), nullable=False),
        sa.Column("workspaces", sa.JSON),
        sa.Column("cap", sa.String(16)),
        sa.Column("run_uuid", sa.String(32)),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("seconds", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("why", sa.String(16)),
    )
    op.create_index("workspace_plugin_log_ins_by_name", "workspace_plugin_log_ins", ["name"])
    op.create_table(
        "workspace_plugin_tokens",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("log_in", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger),
    )
    op.create_index("workspace_plugin_tokens_by_log_in", "workspace_plugin_tokens", ["log_in"])
    op.create_table(
        "workspace_plugin_codes",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("shown", sa.String(16), nullable=False, unique=True),
        sa.Column("label", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255)),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "workspace_plugin_attempts",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "workspace_plugin_identities",
        sa.Column("issuer", sa.String(255), primary_key=True),
        sa.Column("subject", sa.String(255), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("shown", sa.String(255), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger),
    )
    op.create_index("workspace_plugin_identities_by_name", "workspace_plugin_identities", ["name"])
    op.create_table(
        "workspace_plugin_states",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "workspace_plugin_journals",
        sa.Column("workspace", sa.String(63), primary_key=True),
        sa.Column("writer", sa.String(64), primary_key=True),
        sa.Column("secret", sa.String(64), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "workspace_plugin_refusals",
        sa.Column("workspace", sa.String(63), primary_key=True),
        sa.Column("writer", sa.String(64), primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("refused", sa.JSON, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
