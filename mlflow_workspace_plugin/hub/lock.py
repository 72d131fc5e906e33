"""The lock under which a hub is made, upgraded, and its workspaces are made and deleted."""

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock
from sqlalchemy import Engine, text

from mlflow_workspace_plugin.hub.folder import HubFolder

# Any number, but the same in every version: PostgreSQL knows its advisory locks by it, within one
# database.
ADVISORY_LOCK = int.from_bytes(b"mlwsplug", "big")


@contextmanager
def locked(folder: HubFolder, engine: Engine) -> Iterator[None]:
    """Keep all other processes that use the same rows out, on this machine and on others.

    Args:
        folder: the hub's folder; with SQLite a file in it is locked.
        engine: of the hub's database; with PostgreSQL the lock is there, for several folders may
            name one database.
    """
    if engine.dialect.name != "postgresql":
        with FileLock(folder.lock_file):
            yield
        return
    with engine.connect() as connection:
        # A connection of its own: what is done under the lock needs those of the pool.
        connection.detach()
        # The lock is waited for and held for as long as it takes, whatever the server's defaults.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        # Held by the transaction, not the session, so that it works through a connection pooler.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        yield
