"""Files on this machine, before they are stored and after: which there are, and their hashes."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

_CHUNK = 2**20


def files_in(folder: Path) -> Iterator[str]:
    """Yield the path, below a folder, of each file in it; symbolic links are followed.

    Raises:
        OSError: the folder, or one in it, cannot be read.
    """
    for top, _, files in os.walk(folder, onerror=_raise, followlinks=True):
        below = Path(top).relative_to(folder).as_posix()
        for file in files:
            yield file if below == "." else f"{below}/{file}"


def digest_of(file: Path, algorithm: str) -> bytes:
    """Return the hash of a file's content.

    Args:
        file: the file.
        algorithm: such as ``sha256``.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()


def _raise(error: OSError) -> None:
    # By default os.walk leaves out what it cannot read.
    raise error
