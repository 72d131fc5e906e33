"""How long the end of a process waits for what it logged to be stored."""

import math
import os
import time

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.terminal import tell

_PATIENCE_S = 10.0
_LONGEST_S = 120.0
_SAID_AFTER_S = 2.0


class EndWait:
    """The wait at the end of a process: one, whatever has to be stored.

    Where the user has set ``MLFLOW_WORKSPACE_EXIT_WAIT``, that is the whole of it. By default it
    lasts as long as something is stored.
    """

    def __init__(self) -> None:
        set_s = settings.EXIT_WAIT_S.given_number()
        self.patience_s = _PATIENCE_S if set_s is None else math.inf
        """How long nothing may be stored."""
        self._started = time.monotonic()
        self.moved_at = self._started
        """When something was stored last, or else when it began, as ``time.monotonic`` has it."""
        self._until = self._started + (_LONGEST_S if set_s is None else set_s)
        self._is_said = False

    @property
    def left_s(self) -> float:
        """How much longer it may last."""
        return max(self._until - time.monotonic(), 0)

    @property
    def quiet_s(self) -> float:
        """How much longer nothing is said of it."""
        return math.inf if self._is_said else self._started + _SAID_AFTER_S - time.monotonic()

    def note_moved(self, at: float) -> None:
        """Take notice that something was stored, by any of those that are waited for.

        Args:
            at: when, as ``time.monotonic`` has it.
        """
        self.moved_at = max(self.moved_at, at)

    def say(self, what: str) -> None:
        """Say, once, that the process waits.

        Args:
            what: it waits for, such as ``5 calls for workspace:///hub/name``.
        """
        if not self._is_said:
            self._is_said = True
            tell(
                f"mlflow-workspace-plugin: storing {what}, for {self.left_s:.0f} s more at most "
                f"({settings.EXIT_WAIT_S.name}).\n"
            )

    def end(self) -> None:
        """Let nothing wait any more."""
        self._until = self._started


_of_process: EndWait | None = None


def begin() -> EndWait:
    """Take notice that this process ends; return how long it waits, from the first time on."""
    global _of_process
    if _of_process is None:
        _of_process = EndWait()
    return _of_process


def of_process() -> EndWait | None:
    """Return how long the end of this process waits, if it has begun."""
    return _of_process


def limited(seconds: float) -> float:
    """Return how long a call may wait: so many seconds, and no longer than the process's end."""
    return seconds if _of_process is None else min(seconds, _of_process.left_s)


def _forget() -> None:
    """Take notice that this process does not end, but is a forked child of one that does."""
    global _of_process
    _of_process = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
