"""Opening, creating and upgrading a hub.

SQLAlchemy, Alembic and MLflow's stores take as long to import as MLflow itself, and only who uses a
hub needs them. So they are imported here, when that is done, and everybody may import this module.
"""

import os
import shlex
import threading
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mlflow_workspace_plugin.errors import HubNotFoundError, HubSettingsError
from mlflow_workspace_plugin.hub.files.folder import HubFolder, HubSettings
from mlflow_workspace_plugin.hub.files.layout import JournalMode
from mlflow_workspace_plugin.late_imports import late_imports

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from mlflow_workspace_plugin.hub.catalog import Catalog
    from mlflow_workspace_plugin.hub.databases.statistics import Statistics
    from mlflow_workspace_plugin.hub.upgrade import Upgrade

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
    database_uri: str
    """The SQLAlchemy URL of the hub's database; it holds no secret."""
    engine: "Engine"
    catalog: "Catalog"
    """The workspaces of the hub."""
    statistics: "Statistics"
    """What the database knows about its tables."""

    @property
    def path(self) -> Path:
        """The folder of the hub."""
        return self.folder.path

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
            with late_imports():
                from mlflow_workspace_plugin.hub.opening import opened

            _open_hubs[path, identity] = Hub(folder, *opened(folder))
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
    with late_imports():
        from mlflow_workspace_plugin.hub import making

    database, artifacts = making.normalised(journal_mode, database, artifacts)
    notice = making.make_if_missing(HubFolder(path), journal_mode, database, artifacts)
    hub = open_hub(path)
    _check_settings(hub, journal_mode, database, artifacts)
    return hub, notice


def upgrade_hub(path: Path, *, force: bool = False) -> "Upgrade | None":
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
    with late_imports():
        from mlflow_workspace_plugin.hub.upgrade import upgrade_folder

    folder = HubFolder(path)
    if folder.identity() is None:
        raise HubNotFoundError(f"There is no hub in {str(path)!r}. Name the folder of one.")
    return upgrade_folder(folder, force=force)


def integrity_problems(folder: HubFolder) -> list[str]:
    """Return what SQLite finds wrong with the database of a hub; an empty list when it is sound."""
    with late_imports():
        from mlflow_workspace_plugin.hub.databases.database import problems_of_file

    return problems_of_file(folder.database)


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
