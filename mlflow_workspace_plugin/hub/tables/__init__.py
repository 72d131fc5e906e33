"""The tables of ours in a hub's database, beside MLflow's, whose schema check allows them.

They are defined here as they are now. A change of them is a step of its own in ``versions``, too,
which brings hubs that are there to it.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from mlflow_workspace_plugin import names

METADATA = MetaData()

NAME_LENGTH = 255
"""Of compute targets, environments, datastores, datasets and views."""
TYPE_LENGTH = 64
"""Of what starts jobs, and of datastores."""
VIEW_ID_LENGTH = 32
LABEL_LENGTH = 255
"""Of what is said of a log-in."""
ISSUER_LENGTH = 255
"""Of the URL of a provider of identities."""
SUBJECT_LENGTH = 255
"""Of its name for somebody, as the standard has it."""

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

JOBS = Table(
    "workspace_plugin_jobs",
    METADATA,
    Column("run_uuid", String(32), primary_key=True),
    Column("workspace", String(names.MAX_LENGTH), nullable=False),
    Column("state", String(20), nullable=False),
    Column("compute", String(NAME_LENGTH), nullable=False),
    Column("engine", String(TYPE_LENGTH), nullable=False),
    Column("handle", Text),
    Column("definition", JSON, nullable=False),
    Column("is_named", Boolean, nullable=False),
    Column("submitted_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("owner", String(64)),
    Column("runner", JSON),
    Column("beat", BigInteger, nullable=False),
    Column("beat_at", BigInteger),
    Column("cancel_requested_at", BigInteger),
    Column("said", String(20)),
    Column("ended_at", BigInteger),
    Column("exit_code", Integer),
    Column("cause", Text),
    Index("workspace_plugin_jobs_by_state", "workspace", "state"),
)
"""The runs that somebody runs, and who: the owner's word is the only one on how such a run goes.

``beat`` counts the owner's signs of life, ``beat_at`` is when the database got the last one, in its
own milliseconds. ``runner`` is where to look for the owner: host, boot, process and lock.
``said`` is how others said that the run ended, and ``is_named`` whether somebody chose its name.
"""

COMPUTES = Table(
    "workspace_plugin_computes",
    METADATA,
    Column("workspace", String(names.MAX_LENGTH), primary_key=True),
    Column("name", String(NAME_LENGTH), primary_key=True),
    Column("type", String(TYPE_LENGTH), nullable=False),
    Column("address", Text),
    Column("settings", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
"""The compute targets of a workspace: a name, and where its jobs run."""

ENVIRONMENTS = Table(
    "workspace_plugin_environments",
    METADATA,
    Column("workspace", String(names.MAX_LENGTH), primary_key=True),
    Column("name", String(NAME_LENGTH), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("definition", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
"""The environments that were registered in a workspace, each version of them."""

DATASTORES = Table(
    "workspace_plugin_datastores",
    METADATA,
    Column("workspace", String(names.MAX_LENGTH), primary_key=True),
    Column("key", String(NAME_LENGTH), primary_key=True),
    Column("name", String(NAME_LENGTH), nullable=False),
    Column("type", String(TYPE_LENGTH), nullable=False),
    Column("location", Text),
    Column("settings", JSON, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
"""The places of a workspace where data are, found by ``key``, the name in lower case.

Without a location that is a folder of the hub's own storage. The one that is there from the start
has no row, and is the default if no row is. No secret is in a row.
"""

DATASETS = Table(
    "workspace_plugin_datasets",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("workspace", String(names.MAX_LENGTH), nullable=False),
    Column("definition", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("workspace_plugin_datasets_by_workspace", "workspace"),
)
"""The definitions of data that were registered, or that a run used. The id is the definition's."""

