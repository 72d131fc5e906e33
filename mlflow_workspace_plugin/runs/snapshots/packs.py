"""Packs: zips of contents, whose entries have numbers for names, whatever the files are called."""

import hashlib
import io
import os
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from mlflow_workspace_plugin.artifacts.local_files import open_file
from mlflow_workspace_plugin.runs.snapshots.manifest import File
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

_CHUNK = 2**20
# The fastest: what is not text is most often compressed already.
_LEVEL = 1
_MOST_LISTED = 64 << 20
"""So many bytes has the list at the end of a pack at most; it has 80 for each content."""
_OF_BAD_ZIPS = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError)


class Read(NamedTuple):
    """What was read of a file.

    Attributes:
        digest: its content's, and
        size: how much it was.
        status: of the file; None if it was changed meanwhile.
        read_at: when, in nanoseconds.
    """

    digest: str
    size: int
    status: os.stat_result | None
    read_at: int


def read_file(path: str, target: BinaryIO | None = None) -> Read:
    """Read a file, however large it is.

    Args:
        path: of the file.
        target: gets the content.

    Raises:
        OSError: it cannot be read, or is no plain file.
    """
    digest, size = hashlib.sha256(), 0
    with open_file(Path(path)) as file:
        read_at, before = time.time_ns(), os.fstat(file.fileno())
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            if target is not None:
                target.write(chunk)
        after = os.fstat(file.fileno())
    is_same = (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )
    return Read(digest.hexdigest(), size, after if is_same else None, read_at)


class PackWriter:
    """Writes a pack.

    Args:
        target: where it goes.
    """

    def __init__(self, target: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
        self.digests: list[str] = []

    def add(self, path: str) -> Read:
        """Add what a file holds now, which is told; raises as :func:`read_file`."""
        # It may grow past the size that a plain entry can have.
        entry = zipfile.ZipInfo(str(len(self.digests)))
        entry.compress_type = zipfile.ZIP_DEFLATED
        with self._zip.open(entry, "w", force_zip64=True) as target:
            try:
                read = read_file(path, target)  # type: ignore[arg-type]
            except OSError:
                # What was written of it stays as an entry that nobody names.
                self.digests.append("")
                raise
        if read.status is None:
            _logger.warning(
                "%r was changed while it was read; the snapshot holds what was read.", path
            )
        self.digests.append(read.digest)
        return read

    def finish(self) -> str:
        """Write what is left, and return the name of the pack, which is made of the contents."""
        self._zip.close()
        return hashlib.sha256(" ".join(self.digests).encode()).hexdigest()


class DamagedPackError(Exception):
    """A pack does not hold what its name says."""


@contextmanager
def pack_reader(path: Path) -> Iterator["PackReader"]:
    """Open a pack, which may be anybody's.

    Raises:
        DamagedPackError: it is none.
        OSError: it cannot be read.
    """
    with _PackFile(io.FileIO(path)) as file:
        try:
            opened = zipfile.ZipFile(file)
        except _OF_BAD_ZIPS as error:
            raise DamagedPackError(str(error)) from error
        with opened:
            yield PackReader(opened)


class _PackFile(io.BufferedReader):
    """A pack, of which so much is read at once at most as its list may have."""

    def read(self, size: int | None = -1, /) -> bytes:
        most = _MOST_LISTED + 1
        found = super().read(most if size is None or size < 0 else min(size, most))
        if len(found) == most:
            raise zipfile.BadZipFile("it lists too much")
        return found


class PackReader:
    """Reads contents from a pack."""

    def __init__(self, opened: zipfile.ZipFile) -> None:
        self._zip = opened

    def pieces(self, file: File) -> Iterator[bytes]:
        """Yield the content of a file, piece by piece, and no more than that.

        Raises:
            DamagedPackError: the pack holds something else, which may be seen at the end only.
            OSError: it cannot be read.
        """
        digest, left = hashlib.sha256(), file.size
        try:
            entry = self._zip.getinfo(str(file.entry))
            # Of another kind the least piece may be any size in memory.
            if entry.compress_type != zipfile.ZIP_DEFLATED:
                raise DamagedPackError("it is not packed as packs are")
            with self._zip.open(entry) as content:
                while chunk := content.read(min(_CHUNK, left + 1)):
                    left -= len(chunk)
                    if left < 0:
                        break
                    digest.update(chunk)
                    yield chunk
        except (*_OF_BAD_ZIPS, RuntimeError) as error:
            raise DamagedPackError(str(error)) from error
        if left or digest.hexdigest() != file.digest:
            raise DamagedPackError("a content is not what it was")
