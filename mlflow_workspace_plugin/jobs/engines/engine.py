"""What an engine is to us: something that starts runners. Others plug theirs in.

It knows no logs, no files and no status: these go through the hub.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from mlflow_workspace_plugin.stores.jobs.compute import Compute

__all__ = ["GROUP", "Capacity", "ChecksJobs", "Compute", "Engine", "EngineState"]

GROUP = "mlflow_workspace.compute"
"""The entry points of engines: a type of compute target, and a class that takes a ``Compute``."""


class EngineState(NamedTuple):
    """What an engine says of a job: only whether its runner waits, runs, or is gone.

    Attributes:
        kind: ``unknown`` where it cannot be asked now, which proves nothing.
        reason: what it says, if it says anything; for people.
        position: how many jobs go before it, where that is known.
    """

    kind: Literal["waiting", "running", "gone", "unknown"]
    reason: str = ""
    position: int | None = None


class Capacity(NamedTuple):
    """How much an engine can run; None is not known."""

    slots: int | None
    busy: int | None
    waiting: int | None


class Engine(Protocol):
    """Starts runners. Every call is idempotent by the run's id, and waits 30 seconds at most."""

    def __init__(self, compute: Compute) -> None: ...

    @property
    def runs_here(self) -> bool:
        """Whether its runners are processes of this machine, which see this machine's folders."""

    def submit(
        self,
        run_id: str,
        command: Sequence[str],
        *,
        variables: Mapping[str, str],
        gpus: int,
    ) -> str:
        """Have a command run once, as soon as there is room.

        Args:
            run_id: of the job; a second call with it starts nothing.
            command: the runner and its arguments. No secret is in it.
            variables: environment variables of the runner. No secret is in them.
            gpus: how many it needs.

        Returns:
            The handle by which the engine knows it.

        Raises:
            ComputeTargetException: the engine cannot be reached, or refuses it.
        """

    def state(self, run_id: str, handle: str) -> EngineState:
        """Say what has become of it; never raises."""

    def cancel(self, run_id: str, handle: str) -> None:
        """Have it not started, or stopped.

        Raises:
            ComputeTargetException: the engine cannot be reached.
        """

    def capacity(self) -> Capacity:
        """Say how much there is room for.

        Raises:
            ComputeTargetException: the engine cannot be reached.
        """


@runtime_checkable
class ChecksJobs(Protocol):
    """An engine that knows of some jobs, before they are created, that it can never start."""

    def check(self, *, gpus: int) -> None:
        """Refuse a job that would wait for ever, or fail as it is submitted.

        Args:
            gpus: how many it needs.

        Raises:
            ComputeTargetException: there are fewer.
        """
