"""A lock that says that a process lives."""

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

    def hold_written(_file: int) -> bool:
        """Whether nobody else holds a file that is written to; there it would keep readers out."""
        return True
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def hold_written(file: int) -> bool:
        """Hold the lock on a file that is written to, as long as it is open, unless others do.

        A lock file is never written to, and looks old to whoever removes old files.
        """
        try:
            _lock(file)
        except BlockingIOError:
            return False
        return True


# Held by another process, of another user, or removed by the one that held it.
_HELD = (BlockingIOError, FileNotFoundError, PermissionError)
_TRIES = 100


class HeldLock:
    """A lock file that this process holds, until it ends or lets go.

    A forked child has to :meth:`close` it at once: it would keep the lock after its parent's end.
    """

    def __init__(self, path: Path, file: int) -> None:
        self._path = path
        self._file: int | None = file
        self._written: list[int] = []

    @classmethod
    def create(cls, path: Path) -> "HeldLock":
        """Hold a lock whose file is new.

        Raises:
            OSError: the file cannot be made or locked.
        """
        for _ in range(_TRIES):
            # Somebody who looks for locks that nobody holds may hold it for a moment.
            lock = cls.take(path)
            if lock is not None:
                return lock
        raise PermissionError(f"{str(path)!r} cannot be locked.")

    @classmethod
    def take(cls, path: Path) -> "HeldLock | None":
        """Hold the lock if nobody else does; else return None.

        Raises:
            OSError: the file cannot be made, or the file system knows no locks.
        """
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except PermissionError:
            return None
        try:
            _lock(file)
            if os.path.samestat(os.fstat(file), path.stat()):
                return cls(path, file)
        except _HELD:
            pass
        except OSError:
            os.close(file)
            raise
        os.close(file)
        return None

    def mark(self) -> None:
        """Let others see that what it guards was taken over; see :func:`is_marked`."""
        if self._file is not None:
            os.ftruncate(self._file, 1)

    @property
    def is_there(self) -> bool:
        """Whether its file still is, so that others see that it is held."""
        return self._file is not None and is_at(self._path, self._file)

    def hold(self, path: Path) -> bool:
        """Hold the lock on a file that is written to, too; return False if somebody else does.

        What cannot be opened is nobody's.
        """
        with suppress(OSError):
            file = open_regular(path)
            self._written.append(file)
            return hold_written(file)
        return True

    def touch(self) -> None:
        """Let its file look new to whoever removes old ones."""
        if self._file is not None:
            with suppress(OSError):
                os.utime(self._file)

    def close(self) -> None:
        """Let go of the lock; its file stays."""
        while self._written:
            os.close(self._written.pop())
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def remove(self) -> None:
        """Remove the file, and let go of the lock."""
        # If somebody removed it, another process may hold a new one.
        if self.is_there:
            self._path.unlink(missing_ok=True)
        self.close()


def is_marked(path: Path) -> bool:
    """Whether what a lock guards was taken over from the process that made it."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def is_at(path: Path, file: int) -> bool:
    """Whether an open file is what a path leads to, as far as that can be known."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


def open_regular(path: Path) -> int:
    """Open a file for reading, and nothing that would keep whoever reads it waiting.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    file = os.open(path, flags | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise IsADirectoryError(errno.EISDIR, "It is no regular file", str(path))
    return file
