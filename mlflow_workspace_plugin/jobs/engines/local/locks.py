"""Locks of the kernel's on files: it lets go of them when whoever holds them has ended."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PAUSE_S = 0.01


def try_lock(file: int) -> bool:
    """Lock an open file, unless somebody else holds it; who inherits the file holds it, too."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock on a file; nobody does on one that is missing.

    Those who ask do not see each other.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


@contextmanager
def locked(path: Path, wait_s: float) -> Iterator[None]:
    """Hold the lock on a file in this block.

    Raises:
        TimeoutError: somebody else held it all the time.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + wait_s
        while not try_lock(file):
            if time.monotonic() > deadline:
                raise TimeoutError(f"Another process held {str(path)!r} for {wait_s:.0f} s.")
            time.sleep(_PAUSE_S)
        try:
            yield
        finally:
            # A child that another thread forks meanwhile has the file, too.
            fcntl.flock(file, fcntl.LOCK_UN)
    finally:
        os.close(file)
