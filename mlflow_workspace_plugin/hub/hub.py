"""Opening, creating and upgrading a hub."""

import os
import secrets
import shlex
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sqlalchemy import Engine

from mlflow_workspace_plugin.errors import (
    HubCorruptError,
    HubError,
    HubNotFoundError,
    HubSettingsError,
    HubTooOldError,
)
from mlflow_workspace_plugin.hub import azure, postgresql, schema, trust, upgrade
from mlflow_workspace_plugin.hub.catalog import Catalog
from mlflow_workspace_plugin.hub.database import (
    RESTORE_REMEDY,
    create_engine,
    database_url,
    open_engine,
    problems_of_file,
    set_journal_mode,
    translated_errors,
    url_of,
)
from mlflow_workspace_plugin.hub.filesystem import file_system_type, is_network
from mlflow_workspace_plugin.hub.folder import HubFolder, HubSettings
from mlflow_workspace_plugin.hub.layout import JournalMode
from mlflow_workspace_plugin.hub.lock import locked
from mlflow_workspace_plugin.hub.statistics import Statistics
from mlflow_workspace_plugin.hub.tables import version
from mlflow_workspace_plugin.hub.upgrade import Upgrade

_SQLITE_MAGIC = b"SQLite format 3\x00"

_open_hubs: dict[tuple[Path, tuple[int, int]], "Hub"] = {}
_open_hubs_lock = threading.Lock()


def _unlock_in_child() -> None:
    # Another thread of the parent may have held it at the fork, and does not exist in the child.
    global _open_hubs_lock
    _open_hubs_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock_in_child)


@dataclass(frozen=True)
class Hub:
    """An open hub: its folder, its settings and its engine."""

    folder: HubFolder
    settings: HubSettings
    engine: Engine
    catalog: Catalog
    """The workspaces of the hub."""
    statistics: Statistics
    """What the database knows about its tables."""

    @property
    def path(self) -> Path:
        """The folder of the hub."""
        return self.folder.path

    @property
    def database_uri(self) -> str:
        """The SQLAlchemy URL of the hub's database; it holds no secret."""
        return url_of(self.folder, self.settings)

    def place_of(self, location: PurePosixPath | None = None) -> str:
        """Return where a path below the artifact root is, for people: a folder, or a URI."""
        root = self.settings.artifact_root
        return (
            str(self.folder.artifacts / (location or "")) if root is None else root.place(location)
        )

    @property
    def rows(self) -> str:
        """Where the rows are, for people to read: a file, or the URL of a database."""
        return self.settings.database or str(self.folder.database)


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
            f"mlflow-workspace create NAME --hub {shlex.quote(str(path))}"
        )
    with _open_hubs_lock:
        if (path, identity) not in _open_hubs:
            _open_hubs[path, identity] = _open(folder)
        return _open_hubs[path, identity]


def create_hub(
    path: Path,
    journal_mode: JournalMode | None = None,
    database: str | None = None,
    artifacts: str | None = None,
) -> tuple[Hub, str | None]:
    """Open the hub in a folder, and make it first if there is none. Any number of processes may.

    Args:
        path: the folder; made if missing, readable by its owner only.
        journal_mode: SQLite's journal mode for a new hub. By default ``wal``, or ``delete`` on a
            network file system.
        database: the URL of a PostgreSQL database for the rows of a new hub, empty or MLflow's.
            Its password is written ``${NAME}``, for an environment variable. By default the rows
            are in SQLite, in the folder.
        artifacts: the URI of a place in Azure Blob Storage for the files of a new hub, with a
            secret as ``?credential=${NAME}`` only. By default they are in the folder.

    Where the database and the files are, as named here, is recorded as trusted by this user.

    Returns:
        The hub, and what the user should be told about how it was made (None if nothing).

    Raises:
        HubSettingsError: the hub exists and has other settings than those given, or they cannot be
            used together.
        HubError: it cannot be made or used; the subclass says why.
    """
    if database is not None:
        if journal_mode is not None:
            raise HubSettingsError(
                "A journal mode is SQLite's, and a hub on PostgreSQL has none. "
                "Give either journal_mode (--journal-mode) or database (--database)."
            )
        database = postgresql.normalised(database)
    if artifacts is not None:
        artifacts = str(azure.parse(artifacts))
    folder = HubFolder(path)
    notice = None
    if folder.identity() is None:
        folder.create()
        folder.check_access()
        with translated_errors(path, database), folder.lock():
            if folder.identity() is None:
                if database is None:
                    notice = _make(folder, journal_mode, artifacts)
                else:
                    _make_on(folder, HubSettings(database=database, artifacts=artifacts))
    if database is not None or artifacts is not None:
        trust.remember_own(folder, database, artifacts)
    hub = open_hub(path)
    _check_settings(hub, journal_mode, database, artifacts)
    return hub, notice


