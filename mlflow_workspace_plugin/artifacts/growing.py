"""Storing what a local file has behind its copy, where bytes can be written behind a file's end."""

import os
from collections.abc import Callable
from typing import BinaryIO

_COMPARED = 4_096
"""So many bytes at its end tell what a file is that is appended to."""
_PIECE = 2**20


def append_rest(
    source: BinaryIO,
    size: int,
    read: Callable[[int, int], bytes],
    append: Callable[[bytes, int], bool],
) -> int | None:
    """Append to a copy what a local file has behind it.

    Args:
        source: the local file.
        size: of the copy.
        read: returns a piece of the copy, from its start on and of its size.
        append: writes a piece behind so many bytes; says whether it is there, and nothing else.

    Returns:
        How many bytes; None if the copy is not what the file begins with, as far as its end tells,
        or somebody else writes to it.
    """
    start = max(0, size - _COMPARED)
    source.seek(start)
    if source.read(size - start) != (read(start, size - start) if size else b""):
        return None
    # No longer than it is now: somebody may write faster.
    at, end = size, os.fstat(source.fileno()).st_size
    while at < end and (piece := source.read(min(_PIECE, end - at))):
        if not append(piece, at):
            return None
        at += len(piece)
    return at - size
