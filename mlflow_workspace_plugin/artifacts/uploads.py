"""Files that reach a server piece by piece: kept in the hub's folder until they are whole.

What was received of one is known by where it is to be stored and by the hash of its content. So an
upload that broke off goes on, by whichever process asks next, and two who send the same help each
other.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import BinaryIO

from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.hub.databases.database import translated_errors
from mlflow_workspace_plugin.hub.files.folder import HubFolder
from mlflow_workspace_plugin.hub.files.tree import OpenFolder

_KEPT_S = 7 * 24 * 3600
"""As long as Azure keeps blocks that nobody commits."""
_CHUNK = 2**20


class Uploads:
    """What was received so far.

    Args:
        folder: the hub's.
    """

    def __init__(self, folder: HubFolder) -> None:
        self._folder = folder

    def size(self, name: str) -> int:
        """Return how many bytes of a file were received."""
        with (
            translated_errors(self._folder.path),
            suppress(FileNotFoundError),
            self._folder.tree.folder(self._folder.uploads.name) as folder,
        ):
            return folder.status(name).st_size
        return 0

    def add(self, name: str, offset: int, piece: bytes) -> int:
        """Add a piece to a file, if it is the next one; return how many bytes there are now."""
        with translated_errors(self._folder.path), self._opened(name) as (file, folder):
            size = file.seek(0, os.SEEK_END)
            if size != offset:
                if not size:
                    # Whoever sent the same is done.
                    folder.remove(name)
                return size
            try:
                file.write(piece)
                file.flush()
            except OSError:
                # The next one begins where a whole piece ends.
                file.truncate(size)
                raise
            return size + len(piece)

    @contextmanager
    def whole(self, name: str, sha256: str) -> Iterator[BinaryIO]:
        """Yield a file that was received, which is then removed.

        Raises:
            UserErrorException: it is not what was announced.
        """
        with translated_errors(self._folder.path), self._opened(name) as (file, folder):
            digest = hashlib.sha256()
            file.seek(0)
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
            file.seek(0)
            is_right = digest.hexdigest() == sha256
            if is_right:
                yield file
            folder.remove(name)
        if not is_right:
            raise UserErrorException(
                "What was sent of a file has not the SHA-256 that was announced: the file was "
                "changed meanwhile. Send it again."
            )

    @contextmanager
    def _opened(self, name: str) -> Iterator[tuple[BinaryIO, OpenFolder]]:
        """Open a file for this thread alone, which is made if it is not there."""
        with self._folder.tree.folder(self._folder.uploads.name, make=True) as folder:
            while True:
                with folder.continuing(name) as file:
                    fcntl.flock(file, fcntl.LOCK_EX)
                    # Whoever had it may have been done with it.
                    if os.fstat(file.fileno()).st_nlink:
                        if not os.fstat(file.fileno()).st_size:
                            _remove_old(folder)
                        yield file, folder
                        return


def name_of(location: PurePosixPath, size: int, sha256: str) -> str:
    """Return what names the upload of a content to a place."""
    return hashlib.sha256(f"{location}\n{size}\n{sha256}".encode()).hexdigest()


def _remove_old(folder: OpenFolder) -> None:
    """Remove what nobody went on with."""
    before = time.time() - _KEPT_S
    for name, status in folder.statuses():
        if status.st_mtime < before:
            with suppress(OSError):
                folder.remove(name)