DATASET_VERSIONS = Table(
    "workspace_plugin_dataset_versions",
    METADATA,
    Column("workspace", String(names.MAX_LENGTH), primary_key=True),
    Column("name", String(NAME_LENGTH), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("dataset", String(36), nullable=False),
    Column("description", Text),
    Column("tags", JSON, nullable=False),
    Column("manifest", Text),
    Column("created_at", BigInteger, nullable=False),
    Index("workspace_plugin_dataset_versions_by_dataset", "dataset"),
)
"""The versions under a name, each with a definition; ``manifest`` names the stored list of files.

No foreign key to the definition: they are written, and dropped, in one transaction.
"""

CHARTS = Table(
    "workspace_plugin_charts",
    METADATA,
    Column("run_uuid", String(32), primary_key=True),
    Column("key", String(250), primary_key=True),
    Column("x", String(4), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("latest", JSON, nullable=False),
    Column("buckets", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
"""What readers found of long metrics of ended runs, so that the next one need not read them.

A row is used while the metric has ``total`` values, the ``latest`` of which is as it was, and while
``version`` is that of what ``buckets`` holds. It may go at any time.
"""

VIEWS = Table(
    "workspace_plugin_views",
    METADATA,
    Column("workspace", String(names.MAX_LENGTH), primary_key=True),
    Column("id", String(VIEW_ID_LENGTH), primary_key=True),
    Column("name", String(NAME_LENGTH), nullable=False),
    Column("owner", String(NAME_LENGTH), nullable=False),
    Column("definition", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)
"""The saved views of a workspace: which charts of which runs, as somebody chose them."""

LOG_INS = Table(
    "workspace_plugin_log_ins",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("name", String(NAME_LENGTH), nullable=False),
    Column("user_id", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("label", String(LABEL_LENGTH), nullable=False),
    Column("workspaces", JSON(none_as_null=True)),
    Column("cap", String(16)),
    Column("run_uuid", String(32)),
    Column("key", LargeBinary, nullable=False),
    Column("seconds", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("why", String(16)),
    Column("parent", String(32)),
    Index("workspace_plugin_log_ins_by_name", "name"),
    Index("workspace_plugin_log_ins_by_parent", "parent"),
)
"""Who was let in, by what, and what they may do at most; the tokens of one end together.

``key`` makes the next tokens out of the last one, which is not kept; neither tells the other.
``seconds`` is the life of an access token. ``ended_at`` and ``why`` say that somebody, or the use
of an old token, ended it before its time. ``parent`` is the log-in that asked for this one, or said
yes to it: what revokes that ends this one, too. ``user_id`` is MLflow's number of the account:
another one of its name is not let in. On SQLite it may be the number of the next account, so what
there is of a name is ended whenever an account of that name is made.
"""

TOKENS = Table(
    "workspace_plugin_tokens",
    METADATA,
    Column("hash", String(64), primary_key=True),
    Column("log_in", String(32), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    Index("workspace_plugin_tokens_by_log_in", "log_in"),
)
"""The tokens of log-ins, by their SHA-256: access, refresh, and those of browsers.

Those of one ``generation`` were given in one answer, and ``used_at`` says that it arrived.
"""

CODES = Table(
    "workspace_plugin_codes",
    METADATA,
    Column("hash", String(64), primary_key=True),
    Column("shown", String(16), nullable=False, unique=True),
    Column("label", String(LABEL_LENGTH), nullable=False),
    Column("name", String(NAME_LENGTH)),
    Column("expires_at", BigInteger, nullable=False),
    Column("parent", String(32)),
)
"""Log-ins that wait until somebody says yes in a browser, by what the terminal ``shown`` there.

``name`` is the account that said yes, and ``parent`` the log-in by which it did.
"""

ATTEMPTS = Table(
    "workspace_plugin_attempts",
    METADATA,
    Column("hash", String(64), primary_key=True),
    Column("failed", Integer, nullable=False),
    Column("last_at", BigInteger, nullable=False),
)
"""Passwords that were wrong, by whose, so that they cannot be tried out."""

IDENTITIES = Table(
    "workspace_plugin_identities",
    METADATA,
    Column("issuer", String(ISSUER_LENGTH), primary_key=True),
    Column("subject", String(SUBJECT_LENGTH), primary_key=True),
    Column("name", String(NAME_LENGTH), nullable=False),
    Column("account", String(64), nullable=False),
    Column("shown", String(LABEL_LENGTH), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    Index("workspace_plugin_identities_by_name", "name"),
)
"""Which account is whose, of people that a provider of identities knows by a subject of its own.

``account`` tells the account of that name from another one that is given its name, and perhaps
MLflow's number of it, later. ``shown`` is what the provider calls them, for people to read.
"""

STATES = Table(
    "workspace_plugin_states",
    METADATA,
    Column("hash", String(64), primary_key=True),
    Column("expires_at", BigInteger, nullable=False),
)
"""The log-ins by such a provider that were finished, so that none is finished twice."""

JOURNALS = Table(
    "workspace_plugin_journals",
    METADATA,
    Column("workspace", String(names.MAX_LENGTH), primary_key=True),
    Column("writer", String(64), primary_key=True),
    Column("secret", String(64), nullable=False),
    Column("sequence", BigInteger, nullable=False),
)
"""The last stored record of each journal that was sent to a served hub.

``secret`` is the SHA-256 of what only the journal's folder holds: who has it goes on with it.
"""

REFUSALS = Table(
    "workspace_plugin_refusals",
    METADATA,
    Column("workspace", String(names.MAX_LENGTH), primary_key=True),
    Column("writer", String(64), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("refused", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
"""What was refused of such journals up to a record, until their senders say that they know."""
