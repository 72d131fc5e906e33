"""The SQLAlchemy engine of a hub: one for each process and hub, shared by all of its stores."""

import os
import sqlite3
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.store.db.utils import create_sqlalchemy_engine
from sqlalchemy import URL, Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError, InvalidatePoolError

from mlflow_workspace_plugin.errors import (
    AzureMLException,
    HubBusyError,
    HubCorruptError,
    HubFullError,
    HubNotWritableError,
    HubSettingsError,
)
from mlflow_workspace_plugin.fork_gate import Uses, gate
from mlflow_workspace_plugin.hub.databases import postgresql, unstorable
from mlflow_workspace_plugin.hub.files.folder import HubFolder, HubSettings
from mlflow_workspace_plugin.hub.files.layout import JournalMode
from mlflow_workspace_plugin.terminal import get_logger

RESTORE_REMEDY = (
    "restore hub.db from a backup. Move hub.db, hub.db-wal and hub.db-shm away together first: "
    "they are one database."
)

BUSY_TIMEOUT_MS = 20_000  # as in MLflow's own sessions
_CACHE_KIB = 65_536  # taken as needed

_SQLITE_MAGIC = b"SQLite format 3\x00"

_logger = get_logger(__name__)
_FORK_WAIT_S = 30.0
# A server's connection does no harm in the child, and a silent server would keep the fork waiting.
_FORK_WAIT_SERVER_S = 0.05

_engines: dict[str, Engine] = {}
_inherited: list[Any] = []


def database_url(database: Path) -> str:
    """Return the SQLAlchemy URL of a SQLite file."""
    # With the driver named, MLflow does not make the folder, which it would take percent-encoded.
    return URL.create("sqlite+pysqlite", database=str(database)).render_as_string()


def url_of(folder: HubFolder, settings: HubSettings) -> str:
    """Return the SQLAlchemy URL of a hub's database, without a secret in it."""
    return settings.database or database_url(folder.database)


def create_engine(url: str, settings: HubSettings) -> Engine:
    """Create an engine on a URL, as :func:`url_of` returns it.

    A commit survives the death of the process. With SQLite's ``wal`` a power loss may undo the
    last commits (never damage the file); its other modes wait for the disk at each commit.
    """
    if settings.database is not None:
        engine = postgresql.create_engine(url)
    else:
        engine = create_sqlalchemy_engine(url)
        synchronous = "NORMAL" if settings.journal_mode == "wal" else "FULL"
        _on_connect(
            engine,
            f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
            f"PRAGMA synchronous = {synchronous}",
        )
        _leave_replaced_file(engine)
    _renew_after_fork(engine)
    return engine


def engine_of_copy(copy: Path) -> Engine:
    """Create an engine on a copy of a SQLite file, which nobody misses after a power loss."""
    engine: Engine = create_sqlalchemy_engine(database_url(copy))
    _on_connect(engine, "PRAGMA journal_mode = MEMORY", "PRAGMA synchronous = OFF")
    return engine


def problems_of_file(database: Path) -> list[str]:
    """Return what SQLite finds wrong with a file; an empty list when it is sound."""
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute("PRAGMA integrity_check(10)").fetchall()
            rows += connection.execute("PRAGMA foreign_key_check").fetchall()
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [" ".join(map(str, row)) for row in rows if row != ("ok",)]


def check_magic(folder: HubFolder) -> None:
    """Check that the file that holds the rows is a database.

    Raises:
        HubCorruptError: it is none.
    """
    start = b""
    # Opening a pipe would wait for somebody to write to it.
    if folder.database.is_file():
        with folder.database.open("rb") as file:
            start = file.read(len(_SQLITE_MAGIC))
    if start != _SQLITE_MAGIC:
        raise HubCorruptError(
            f"{str(folder.database)!r} is not a database. "
            f"Create the workspaces in another folder, or {RESTORE_REMEDY}"
        )


def set_journal_mode(engine: Engine, journal_mode: JournalMode) -> None:
    """Put the SQLite file of an engine into a journal mode, which it keeps."""
    with connected(engine) as connection:
        found = connection.execute(text(f"PRAGMA journal_mode = {journal_mode}")).scalar()
    if found != journal_mode:
        raise HubSettingsError(
            f"SQLite keeps {str(engine.url.database)!r} in journal_mode {found!r} and refuses "
            f'{journal_mode!r}. Set journal_mode = "{found}" in hub.toml.'
        )


def open_engine(url: str, settings: HubSettings) -> Engine:
    """Return the one engine of this process on a URL, without connections to an earlier file."""
    if url in _engines:
        _engines[url].dispose()
    else:
        engine = create_engine(url, settings)
        if settings.database is None:
            # What MLflow sets in its sessions, for statements outside of them. Not in an engine
            # that migrates: SQLite would delete what refers to a table that is made anew.
            _on_connect(
                engine,
                "PRAGMA foreign_keys = ON",
                "PRAGMA case_sensitive_like = true",
                f"PRAGMA cache_size = -{_CACHE_KIB}",
            )
        _engines[url] = engine
    return _engines[url]


def engine_of(url: str) -> Engine:
    """Return the engine that :func:`open_engine` made for a URL."""
    return _engines[url]


