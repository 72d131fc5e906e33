"""Files that reach a server piece by piece: kept in the hub's folder until they are whole.

What was received of one is known by where it is to be stored and by the hash of its content. So an
upload that broke off goes on, by whichever process asks next, and two who send the same help each
other. Nothing that is asked here takes longer than seconds, however large a file is: its hash is
made as the pieces come, and what has to be read once more is read in turns.
"""

import fcntl
import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from mlflow_workspace_plugin.errors import ForeignFileError, UserErrorException
from mlflow_workspace_plugin.hub.databases.database import translated_errors
from mlflow_workspace_plugin.hub.files.folder import HubFolder
from mlflow_workspace_plugin.hub.files.tree import OpenFolder

_KEPT_S = 7 * 24 * 3600
"""As long as Azure keeps blocks that nobody commits."""
_CHUNK = 2**20
_TURN_S = 1.0
"""For how long a request reads what was received before, or waits for one that has the file."""
_LOOK_S = 0.02
_MOST_BEGUN = 1_000


class UploadInUseError(Exception):
    """Another request is about the same upload for longer than one waits for that."""


@dataclass(frozen=True)
class Received:
    """A file that was received whole.

    Attributes:
        file: what is in it.
        folder: where it lies until it is stored.
        name: of it there.
    """

    file: BinaryIO
    folder: OpenFolder
    name: str


