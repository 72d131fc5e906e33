"""The lock under which a hub is made, upgraded, and its workspaces are made and deleted.

It keeps out who takes it. Those who merely log are seen by their connections.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from mlflow_workspace_plugin.errors import HubBusyError
from mlflow_workspace_plugin.hub.files.folder import HubFolder

# Any number, but the same in every version: PostgreSQL knows its advisory locks by it, within one
# database.
ADVISORY_LOCK = int.from_bytes(b"mlwsplug", "big")
_PAUSE_S = 0.2
# For who is at work in a SQLite file just now.
_BUSY_S = 2.0
_PROCESSES = Path("/proc")
# Who holds the lock is not another one. PostgreSQL keeps its number in two halves, and shows users
# without the right to see more of others nothing but their names and programs.
_OTHERS = text("""
    SELECT count(*) AS number, application_name AS program, usename AS role,
        host(client_addr) AS host
    FROM pg_stat_activity
    WHERE datname = current_database() AND usename IS NOT NULL
    AND coalesce(backend_type, 'client backend') = 'client backend'
    AND pid <> pg_backend_pid() AND pid NOT IN (
        SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
        AND (CAST(classid AS bigint) << 32) + CAST(objid AS bigint) = :lock
    )
    GROUP BY program, role, host ORDER BY program, role, host
""")


@contextmanager
def locked(folder: HubFolder, engine: Engine) -> Iterator[None]:
    """Keep all other processes that use the same rows out, on this machine and on others.

    Args:
        folder: the hub's folder; with SQLite a file in it is locked.
        engine: of the hub's database; with PostgreSQL the lock is there, for several folders may
            name one database.
    """
    if engine.dialect.name != "postgresql":
        with folder.lock():
            yield
        return
    with ExitStack() as held:
        while not _take(held.enter_context(engine.connect())):
            # Who waits gives its connection back: it may be the one that the holder needs next.
            held.close()
            time.sleep(_PAUSE_S)
        yield


def others_connected(engine: Engine) -> list[str]:
    """Return who else is connected to the database, for people to read: program, user and host.

    Args:
        engine: of a process that holds the lock of the hub, by a connection of its own.
    """
    with engine.connect() as connection:
        found = connection.execute(_OTHERS, {"lock": ADVISORY_LOCK}).all()
    return [
        f"{each.number} x {each.program or 'a program without a name'} "
        f"of {each.role} on {each.host or 'the server itself'}"
        for each in found
    ]


@contextmanager
def held_alone(folder: HubFolder, *, force: bool) -> Iterator[sqlite3.Connection]:
    """Yield a connection to a hub's SQLite file that keeps all others out, readers as well.

    Args:
        folder: of the hub.
        force: do so although others have the file open and are not at work in it. With a
            write-ahead log they count as being so.

    Raises:
        HubBusyError: others have it open.
    """
    uri = f"{folder.database.as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None)) as held:
        # The lock is taken by the next transaction and kept to the end of the connection.
        held.execute("PRAGMA locking_mode = EXCLUSIVE")
        try:
            held.execute("BEGIN EXCLUSIVE")
            held.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            others = _others_with_open(folder.database) or [
                "this process, or one of another user or machine"
            ]
            raise _in_use(folder, others, "End them, and try again.") from None
        if not force and (others := _others_with_open(folder.database)):
            raise _in_use(folder, others, "End them, or upgrade with --force.")
        yield held


def _in_use(folder: HubFolder, others: list[str], remedy: str) -> HubBusyError:
    return HubBusyError(
        f"Hub {str(folder.path)!r} was not upgraded: its database {str(folder.database)!r} is in "
        f"use by {', '.join(others)}. {remedy}"
    )


def _others_with_open(file: Path) -> list[str]:
    """Return the other processes that have a file open, as far as Linux shows them to this user."""
    wanted, found = file.stat(), []
    for process in _PROCESSES.glob("[0-9]*"):
        # Any of them may end meanwhile.
        with suppress(OSError):
            name = (process / "comm").read_text().strip()
            if process.name != str(os.getpid()) and _has_open(process, wanted):
                found.append(f"process {process.name} ({name!r})")
    return found


def _has_open(process: Path, wanted: os.stat_result) -> bool:
    for opened in (process / "fd").iterdir():
        with suppress(OSError):
            if os.path.samestat(opened.stat(), wanted):
                return True
    return False


def _take(connection: Connection) -> bool:
    """Take the lock for the transaction of a connection, if nobody holds it."""
    # A connection of its own: what is done under the lock needs those of the pool.
    connection.detach()
    # The lock is held for as long as it takes, whatever the server's defaults.
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    # Held by the transaction, not the session, so that it works through a connection pooler.
    lock = text("SELECT pg_try_advisory_xact_lock(:key)")
    return bool(connection.scalar(lock, {"key": ADVISORY_LOCK}))
