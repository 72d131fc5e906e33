"""A lock that says that a process lives."""

import errno
import os
import stat
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

    def hold_written(_file: int) -> bool:
        """Whether nobody else holds a file that is written to; there it would keep readers out."""
        return True

    def make_held(path: Path, _unfinished: Path) -> int | None:
        """Make an empty file. It cannot be held."""
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        return None

    def _make_locked(_path: Path) -> int | None:
        """Make a lock file that is held from its first moment on: not possible there."""
        return None
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

    def make_held(path: Path, unfinished: Path) -> int | None:
        """Make an empty file that is held from the moment on at which others find it.

        Args:
            path: of the file.
            unfinished: its path until then.

        Returns:
            The open file. It is held as long as it is, where the file system knows locks.

        Raises:
            OSError: it cannot be made.
        """
        file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with suppress(OSError):
                hold_written(file)
            unfinished.replace(path)
        except BaseException:
            os.close(file)
            raise
        return file

    def _make_locked(path: Path) -> int | None:
        """Make a lock file that is held from the moment on at which others find it.

        Returns:
            The open file; None if there is one already, or that is not possible here.
        """
        unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
        with suppress(OSError):
            file = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _lock(file)
                # Unlike a file that is renamed it never takes the place of another.
                os.link(unfinished, path)
            except BaseException:
                os.close(file)
                raise
            finally:
                with suppress(OSError):
                    unfinished.unlink()
            return file
        return None


# Held by another process, of another user, or removed by the one that held it.
_HELD = (BlockingIOError, FileNotFoundError, PermissionError)
# How long somebody who looks whether a lock is held may hold it, and how often that is looked at.
# With more processes than cores it may have to wait for its turn to let go.
_PATIENCE_S = 1.0
_PAUSE_S = 0.001
# Of this process, as opposed to that file.
_TOO_MANY_FILES = (errno.EMFILE, errno.ENFILE)


class HeldLock:
    """A lock file that this process holds, until it ends or lets go.

    A forked child has to :meth:`close` it at once: it would keep the lock after its parent's end.
    """

    def __init__(self, path: Path, file: int) -> None:
        self._path = path
        self._file: int | None = file
        self._written: list[int] = []

    @classmethod
    def create(cls, path: Path, patience_s: float = _PATIENCE_S) -> "HeldLock":
        """Hold a lock whose file is new.

        Args:
            path: of the file.
            patience_s: how long to wait for somebody who looks for locks that nobody holds, and
                holds it for a moment.

        Raises:
            OSError: the file cannot be made or locked.
        """
        file = _make_locked(path)
        if file is not None:
            return cls(path, file)
        until = time.monotonic() + patience_s
        while (lock := cls._take(path)) is None:
            if time.monotonic() >= until:
                raise BlockingIOError(errno.EAGAIN, "Another process holds it", str(path))
            time.sleep(_PAUSE_S)
        return lock

    @classmethod
    def take(cls, path: Path) -> "HeldLock | None":
        """Hold the lock if nobody else does; else return None.

        Raises:
            OSError: the file cannot be made, or the file system knows no locks.
        """
        try:
            return cls._take(path)
        except PermissionError:
            return None

    @classmethod
    def _take(cls, path: Path) -> "HeldLock | None":
        file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
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

        Raises:
            OSError: this process has too many files open to know.
        """
        try:
            file = open_regular(path)
            self._written.append(file)
            return hold_written(file)
        except OSError as error:
            if error.errno in _TOO_MANY_FILES:
                raise
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