def uses_of(engine: Engine) -> Uses:
    """Return the uses that keep forks apart from those of an engine: ``with`` it, none happens."""
    return gate.files if engine.dialect.name == "sqlite" else gate.servers


@contextmanager
def connected(engine: Engine) -> Iterator[Connection]:
    """Open a connection, and keep forks apart."""
    with uses_of(engine), engine.connect() as connection:
        yield connection


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Open a connection for a transaction that is committed at the end, and keep forks apart."""
    with uses_of(engine), engine.begin() as connection:
        yield connection


@contextmanager
def translated_errors(
    hub: Path, database: str | None = None, *, is_read: bool = False
) -> Iterator[None]:
    """Turn an error of the disk or the database into one that names the hub, reason and remedy.

    What is not such an error passes through unchanged.

    Args:
        hub: the hub's folder.
        database: the URL of its database, to name the server in what is said of PostgreSQL.
        is_read: whether something is looked for, and nothing stored.

    Raises:
        HubFullError: the disk or a quota is full.
        HubNotWritableError: the file system became read-only, or permission is missing.
        HubCorruptError: the database file is damaged.
        HubBusyError: the database stayed locked.
        HubUnreachableError: the database server does not answer, or refuses to.
        UnstorableValueError: the database cannot store what it was given.
    """
    try:
        yield
    except AzureMLException:
        raise
    except (DBAPIError, MlflowException, OSError, UnicodeEncodeError, sqlite3.Error) as error:
        cause = error.__cause__ if isinstance(error, MlflowException) else error
        translated = (
            unstorable.translate(cause, str(hub), is_read=is_read)
            or _translate(cause, hub)
            or postgresql.translate(cause, str(hub), database)
        )
        if translated is None:
            raise
        # All of it, statement and stack, is a hundred lines in which nobody finds the sentence.
        _logger.debug("%s", translated, exc_info=error)
        raise translated from _source(cause)


def _source(cause: BaseException | None) -> BaseException | None:
    """Return the driver's own error, as a line that says what is behind ours."""
    source = cause.orig if isinstance(cause, DBAPIError) else cause
    if isinstance(source, Exception):
        source.__cause__ = source.__context__ = None
        return source.with_traceback(None)
    return source


def _translate(cause: BaseException | None, hub: Path) -> AzureMLException | None:
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
            f"The database of hub {str(hub)!r} stayed locked for {BUSY_TIMEOUT_MS // 1000} s by "
            f"another process ({reason}). End that process, or log again later. {stored}"
        )
    return None


def translated_sessions(
    session_maker: Callable[..., AbstractContextManager[Any]],
    engine: Engine,
    hub: Path,
    database: str | None = None,
) -> Callable[..., AbstractContextManager[Any]]:
    """Wrap one of MLflow's session makers in :func:`translated_errors`, and keep forks apart.

    MLflow's own would log each error of a database with its stack; ours it lets through.

    Args:
        session_maker: of sessions of an engine.
        engine: the engine.
        hub: the hub's folder.
        database: see :func:`translated_errors`.
    """

    @contextmanager
    def session(*args: Any, read_only: bool = True, **kwargs: Any) -> Iterator[Any]:
        with (
            uses_of(engine),
            translated_errors(hub, database, is_read=read_only),
            session_maker(*args, read_only=read_only, **kwargs) as opened,
            translated_errors(hub, database, is_read=read_only),
        ):
            yield opened
            opened.commit()

    return session


def _on_connect(engine: Engine, *statements: str) -> None:
    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _record: Any) -> None:
        for statement in statements:
            connection.execute(statement)


def _leave_replaced_file(engine: Engine) -> None:
    """Let no connection be used again whose file was replaced, as by a backup that was restored.

    What is written to a file that has no name any more nobody ever reads. A file that is away
    for now is left open.
    """
    database = str(engine.url.database)

    @event.listens_for(engine, "connect")
    def _note(_connection: Any, record: Any) -> None:
        record.info["file"] = _file_at(database)

    @event.listens_for(engine, "checkout")
    def _check(_connection: Any, record: Any, _proxy: Any) -> None:
        found = _file_at(database)
        if found is not None and found != record.info["file"]:
            raise InvalidatePoolError(f"{database!r} was replaced.")


def _file_at(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116  each use of a connection asks
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _renew_after_fork(engine: Engine) -> None:
    """Give a forked child connections of its own.

    SQLite's connections must not cross a fork: while one is open there, the child believes to hold
    the parent's locks, takes none of its own, and loses its log when the parent ends. A server
    would hear both on one socket. So a fork waits until none is in use, and the idle ones are
    closed before it. One that another thread uses for too long stays open; the child keeps it
    alive, for closing it would drop locks of the parent.
    """
    reference = weakref.ref(engine)
    uses = uses_of(engine)
    wait_s = _FORK_WAIT_S if uses is gate.files else _FORK_WAIT_SERVER_S

    def _before() -> None:
        parent = reference()
        if parent is not None:
            gate.close(uses, wait_s)
            parent.dispose()

    def _in_child() -> None:
        gate.renew()
        inherited = reference()
        if inherited is not None:
            _inherited.append(inherited.pool)
            inherited.dispose(close=False)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before, after_in_parent=gate.open, after_in_child=_in_child)
