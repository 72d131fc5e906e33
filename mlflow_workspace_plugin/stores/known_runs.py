"""What a process knows of its runs, for when the database is away."""

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

_MANY = 1_000


@dataclass
class KnownRun:
    """A run, as this process created or read it, with what it logged to it since."""

    run: Run
    latest: dict[str, Metric] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def logged(self, metric: Metric) -> None:
        """Remember a value, if it is the one that MLflow would show."""
        known = self.latest.get(metric.key)
        if known is None or (known.step, known.timestamp, known.value) < (
            metric.step,
            metric.timestamp,
            metric.value,
        ):
            self.latest[metric.key] = metric

    def changed(self, status: str | None, end_time: int | None, name: str | None) -> None:
        """Remember a change of the run itself; None leaves each as it is."""
        info = self.run.info
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
        metrics = KnownRun(self.run, {metric.key: metric for metric in data._metric_objs})
        for metric in self.latest.values():
            metrics.logged(metric)
        return Run(
            self.run.info,
            RunData(
                list(metrics.latest.values()),
                [Param(*each) for each in (data.params | self.params).items()],
                [RunTag(*each) for each in (data.tags | self.tags).items()],
            ),
            self.run.inputs or RunInputs([]),
            self.run.outputs or RunOutputs([]),
        )


class KnownRuns:
    """The runs that a process used last. There is no lock, which a fork could leave held."""

    def __init__(self) -> None:
        self._runs: dict[str, KnownRun] = {}

    def remember(self, run: Run) -> None:
        """Remember a run as it is in the database; one that was deleted is forgotten."""
        run_id = run.info.run_id
        self.forget(run_id)
        if run.info.lifecycle_stage != LifecycleStage.ACTIVE:
            return
        self._runs[run_id] = KnownRun(run)
        if len(self._runs) > _MANY:
            # Other threads may do the same.
            with suppress(KeyError, RuntimeError, StopIteration):
                del self._runs[next(iter(self._runs))]

    def forget(self, run_id: str) -> None:
        """Forget a run."""
        self._runs.pop(run_id, None)

    def get(self, run_id: str) -> KnownRun | None:
        """Return a run that may be logged to, if it is known."""
        return self._runs.get(run_id)
