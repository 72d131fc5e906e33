"""The folder of a hub: what lies where in it, who may read it, and its settings file."""

import json
import os
import sys
from dataclasses import dataclass, fields
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.errors import HubNotWritableError, HubSettingsError
from mlflow_workspace_plugin.hub import azure
from mlflow_workspace_plugin.hub.files import linked_folders
from mlflow_workspace_plugin.hub.files.layout import JOURNAL_MODES, JournalMode, Layout
from mlflow_workspace_plugin.hub.files.tree import OpenFolder, Tree
from mlflow_workspace_plugin.private_folder import make_private

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from filelock import FileLock


@dataclass(frozen=True)
class HubSettings:
    """What ``hub.toml`` says; without the file, the defaults below."""

    journal_mode: JournalMode = "wal"
    """SQLite's journal mode. ``wal`` is fastest; a network file system needs another."""
    database: str | None = None
    """The URL of the PostgreSQL database that holds the rows; None means ``hub.db``. It holds no
    secret: ``${NAME}`` stands for an environment variable."""
    artifacts: str | None = None
    """The URI of the place in Azure Blob Storage that holds the files; None means the folder
    ``artifacts``. It holds no secret, either."""

    @property
    def artifact_root(self) -> azure.AzureRoot | None:
        """The place of the files in Azure Blob Storage; None when they are in the folder."""
        return None if self.artifacts is None else azure.parse(self.artifacts)


