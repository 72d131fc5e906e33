"""Which machine this is, and whether what ran on it lives: by kernel locks, not by process ids.

A runner holds a lock as long as it or anything of its command lives, and says in its job's row
where: the file, as the kernel knows it. A path alone proves nothing, for containers have files of
their own, a ``/tmp`` may be private, and old files are cleaned away.
"""

import fcntl
import os
import platform
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mlflow_workspace_plugin.jobs.boot import boot_id
from mlflow_workspace_plugin.journal.files.folder import host_id

_TRIES = 10
_PAUSE_S = 0.02


def where_locked(lock: Path, descriptor: int, mark: str | None = None) -> dict[str, Any]:
    """Return where to look for this process: machine, boot, and the lock that it holds.

    Args:
        lock: the path of the lock's file.
        descriptor: of the file, which is locked.
        mark: the variable's value by which what this process starts is found.
    """
    status = os.fstat(descriptor)
    return {
        "host": platform.node(),
        "host_id": host_id(),
        "boot": boot_id(),
        "pid": os.getpid(),
        "lock": str(lock),
        "device": status.st_dev,
        "inode": status.st_ino,
        "mark": mark,
    }


def is_this_machine(where: Mapping[str, Any]) -> bool:
    """Whether a process was on the machine that this one is on."""
    return where.get("host_id") == host_id() and where.get("host") == platform.node()


def has_ended(where: Mapping[str, Any]) -> str:
    """Return the proof that a process has ended, for people; empty if there is none.

    Args:
        where: as :func:`where_locked` told of it.
    """
    if not is_this_machine(where):
        return ""
    before, now = where.get("boot"), boot_id()
    if before and now and before != now:
        return f"{where['host']} was started again meanwhile."
    if before != now:
        return ""
    if _is_free(where):
        return "Its runner was killed."
    return ""


@contextmanager
def held_to_end(where: Mapping[str, Any]) -> Iterator[bool]:
    """Hold the lock of a process that has ended within the block, as only one reader can.

    Args:
        where: as :func:`where_locked` told of it.

    Yields:
        Whether nobody else does; also where there is no such file any more.
    """
    try:
        file = _opened(where)
    except (OSError, ValueError):
        yield True
        return
    try:
        is_held = _taken(file)
        try:
            yield is_held
        finally:
            if is_held:
                # A child that was forked meanwhile has the file, too.
                fcntl.flock(file, fcntl.LOCK_UN)
    finally:
        os.close(file)


def _opened(where: Mapping[str, Any]) -> int:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    return os.open(str(where.get("lock")), flags)


def _taken(file: int) -> bool:
    for _ in range(_TRIES):
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        # Who looks whether anybody lives holds it for a moment.
        time.sleep(_PAUSE_S)
    return False


def _is_free(where: Mapping[str, Any]) -> bool:
    """Whether nobody holds the very file that was locked."""
    try:
        file = _opened(where)
    except (OSError, ValueError):
        return False
    try:
        status = os.fstat(file)
        is_it = (status.st_dev, status.st_ino) == (where.get("device"), where.get("inode"))
        if not is_it or not stat.S_ISREG(status.st_mode):
            return False
        # Of several that look at once none is in the way of another.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(file)
    return True