def upgrade_hub(path: Path, *, force: bool = False) -> Upgrade | None:
    """Migrate a hub that an older MLflow, or an older version of this package, made.

    A SQLite file is backed up; whenever this is killed, it is as before or upgraded.

    Args:
        path: the hub's folder. No other process may use the hub meanwhile.
        force: migrate although others have the database open. Those that use the hub fail then,
            until they have the newer version. Who is at work in a SQLite file is waited for in
            vain all the same.

    Returns:
        What was done; None when the hub was up to date.

    Raises:
        HubTooNewError: a newer MLflow, or a newer version of this package, made it.
        HubTooOldError: PostgreSQL refused a migration, and the database is as it was.
        HubBusyError: others have the database open.
        HubCorruptError: the SQLite file cannot be migrated, and is as it was.
    """
    folder = HubFolder(path)
    if folder.identity() is None:
        raise HubNotFoundError(f"There is no hub in {str(path)!r}. Name the folder of one.")
    folder.check_access()
    settings = trust.load_trusted_settings(folder)
    is_file = settings.database is None
    if is_file:
        _check_magic(folder)
    engine = create_engine(url_of(folder, settings), settings)
    try:
        with translated_errors(path, settings.database), locked(folder, engine):
            if is_file:
                upgrade.remove_leftovers(folder)
            if not upgrade.is_due(engine, path):
                return None
            if not is_file:
                return upgrade.upgrade_server(engine, folder, force=force)
            # A connection that nobody uses would be in the way.
            engine.dispose()
            return upgrade.upgrade_file(folder, force=force)
    finally:
        engine.dispose()


def integrity_problems(folder: HubFolder) -> list[str]:
    """Return what SQLite finds wrong with the database of a hub; an empty list when it is sound."""
    return problems_of_file(folder.database)


def _open(folder: HubFolder) -> Hub:
    folder.check_access()
    settings = trust.load_trusted_settings(folder)
    if settings.database is None:
        _check_magic(folder)
    url = url_of(folder, settings)
    with translated_errors(folder.path, settings.database):
        engine = open_engine(url, settings)
        try:
            schema.verify(engine, folder.path)
            version.open_tables(engine, folder)
        except HubError:
            # A connection that nobody uses would be in the way of an upgrade.
            engine.dispose()
            raise
        if settings.database is None:
            # Only now: a hub that is refused is left as it is.
            set_journal_mode(engine, settings.journal_mode)
        catalog = Catalog(folder, engine, url)
    statistics = Statistics(engine)
    statistics.refresh_if_stale()
    return Hub(folder, settings, engine, catalog, statistics)


def _check_settings(
    hub: Hub, journal_mode: JournalMode | None, database: str | None, artifacts: str | None
) -> None:
    """Refuse a hub that has other settings than those it was to be made with."""
    if database not in (None, hub.settings.database):
        raise HubSettingsError(
            f"Hub {str(hub.path)!r} exists with its rows in {hub.rows!r}. "
            "Make one on another database in another folder."
        )
    if artifacts not in (None, hub.settings.artifacts):
        raise HubSettingsError(
            f"Hub {str(hub.path)!r} exists with its files in {hub.place_of()!r}. To move them, "
            f"copy them, then set artifacts in {str(hub.folder.settings_file)!r}."
        )
    if journal_mode is None:
        return
    if hub.settings.database is not None:
        raise HubSettingsError(
            f"Hub {str(hub.path)!r} exists with its rows in {hub.rows!r}, which has no journal "
            "mode. Leave the journal mode out."
        )
    if journal_mode != hub.settings.journal_mode:
        raise HubSettingsError(
            f"Hub {str(hub.path)!r} exists with journal_mode {hub.settings.journal_mode!r}. "
            f'To change it, set journal_mode = "{journal_mode}" in '
            f"{str(hub.folder.settings_file)!r}."
        )


def _check_magic(folder: HubFolder) -> None:
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


def _make(folder: HubFolder, journal_mode: JournalMode | None, artifacts: str | None) -> str | None:
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
    folder.save_settings(HubSettings(journal_mode, artifacts=artifacts))
    if artifacts is None:
        _make_artifacts(folder)
    name = folder.database.name
    unfinished = folder.database.with_name(f"{name}.unfinished-{secrets.token_hex(8)}")
    with folder.tree.folder() as opened:
        for entry in opened.entries():
            if entry.name.startswith(f"{name}.unfinished"):
                opened.remove(entry.name)
    engine = create_engine(database_url(unfinished), HubSettings(journal_mode))
    try:
        set_journal_mode(engine, journal_mode)
        schema.initialise(engine)
        version.make(engine)
    finally:
        # Closing the last connection folds the write-ahead log into the file.
        engine.dispose()
    for suffix in ("-wal", "-shm", "-journal"):
        # Left of a database that was moved away; SQLite would replay it over the new one.
        folder.tree.remove(name + suffix)
    with folder.tree.folder() as opened:
        opened.share(unfinished.name)
        opened.rename(unfinished.name, name)
        opened.share(folder.lock_file.name)
    return notice


def _make_artifacts(folder: HubFolder) -> None:
    # It may be a link to another disk, which is where it is made then.
    with folder.files.folder(make=True):
        pass


def _make_on(folder: HubFolder, settings: HubSettings) -> None:
    """Fill a PostgreSQL database if it is empty, and name it in the folder last of all."""
    engine = create_engine(url_of(folder, settings), settings)
    try:
        with locked(folder, engine):
            _fill(engine, folder, settings)
            if settings.artifacts is None:
                _make_artifacts(folder)
            folder.save_settings(settings)
    finally:
        engine.dispose()
    with folder.tree.folder() as opened:
        opened.share(folder.lock_file.name)


def _fill(engine: Engine, folder: HubFolder, settings: HubSettings) -> None:
    if schema.current_revision(engine) is not None:
        # MLflow's already: a hub's, in another folder, or that of a server.
        with suppress(HubTooOldError):  # said on opening it; to be upgraded it must be a hub
            schema.verify(engine, folder.path)
    elif schema.is_fresh(engine):
        schema.initialise(engine)
        version.make(engine)
    else:
        raise HubSettingsError(
            f"Database {postgresql.place(engine.url)!r} holds tables, and they are not MLflow's. "
            "Name an empty database, or one of an MLflow server."
        )
