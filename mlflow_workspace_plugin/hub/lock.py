"""The lock under which a hub is made, upgraded, and its workspaces are made and deleted.

It keeps out who takes it. Those who merely log are seen by their connections.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from mlflow_workspace_plugin.errors import HubBusyError
from mlflow_workspace_plugin.hub.databases.database import translated_errors
from mlflow_workspace_plugin.hub.files.folder import HubFolder

if TYPE_CHECKING:
    from mlflow_workspace_plugin.hub.hub import Hub

# Any number, but the same in every version: PostgreSQL knows its advisory locks by it, within one
# database.
ADVISORY_LOCK = int.from_bytes(b"mlwsplug", "big")
_PAUSE_S = 0.2
# For who is at work in a SQLite file just now.
_BUSY_S = 2.0
_PROCESSES = Path("/proc")
_IS_THERE = text("SELECT 1")
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


class HubLock:
    """The lock, as its holder has it.

    Args:
        connection: whose transaction holds it, if that is in a server.
    """

    def __init__(self, connection: Connection | None = None) -> None:
        self._connection = connection

    def is_held(self) -> bool:
        """Whether it is held still: a server lets go of it when the connection breaks."""
        if self._connection is None:
            return True
        try:
            self._connection.execute(_IS_THERE)
        except SQLAlchemyError:
            self._connection.invalidate()
            return False
        return True


@contextmanager
def locked(folder: HubFolder, engine: Engine, within_s: float | None = None) -> Iterator[HubLock]:
    """Keep all other processes that use the same rows out, on this machine and on others.

    Args:
        folder: the hub's folder; with SQLite a file in it is locked.
        engine: of the hub's database; with PostgreSQL the lock is there, for several folders may
            name one database.
        within_s: for how many seconds to wait for whoever has it; None is as long as that takes.

    Raises:
        HubBusyError: another one has it for longer.
    """
    if engine.dialect.name != "postgresql":
        with ExitStack() as held:
            try:
                held.enter_context(folder.lock().acquire(timeout=within_s))
            except TimeoutError:
                raise _kept(folder, within_s) from None
            yield HubLock()
        return
    end = None if within_s is None else time.monotonic() + within_s
    with ExitStack() as held:
        while not _take(connection := held.enter_context(_live(engine))):
            # Who waits gives its connection back: it may be the one that the holder needs next.
            held.close()
            if end is not None and time.monotonic() > end:
                raise _kept(folder, within_s)
            time.sleep(_PAUSE_S)
        yield HubLock(connection)


@contextmanager
def locked_hub(hub: "Hub", within_s: float | None = None) -> Iterator[HubLock]:
    """Keep out who takes the lock of an open hub; yield whether it still is.

    Args:
        hub: the hub.
        within_s: for how many seconds to wait for them; None is as long as they take.

    Raises:
        HubBusyError: they take longer.
        HubError: its database or folder cannot be used.
    """
    # Only of the taking: what fails within the block speaks for itself.
    with translated_errors(hub.path, hub.database_uri):
        held = ExitStack()
        lock = held.enter_context(locked(hub.folder, hub.engine, within_s))
    with held:
        yield lock


def _kept(folder: HubFolder, within_s: float | None) -> HubBusyError:
    return HubBusyError(
        f"Another process has had the lock of hub {str(folder.path)!r} for {within_s:g} s: it "
        "upgrades the hub, removes something from it, or hangs. Try again when it has ended."
    )


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


def _live(engine: Engine) -> Connection:
    """Return a connection, not one that the server closed while it was idle."""
    connection = engine.connect()
    try:
        connection.execute(_IS_THERE)
    except DBAPIError as error:
        connection.close()
        if not error.connection_invalidated:
            raise
        # By now all that was idle is given up.
        return engine.connect()
    connection.rollback()
    return connection


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
