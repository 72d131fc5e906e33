"""Forks of a process that sends what it logs."""

import os
import weakref
from typing import Protocol


class Forked(Protocol):
    """What is renewed in a forked child."""

    def leave(self) -> None:
        """Let go of what the child shares with its parent, and be as new."""
        ...


def renew_after_fork(journal: Forked) -> None:
    """Give a forked child a journal of its own.

    Args:
        journal: forgotten when nobody else knows it any more.
    """
    reference = weakref.ref(journal)

    def _in_child() -> None:
        inherited = reference()
        if inherited is not None:
            inherited.leave()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_in_child)