class _Hash:
    """The hash of what a file begins with."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()
        self.at = 0


# Of what this process has read, by device, number and name: no other can go on with one.
_begun: OrderedDict[tuple[int, int, str], _Hash] = OrderedDict()
_lock = threading.Lock()


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
        """Add a piece to a file, if it is the next one; return how many bytes there are now.

        Raises:
            UploadInUseError: another request has the file.
            HubFullError: there is no room for the piece, of which nothing is kept.
        """
        with translated_errors(self._folder.path), self._opened(name) as (file, folder):
            size = os.fstat(file.fileno()).st_size
            if size != offset:
                if not size:
                    # Whoever sent the same is done.
                    folder.remove(name)
                return size
            if not size:
                _forget(file, name)
            try:
                _write(file, piece)
            except OSError:
                # The next one begins where a whole piece ends.
                os.ftruncate(file.fileno(), size)
                raise
            _hash_of(file, name)
            return size + len(piece)

    @contextmanager
    def whole(self, name: str, size: int, sha256: str) -> Iterator[Received | None]:
        """Yield a file that was received, which is then removed, unless it was moved.

        Whatever goes wrong while it is stored, it is kept, for whoever asks again.

        Args:
            name: of the upload.
            size: of the file.
            sha256: that was announced of it.

        Yields:
            None where it is not whole, or more of it has to be read than a request may take: who
            asks again goes on with that.

        Raises:
            UserErrorException: it is not what was announced.
            UploadInUseError: another request has the file.
        """
        with translated_errors(self._folder.path), self._opened(name) as (file, folder):
            received = os.fstat(file.fileno()).st_size
            if not received:
                # Whoever sent the same is done.
                folder.remove(name)
            found = _hash_of(file, name) if received == size else None
            if found is None:
                yield None
                return
            if found == sha256:
                file.seek(0)
                yield Received(file, folder, name)
            _forget(file, name)
            if _is_named(file, folder, name):
                folder.remove(name)
        if found != sha256:
            raise UserErrorException(
                "What was sent of a file has not the SHA-256 that was announced: the file was "
                "changed meanwhile. Send it again."
            )

    def drop(self, name: str) -> None:
        """Remove what was received of a file that is stored, unless a request is about it."""
        with (
            suppress(OSError),
            self._folder.tree.folder(self._folder.uploads.name) as folder,
            folder.open(name) as file,
        ):
            if _is_locked(file) and _is_named(file, folder, name):
                _forget(file, name)
                folder.remove(name)

    def note_stored(self, name: str, etag: str) -> None:
        """Keep in mind which file an upload became, for whoever did not hear of it.

        Args:
            name: of the upload.
            etag: tells that file from all that may take its place.
        """
        # Without it a file is read, or sent, once more.
        with (
            suppress(OSError),
            self._folder.tree.folder(self._folder.uploads.name, make=True) as folder,
            folder.writing(_note_of(name)) as file,
        ):
            file.write(f"{name} {etag}".encode())

    def stored_as(self, name: str) -> str | None:
        """Return the ETag of the file that an upload became; None if that is not known any more."""
        with (
            suppress(OSError, ForeignFileError),
            self._folder.tree.folder(self._folder.uploads.name) as folder,
            folder.open(_note_of(name)) as file,
        ):
            noted, _, etag = file.read(1_000).decode(errors="replace").partition(" ")
            return etag if noted == name else None
        return None

    @contextmanager
    def _opened(self, name: str) -> Iterator[tuple[BinaryIO, OpenFolder]]:
        """Open a file for this thread alone, which is made if it is not there."""
        until = time.monotonic() + _TURN_S
        with self._folder.tree.folder(self._folder.uploads.name, make=True) as folder:
            while True:
                _remove_linked(folder, name)
                try:
                    opened = folder.continuing(name)
                except ForeignFileError:
                    # Whoever sent the same is storing it just now, for which it has two names.
                    if time.monotonic() > until:
                        raise
                    time.sleep(_LOOK_S)
                    continue
                with opened as file:
                    _wait_for(file, until)
                    # Whoever had it may have stored it: then it is nothing to add to.
                    if _is_named(file, folder, name):
                        if not os.fstat(file.fileno()).st_size:
                            _remove_old(folder)
                        yield file, folder
                        return


def name_of(location: PurePosixPath, size: int, sha256: str) -> str:
    """Return what names the upload of a content to a place."""
    return hashlib.sha256(f"{location}\n{size}\n{sha256}".encode()).hexdigest()


def _note_of(name: str) -> str:
    """Return the name of the note about an upload; some thousands are kept, and the newest stay."""
    return f"stored-{name[:3]}"


def _wait_for(file: BinaryIO, until: float) -> None:
    """Wait until a file is this thread's alone.

    Raises:
        UploadInUseError: it is another's for too long. A thread that waits answers nobody else.
    """
    while not _is_locked(file):
        if time.monotonic() > until:
            raise UploadInUseError
        time.sleep(_LOOK_S)


def _is_locked(file: BinaryIO) -> bool:
    """Lock a file, unless another thread or process has it; return whether it could be done."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_named(file: BinaryIO, folder: OpenFolder, name: str) -> bool:
    """Whether an open file has, still, a name in a folder."""
    try:
        return os.path.samestat(folder.status(name), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _remove_linked(folder: OpenFolder, name: str) -> None:
    """Remove a name of a file that has another: it is stored, or is being so just now."""
    with suppress(FileNotFoundError):
        if folder.status(name).st_nlink > 1:
            folder.remove(name)


def _write(file: BinaryIO, piece: bytes) -> None:
    """Append a piece, without a part of it being kept in memory if that fails."""
    left = memoryview(piece)
    while left:
        left = left[os.write(file.fileno(), left) :]


def _hash_of(file: BinaryIO, name: str) -> str | None:
    """Go on with the hash of what was received; return it if it is of all of that by now."""
    status = os.fstat(file.fileno())
    key = status.st_dev, status.st_ino, name
    with _lock:
        found = _begun.pop(key, None)
    if found is None or found.at > status.st_size:
        found = _Hash()
    until = time.monotonic() + _TURN_S
    while chunk := os.pread(file.fileno(), _CHUNK, found.at):
        found.sha256.update(chunk)
        found.at += len(chunk)
        if time.monotonic() > until:
            break
    with _lock:
        _begun[key] = found
        while len(_begun) > _MOST_BEGUN:
            _begun.popitem(last=False)
    return found.sha256.hexdigest() if found.at == status.st_size else None


def _forget(file: BinaryIO, name: str) -> None:
    """Forget the hash of a file, whose number another one may get."""
    status = os.fstat(file.fileno())
    with _lock:
        _begun.pop((status.st_dev, status.st_ino, name), None)


def _remove_old(folder: OpenFolder) -> None:
    """Remove what nobody went on with."""
    before = time.time() - _KEPT_S
    for name, status in folder.statuses():
        if status.st_mtime < before:
            with suppress(OSError):
                folder.remove(name)
