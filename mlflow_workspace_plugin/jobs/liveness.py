"""What readers find out of a job whose runner says nothing, and write down only with proof."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mlflow import MlflowClient

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.errors import (
    InvalidUriError,
    JobEndedError,
    JobTakenError,
    clause,
)
from mlflow_workspace_plugin.jobs.computes import LOCAL
from mlflow_workspace_plugin.jobs.ended import LOCK, Ended, jobs_folder, left_by
from mlflow_workspace_plugin.jobs.engines.engine import EngineState
from mlflow_workspace_plugin.jobs.machine import has_ended, held_to_end, where_locked
from mlflow_workspace_plugin.jobs.marked_processes import MARK, end_marked
from mlflow_workspace_plugin.remote.build import open_workspace_store
from mlflow_workspace_plugin.remote.left_behind import deliver_left_behind
from mlflow_workspace_plugin.remote.log_ins import job_logged_in
from mlflow_workspace_plugin.runs.files.run_files import RunFiles
from mlflow_workspace_plugin.stores.jobs import states
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
        return _waiting(store, job, engine_state)
    proof = has_ended(job.runner or {})
    if not proof:
        return job
    if (ended := Ended.kept_beside(job.runner or {})) is not None and ended.owner == job.owner:
        return _recorded(store, job, ended)
    return _ended_for_its_runner(store, job, proof)


def settle_kept(uri: str | None = None) -> dict[str, str]:
    """Tell the hubs how jobs of this machine ended whose runners could not tell them.

    Args:
        uri: only that of this workspace.

    Returns:
        Why that was not possible, by run.
    """
    problems = {}
    away: dict[str, str] = {}
    own = job_logged_in()
    for ended in Ended.all_kept():
        if uri not in (None, ended.uri):
            continue
        if own not in (None, ended.run_id) and _is_served(ended.uri):
            # The log-in of a job is for its run: who may write to the others tells of them.
            continue
        hub = ended.uri.rpartition("/")[0]
        if hub in away:
            problems[ended.run_id] = away[hub]
            continue
        try:
            store = open_workspace_store(ended.uri)
            # It does not wait for a hub that is away, for good perhaps: somebody's slot is held.
            store.ping()
            job = store.job(ended.run_id)
            if job is not None and job.owner is None and job.stored_state in states.WAITING:
                job = _taken_again(store, ended)
            settled = None if job is None else settle(store, job)
            if job is None or job.stored_state in states.LAST:
                _came_too_late(store, job, ended)
        except Exception as error:  # noqa: BLE001  the others are to be told
            problems[ended.run_id] = str(error)
            if is_away(error):
                away[hub] = str(error)
            continue
        if settled is not None and settled.stored_state not in states.LAST:
            problems[ended.run_id] = "Its runner still tries, or what it logged cannot be stored."
    return problems


def _taken_again(store: WorkspaceTrackingStore, ended: Ended) -> Job:
    """Take a job for its runner, of which a hub that was restored from a backup does not know."""
    lock = ended.folder / LOCK
    with lock.open("rb") as file:
        return store.take_job(ended.run_id, ended.owner, where_locked(lock, file.fileno()))


def _is_served(uri: str) -> bool:
    with suppress(InvalidUriError):
        return isinstance(uris.parse(uri), uris.ServedWorkspaceUri)
    return False


def _came_too_late(store: WorkspaceTrackingStore, job: Job | None, ended: Ended) -> None:
    """Forget how a job ended that has ended otherwise meanwhile, or is gone with its run.

    It was canceled without waiting for its runner, say, or failed as never started in a hub that
    was restored from a backup: what its runner has kept is stored all the same.
    """
    if job is not None and job.owner in (None, ended.owner):
        try:
            _upload(store, job.run_id, ended.files)
        except Exception as error:
            if is_away(error):
                raise
            _logger.warning("Run %s lacks some of what its job left: %s", job.run_id, error)
    Ended.forget(ended.folder)


def _waiting(store: WorkspaceTrackingStore, job: Job, engine_state: EngineState | None) -> Job:
    """Return a job that no runner has taken, failed if none ever will."""
    kind = None if engine_state is None else engine_state.kind
    # What this machine's queue does not know may be in that of another; of the other engines one
    # that does not answer may have it.
    has_none = kind == "gone" or (kind == "unknown" and job.engine == LOCAL)
    if has_none and not job.handle and has_ended(job.runner or {}):
        cause = (
            f"Compute target {job.compute!r} was never told of the job: the process that "
            "submitted it was killed before."
        )
        return _never_started(store, job, cause)
    if engine_state is None or kind != "gone":
        return job
    if job.stored_state == states.NOT_STARTED and job.age_s < _HANDED_OVER_S:
        # Who submitted it may be about to tell its engine.
        return job
    reason = engine_state.reason or "It does not know the job."
    # What a runner said is the rest of a sentence.
    stop = ":" if reason[:1].islower() else "."
    cause = f"The job was never started on compute target {job.compute!r}{stop} {reason}"
    return _never_started(store, job, cause)


def _never_started(store: WorkspaceTrackingStore, job: Job, cause: str) -> Job:
    """Fail a job that no runner has taken, as far as its hub knows, which may be restored.

    One that has ended on this machine is taken again; the next look stores how it ended.
    """
    ended = Ended.kept_in(jobs_folder() / job.run_id)
    # A copy of the hub may stand elsewhere.
    if ended is None or ended.uri != store.tracking_uri:
        return _failed(store, job, cause)
    with suppress(JobTakenError, JobEndedError, OSError):
        return _taken_again(store, ended)
    return store.job(job.run_id) or job


def _upload(store: WorkspaceTrackingStore, run_id: str, files: Mapping[str, str]) -> None:
    """Store files and folders, and if one cannot be, the others all the same.

    Raises:
        Exception: one could not be; at once if the hub is away.
    """
    run = RunFiles(MlflowClient(tracking_uri=store.tracking_uri), store, run_id)
    failed = [each for name, path in files.items() if (each := _upload_one(run, name, Path(path)))]
    if failed:
        raise failed[0]


def _upload_one(run: RunFiles, name: str, path: Path) -> Exception | None:
    """Store a file or folder; return why it cannot be, unless the hub is away."""
    try:
        if path.is_dir():
            run.upload_folder(name, path)
        elif path.is_file():
            run.upload_file(name, path)
    except Exception as error:
        if is_away(error):
            raise
        return error
    return None


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
        _end_what_is_left(job)
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


def _end_what_is_left(job: Job) -> None:
    """End what a job started and those that would have ended it, who were killed, did not."""
    mark = (job.runner or {}).get("mark")
    remaining = end_marked(MARK, mark) if isinstance(mark, str) and mark else []
    if remaining:
        _logger.warning("Processes of job %s cannot be ended: %s", job.run_id, remaining)


def _recorded(store: WorkspaceTrackingStore, job: Job, ended: Ended) -> Job:
    """Store how a job ended, as its runner kept it, after what its command had left."""
    try:
        direct = open_workspace_store(store.tracking_uri)
        deliver_left_behind(direct, job.run_id, wait_s=_DELIVERY_S)
        _upload(store, job.run_id, ended.files)
    except Exception as error:  # noqa: BLE001  how it ended is to be said all the same
        if is_away(error):
            _logger.warning("The end of job %s is not stored yet: %s", job.run_id, error)
            return job
        _logger.warning("Run %s lacks some of what its job left: %s", job.run_id, error)
    store.end_job(
        job.run_id, ended.owner, ended.state, exit_code=ended.exit_code, cause=ended.cause
    )
    Ended.forget(Path(str((job.runner or {}).get("lock"))).parent)
    return store.job(job.run_id) or job
