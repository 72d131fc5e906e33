"""Where a run stands, in a few words that change while it goes on: the head of what is shown."""

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from mlflow.entities import LifecycleStage
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from mlflow_workspace_plugin.errors import RunNotFoundError
from mlflow_workspace_plugin.fork_safe_lock import fork_safe_lock
from mlflow_workspace_plugin.jobs.watch import JobWatch
from mlflow_workspace_plugin.overview.run.remarks import remark_of
from mlflow_workspace_plugin.runs import status as run_status
from mlflow_workspace_plugin.runs.reason import reason_of_ended
from mlflow_workspace_plugin.stores.tags.own_tags import CONFLICT_TAG, JOB_TAG

if TYPE_CHECKING:
    from mlflow_workspace_plugin.overview.source import Source
    from mlflow_workspace_plugin.stores.jobs.job import Job

DELETED = "Deleted"
_LAST = ("FINISHED", "FAILED", "KILLED")
_KEPT = 256

_watches: "OrderedDict[tuple[str, str], JobWatch]" = OrderedDict()
_watches_lock = fork_safe_lock()


def head_of_run(source: "Source", run: MlflowRun) -> dict[str, Any]:
    """Return where a run stands. Times are milliseconds since 1970.

    Args:
        source: the workspace.
        run: as it was just read.

    Returns:
        ``run_id``, ``name``, ``experiment_id``, ``parent_id``, ``user``; ``status`` in SDK v1's
        words, or ``Deleted``; ``is_over``, after which nothing changes by itself; ``reason`` of a
        failure or a cancel, ``warning`` of what was refused, ``remark`` on how it is shown;
        ``compute``, and of a job ``waits`` (for what), ``submitted`` and ``exit_code``;
        ``started``, ``ended``; ``now``, by the clock of who answers.
    """
    info, tags = run.info, run.data.tags
    watch = watch_of_job(source, run)
    job = None if watch is None else watch.read()
    is_deleted = info.lifecycle_stage != LifecycleStage.ACTIVE
    has_ended = info.status in _LAST
    return {
        "run_id": info.run_id,
        "name": info.run_name,
        "experiment_id": info.experiment_id,
        "parent_id": tags.get(MLFLOW_PARENT_RUN_ID),
        "user": info.user_id or None,
        "status": DELETED if is_deleted else _status(run, job),
        "is_over": is_deleted or has_ended,
        "reason": reason_of_ended(run),
        "warning": tags.get(CONFLICT_TAG),
        "remark": remark_of(tags),
        "compute": None if job is None else job.compute,
        "waits": None if job is None or watch is None else watch.waits_for(job),
        "submitted": None if job is None else job.submitted_at,
        "exit_code": None if job is None else job.exit_code,
        # Of a job that waits MLflow's run has a time, too.
        "started": info.start_time if job is None else job.started_at,
        "ended": info.end_time if has_ended else None,
        "now": time.time_ns() // 1_000_000,
    }


def status_of_run(source: "Source", run: MlflowRun) -> str:
    """Return a run's status alone, in SDK v1's words, or ``Deleted``; no engine is asked."""
    if run.info.lifecycle_stage != LifecycleStage.ACTIVE:
        return DELETED
    is_job = _is_job(run) and run.info.status not in _LAST
    return _status(run, source.store.job(run.info.run_id) if is_job else None)


def watch_of_job(source: "Source", run: MlflowRun) -> JobWatch | None:
    """Return who watches the job that a run is; None of a run that is none.

    It is the same for all that look at a run, so that an engine is not asked by each.
    """
    if not _is_job(run):
        return None
    key = source.tracking_uri, run.info.run_id
    with _watches_lock:
        watch = _watches.pop(key, None) or JobWatch(source.store, run.info.run_id)
        _watches[key] = watch
        while len(_watches) > _KEPT:
            _watches.popitem(last=False)
    return watch


def _status(run: MlflowRun, job: "Job | None") -> str:
    return run_status.of_mlflow(run.info.status) if job is None else job.state


def _is_job(run: MlflowRun) -> bool:
    # Who copies the tags of a run copies this one, too.
    return bool(run.data.tags.get(JOB_TAG) == run.info.run_id)


def says_run_is_gone(error: Exception) -> bool:
    """Return whether an error says of a run that there is none, and not of the hub around it.

    Args:
        error: of what was read of the run.
    """
    if isinstance(error, RunNotFoundError):
        return True
    # What is said of hubs and workspaces has classes of its own.
    code = error.error_code if isinstance(error, MlflowException) else None
    return type(error) is MlflowException and code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)
