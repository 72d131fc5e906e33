"""Opening, creating and upgrading a hub."""

import functools
import os
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from filelock import FileLock
from sqlalchemy import Engine

from mlflow_workspace_plugin.errors import HubCorruptError, HubNotFoundError, HubTooOldError
from mlflow_workspace_plugin.hub import schema
from mlflow_workspace_plugin.hub.catalog import Catalog
from mlflow_workspace_plugin.hub.database import (
    create_engine,
    database_url,
    open_engine,
    set_journal_mode,
    translated_errors,
)
from mlflow_workspace_plugin.hub.filesystem import file_system_type, is_network
from mlflow_workspace_plugin.hub.folder import HubFolder, HubSettings, JournalMode

_SQLITE_MAGIC = b"SQLite format 3\x00"

_open_hubs: dict[tuple[Path, int], "Hub"] = {}
_open_hubs_lock = threading.Lock()


@dataclass(frozen=True)
class Hub:
    """An open hub: its folder, its settings and its engine."""

    folder: HubFolder
    settings: HubSettings
    engine: Engine

    @property
    def path(self) -> Path:
        """The folder of the hub."""
        return self.folder.path

    @property
    def database_uri(self) -> str:
        """The SQLAlchemy URL of the hub's database."""
        return database_url(self.folder.database)

    @functools.cached_property
    def catalog(self) -> Catalog:
        """The workspaces of the hub."""
        return Catalog(self.folder, self.engine)


def open_hub(path: Path) -> Hub:
    """Open an existing hub; the same one each time within a process.

    Args:
        path: the hub's folder.

    Raises:
        HubNotFoundError: there is no hub in it.
        HubError: it cannot be used; the subclass says why.
    """
    folder = HubFolder(path)
    identity = folder.identity()
    if identity is None:
        raise HubNotFoundError(
            f"There is no hub in {str(path)!r}. Create one, with a first workspace, by: "
            f"mlflow-workspace create NAME --hub {path}"
        )
    with _open_hubs_lock:
        if (path, identity) not in _open_hubs:
            _open_hubs[path, identity] = _open(folder)
        return _open_hubs[path, identity]


def create_hub(path: Path, journal_mode: JournalMode | None = None) -> tuple[Hub, str | None]:
    """Open the hub in a folder, and make it first if there is none. Any number of processes may.

    Args:
        path: the folder; made if missing, readable by its owner only.
        journal_mode: SQLite's journal mode for a new hub. By default ``wal``, or ``delete`` on a
            network file system.

    Returns:
        The hub, and what the user should be told about how it was made (None if nothing).

    Raises:
        HubError: it cannot be made or used; the subclass says why.
    """
    folder = HubFolder(path)
    notice = None
    if folder.identity() is None:
        folder.create()
        folder.check_access()
        with translated_errors(path), FileLock(folder.lock_file):
            if folder.identity() is None:
                notice = _make(folder, journal_mode)
    return open_hub(path), notice


def upgrade_hub(path: Path) -> Path | None:
    """Migrate a hub that an older MLflow made, after backing its database up.

    Args:
        path: the hub's folder. No other process may use the hub meanwhile.

    Returns:
        The backup; None when the hub was up to date.

    Raises:
        HubTooNewError: a newer MLflow made it.
        HubCorruptError: the database was damaged, or is after the migration.
    """
    folder = HubFolder(path)
    if folder.identity() is None:
        raise HubNotFoundError(f"There is no hub in {str(path)!r}. Name the folder of one.")
    folder.check_access()
    _check_magic(folder)
    with translated_errors(path), FileLock(folder.lock_file):
        engine = create_engine(folder.database, folder.load_settings().journal_mode)
        try:
            schema.verify(engine, path)
        except HubTooOldError:
            backup = _back_up(folder)
            schema.upgrade(engine)
            schema.verify(engine, path)
            if problems := integrity_problems(folder):
                raise HubCorruptError(
                    f"Hub {str(path)!r} is damaged after the migration: {problems[0]}. "
                    f"The database as it was before is in {str(backup)!r}; put it back as hub.db."
                ) from None
            return backup
        finally:
            engine.dispose()
    return None


def integrity_problems(folder: HubFolder) -> list[str]:
    """Return what SQLite finds wrong with the database of a hub; an empty list when it is sound."""
    uri = f"{folder.database.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            rows = connection.execute("PRAGMA integrity_check(10)").fetchall()
            rows += connection.execute("PRAGMA foreign_key_check").fetchall()
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [" ".join(map(str, row)) for row in rows if row != ("ok",)]


def _open(folder: HubFolder) -> Hub:
    folder.check_access()
    _check_magic(folder)
    settings = folder.load_settings()
    with translated_errors(folder.path):
        engine = open_engine(folder.database, settings.journal_mode)
        schema.verify(engine, folder.path)
        # Only now: a hub that is refused is left as it is.
        set_journal_mode(engine, settings.journal_mode)
    return Hub(folder, settings, engine)


def _check_magic(folder: HubFolder) -> None:
    with folder.database.open("rb") as file:
        start = file.read(len(_SQLITE_MAGIC))
    if start != _SQLITE_MAGIC:
        raise HubCorruptError(
            f"{str(folder.database)!r} is not a database. "
            "Restore it from a backup, or move it away and create the workspaces again."
        )


def _make(folder: HubFolder, journal_mode: JournalMode | None) -> str | None:
    """Make the database beside its place and move it there, so that a hub is whole or absent."""
    notice = None
    if journal_mode is None:
        file_system = file_system_type(folder.path)
        if is_network(file_system):
            journal_mode = "delete"
            notice = (
                f"Hub {str(folder.path)!r} is on a {file_system} file system, where SQLite's "
                "write-ahead log is unsafe. It uses journal_mode 'delete', which is slower."
            )
        else:
            journal_mode = HubSettings().journal_mode
    folder.save_settings(HubSettings(journal_mode))
    folder.make_directory(folder.artifacts)
    unfinished = folder.database.with_name("hub.db.unfinished")
    for leftover in folder.path.glob(unfinished.name + "*"):
        leftover.unlink()
    engine = create_engine(unfinished, journal_mode)
    try:
        set_journal_mode(engine, journal_mode)
        schema.initialise(engine)
    finally:
        # Closing the last connection folds the write-ahead log into the file.
        engine.dispose()
    folder.share_file(unfinished)
    os.replace(unfinished, folder.database)  # noqa: PTH105  the name says what it does
    folder.share_file(folder.lock_file)
    return notice


def _back_up(folder: HubFolder) -> Path:
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    backup = folder.database.with_name(f"hub.db.backup-{stamp}")
    with (
        closing(sqlite3.connect(folder.database)) as source,
        closing(sqlite3.connect(backup)) as target,
    ):
        source.backup(target)
    folder.share_file(backup)
    return backup
