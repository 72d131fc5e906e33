"""Which of the jobs that wait is started next.

First in, first out, with two exceptions: a job whose compute target is full does not keep those of
other targets waiting, and one that waits for GPUs keeps only others waiting that want some.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mlflow_workspace_plugin.jobs.engines.local.job_file import SpooledJob


class Wants(NamedTuple):
    """What a job needs to be started: see :class:`SpooledJob`."""

    slots: int
    compute: str
    compute_slots: int | None
    gpus: int
    devices: tuple[str, ...]

    @classmethod
    def of(cls, job: SpooledJob) -> "Wants":
        """Return what a job wants."""
        return cls(job.slots, job.compute, job.compute_slots, job.gpus, tuple(job.devices))


class Held(NamedTuple):
    """What a job that runs, and does not lend its slot, holds besides it."""

    compute: str
    gpus: Sequence[str]


class Next(NamedTuple):
    """The job to be started, and the GPUs that it is given."""

    name: str
    gpus: list[str]


def next_to_start(waiting: Iterable[tuple[str, Wants]], held: Sequence[Held]) -> Next | None:
    """Return the job to be started now, if there is room for any.

    Args:
        waiting: the jobs that wait, in the order in which they came, by names.
        held: what jobs that run hold.
    """
    taken = {device for each in held for device in each.gpus}
    is_gpu_awaited = False
    for name, wants in waiting:
        if len(held) >= wants.slots:
            return None
        if wants.compute_slots is not None:
            of_compute = sum(each.compute == wants.compute for each in held)
            if of_compute >= wants.compute_slots:
                continue
        free = [device for device in wants.devices if device not in taken]
        if wants.gpus and (is_gpu_awaited or len(free) < wants.gpus):
            is_gpu_awaited = True
            continue
        return Next(name, free[: wants.gpus])
    return None
