"""The SQLAlchemy engine of a hub: one for each process and hub, shared by all of its stores."""

import os
import sqlite3
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.store.db.utils import create_sqlalchemy_engine
from sqlalchemy import URL, Engine, event, text
from sqlalchemy.exc import DBAPIError

from mlflow_workspace_plugin.errors import (
    AzureMLException,
    HubBusyError,
    HubCorruptError,
    HubFullError,
    HubNotWritableError,
    HubSettingsError,
)
from mlflow_workspace_plugin.hub.folder import JournalMode

RESTORE_REMEDY = (
    "restore hub.db from a backup. Move hub.db, hub.db-wal and hub.db-shm away together first: "
    "they are one database."
)

_BUSY_TIMEOUT_MS = 20_000  # as in MLflow's own sessions

_engines: dict[str, Engine] = {}
_inherited: list[Any] = []


def database_url(database: Path) -> str:
    """Return the SQLAlchemy URL of a SQLite file."""
    # With the driver named, MLflow does not make the folder, which it would take percent-encoded.
    return URL.create("sqlite+pysqlite", database=str(database)).render_as_string()


def create_engine(database: Path, journal_mode: JournalMode) -> Engine:
    """Create an engine on a SQLite file of the given journal mode.

    A commit survives the death of the process in every mode. With ``wal`` a power loss may undo
    the last commits (never damage the file); the other modes wait for the disk at each commit.
    """
    engine: Engine = create_sqlalchemy_engine(database_url(database))
    synchronous = "NORMAL" if journal_mode == "wal" else "FULL"

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        connection.execute(f"PRAGMA synchronous = {synchronous}")

    _renew_after_fork(engine)
    return engine


def set_journal_mode(engine: Engine, journal_mode: JournalMode) -> None:
    """Put the SQLite file of an engine into a journal mode, which it keeps."""
    with engine.connect() as connection:
        found = connection.execute(text(f"PRAGMA journal_mode = {journal_mode}")).scalar()
    if found != journal_mode:
        raise HubSettingsError(
            f"SQLite keeps {str(engine.url.database)!r} in journal_mode {found!r} and refuses "
            f'{journal_mode!r}. Set journal_mode = "{found}" in hub.toml.'
        )


def open_engine(database: Path, journal_mode: JournalMode) -> Engine:
    """Return the one engine of this process on a path, without connections to an earlier file."""
    url = database_url(database)
    if url in _engines:
        _engines[url].dispose()
    else:
        _engines[url] = create_engine(database, journal_mode)
    return _engines[url]


def engine_of(url: str) -> Engine:
    """Return the engine that :func:`open_engine` made for a URL."""
    return _engines[url]


@contextmanager
def translated_errors(hub: Path) -> Iterator[None]:
    """Turn an error of the disk or the database into one that names the hub, reason and remedy.

    What is not such an error passes through unchanged.

    Raises:
        HubFullError: the disk or a quota is full.
        HubNotWritableError: the file system became read-only, or permission is missing.
        HubCorruptError: the database file is damaged.
        HubBusyError: the database stayed locked.
    """
    try:
        yield
    except AzureMLException:
        raise
    except (DBAPIError, MlflowException, OSError, sqlite3.Error) as error:
        translated = _translate(error, hub)
        if translated is None:
            raise
        raise translated from error


def _translate(error: Exception, hub: Path) -> AzureMLException | None:
    cause: BaseException | None = error.__cause__ if isinstance(error, MlflowException) else error
    if isinstance(cause, DBAPIError):
        cause = cause.orig
    if not isinstance(cause, (OSError, sqlite3.Error)):
        return None
    reason = str(cause.strerror if isinstance(cause, OSError) else cause).lower()
    stored = "What was logged before is still there."
    if "is full" in reason or "no space" in reason or "quota" in reason:
        return HubFullError(
            f"Hub {str(hub)!r} could not store this: the disk or quota is full ({reason}). "
            f"Free some space and log again. {stored}"
        )
    if "readonly" in reason or "read-only" in reason:
        return HubNotWritableError(
            f"Hub {str(hub)!r} could not store this: its file system is read-only ({reason}). "
            f"Make it writable and log again. {stored}"
        )
    if "not a database" in reason or "malformed" in reason:
        return HubCorruptError(
            f"The database of hub {str(hub)!r} is damaged ({reason}). Keep a copy of the folder, "
            f"then {RESTORE_REMEDY}"
        )
    if "locked" in reason:
        return HubBusyError(
            f"The database of hub {str(hub)!r} stayed locked for {_BUSY_TIMEOUT_MS // 1000} s by "
            f"another process ({reason}). End that process, or log again later. {stored}"
        )
    return None


def translated_sessions(
    session_maker: Callable[..., AbstractContextManager[Any]], hub: Path
) -> Callable[..., AbstractContextManager[Any]]:
    """Wrap one of MLflow's session makers in :func:`translated_errors`."""

    @contextmanager
    def session(*args: Any, **kwargs: Any) -> Iterator[Any]:
        with translated_errors(hub), session_maker(*args, **kwargs) as opened:
            yield opened

    return session


def _renew_after_fork(engine: Engine) -> None:
    """Give a forked child connections of its own.

    SQLite's connections must not cross a fork: while one is open there, the child believes to hold
    the parent's locks, takes none of its own, and loses its log when the parent ends. So the idle
    ones are closed before a fork. One in use by another thread of the parent at that moment stays
    open; the child keeps it alive, for closing it would drop locks of the parent.
    """
    reference = weakref.ref(engine)

    def _before() -> None:
        parent = reference()
        if parent is not None:
            parent.dispose()

    def _in_child() -> None:
        inherited = reference()
        if inherited is not None:
            _inherited.append(inherited.pool)
            inherited.dispose(close=False)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before, after_in_child=_in_child)
