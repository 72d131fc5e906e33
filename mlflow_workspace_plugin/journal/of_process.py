"""The journals of this process, one for each target, and what becomes of them at its end."""

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.journal.journal import Journal

_journals: dict[str, Journal] = {}
_lock = threading.Lock()


def journal_of(target: str, make: Callable[[], Journal]) -> Journal:
    """Return the journal of this process for a target, made the first time.

    Args:
        target: the workspace's URI.
        make: makes it.
    """
    with _lock:
        if target not in _journals:
            if not _journals:
                atexit.register(_close_all)
                _close_on_termination()
            _journals[target] = make()
        return _journals[target]


def _close_all() -> None:
    """Send what waits; say what is left, where it is, and how to send it."""
    wait_s = float(settings.EXIT_WAIT_S.get())
    for target, journal in list(_journals.items()):
        if not journal.close(wait_s):
            # Logging may be shut down by now.
            sys.stderr.write(
                f"mlflow-workspace-plugin: {journal.waiting} calls for {target} could not be sent "
                f"and wait in {journal.folder.path}. To send them: mlflow-workspace sync\n"
            )


def _close_on_termination() -> None:
    """Send what waits before SIGTERM ends the process, unless the program deals with it itself."""

    def _terminate(number: int, _frame: FrameType | None) -> None:
        _close_all()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        # Only the main thread may.
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGTERM, _terminate)
