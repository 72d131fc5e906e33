"""What lies where in the folder of a hub, and what it is called. Nothing is opened here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

JournalMode = Literal["wal", "delete", "truncate", "persist"]
JOURNAL_MODES: tuple[JournalMode, ...] = ("wal", "delete", "truncate", "persist")
"""SQLite's, that a hub may use."""


@dataclass(frozen=True)
class Layout:
    """Where the parts of a hub lie."""

    path: Path

    @property
    def database(self) -> Path:
        """The SQLite file that holds all rows."""
        return self.path / "hub.db"

    @property
    def accounts(self) -> Path:
        """The SQLite file that holds the accounts and roles of a hub that is served."""
        return self.path / "accounts.db"

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

    @property
    def server(self) -> Path:
        """The folder of what a server of the hub keeps for itself, for its owner only."""
        return self.path / "server"

    @property
    def uploads(self) -> Path:
        """The folder of what a server has received of files that are not whole yet."""
        return self.path / "uploads"
