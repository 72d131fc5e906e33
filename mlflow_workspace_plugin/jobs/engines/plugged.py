"""Engines of other packages, held to what an engine is: a broken one spoils nothing else."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, get_args

from mlflow_workspace_plugin.errors import ComputeTargetException, clause
from mlflow_workspace_plugin.jobs.engines.engine import (
    Capacity,
    Compute,
    Engine,
    EngineState,
)
from mlflow_workspace_plugin.jobs.engines.in_time import in_time

Result = TypeVar("Result")

_WITHIN_S = 35.0
"""A call waits for 30 seconds at most, by its contract; the rest is for a busy machine."""
_KINDS = get_args(EngineState.__annotations__["kind"])


class PluggedEngine:
    """An engine of another package, whose faults are those of its compute target.

    Args:
        compute: the compute target.
        package: which package the engine is of, for errors.
        make: makes the engine.

    Raises:
        ComputeTargetException: it cannot be made of what was said of the target.
    """

    def __init__(self, compute: Compute, package: str, make: Callable[[Compute], Engine]) -> None:
        self._name = compute.name
        self._package = package
        self._engine = self._asked("cannot be used", lambda: make(compute))

    @property
    def runs_here(self) -> bool:
        """Whether its runners are processes of this machine: see :class:`Engine`."""
        return bool(self._asked("does not say where it runs jobs", lambda: self._engine.runs_here))

    def submit(
        self,
        run_id: str,
        command: Sequence[str],
        *,
        variables: Mapping[str, str],
        gpus: int,
    ) -> str:
        """Have a command run once: see :class:`Engine`."""
        what = "does not take the job"
        handle = self._asked(
            what, lambda: self._engine.submit(run_id, command, variables=variables, gpus=gpus)
        )
        if not isinstance(handle, str):
            raise self._error(what, f"submit() returns {handle!r}, which is no handle")
        return handle

    def state(self, run_id: str, handle: str) -> EngineState:
        """Say what has become of a job; never raises."""
        what = "does not say what has become of the job"
        try:
            found = self._asked(what, lambda: self._engine.state(run_id, handle))
        except ComputeTargetException as error:
            return EngineState("unknown", error.message)
        if not isinstance(found, EngineState) or found.kind not in _KINDS:
            wrong = self._error(what, f"state() returns {found!r}, which is no EngineState")
            return EngineState("unknown", wrong.message)
        position = found.position if isinstance(found.position, int) else None
        return found._replace(reason=str(found.reason or ""), position=position)

    def cancel(self, run_id: str, handle: str) -> None:
        """Have a job not started, or stopped: see :class:`Engine`."""
        self._asked("does not stop the job", lambda: self._engine.cancel(run_id, handle))

    def capacity(self) -> Capacity:
        """Say how much there is room for: see :class:`Engine`."""
        what = "does not say how much it runs"
        found = self._asked(what, self._ask_for_capacity)
        if not isinstance(found, Capacity):
            raise self._error(what, f"capacity() returns {found!r}, which is no Capacity")
        return found

    def _ask_for_capacity(self) -> Capacity:
        return self._engine.capacity()

    def _asked(self, what: str, call: Callable[[], Result]) -> Result:
        """Return what a call returns, in time."""
        try:
            return in_time(_WITHIN_S, call)
        except (ComputeTargetException, KeyboardInterrupt):
            raise
        except BaseException as error:
            said = clause(error)
            kind = type(error).__name__
            raise self._error(what, f"{kind}: {said}" if said else kind) from error

    def _error(self, what: str, why: str) -> ComputeTargetException:
        return ComputeTargetException(
            f"The engine of compute target {self._name!r}, of package {self._package!r}, {what}: "
            f"{why}. Install a version of it that works here."
        )
