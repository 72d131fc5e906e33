"""What a process knows of its runs, for when the database is away."""

import math
from contextlib import suppress
from dataclasses import dataclass, field

from mlflow.entities import (
    LifecycleStage,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunTag,
)
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

from mlflow_workspace_plugin.stores.tags.growing_tags import united
from mlflow_workspace_plugin.stores.tags.own_tags import JOB_TAG
from mlflow_workspace_plugin.stores.tags.text_tags import disowned, with_texts

_MANY = 1_000
# What a column of 64 bits holds.
_LIMIT = 1 << 63
_LAST = ("FINISHED", "FAILED", "KILLED")


@dataclass
class KnownRun:
    """A run, as this process created or read it, with what it logged to it since."""

    run: Run
    is_job: bool = False
    """Whether how it goes is up to an owner, which is not who logs."""
    latest: dict[str, tuple[int, int, float]] = field(default_factory=dict)
    """By the metrics that this process logged: step, timestamp and value as MLflow shows it."""
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    texts: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    """By metric, timestamp, step and text of the last one that this process logged."""

    @property
    def has_ended(self) -> bool:
        """Whether its status is one of the last."""
        return self.run.info.status in _LAST

    def takes(self, key: str, value: float, timestamp: int, step: int) -> bool:
        """Whether such values are as MLflow's validators want them, and columns hold them.

        They took a value of that metric before, and take such numbers with any metric. To ask them
        would take longer than all that the journal does.
        """
        return (
            key in self.latest
            and type(value) is float
            and type(timestamp) is int
            and type(step) is int
            and -math.inf < value < math.inf
            and 0 <= timestamp < _LIMIT
            and -_LIMIT <= step < _LIMIT
        )

    def logged(self, key: str, value: float, timestamp: int, step: int) -> None:
        """Remember a value, if it is the one that MLflow would show."""
        place = step, timestamp, value
        known = self.latest.get(key)
        if known is None or known < place:
            self.latest[key] = place

    def tagged(self, tags: dict[str, str]) -> None:
        """Remember tags that were set."""
        before = self.run.data.tags | self.tags
        self.tags |= {key: value for key, value in united(before, tags).items() if key in tags}
        self.tags |= disowned(before, tags)

    def changed(self, status: str | None, end_time: int | None, name: str | None) -> None:
        """Remember a change of the run itself; None leaves each as it is."""
        info = self.run.info
        if self.is_job:
            status = end_time = None
        if name:
            # MLflow keeps it as both.
            self.tags[MLFLOW_RUN_NAME] = name
        self.run = Run(
            RunInfo(
                run_id=info.run_id,
                experiment_id=info.experiment_id,
                user_id=info.user_id,
                status=status or info.status,
                start_time=info.start_time,
                end_time=end_time or info.end_time,
                lifecycle_stage=info.lifecycle_stage,
                artifact_uri=info.artifact_uri,
                run_name=name or info.run_name,
            ),
            self.run.data,
            self.run.inputs,
            self.run.outputs,
        )

    def as_run(self) -> Run:
        """Return the run with all that is known of it."""
        data = self.run.data
        latest = KnownRun(self.run, latest=dict(self.latest))
        for metric in data._metric_objs:
            latest.logged(metric.key, metric.value, metric.timestamp, metric.step)
        return Run(
            self.run.info,
            RunData(
                [
                    Metric(key, value, timestamp, step)
                    for key, (step, timestamp, value) in latest.latest.items()
                ],
                [Param(*each) for each in (data.params | self.params).items()],
                [RunTag(*each) for each in with_texts(data.tags | self.tags, self.texts).items()],
            ),
            self.run.inputs or RunInputs([]),
            self.run.outputs or RunOutputs([]),
        )


class KnownRuns:
    """The runs that a process used last. There is no lock, which a fork could leave held."""

    def __init__(self) -> None:
        self._runs: dict[str, KnownRun] = {}

    def remember(self, run: Run) -> KnownRun | None:
        """Remember a run as it is in the database; one that was deleted is forgotten: None."""
        run_id = run.info.run_id
        if run.info.lifecycle_stage != LifecycleStage.ACTIVE:
            self.forget(run_id)
            return None
        before = self._runs.get(run_id)
        is_job = run.data.tags.get(JOB_TAG) == run_id or (before is not None and before.is_job)
        known = self._runs[run_id] = KnownRun(run, is_job)
        if len(self._runs) > _MANY:
            # Other threads may do the same.
            with suppress(KeyError, RuntimeError, StopIteration):
                del self._runs[next(iter(self._runs))]
        return known

    def forget(self, run_id: str) -> None:
        """Forget a run."""
        self._runs.pop(run_id, None)

    def forget_all(self) -> None:
        """Forget all runs."""
        self._runs.clear()

    def get(self, run_id: str) -> KnownRun | None:
        """Return a run that may be logged to, if it is known."""
        return self._runs.get(run_id)
