"""Making a hub, so that it is whole or absent, while any number of processes do."""

import secrets
from contextlib import suppress

from sqlalchemy import Engine

from mlflow_workspace_plugin.errors import HubSettingsError, HubTooOldError
from mlflow_workspace_plugin.hub import azure, trust
from mlflow_workspace_plugin.hub.databases import postgresql, schema
from mlflow_workspace_plugin.hub.databases.database import (
    create_engine,
    database_url,
    set_journal_mode,
    translated_errors,
    url_of,
)
from mlflow_workspace_plugin.hub.files.filesystem import file_system_type, is_network
from mlflow_workspace_plugin.hub.files.folder import HubFolder, HubSettings
from mlflow_workspace_plugin.hub.files.layout import JournalMode
from mlflow_workspace_plugin.hub.lock import locked
from mlflow_workspace_plugin.hub.tables import version


def normalised(
    journal_mode: JournalMode | None, database: str | None, artifacts: str | None
) -> tuple[str | None, str | None]:
    """Return the URL of a database and the URI of a place for files in their normalised forms.

    Raises:
        HubSettingsError: they are malformed, or cannot be used together.
    """
    if database is not None:
        if journal_mode is not None:
            raise HubSettingsError(
                "A journal mode is SQLite's, and a hub on PostgreSQL has none. "
                "Give either journal_mode (--journal-mode) or database (--database)."
            )
        database = postgresql.normalised(database)
    return database, None if artifacts is None else str(azure.parse(artifacts))


def make_if_missing(
    folder: HubFolder,
    journal_mode: JournalMode | None,
    database: str | None,
    artifacts: str | None,
) -> str | None:
    """Make a hub if there is none, and record where it is told to send to as trusted.

    Args:
        folder: its folder.
        journal_mode: SQLite's; None chooses by the file system.
        database: as :func:`normalised` returns it.
        artifacts: as :func:`normalised` returns it.

    Returns:
        What the user should be told about how it was made (None if nothing).

    Raises:
        HubError: it cannot be made; the subclass says why.
    """
    notice = None
    if folder.identity() is None:
        folder.create()
        folder.check_access()
        with translated_errors(folder.path, database), folder.lock():
            if folder.identity() is None:
                if database is None:
                    notice = _make(folder, journal_mode, artifacts)
                else:
                    _make_on(folder, HubSettings(database=database, artifacts=artifacts))
    if database is not None or artifacts is not None:
        trust.remember_own(folder, database, artifacts)
    return notice


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
