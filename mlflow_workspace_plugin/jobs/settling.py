"""Settling jobs for somebody who waits for their states, and not for as long as it takes.

What a killed runner left may be gigabytes. It is stored in a thread; where this process ends before
that, in one of its own: ``python -m mlflow_workspace_plugin.jobs.settling URI RUN_ID ...``.
"""

import atexit
import subprocess
import sys
import threading
import time
from contextlib import suppress

from mlflow_workspace_plugin.fork_safe_lock import fork_safe_lock
from mlflow_workspace_plugin.jobs.engines.engine import EngineState
from mlflow_workspace_plugin.jobs.liveness import settle
from mlflow_workspace_plugin.jobs.machine import has_ended
from mlflow_workspace_plugin.remote.build import open_workspace_store
from mlflow_workspace_plugin.stores.jobs import states
from mlflow_workspace_plugin.stores.jobs.job import Job
from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

WAIT_S = 5.0
"""For how long whoever asks for a state waits for it to become true."""
_AT_ONCE = 4
_TAKES_OVER_S = 60.0
_PAUSE_S = 0.5


class _Settling(threading.Thread):
    """Settles a job in the background."""

    def __init__(self, store: WorkspaceTrackingStore, job: Job) -> None:
        super().__init__(name="mlflow-workspace-settling", daemon=True)
        self.place = store.tracking_uri, job.run_id
        self._store = store
        self._job = job
        self._settled = job
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            with _few:
                self._settled = settle(self._store, self._job)
        except Exception as error:  # noqa: BLE001  it is raised where it is asked for
            self._error = error

    @property
    def settled(self) -> Job:
        """The job, as it is when this has ended.

        Raises:
            Exception: it could not be read, or changed.
        """
        if self._error is not None:
            raise self._error
        return self._settled


_few = threading.Semaphore(_AT_ONCE)
_going_on: dict[tuple[str, str], _Settling] = {}
_lock = fork_safe_lock()


def settle_within(
    seconds: float,
    store: WorkspaceTrackingStore,
    job: Job,
    engine_state: EngineState | None = None,
) -> Job:
    """Return a job as it is, as :func:`settle` does, or as it was while that takes longer.

    Args:
        seconds: for how long to wait, the first time that this process asks.
        store: of the job's workspace.
        job: as it was read just now.
        engine_state: what its engine says of it, asked after the job was read.
    """
    if job.stored_state in states.LAST | states.WAITING or not has_ended(job.runner or {}):
        return settle(store, job, engine_state)
    with _lock:
        settling = _going_on.get((store.tracking_uri, job.run_id))
        if settling is None:
            settling = _Settling(store, job)
            _going_on[settling.place] = settling
            settling.start()
        else:
            seconds = 0.0
    settling.join(seconds)
    if settling.is_alive():
        return job
    with _lock:
        # Somebody else may have asked again by now.
        if _going_on.get(settling.place) is settling:
            del _going_on[settling.place]
    return settling.settled


def _hand_over() -> None:
    """Have another process do what this one does not get done."""
    left = [each.place for each in _going_on.values() if each.is_alive()]
    if left:
        with suppress(OSError):
            subprocess.Popen(
                [sys.executable, "-m", __name__, *(part for place in left for part in place)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )


def _take_over(uri: str, run_id: str) -> None:
    store = open_workspace_store(uri)
    until = time.monotonic() + _TAKES_OVER_S
    # Until who hands it over has ended, that one still holds the job's lock.
    while time.monotonic() < until:
        job = store.job(run_id)
        if job is None or not has_ended(job.runner or {}) or settle(store, job).ended_at:
            return
        time.sleep(_PAUSE_S)


if __name__ == "__main__":
    for place in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        # Who asks next for the state of that one tries it again.
        with suppress(Exception):
            _take_over(*place)
else:
    atexit.register(_hand_over)
