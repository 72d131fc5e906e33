"""What readers find out of a job whose runner says nothing, and write down only with proof."""

from collections.abc import Mapping
from pathlib import Path

from mlflow import MlflowClient

from mlflow_workspace_plugin.errors import clause
from mlflow_workspace_plugin.jobs import states
from mlflow_workspace_plugin.jobs.ended import Ended, jobs_folder, left_by
from mlflow_workspace_plugin.jobs.engines.engine import EngineState
from mlflow_workspace_plugin.jobs.machine import has_ended, held_to_end
from mlflow_workspace_plugin.runs.files.run_files import RunFiles
from mlflow_workspace_plugin.stores.build import open_workspace_store
from mlflow_workspace_plugin.stores.deliveries.left_behind import deliver_left_behind
from mlflow_workspace_plugin.stores.jobs.job import Job
from mlflow_workspace_plugin.stores.retries.faults import is_away
from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore
from mlflow_workspace_plugin.terminal import get_logger

_DELIVERY_S = 5.0
_HANDED_OVER_S = 300.0

_logger = get_logger(__name__)


def settle(store: WorkspaceTrackingStore, job: Job, engine_state: EngineState | None = None) -> Job:
    """Return a job as it is, and store that where its runner cannot any more.

    A job fails by this only with proof: its engine has it no more, though no runner has taken it;
    or the process that submitted it was killed before any engine had it; or this machine ran it,
    and nobody holds the lock of its runner, or the machine was started again since. Everything else
    is silence, which may end.

    Args:
        store: of the job's workspace.
        job: as it was read just now.
        engine_state: what its engine says of it, asked after the job was read.
    """
    if job.stored_state in states.LAST:
        return job
    if job.stored_state in states.WAITING:
        kind = "unknown" if engine_state is None else engine_state.kind
        if kind == "unknown" and not job.handle and has_ended(job.runner or {}):
            cause = (
                f"Compute target {job.compute!r} was never told of the job: the process that "
                "submitted it was killed before."
            )
            return _failed(store, job, cause)
        if engine_state is None or kind != "gone":
            return job
        if job.stored_state == states.NOT_STARTED and job.age_s < _HANDED_OVER_S:
            # Who submitted it may be about to tell its engine.
            return job
        reason = engine_state.reason or "It does not know the job."
        cause = f"The job was never started on compute target {job.compute!r}. {reason}"
        return _failed(store, job, cause)
    proof = has_ended(job.runner or {})
    if not proof:
        return job
    if (ended := Ended.kept_beside(job.runner or {})) is not None and ended.owner == job.owner:
        return _recorded(store, job, ended)
    return _ended_for_its_runner(store, job, proof)


def settle_kept() -> dict[str, str]:
    """Tell the hubs how jobs of this machine ended whose runners could not tell them.

    Returns:
        Why that was not possible, by run.
    """
    problems = {}
    away: dict[str, str] = {}
    for ended in Ended.all_kept():
        hub = ended.uri.rpartition("/")[0]
        if hub in away:
            problems[ended.run_id] = away[hub]
            continue
        try:
            store = open_workspace_store(ended.uri)
            # It does not wait for a hub that is away, for good perhaps: somebody's slot is held.
            store.ping()
            job = store.job(ended.run_id)
            settled = None if job is None else settle(store, job)
        except Exception as error:  # noqa: BLE001  the others are to be told
            problems[ended.run_id] = str(error)
            if is_away(error):
                away[hub] = str(error)
            continue
        if settled is not None and settled.stored_state not in states.LAST:
            problems[ended.run_id] = "Its runner still tries, or what it logged cannot be stored."
    return problems


def _upload(store: WorkspaceTrackingStore, run_id: str, files: Mapping[str, str]) -> None:
    run = RunFiles(MlflowClient(tracking_uri=store.tracking_uri), store, run_id)
    for name, path in files.items():
        if Path(path).is_dir():
            run.upload_folder(name, path)
        elif Path(path).is_file():
            run.upload_file(name, path)


def _failed(store: WorkspaceTrackingStore, job: Job, cause: str) -> Job:
    # Compared with what was seen: a runner may have taken the job, or ended it, meanwhile.
    store.fail_lost_job(job.run_id, seen=job, cause=cause)
    return store.job(job.run_id) or job


def _ended_for_its_runner(store: WorkspaceTrackingStore, job: Job, proof: str) -> Job:
    """Store what a job left whose runner cannot any more, then that it failed."""
    lock = Path(str((job.runner or {}).get("lock")))
    # Whoever writes to the hub can name any folder.
    left = left_by(job.run_id) if lock.parent == jobs_folder() / job.run_id else {}
    cause = f"{proof} What the job had stored until then is kept."
    with held_to_end(job.runner or {}) as is_held:
        if not is_held:
            # Another reader does it just now, and until it has, the job has not ended.
            return store.job(job.run_id) or job
        try:
            direct = open_workspace_store(store.tracking_uri)
            deliver_left_behind(direct, job.run_id, wait_s=_DELIVERY_S)
            _upload(direct, job.run_id, left)
            if left:
                cause = f"{proof} What it had printed, and left in ./outputs and ./logs, is kept."
        except Exception as error:  # noqa: BLE001  that it failed is to be said all the same
            if is_away(error):
                _logger.warning("The end of job %s is not stored yet: %s", job.run_id, error)
                return job
            _logger.warning("Run %s lacks some of what its job left: %s", job.run_id, error)
            if left:
                cause += f" Some of what it left is only in {str(lock.parent)!r}: {clause(error)}."
        return _failed(store, job, cause)


def _recorded(store: WorkspaceTrackingStore, job: Job, ended: Ended) -> Job:
    """Store how a job ended, as its runner kept it, after what its command had left."""
    try:
        direct = open_workspace_store(store.tracking_uri)
        deliver_left_behind(direct, job.run_id, wait_s=_DELIVERY_S)
        _upload(store, job.run_id, ended.files)
    except Exception as error:  # noqa: BLE001  the next reader comes to it
        _logger.warning("The end of job %s is not stored yet: %s", job.run_id, error)
        return job
    store.end_job(
        job.run_id, ended.owner, ended.state, exit_code=ended.exit_code, cause=ended.cause
    )
    Ended.forget(Path(str((job.runner or {}).get("lock"))).parent)
    return store.job(job.run_id) or job
