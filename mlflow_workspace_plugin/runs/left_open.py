"""Runs that this process began, and ends at its own end if nobody has ended them by then.

So no run stays Running whose process has ended by itself. A process that is killed, or ends by
``os._exit``, does nothing at its end, and leaves them.
"""

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from mlflow_workspace_plugin.fork_safe_lock import fork_safe_lock
from mlflow_workspace_plugin.journal import of_process
from mlflow_workspace_plugin.journal.end_wait import EndWait
from mlflow_workspace_plugin.runs import process_end
from mlflow_workspace_plugin.terminal import get_logger

if TYPE_CHECKING:
    from mlflow_workspace_plugin.runs.lifecycle import RunLifecycle

_GOES_ON = ("RUNNING", "SCHEDULED")

_logger = get_logger(__name__)


class _LeftOpen(NamedTuple):
    run: "RunLifecycle"
    depth: int
    """How many runs that this process began it is below of."""


_left_open: dict[str, _LeftOpen] = {}
_lock = fork_safe_lock()
_ends_at_end = False


def begun(run: "RunLifecycle", parent_id: str | None = None) -> None:
    """Take notice that this process has begun a run.

    Args:
        run: the run.
        parent_id: the run whose child it is.
    """
    global _ends_at_end
    with _lock:
        if not _ends_at_end:
            _ends_at_end = True
            process_end.watch()
            of_process.at_end(_end_all)
        parent = _left_open.get(parent_id) if parent_id is not None else None
        _left_open[run.id] = _LeftOpen(run, 0 if parent is None else parent.depth + 1)


def ended(run_id: str) -> None:
    """Take notice that a run was ended."""
    _left_open.pop(run_id, None)


def _end_all(wait: EndWait, by: "signal.Signals | None") -> None:
    """End the runs that are left as the process ends; children before their parents."""
    if not _left_open:
        return
    ending = process_end.ending(by)
    process_end.forget()
    with _lock:
        newest_first = list(_left_open.values())[::-1]
        _left_open.clear()
    for each in sorted(newest_first, key=lambda each: -each.depth):
        _end(each.run, ending, wait)


def _end(run: "RunLifecycle", ending: process_end.Ending, wait: EndWait) -> None:
    try:
        _end_as(run, ending, wait)
    except KeyboardInterrupt:
        # Somebody does not want to wait: the end is kept, and stored later.
        wait.end()
        with suppress(Exception):
            _end_as(run, ending, wait)
    except Exception as error:  # noqa: BLE001  the others are to be ended, too
        _logger.warning("Run %s is not ended: %s", run.id, error)


def _end_as(run: "RunLifecycle", ending: process_end.Ending, wait: EndWait) -> None:
    if _goes_on(run, wait):
        _store_rest(run, wait)
        run.end_as(ending.status, ending.reason)


def _goes_on(run: "RunLifecycle", wait: EndWait) -> bool:
    """Whether nobody has ended or deleted a run, as far as that can be known in time."""
    status = run.ended_as()
    if status is None and wait.left_s:
        status = run.status_now()
    return status is None or status in _GOES_ON


def _store_rest(run: "RunLifecycle", wait: EndWait) -> None:
    """Store the files of a run's folder, as long as there is time.

    Python 3.12 starts no thread as it ends, so there it takes as long as it takes.
    """
    # Not sooner: it takes long, and is there since the run was begun.
    from mlflow_workspace_plugin.stores.journalling.patience import answer_within

    try:
        answer_within(wait.left_s, run.store_rest)
    except TimeoutError:
        _logger.warning("Run %s may lack files: the time for the end of the process is up.", run.id)
    except Exception as error:  # noqa: BLE001  the run is to be ended all the same
        _logger.warning("Run %s lacks files: %s", run.id, error)


if hasattr(os, "register_at_fork"):
    # They are the parent's.
    os.register_at_fork(after_in_child=_left_open.clear)
