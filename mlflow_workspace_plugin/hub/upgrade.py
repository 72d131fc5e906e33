"""Upgrading a hub: MLflow's tables and ours, to what the installed packages work with.

A SQLite file is never migrated where it lies, since SQLite keeps a half of a migration that was
broken off. A copy is migrated and checked, and then written over the file in one transaction,
while nobody else may use it. Whenever the upgrade is killed, the file is as before or upgraded.
"""

import itertools
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import mlflow
from sqlalchemy import Engine

from mlflow_workspace_plugin.errors import (
    AzureMLException,
    HubBusyError,
    HubCorruptError,
    HubTooOldError,
)
from mlflow_workspace_plugin.hub import trust
from mlflow_workspace_plugin.hub.databases import postgresql, schema
from mlflow_workspace_plugin.hub.databases.database import (
    check_magic,
    create_engine,
    engine_of_copy,
    problems_of_file,
    translated_errors,
    url_of,
)
from mlflow_workspace_plugin.hub.files.folder import HubFolder
from mlflow_workspace_plugin.hub.lock import held_alone, locked, others_connected
from mlflow_workspace_plugin.hub.tables import version

_COPY = "hub.db.upgrade-"
_BACKUP = "hub.db.backup-"


@dataclass(frozen=True)
class Upgrade:
    """A migration that was done. ``backup`` is the database as it was; None with PostgreSQL."""

    backup: Path | None


def upgrade_folder(folder: HubFolder, *, force: bool) -> Upgrade | None:
    """Migrate the hub in a folder, as ``hub.hub.upgrade_hub`` says."""
    folder.check_access()
    settings = trust.load_trusted_settings(folder)
    is_file = settings.database is None
    if is_file:
        check_magic(folder)
    engine = create_engine(url_of(folder, settings), settings)
    try:
        with translated_errors(folder.path, settings.database), locked(folder, engine):
            if is_file:
                remove_leftovers(folder)
            if not is_due(engine, folder.path):
                return None
            if not is_file:
                return upgrade_server(engine, folder, force=force)
            # A connection that nobody uses would be in the way.
            engine.dispose()
            return upgrade_file(folder, force=force)
    finally:
        engine.dispose()


def is_due(engine: Engine, hub: Path) -> bool:
    """Whether the database of a hub has tables that are older than the installed packages.

    Raises:
        HubTooNewError: some are newer.
        HubCorruptError: it holds no tables of MLflow's.
    """
    # Both are asked, lest newer tables of one go unseen.
    are_older = [_is_older(check, engine, hub) for check in (schema.verify, version.verify)]
    return any(are_older)


def _is_older(check: Callable[[Engine, Path], object], engine: Engine, hub: Path) -> bool:
    try:
        check(engine, hub)
    except HubTooOldError:
        return True
    return False


def upgrade_file(folder: HubFolder, *, force: bool) -> Upgrade:
    """Upgrade the SQLite file of a hub.

    Args:
        folder: of the hub, whose lock the caller holds.
        force: do it although others, of which only the operating system tells, have it open.

    Raises:
        HubBusyError: others use it.
        HubCorruptError: it cannot be migrated, and is as it was.
    """
    with held_alone(folder, force=force) as connection, _temporary(folder) as copy:
        with closing(sqlite3.connect(copy)) as target:
            connection.backup(target)
        _migrate_copy(copy, folder)
        backup = _back_up(connection, folder)
        with closing(sqlite3.connect(copy)) as source:
            source.backup(connection)
    return Upgrade(backup)


