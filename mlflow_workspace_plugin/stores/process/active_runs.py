"""MLflow's active runs, where SIGTERM ends the process: MLflow ends them at other ends only."""

import os
import signal
import sys

from mlflow.entities import RunStatus

from mlflow_workspace_plugin.fork_safe_lock import fork_safe_lock
from mlflow_workspace_plugin.journal import of_process
from mlflow_workspace_plugin.journal.end_wait import EndWait

_created: set[str] = set()
_lock = fork_safe_lock()
_ends_at_end = False


def created(run_id: str) -> None:
    """Take notice that this process has created a run.

    Args:
        run_id: the run.
    """
    global _ends_at_end
    with _lock:
        _created.add(run_id)
        if not _ends_at_end:
            _ends_at_end = True
            of_process.at_end(_cancel)


def _cancel(_wait: EndWait, by: "signal.Signals | None") -> None:
    """End the active runs of this thread as killed, but for those that it was handed."""
    fluent = sys.modules.get("mlflow.tracking.fluent")
    if by is None or fluent is None:
        return
    while (active := fluent.active_run()) is not None and active.info.run_id in _created:
        fluent.end_run(RunStatus.to_string(RunStatus.KILLED))


if hasattr(os, "register_at_fork"):
    # They are the parent's.
    os.register_at_fork(after_in_child=_created.clear)
