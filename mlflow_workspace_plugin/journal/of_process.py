"""What this process keeps for each target until it is stored, and what becomes of it at its end."""

import atexit
import contextlib
import multiprocessing.util
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from mlflow_workspace_plugin.fork_safe_lock import fork_safe_lock
from mlflow_workspace_plugin.journal import end_wait
from mlflow_workspace_plugin.journal.end_wait import EndWait
from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from mlflow_workspace_plugin.journal.remains import Remains
from mlflow_workspace_plugin.terminal import tell


class Keeper(Protocol):
    """Keeps what was logged until it is stored."""

    what: str
    """That is kept, in the plural."""
    is_last: bool
    """Whether others may give it something when they are closed."""
    folder: JournalFolder
    """Where it is kept."""

    @property
    def remains(self) -> Remains:
        """What is kept, and what is lost."""

    @property
    def is_interrupted(self) -> bool:
        """Whether a signal has interrupted this thread where it keeps something."""

    def close(self, wait: EndWait) -> Remains:
        """Send what is kept; return what could not be sent."""


AtEnd = Callable[[EndWait, "signal.Signals | None"], None]
"""Called at the end of a process, with its wait, and with the signal that ends it, if one does."""

_PID = os.getpid()
_MOMENT_S = 0.02

Kept = TypeVar("Kept", bound=Keeper)

_keepers: dict[tuple[type[Any], str], Any] = {}
_at_end: list[AtEnd] = []
_closes_at_end = False
_finalizes = False
_lock = fork_safe_lock()


def keeper_of(kind: type[Kept], target: str, make: Callable[[], Kept]) -> Kept:
    """Return the keeper of this process for a target, made the first time.

    Args:
        kind: what it is.
        target: the workspace's URI.
        make: makes it.
    """
    with _lock:
        if (kind, target) not in _keepers:
            _close_at_end()
            _keepers[kind, target] = make()
        found: Kept = _keepers[kind, target]
        return found


def at_end(function: AtEnd) -> None:
    """Have something done at the end of this process and of forked ones, before all is sent.

    Not where a program deals with SIGTERM itself, and does not end by ``sys.exit`` then.

    Args:
        function: called once for each time the process ends, in the thread that ends it.
    """
    with _lock:
        _close_at_end()
        _at_end.append(function)


def _close_at_end() -> None:
    """Send what waits when this process ends, and its children's when they do; set up once.

    The time of the end begins with the first thing that is done there, and from then on no call
    waits for its record: :func:`end` waits for all. It is registered where it comes after MLflow's
    own end of the active run.
    """
    global _closes_at_end
    # One that is spawned learns late that it is one.
    if multiprocessing.parent_process() is not None and not _finalizes:
        _close_at_end_of_child()
    if _closes_at_end:
        return
    _closes_at_end = True
    atexit.register(end_wait.begin)
    # A child of multiprocessing ends without what is registered with ``atexit``.
    multiprocessing.util.register_after_fork(_close_at_end, _close_at_end_of_child)
    _close_on_termination()


def _close_at_end_of_child(_function: object = None) -> None:
    global _finalizes
    _finalizes = True
    multiprocessing.util.Finalize(None, _end_child, exitpriority=0)


def _end_child() -> None:
    wait = end_wait.begin()
    _do_at_end(wait)
    close_all(wait)


def end() -> None:
    """End MLflow's runs that are active still, send what waits, and say what is left.

    What is logged afterwards is saved, and not waited for.
    """
    wait = end_wait.begin()
    _do_at_end(wait)
    if _keepers:
        _end_active_runs()
    close_all(wait)
    wait.end()


def _do_at_end(wait: EndWait, by: "signal.Signals | None" = None) -> None:
    for function in _at_end:
        # It would hide how the program ended.
        with contextlib.suppress(Exception):
            function(wait, by)


def _end_active_runs() -> None:
    """End the active runs of this thread: MLflow itself ends one, though they may be nested.

    Those of a parent process go on.
    """
    fluent = sys.modules.get("mlflow.tracking.fluent")
    if fluent is None or os.getpid() != _PID:
        return
    while fluent.active_run() is not None and _tracks_here():
        with contextlib.suppress(Exception):
            fluent.end_run()


def _tracks_here() -> bool:
    """Whether MLflow tracks in one of our workspaces."""
    import mlflow

    uri: str = mlflow.get_tracking_uri()
    return urlsplit(uri).scheme == "workspace"


def close_all(wait: EndWait | None = None) -> None:
    """Send what waits; say what is left, where it is, and how to send it.

    Args:
        wait: how long to wait for it; by default as the end of a process does.
    """
    wait = wait or EndWait()
    for is_last in (False, True):
        for (_, target), keeper in list(_keepers.items()):
            if keeper.is_last == is_last:
                _close(keeper, target, wait)


def _close(keeper: Keeper, target: str, wait: EndWait) -> None:
    reason = "could not be sent"
    try:
        left = keeper.close(wait)
    except KeyboardInterrupt:
        # Somebody does not want to wait, and is told what that means.
        wait.end()
        left, reason = keeper.remains, "were not sent yet"
    except Exception as error:  # noqa: BLE001  it would hide how the program ended
        left, reason = keeper.remains, f"could not be sent ({error})"
    if left.waiting:
        tell(
            f"mlflow-workspace-plugin: {left.waiting} {keeper.what} for {target} {reason} "
            f"and wait in {keeper.folder.path}. To send them: mlflow-workspace sync\n"
        )
    if left.lost:
        tell(
            f"mlflow-workspace-plugin: {left.lost} {keeper.what} for {target} are lost: "
            f"{left.reason}. mlflow-workspace verify RUN names them.\n"
        )


def _close_on_termination() -> None:
    """Send what waits before SIGTERM ends the process, unless the program deals with it itself."""
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        # Only the main thread may.
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, _frame: FrameType | None) -> None:
    # A handler that was set later, and called this one, decides itself whether the process ends.
    decides = signal.getsignal(number) is _terminate
    if decides and any(keeper.is_interrupted for keeper in list(_keepers.values())):
        # What is logged here would be written when that goes on, so it goes on first.
        again = threading.Timer(_MOMENT_S, os.kill, (os.getpid(), number))
        again.daemon = True
        again.start()
        return
    try:
        if decides:
            _do_at_end(end_wait.begin(), signal.Signals(number))
        close_all(end_wait.of_process())
    finally:
        if decides:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
