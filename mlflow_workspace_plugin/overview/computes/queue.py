"""The queues of compute targets: what runs there, what waits, and for what."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from mlflow.entities import ViewType

from mlflow_workspace_plugin.errors import AzureMLException, clause
from mlflow_workspace_plugin.jobs import computes
from mlflow_workspace_plugin.jobs.engines.engine import Capacity, Compute, EngineState
from mlflow_workspace_plugin.jobs.engines.find import engine_of
from mlflow_workspace_plugin.jobs.settling import WAIT_S, settle_within
from mlflow_workspace_plugin.jobs.watch import FOREGROUND, Engines, waits_for
from mlflow_workspace_plugin.overview.computes.shared_answers import SharedAnswers
from mlflow_workspace_plugin.overview.source import Source
from mlflow_workspace_plugin.stores.jobs import states

if TYPE_CHECKING:
    from mlflow_workspace_plugin.stores.jobs.job import Job
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

MOST_JOBS = 500
"""So many that wait or run are shown, the newest."""

_ENDED = 10
_UNKNOWN = Capacity(None, None, None)
_SETTINGS = ("slots", "python", "hub", "options")


@dataclass(frozen=True)
class QueuedJob:
    """A job of a queue.

    Attributes:
        job: the job.
        experiment: the name of its experiment.
        engine: what its engine says of it, if it was asked.
    """

    job: "Job"
    experiment: str
    engine: EngineState | None

    @property
    def position(self) -> int | None:
        """How many jobs go before it."""
        is_waiting = self.job.state in states.WAITING
        return self.engine.position if is_waiting and self.engine is not None else None

    @property
    def since(self) -> int | None:
        """When it began to wait, to run, or had ended."""
        if self.job.state in states.LAST:
            return self.job.ended_at
        is_waiting = self.job.state in states.WAITING
        return self.job.submitted_at if is_waiting else self.job.started_at

    @cached_property
    def reason(self) -> str | None:
        """Why it waits, or ended."""
        if self.job.state in states.LAST:
            return self.job.cause
        return waits_for(self.job, self.engine)

    @property
    def remark(self) -> str | None:
        """What is worth to be told beside its position."""
        return self.reason if self.position is None or self.engine is None else self.engine.reason

    def facts(self) -> dict[str, Any]:
        """Return what is known of it, as JSON has it, with times in milliseconds since 1970."""
        return {
            "run_id": self.job.run_id,
            "name": self.job.name,
            "experiment_id": self.job.experiment_id,
            "experiment": self.experiment,
            "compute": self.job.compute,
            "engine": self.job.engine,
            "state": self.job.state,
            "position": self.position,
            "submitted": self.job.submitted_at,
            "started": self.job.started_at,
            "ended": self.job.ended_at,
            "exit_code": self.job.exit_code,
            "reason": self.reason,
        }


class Room(NamedTuple):
    """How much a compute target has room for, and what is to be said of it."""

    capacity: Capacity
    note: str | None


_queues: SharedAnswers[dict[str, Any]] = SharedAnswers(new_s=1.5, wait_s=3.0)
_rooms: SharedAnswers[Room] = SharedAnswers(new_s=5.0, wait_s=2.0)


def queued_jobs(
    store: "WorkspaceTrackingStore", *, compute: str | None, limit: int, with_ended: bool
) -> list[QueuedJob]:
    """Return the jobs of a workspace that wait or run, the newest first.

    One that its engine has lost, or whose runner has died, is failed by that.

    Args:
        store: of the workspace.
        compute: only those of this compute target.
        limit: how many at most.
        with_ended: also those that have ended.
    """
    wanted = None if with_ended else states.ALL - states.LAST
    names = _experiment_names(store)
    engines = Engines(store)
    found = []
    until = time.monotonic() + WAIT_S
    for job in store.jobs(wanted, compute, limit=limit):
        said = engines.state(job)
        settled = job
        if job.state not in states.LAST:
            settled = settle_within(max(0.0, until - time.monotonic()), store, job, said)
        found.append(QueuedJob(settled, names.get(settled.experiment_id, ""), said))
    return found


def targets(store: "WorkspaceTrackingStore") -> list[Compute]:
    """Return the compute targets of a workspace, of which this machine is always one.

    Args:
        store: of the workspace.
    """
    found = store.computes()
    if all(each.name != computes.LOCAL for each in found):
        found.insert(0, Compute(computes.LOCAL, computes.LOCAL))
    return found


def room_of(store: "WorkspaceTrackingStore", target: Compute) -> Room:
    """Return how much a compute target has room for. It may be a server, which is asked.

    Args:
        store: of its workspace.
        target: the compute target. One that this user has not trusted is not asked.
    """
    try:
        if computes.is_trusted(store, target):
            return Room(engine_of(target).capacity(), None)
        return Room(
            _UNKNOWN,
            "You have not said that your jobs may go there: "
            f"mlflow-workspace compute trust {target.name}",
        )
    except AzureMLException as error:
        return Room(_UNKNOWN, error.message)
    except Exception as error:  # noqa: BLE001  an engine may be anybody's
        return Room(_UNKNOWN, f"Its engine fails: {clause(error)}.")


def overview_of_computes(source: Source) -> dict[str, Any]:
    """Return the compute targets of a workspace, each with its queue, as JSON has them.

    However many look at it, the engines are asked once in a while, and nobody waits for one that
    does not answer: what was known before is returned.

    Args:
        source: the workspace.

    Returns:
        ``computes``, each with its ``running``, ``waiting`` and newest ``ended`` jobs, and
        ``is_there``: False of one that was removed while jobs of it go on; ``left_out``, whether
        there are more jobs than are shown; ``read_at``, when this was so.
    """
    store = source.store
    found = _queues.get(source.tracking_uri, lambda: _computes(store, asks_engines=True))
    return found or _computes(store, asks_engines=False)


def overview_of_room(source: Source, name: str) -> dict[str, Any]:
    """Return how much a compute target has room for, as JSON has it.

    Args:
        source: the workspace.
        name: of the compute target.

    Raises:
        ComputeTargetException: the workspace has none of that name.
    """
    target = next((each for each in targets(source.store) if each.name == name), None)
    if target is None:
        # Which says what there is.
        target = computes.compute_named(source.store, name)
    key = source.tracking_uri, target.name
    room = _rooms.get(key, lambda: room_of(source.store, target))
    if room is None:
        room = Room(_UNKNOWN, "It does not answer at once.")
    return {"name": target.name, **room.capacity._asdict(), "note": room.note}


def _computes(store: "WorkspaceTrackingStore", *, asks_engines: bool) -> dict[str, Any]:
    names = _experiment_names(store)
    if asks_engines:
        going_on = queued_jobs(store, compute=None, limit=MOST_JOBS, with_ended=False)
    else:
        jobs = store.jobs(states.ALL - states.LAST, limit=MOST_JOBS)
        going_on = [QueuedJob(job, names.get(job.experiment_id, ""), None) for job in jobs]
    known = {each.name: each for each in targets(store)}
    gone = {each.job.compute for each in going_on} - set(known)
    found = [_facts(each) for each in known.values()]
    for name in sorted(gone):
        engine = next(each.job.engine for each in going_on if each.job.compute == name)
        is_engine = engine != FOREGROUND
        found.append({**_facts(Compute(name, engine)), "is_there": not is_engine})
    for compute in found:
        of_compute = [each for each in going_on if each.job.compute == compute["name"]]
        compute |= _queue(of_compute)
        ended = store.jobs(states.LAST, compute["name"], limit=_ENDED)
        compute["ended"] = [
            QueuedJob(job, names.get(job.experiment_id, ""), None).facts() for job in ended
        ]
    return {
        "computes": found,
        "left_out": len(going_on) >= MOST_JOBS,
        "read_at": time.time_ns() // 1_000_000,
    }


def _queue(jobs: Sequence[QueuedJob]) -> dict[str, Any]:
    waiting = [each for each in jobs if each.job.state in states.WAITING]
    running = [each for each in jobs if each.job.state not in states.WAITING | states.LAST]
    waiting.sort(key=_turn)
    return {
        "running": [each.facts() for each in running],
        "waiting": [each.facts() for each in waiting],
    }


def _turn(queued: QueuedJob) -> tuple[bool, int, int]:
    position = queued.position
    return position is None, position or 0, queued.job.submitted_at


def _facts(compute: Compute) -> dict[str, Any]:
    return {
        "name": compute.name,
        "type": compute.type,
        "address": compute.address,
        "settings": _said(compute.settings),
        "is_there": True,
    }


def _said(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: settings[name] for name in _SETTINGS if settings.get(name) not in (None, {}, [])}


def _experiment_names(store: "WorkspaceTrackingStore") -> dict[str, str]:
    names: dict[str, str] = {}
    token = None
    while True:
        page = store.search_experiments(ViewType.ALL, page_token=token)
        names |= {each.experiment_id: each.name for each in page}
        token = page.token
        if not token:
            return names
