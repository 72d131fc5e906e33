"""A lock that says that a process lives."""

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


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

    def close(self) -> None:
        """Let go of the lock; its file stays."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def remove(self) -> None:
        """Remove the file, and let go of the lock."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            self.close()


def is_marked(path: Path) -> bool:
    """Whether what a lock guards was taken over from the process that made it."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
