"""A job as its readers see it, and how they ask for its end."""

import time
from typing import TYPE_CHECKING, NamedTuple

from mlflow_workspace_plugin.errors import ComputeTargetException
from mlflow_workspace_plugin.jobs.computes import compute_named
from mlflow_workspace_plugin.jobs.engines.engine import Engine, EngineState
from mlflow_workspace_plugin.jobs.engines.find import engine_of
from mlflow_workspace_plugin.stores.jobs import states
from mlflow_workspace_plugin.terminal import get_logger

if TYPE_CHECKING:
    from mlflow_workspace_plugin.stores.jobs.job import Job
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

FOREGROUND = "foreground"
"""What stands in the place of an engine where a command line runs the job itself."""

_ENGINE_ASKED_EVERY_S = 5.0
_SLOW_S = 2.0
_LEFT_ALONE = 4.0
"""An engine that did not answer is not asked again for so many times as long as that took."""
_MAY_BE_LOST = states.WAITING | {states.NOT_RESPONDING}

_logger = get_logger(__name__)


class _Silence(NamedTuple):
    """An engine did not answer; until when it is not asked, and what it is taken to say."""

    until: float
    state: EngineState


_silences: dict[tuple[str, str | None, str], _Silence] = {}
"""By what targets lead to: who looks at many jobs waits for a dead server once."""


class Engines:
    """The engines of a workspace's compute targets, each opened once.

    Args:
        store: of the workspace.
    """

    def __init__(self, store: "WorkspaceTrackingStore") -> None:
        self._store = store
        self._found: dict[str, Engine | EngineState] = {}
        self._addresses: dict[str, str | None] = {}

    def of(self, job: "Job") -> Engine | None:
        """Return the engine of a job; None where it has none, or its target is gone."""
        found = self._of(job)
        return None if isinstance(found, EngineState) else found

    def state(self, job: "Job") -> EngineState | None:
        """Return what its engine says of a job that waits, or gives no sign; else None."""
        if job.state not in _MAY_BE_LOST or job.engine == FOREGROUND:
            return None
        found = self._of(job)
        if found is None or isinstance(found, EngineState):
            return found
        return self._asked(job, found)

    def _asked(self, job: "Job", engine: Engine) -> EngineState:
        address = self._addresses.get(job.compute)
        key = (job.engine, address, job.compute)
        silence = _silences.get(key)
        if silence is not None and time.monotonic() < silence.until:
            return silence.state
        began = time.monotonic()
        said = engine.state(job.run_id, job.handle or "")
        took = time.monotonic() - began
        if said.kind == "unknown" and took > _SLOW_S:
            _silences[key] = _Silence(time.monotonic() + _LEFT_ALONE * took, said)
        return said

    def _of(self, job: "Job") -> Engine | EngineState | None:
        """Return the engine of a job, or why it cannot be asked; None where it has none."""
        if job.engine == FOREGROUND:
            return None
        if job.compute not in self._found:
            self._found[job.compute] = self._opened(job)
        return self._found[job.compute]

    def _opened(self, job: "Job") -> Engine | EngineState:
        try:
            compute = compute_named(self._store, job.compute)
            engine = engine_of(compute)
        except ComputeTargetException as error:
            return EngineState("unknown", error.message)
        if compute.type != job.engine:
            return EngineState(
                "unknown",
                f"Compute target {job.compute!r} is of type {compute.type!r} by now, which does "
                f"not know the job: it was handed to {job.engine!r}.",
            )
        self._addresses[job.compute] = compute.address
        return engine


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
        self._asked_of: tuple[str, str | None] | None = None

    def read(self) -> "Job | None":
        """Return the job as it is now; None where nobody runs the run as a job.

        One that its engine has lost, or whose runner has died, is failed by that; where it takes
        longer than some seconds to store what it left, in a later look.
        """
        job = self._store.job(self._run_id) if self._is_job else None
        if job is None or job.state in states.LAST:
            self._is_job = job is not None
            return job
        # An engine may be a server, which each look would ask. What it said before it had the job
        # says nothing of now.
        of = job.stored_state, job.handle
        if of != self._asked_of or time.monotonic() - self._asked >= _ENGINE_ASKED_EVERY_S:
            self._engine_state = self._engines.state(job)
            self._asked, self._asked_of = time.monotonic(), of
        # It imports the databases, which whoever opened a store has done.
        from mlflow_workspace_plugin.jobs.settling import WAIT_S, settle_within

        return settle_within(WAIT_S, self._store, job, self._engine_state)

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
    reason = f" {engine_state.reason}" if engine_state.reason else ""
    return f"{said} on compute target {job.compute!r}.{reason}"
