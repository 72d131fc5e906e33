"""Locks that a forked child does not inherit from a thread that it does not have."""

import os
import threading
from contextlib import AbstractContextManager


def fork_safe_lock() -> AbstractContextManager[bool]:
    """Return a lock for a module, to be kept as long as the process lives.

    Its thread may enter it again, as the handler of a signal does. A fork waits until it is free.
    """
    lock = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )
    return lock
