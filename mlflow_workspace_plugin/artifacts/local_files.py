"""Files on this machine, before they are stored and after: which there are, and their hashes."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

_CHUNK = 2**20


def files_in(folder: Path) -> Iterator[str]:
    """Yield the path, below a folder, of each file in it; links are followed, but back up.

    Raises:
        OSError: the folder, or one in it, cannot be read.
    """
    for below, files in folders_in(folder):
        for file in files:
            yield str(below / file)


def folders_in(folder: Path) -> Iterator[tuple[PurePosixPath, list[str]]]:
    """Yield the path, below a folder, of it and of each folder in it, and the names of its files.

    Raises:
        OSError: the folder, or one in it, cannot be read.
    """
    for top, folders, files in os.walk(folder, onerror=_raise, followlinks=True):
        folders[:] = [each for each in folders if not _leads_back(folder, Path(top, each))]
        yield PurePosixPath(Path(top).relative_to(folder).as_posix()), files


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading; a pipe, which could keep the process waiting for ever, is none.

    Raises:
        OSError: it cannot be read, or is no plain file.
    """
    file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb")
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "It is no plain file", str(path))


def digest_of(file: Path, algorithm: str) -> bytes:
    """Return the hash of a file's content.

    Args:
        file: the file.
        algorithm: such as ``sha256``.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open_file(file) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()


def _leads_back(start: Path, link: Path) -> bool:
    """Whether a folder is a link to one that it was reached through, as if that had no end."""
    if not link.is_symlink():
        return False
    target = link.resolve()
    ways = link.relative_to(start).parents
    return any((start / way).resolve() == target for way in ways)


def _raise(error: OSError) -> None:
    # By default os.walk leaves out what it cannot read.
    raise error
