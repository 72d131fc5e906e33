"""What the database knows of a job, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

SILENT_S = 60
"""An owner that gave no sign of life for so long is said not to respond, until its next one."""
LOST_S = 300
"""One that was silent for so long may be replaced, and need not be asked to stop."""


@dataclass(frozen=True)
class Job:
    """A job as a reader sees it. Times are milliseconds of the database's clock.

    Attributes:
        run_id: MLflow's id of the run that it is.
        experiment_id: the run's.
        name: of the run.
        state: SDK v1's word; ``NotResponding`` where the owner was silent for too long.
        stored_state: the same, without regard to silence.
        compute: the name of the compute target.
        engine: what starts it there.
        handle: by which the engine knows it; None until the engine has it.
        definition: what is run.
        submitted_at: when it was created.
        age_s: how long ago that was.
        started_at: when a runner took it for the first time.
        owner: the token of the runner that has it, or had it; None while it waits.
        runner: where to look for that runner: host, boot, process and lock; until one has it, for
            the process that submitted the job.
        beat: counts the owner's signs of life.
        beat_at: when the last one came.
        silent_s: for how long there was none; None without an owner.
        cancel_requested_at: when the runner was asked to stop.
        ended_at: when it ended.
        exit_code: of its command, if that ended.
        cause: why it failed or was canceled.
    """

    run_id: str
    experiment_id: str
    name: str
    state: str
    stored_state: str
    compute: str
    engine: str
    handle: str | None
    definition: Mapping[str, Any]
    submitted_at: int
    age_s: float
    started_at: int | None
    owner: str | None
    runner: Mapping[str, Any] | None
    beat: int
    beat_at: int | None
    silent_s: float | None
    cancel_requested_at: int | None
    ended_at: int | None
    exit_code: int | None
    cause: str | None


class Beat(NamedTuple):
    """What a runner is told when it gives a sign of life.

    Attributes:
        is_owner: whether the job is still its; if not, it is to stop its command and say nothing.
        cancel_requested: whether it was asked to stop.
        forced: whether the job was canceled without waiting for it.
    """

    is_owner: bool
    cancel_requested: bool
    forced: bool