def upgrade_server(engine: Engine, folder: HubFolder, *, force: bool) -> Upgrade:
    """Upgrade the PostgreSQL database of a hub, which undoes as a whole what fails in a part.

    Args:
        engine: of the database, whose lock the caller holds.
        folder: of the hub.
        force: do it although others are connected.

    Raises:
        HubBusyError: others are connected, and ``force`` is False.
        HubTooOldError: PostgreSQL refused a migration, and undid it.
    """
    if not force:
        _refuse_if_connected(engine, folder)
    try:
        # What fails in the one undoes the other.
        with translated_errors(folder.path, str(engine.url)), version.upgraded(engine):
            schema.upgrade(engine)
    except AzureMLException:
        raise
    except Exception as error:
        raise HubTooOldError(
            f"Hub {str(folder.path)!r} was not upgraded: {_cause(error)}. Its database "
            f"{postgresql.place(engine.url)!r} is as it was before. Correct the cause and try "
            "again, or keep the older MLflow."
        ) from error
    schema.verify(engine, folder.path)
    return Upgrade(None)


def remove_leftovers(folder: HubFolder) -> None:
    """Remove what an upgrade that was killed left behind; the caller holds the hub's lock."""
    _remove_all(folder, _COPY)


def _refuse_if_connected(engine: Engine, folder: HubFolder) -> None:
    others = others_connected(engine)
    if others:
        raise HubBusyError(
            f"Hub {str(folder.path)!r} was not upgraded: its database "
            f"{postgresql.place(engine.url)!r} is in use by {'; '.join(others)}. "
            "End them, or upgrade with --force: those that use the hub fail then, until they have "
            f"MLflow {mlflow.__version__}, too."
        )


def _cause(error: Exception) -> str:
    # Of the database's errors, not the statement and SQLAlchemy's advice.
    cause = getattr(error, "orig", error)
    return f"{type(cause).__name__}: {cause}"


def _migrate_copy(copy: Path, folder: HubFolder) -> None:
    engine = engine_of_copy(copy)
    try:
        with translated_errors(folder.path):
            schema.upgrade(engine)
            with version.upgraded(engine):
                pass
        problems = ["a table is older still"] if is_due(engine, folder.path) else []
    except AzureMLException:
        raise
    except Exception as error:  # noqa: BLE001  whatever it was, what became of the hub is said
        problems = [_cause(error)]
    finally:
        engine.dispose()
    problems += problems_of_file(copy)
    if problems:
        raise HubCorruptError(
            f"Hub {str(folder.path)!r} was not upgraded: {problems[0]}. It is as it was before. "
            f"Correct the cause and try again, or keep the older MLflow.{_advice(folder)}"
        )


def _advice(folder: HubFolder) -> str:
    """Say how to go back to before an upgrade that went wrong in an earlier version of this."""
    backups = sorted(folder.path.glob(f"{_BACKUP}*"))
    if not backups:
        return ""
    return (
        f" If an earlier upgrade left it unusable, the database as it was before that is in "
        f"{str(backups[0])!r}: to go back to it, remove hub.db, hub.db-wal and hub.db-shm, and "
        "rename the backup to hub.db."
    )


def _back_up(connection: sqlite3.Connection, folder: HubFolder) -> Path:
    """Copy the file to a name that no backup has, whole or not at all."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    names = (f"{_BACKUP}{stamp}{suffix}" for suffix in _suffixes())
    with _temporary(folder) as unfinished:
        with closing(sqlite3.connect(unfinished)) as target:
            connection.backup(target)
        name = next(name for name in names if not os.path.lexists(folder.path / name))
        with folder.tree.folder() as opened:
            opened.share(unfinished.name)
            opened.rename(unfinished.name, name)
    return folder.path / name


def _suffixes() -> Iterator[str]:
    yield ""
    for number in itertools.count(2):
        yield f"-{number}"


@contextmanager
def _temporary(folder: HubFolder) -> Iterator[Path]:
    """Make an empty file beside the hub's; in the end it is removed, if it is there still."""
    descriptor, name = tempfile.mkstemp(prefix=_COPY, dir=folder.path)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        _remove_all(folder, Path(name).name)


def _remove_all(folder: HubFolder, prefix: str) -> None:
    for left in folder.path.glob(f"{prefix}*"):
        folder.tree.remove(left.name)
