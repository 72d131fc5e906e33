"""Forks of a process that sends what it logs."""

import os
import threading
import weakref
from typing import Protocol


class Forked(Protocol):
    """What is renewed in a forked child."""

    @property
    def sending(self) -> "threading.RLock":
        """Held while something is sent."""
        ...

    def leave(self) -> None:
        """Let go of what the child shares with its parent, and be as new."""
        ...


def renew_after_fork(journal: Forked, wait_s: float) -> None:
    """Let nothing be sent during a fork, and give the child a journal of its own.

    A database connection in use at a fork would be open in both.

    Args:
        journal: forgotten when nobody else knows it any more.
        wait_s: how long a fork waits for what is being sent.
    """
    reference = weakref.ref(journal)
    held = threading.local()

    def _before() -> None:
        parent = reference()
        if parent is not None and parent.sending.acquire(timeout=wait_s):
            held.lock = parent.sending

    def _in_parent() -> None:
        if hasattr(held, "lock"):
            held.lock.release()
            del held.lock

    def _in_child() -> None:
        if hasattr(held, "lock"):
            del held.lock
        inherited = reference()
        if inherited is not None:
            inherited.leave()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
