"""A job as its readers see it, and how they ask for its end."""

import time
from typing import TYPE_CHECKING

from mlflow_workspace_plugin.errors import ComputeTargetException
from mlflow_workspace_plugin.jobs import states
from mlflow_workspace_plugin.jobs.computes import compute_named
from mlflow_workspace_plugin.jobs.engines.engine import Engine, EngineState
from mlflow_workspace_plugin.jobs.engines.find import engine_of
from mlflow_workspace_plugin.terminal import get_logger

if TYPE_CHECKING:
    from mlflow_workspace_plugin.stores.jobs.job import Job
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

FOREGROUND = "foreground"
"""What stands in the place of an engine where a command line runs the job itself."""

_ENGINE_ASKED_EVERY_S = 5.0
_MAY_BE_LOST = states.WAITING | {states.NOT_RESPONDING}

_logger = get_logger(__name__)


class Engines:
    """The engines of a workspace's compute targets, each opened once.

    Args:
        store: of the workspace.
    """

    def __init__(self, store: "WorkspaceTrackingStore") -> None:
        self._store = store
        self._found: dict[str, Engine | None] = {}

    def of(self, job: "Job") -> Engine | None:
        """Return the engine of a job; None where it has none, or its target is gone."""
        if job.engine == FOREGROUND:
            return None
        if job.compute not in self._found:
            try:
                compute = compute_named(self._store, job.compute)
                # The name may be bound to another engine by now, which does not know the job.
                found = engine_of(compute) if compute.type == job.engine else None
            except ComputeTargetException:
                found = None
            self._found[job.compute] = found
        return self._found[job.compute]

    def state(self, job: "Job") -> EngineState | None:
        """Return what its engine says of a job that waits, or gives no sign; else None."""
        engine = self.of(job) if job.state in _MAY_BE_LOST else None
        return None if engine is None else engine.state(job.run_id, job.handle or "")


class JobWatch:
    """A job that somebody looks at, again and again perhaps.

    Args:
        store: of the workspace.
        run_id: MLflow's id of its run.
    """

    def __init__(self, store: "WorkspaceTrackingStore", run_id: str) -> None:
        self._store = store
        self._run_id = run_id
        self._engines = Engines(store)
        # A run is created as a job, or never becomes one.
        self._is_job = True
        self._engine_state: EngineState | None = None
        self._asked = float("-inf")

    def read(self) -> "Job | None":
        """Return the job as it is now; None where nobody runs the run as a job.

        One that its engine has lost, or whose runner has died, is failed by that.
        """
        job = self._store.job(self._run_id) if self._is_job else None
        if job is None or job.state in states.LAST:
            self._is_job = job is not None
            return job
        # An engine may be a server, which each look would ask.
        if time.monotonic() - self._asked >= _ENGINE_ASKED_EVERY_S:
            self._engine_state = self._engines.state(job)
            self._asked = time.monotonic()
        # It imports the databases, which whoever opened a store has done.
        from mlflow_workspace_plugin.jobs.liveness import settle

        return settle(self._store, job, self._engine_state)

    def waits_for(self, job: "Job") -> str | None:
        """Say why a job waits, for people; None where that is not known.

        Args:
            job: as it was just read.
        """
        return waits_for(job, self._engine_state)

    def cancel(self, *, force: bool = False) -> str:
        """Ask for the end of the job, and return its state.

        Args:
            force: do not wait for its runner: it is canceled at once, and its engine stops it.
        """
        job = self._store.job(self._run_id)
        state = self._store.cancel_job(self._run_id, force=force)
        if job is None or job.state in states.LAST or state != states.CANCELED:
            return state
        engine = self._engines.of(job)
        if engine is not None:
            try:
                engine.cancel(self._run_id, job.handle or "")
            except ComputeTargetException as error:
                # Its runner will find it canceled, and run nothing.
                _logger.warning("Run %s is canceled. %s", self._run_id, error)
        return state


def waits_for(job: "Job", engine_state: EngineState | None) -> str | None:
    """Say why a job waits, for people; None where that is not known.

    Args:
        job: the job.
        engine_state: what its engine said.
    """
    if job.state not in states.WAITING or engine_state is None:
        return None
    ahead = engine_state.position
    if ahead is None:
        return engine_state.reason or None
    if ahead == 0:
        said = "It is the next"
    else:
        said = f"{ahead:,} {'job is' if ahead == 1 else 'jobs are'} before it"
    reason = f": {engine_state.reason}" if engine_state.reason else "."
    return f"{said} on compute target {job.compute!r}{reason}"
