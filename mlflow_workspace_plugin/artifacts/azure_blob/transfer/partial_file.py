"""A file on its way to the local disk: which parts are there, also after a kill."""

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class PartialFile:
    """The part of a file that was written, beside its place.

    Args:
        path: where it is.
        done: the list of parts that are written, of four bytes for each.
    """

    def __init__(self, path: Path, done: Path) -> None:
        self.path = path
        self._done = done
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self._list = os.open(done, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)

    def lock(self) -> bool:
        """Take it for this user of it; False when another one has it, or has just finished it."""
        try:
            fcntl.flock(self._list, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(self.path.stat(), os.fstat(self._file)):
                return False
        except OSError:
            return False
        if not os.fstat(self._file).st_size:
            # The list is of a file that was finished by a process that was killed then.
            os.ftruncate(self._list, 0)
        return True

    def parts(self) -> set[int]:
        """Return the numbers of the parts that are written; after a power cut they may not be."""
        listed = os.pread(self._list, os.fstat(self._list).st_size, 0)
        whole = len(listed) // 4 * 4
        return {int.from_bytes(listed[at : at + 4], "big") for at in range(0, whole, 4)}

    def write(self, number: int, offset: int, content: bytes) -> None:
        """Write a part, and then note its number."""
        view = memoryview(content)
        while view:
            written = os.pwrite(self._file, view, offset)
            view, offset = view[written:], offset + written
        os.write(self._list, number.to_bytes(4, "big"))

    def finish(self, target: Path) -> None:
        """Move the whole file to its place."""
        self.path.replace(target)
        self._done.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove what was written."""
        self.path.unlink(missing_ok=True)
        self._done.unlink(missing_ok=True)

    def close(self) -> None:
        """Let it go; what was written stays."""
        os.close(self._file)
        os.close(self._list)


@contextmanager
def partial_file(target: Path, version: str | None) -> Iterator[PartialFile]:
    """Open the part of a file that is there already, or an empty one.

    Args:
        target: the file to be.
        version: what tells the content from any other that was to be written there. None: it is
            not to be taken over later.

    Raises:
        OSError: it cannot be written.
    """
    part = _open(target, version) if version else None
    if part is not None and not part.lock():
        # Another process writes the same file now; this one has a part of its own.
        part.close()
        part = None
    kept = part is not None
    if part is None:
        part = _open(target, uuid.uuid4().hex)
    try:
        yield part
    finally:
        if not kept or not part.parts():
            with suppress(OSError):
                part.discard()
        part.close()


def _open(target: Path, version: str) -> PartialFile:
    name = f".download-{version}"
    return PartialFile(target.with_name(name), target.with_name(f"{name}.parts"))