class HubFolder(Layout):
    """The folder of a hub."""

    @cached_property
    def tree(self) -> Tree:
        """What lies in the folder, below which no link is followed; it may be one itself."""
        return Tree(self.path)

    @cached_property
    def files(self) -> Tree:
        """As ``tree``, of the folder that holds all files, with the links that are registered."""
        root = Tree(self.artifacts).top
        return Tree(root, self.path, partial(linked_folders.registered, root))

    def identity(self) -> tuple[int, int] | None:
        """Return what a hub made anew does not share: of ``hub.toml`` if it names a database.

        Returns:
            None where there is no hub.

        Raises:
            HubNotWritableError: the folder cannot be looked into.
            HubSettingsError: ``hub.toml`` cannot be used.
        """
        try:
            if self.settings_file.exists() and self.load_settings().database is not None:
                # A new file may get the number of the one before.
                status = self.settings_file.stat()
                return status.st_ino, status.st_mtime_ns
            return self.database.stat().st_ino, 0
        except FileNotFoundError:
            return None
        except OSError as error:
            raise HubNotWritableError(
                f"Hub folder {str(self.path)!r} cannot be opened: {error.strerror}. "
                "Check its name, and ask its owner for access."
            ) from error

    def lock(self) -> "FileLock":
        """Return the lock that is held while the hub is created or upgraded.

        Raises:
            ForeignFileError: a link is in its place.
        """
        from filelock import FileLock

        with self.tree.folder() as folder:
            folder.check(self.lock_file.name)
        return FileLock(self.lock_file)

    def create(self) -> None:
        """Make the folder, and those above it, readable by their owner only.

        An existing one keeps its group and mode.

        Raises:
            HubNotWritableError: it cannot be made, or is no folder.
        """
        try:
            make_private(self.path)
        except OSError as error:
            raise HubNotWritableError(
                f"Hub folder {str(self.path)!r} cannot be created: {error.strerror}. "
                "Choose a folder that you may write to."
            ) from error

    def check_access(self) -> None:
        """Check that this user may read and write what is there.

        Raises:
            HubNotWritableError: with the first path that is not accessible.
        """
        needed = (
            (self.path, os.R_OK | os.W_OK | os.X_OK),
            (self.database, os.R_OK | os.W_OK),
            (self.artifacts, os.R_OK | os.W_OK | os.X_OK),
        )
        for path, mode in needed:
            if path.exists() and not os.access(path, mode):
                lacking = "read" if not os.access(path, os.R_OK) else "written"
                raise HubNotWritableError(
                    f"Hub {str(self.path)!r} cannot be used: {str(path)!r} cannot be {lacking} by "
                    "this user (its permissions, or a read-only file system). Ask its owner for "
                    "access, or copy the hub to a folder of your own."
                )

    def load_settings(self, descriptor: int | None = None) -> HubSettings:
        """Read ``hub.toml``. Nothing may be sent where it says yet: see ``hub.trust``.

        Args:
            descriptor: of the folder, if it is open; else it is found by its path.

        Raises:
            HubSettingsError: it is not TOML, or sets what this version does not know. An unknown
                key is never skipped: it may say that the rows are in another database.
        """
        try:
            values = tomllib.loads(self._read_settings(descriptor))
        except FileNotFoundError:
            return HubSettings()
        except (OSError, ValueError) as error:
            raise HubSettingsError(
                f"{str(self.settings_file)!r} cannot be read: {error}. Correct or remove it."
            ) from error
        if unknown := sorted(values.keys() - {each.name for each in fields(HubSettings)}):
            raise HubSettingsError(
                f"{str(self.settings_file)!r} sets {', '.join(map(ascii, unknown))}, which this "
                "version does not know. Install a newer version, from where this one came, with "
                "pip install -U."
            )
        if "journal_mode" in values:
            values["journal_mode"] = self._checked(values["journal_mode"])
        if "artifacts" in values:
            values["artifacts"] = self._normalised(str(values["artifacts"]))
        if "database" not in values:
            return HubSettings(**values)
        if "journal_mode" in values:
            raise HubSettingsError(
                f"{str(self.settings_file)!r} sets both database and journal_mode, which is "
                "SQLite's. Remove one of them."
            )
        # Only now: hubs in folders have no use for it.
        from mlflow_workspace_plugin.hub.databases import postgresql

        try:
            values["database"] = postgresql.normalised(str(values["database"]))
        except HubSettingsError as error:
            raise HubSettingsError(
                f"{str(self.settings_file)!r} names no usable database. {error.message}"
            ) from None
        return HubSettings(**values)

    def save_settings(self, settings: HubSettings) -> None:
        """Write ``hub.toml``, unless everything is at its default. The file is whole or absent."""
        if settings == HubSettings():
            return
        if settings.database is None:
            lines = (
                "# journal_mode: SQLite's; wal, delete, truncate or persist. Only wal is unsafe on "
                "network file systems.\n"
                f'journal_mode = "{settings.journal_mode}"\n'
            )
        else:
            lines = (
                "# database: where the rows are. Never a password: ${NAME} stands for an "
                "environment variable.\n"
                # Of text, TOML's form is JSON's.
                f"database = {json.dumps(settings.database)}\n"
            )
        if settings.artifacts is not None:
            lines += (
                "# artifacts: where the files are. Never a key: ?credential=${NAME} names an "
                "environment variable.\n"
                f"artifacts = {json.dumps(settings.artifacts)}\n"
            )
        with self.tree.folder() as folder, folder.writing(self.settings_file.name) as file:
            file.write(f"# Settings of this hub.\n{lines}".encode())

    def _read_settings(self, descriptor: int | None) -> str:
        if descriptor is None:
            with self.tree.open(self.settings_file.name) as file:
                return file.read().decode("utf-8")
        with OpenFolder(descriptor, self.path, mode=0).open(self.settings_file.name) as file:
            return file.read().decode("utf-8")

    def _normalised(self, artifacts: str) -> str:
        try:
            return str(azure.parse(artifacts))
        except HubSettingsError as error:
            raise HubSettingsError(
                f"{str(self.settings_file)!r} names no usable place for files. {error.message}"
            ) from None

    def _checked(self, mode: Any) -> JournalMode:
        for known in JOURNAL_MODES:
            if mode == known:
                return known
        raise HubSettingsError(
            f"{str(self.settings_file)!r} sets journal_mode to {mode!r}. "
            f"Use one of: {', '.join(JOURNAL_MODES)}."
        )
