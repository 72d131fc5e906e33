"""The folder of a hub: what lies where in it, who may read it, and its settings file."""

import functools
import json
import os
import stat
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from mlflow_workspace_plugin.errors import HubNotWritableError, HubSettingsError
from mlflow_workspace_plugin.hub import azure, postgresql

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

JournalMode = Literal["wal", "delete", "truncate", "persist"]
JOURNAL_MODES: tuple[JournalMode, ...] = ("wal", "delete", "truncate", "persist")


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


@dataclass(frozen=True)
class HubFolder:
    """Where the parts of a hub lie."""

    path: Path

    @property
    def database(self) -> Path:
        """The SQLite file that holds all rows."""
        return self.path / "hub.db"

    @property
    def artifacts(self) -> Path:
        """The folder that holds all files."""
        return self.path / "artifacts"

    @property
    def settings_file(self) -> Path:
        """The optional ``hub.toml``."""
        return self.path / "hub.toml"

    @property
    def lock_file(self) -> Path:
        """The file that is locked while the hub is created or upgraded."""
        return self.path / "hub.lock"

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

    def create(self) -> None:
        """Make the folder, readable by its owner only; an existing one keeps its group and mode.

        Raises:
            HubNotWritableError: it cannot be made, or is no folder.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise HubNotWritableError(
                f"Hub folder {str(self.path)!r} cannot be created: {error.strerror}. "
                "Choose a folder that you may write to."
            ) from error

    def make_directory(self, directory: Path) -> None:
        """Make a directory below the hub's folder, and those between, with the folder's mode.

        So that a hub whose folder is shared with a group stays shared all the way down, whatever
        the umask of the user who comes first.
        """
        if directory.is_dir():
            return
        self.make_directory(directory.parent)
        try:
            directory.mkdir()
        except FileExistsError:
            return
        directory.chmod(stat.S_IMODE(self.path.stat().st_mode))

    def share_file(self, file: Path) -> None:
        """Give a file of the hub the reading and writing rights of the hub's folder."""
        file.chmod(stat.S_IMODE(self.path.stat().st_mode) & 0o666)

    def share_tree(self, top: Path) -> None:
        """Give files, or all below a folder, the rights of the hub's folder, if it is shared.

        Files come with the mode they had elsewhere, or with the umask's.
        """
        mode = stat.S_IMODE(self.path.stat().st_mode)
        if not mode & 0o077:
            return
        for path in (top, *top.rglob("*")):
            if path.is_dir():
                path.chmod(mode)
            elif not path.is_symlink():
                path.chmod((mode & 0o666) | (path.stat().st_mode & 0o100))

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
                "version does not know. Upgrade with: pip install -U mlflow-workspace-plugin"
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
        unfinished = self.settings_file.with_name("hub.toml.unfinished")
        unfinished.write_text("# Settings of this hub.\n" + lines, encoding="utf-8")
        self.share_file(unfinished)
        os.replace(unfinished, self.settings_file)  # noqa: PTH105  the name says what it does

    def _read_settings(self, descriptor: int | None) -> str:
        if descriptor is None:
            return self.settings_file.read_text(encoding="utf-8")
        name = self.settings_file.name
        opener = functools.partial(os.open, dir_fd=descriptor)
        with open(name, encoding="utf-8", opener=opener) as file:
            return file.read()

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
