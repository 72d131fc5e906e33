"""The secret of the journals in a folder: whoever has it goes on with what their writers began."""

import hashlib
import hmac
import os
import secrets
import uuid
from contextlib import suppress
from pathlib import Path

from mlflow_workspace_plugin.journal.files.folder import SECRET_NAME, JournalFolder
from mlflow_workspace_plugin.journal.files.lock import open_regular

_BYTES = 32


class JournalSecret:
    """Gives each writer of a folder a secret that no other writer's tells.

    All are made of one, which stands in the folder, so that another process, which sends what an
    ended one left, has the same. It is made when it is asked for first.

    Args:
        folder: the journals of this machine for one workspace.
    """

    def __init__(self, folder: JournalFolder) -> None:
        self._folder = folder
        self._made: bytes | None = None
        # Somebody may remove the file after a hub was told what follows from it.
        self._given: dict[str, str] = {}

    def of(self, writer: str) -> str:
        """Return the secret of a writer.

        Args:
            writer: its id.

        Raises:
            OSError: there is one, which cannot be read.
        """
        given = self._given.get(writer)
        if given is None:
            given = hmac.new(self._secret(), writer.encode(), hashlib.sha256).hexdigest()
            self._given[writer] = given
        return given

    def _secret(self) -> bytes:
        path = self._folder.path / SECRET_NAME
        try:
            found = _read(path)
        except PermissionError:
            if _can_enter(self._folder.path):
                raise
            # Nothing can be written there either, with which others would go on.
            found = None
        if found is None:
            # Where nothing can be written the journal is in memory only, and so is this.
            found = self._made = self._made or secrets.token_bytes(_BYTES)
            with suppress(OSError):
                self._folder.make()
                _write(path, found)
                found = _read(path) or found
        return found


def _can_enter(folder: Path) -> bool:
    try:
        (folder / SECRET_NAME).lstat()
    except PermissionError:
        return False
    except OSError:
        return True
    return True


def _read(path: Path) -> bytes | None:
    """Return what a file holds; None where there is none, or one that a loss of power emptied."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            found = file.read(_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found if len(found) == _BYTES else None


def _write(path: Path, secret: bytes) -> None:
    """Write a file, unless another process did meanwhile."""
    unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    try:
        file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "wb") as opened:
            opened.write(secret)
            opened.flush()
            os.fsync(opened.fileno())
        try:
            os.link(unfinished, path)
        except OSError:
            # It is there, or the file system knows no links.
            if _read(path) is None:
                unfinished.replace(path)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
