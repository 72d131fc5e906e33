"""Facts of many runs, by which they are listed, compared and chosen."""

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mlflow.entities import Run as MlflowRun

from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.figures.cells import cell
from mlflow_workspace_plugin.figures.specification import Cell
from mlflow_workspace_plugin.overview import numbers
from mlflow_workspace_plugin.overview.figures.latest import LatestValues
from mlflow_workspace_plugin.overview.source import Source
from mlflow_workspace_plugin.runs import status as run_status
from mlflow_workspace_plugin.runs import tag_text
from mlflow_workspace_plugin.runs.metrics.descriptors import read_descriptors
from mlflow_workspace_plugin.runs.run_tags import tags_of_user
from mlflow_workspace_plugin.runs.search import PROPERTY_PREFIX
from mlflow_workspace_plugin.stores.jobs import states

ATTRIBUTE, PARAM, METRIC, TAG, PROPERTY = "attribute", "param", "metric", "tag", "property"
KINDS = (ATTRIBUTE, PARAM, METRIC, TAG, PROPERTY)
"""What a column may be of."""
ATTRIBUTES = ("status", "experiment", "user", "started", "duration")
"""The columns of each run."""

_JOBS = 10_000


class Column(NamedTuple):
    """A fact that each run has, or not."""

    of: str
    """One of ``KINDS``."""
    name: str

    @classmethod
    def of_json(cls, value: Any) -> "Column":
        """Return the column of a JSON list of its two parts.

        Raises:
            UserErrorException: it is none.
        """
        if (
            not isinstance(value, list)
            or len(value) != len(cls._fields)
            or value[0] not in KINDS
            or not isinstance(value[1], str)
            or (value[0] == ATTRIBUTE and value[1] not in ATTRIBUTES)
        ):
            raise UserErrorException(
                f"{value!r} is no column. One is a list of two: a word of {', '.join(KINDS)}, and "
                f"a name; of an attribute it is one of {', '.join(ATTRIBUTES)}."
            )
        return cls(*value)


@dataclass(frozen=True)
class RunFacts:
    """What a run is, and the last of what was logged to it.

    Attributes:
        id: MLflow's.
        name: the run's.
        experiment_id: MLflow's, of its experiment.
        status: SDK v1's word; of a job the finer one.
        start_time: in milliseconds since 1970.
        end_time: the same; None while it goes on.
        values: by column. Of a metric it is the latest.
    """

    id: str
    name: str
    experiment_id: str
    status: str
    start_time: int | None
    end_time: int | None
    values: Mapping[Column, Any]

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.status in states.LAST

    def head(self) -> dict[str, Any]:
        """Return what each list of runs says of one, as JSON has it."""
        return {
            "id": self.id,
            "name": self.name,
            "experiment_id": self.experiment_id,
            "experiment": self.values[Column(ATTRIBUTE, "experiment")],
            "user": self.values[Column(ATTRIBUTE, "user")],
            "status": self.status,
            "is_over": self.is_over,
            "start_time": self.start_time,
            "end_time": self.end_time,
        }

    def cells(self, columns: Iterable[Column]) -> list[Any]:
        """Return its values in some columns, as JSON has them; None where it has none.

        Args:
            columns: the columns.
        """
        return [cell_of(self.values.get(column)) for column in columns]


def facts_of_ids(source: Source, run_ids: Sequence[str]) -> list[RunFacts]:
    """Return the facts of runs, in the order asked for. Those that are not there are left out.

    Args:
        source: their workspace.
        run_ids: MLflow's ids.
    """
    return facts_of(source, source.store.runs_of_ids(run_ids))


def facts_of_found(source: Source, runs: Sequence[MlflowRun]) -> list[RunFacts]:
    """Return the facts of runs that were searched for.

    Args:
        source: their workspace.
        runs: as MLflow's search returned them, which leaves out what metrics are.
    """
    left_out = source.store.descriptor_tags([run.info.run_id for run in runs])
    for run in runs:
        run.data.tags.update(left_out.get(run.info.run_id, {}))
    return facts_of(source, runs)


def facts_of(
    source: Source, runs: Sequence[MlflowRun], *, with_metrics: bool = True
) -> list[RunFacts]:
    """Return the facts of runs.

    Args:
        source: their workspace.
        runs: as the store returned them, with the tags that a search leaves out.
        with_metrics: their latest values, too, for which files may be read.
    """
    experiments = {
        each: source.store.get_experiment(each).name
        for each in {run.info.experiment_id for run in runs}
    }
    states_of = _job_states(source, runs)
    latest_values = LatestValues(source)
    found = []
    for run in runs:
        info, tags = run.info, run.data.tags
        status = states_of.get(info.run_id, run_status.of_mlflow(info.status))
        latest = latest_values.of(run) if with_metrics else []
        ended = info.end_time if status in states.LAST else None
        attributes = {
            "status": status,
            "experiment": experiments[info.experiment_id],
            "user": info.user_id,
            "started": info.start_time,
            "duration": _duration(info.start_time, ended),
        }
        values = {
            Column(of, name): value
            for of, pairs in (
                (ATTRIBUTE, attributes.items()),
                (PARAM, run.data.params.items()),
                (METRIC, latest),
                (TAG, tags_of_user(tags).items()),
                (PROPERTY, tag_text.from_mlflow(tags, PROPERTY_PREFIX).items()),
            )
            for name, value in pairs
        }
        found.append(
            RunFacts(
                info.run_id,
                info.run_name or info.run_id,
                info.experiment_id,
                status,
                info.start_time,
                ended,
                values,
            )
        )
    return found


def columns_of(runs: Iterable[RunFacts]) -> Iterator[Column]:
    """Yield the columns that any of some runs has, by kind and name, but for the attributes."""
    found = {column for run in runs for column in run.values if column.of != ATTRIBUTE}
    yield from sorted(found, key=lambda column: (KINDS.index(column.of), column.name))


def cell_of(value: Any) -> Cell:
    """Return a value as it is shown. The largest number is what MLflow keeps of an infinity."""
    is_largest = isinstance(value, float) and abs(value) >= sys.float_info.max
    return cell(math.copysign(math.inf, value) if is_largest else value)


def metric_names(run: MlflowRun) -> dict[str, str]:
    """Return what the metrics of a run are called, by MLflow's keys.

    All columns of a table have its name. One whose values are files has no key of MLflow's, and is
    there by its own name.

    Args:
        run: with the tags that a search leaves out.
    """
    names: dict[str, str] = {}
    for each in read_descriptors(run.data.tags):
        keys = [column.key for column in each.columns if column.key]
        names |= dict.fromkeys(keys or [each.name], each.name)
    return names | {key: key for key in sorted(run.data.metrics) if key not in names}


def number_of(value: Any) -> float | None:
    """Return the number that a value is, or that its text says; params are texts."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    number = numbers.number_of(value.strip()) if isinstance(value, str) else value
    try:
        return None if number is None else float(number)
    except OverflowError:
        return None


def _job_states(source: Source, runs: Sequence[MlflowRun]) -> dict[str, str]:
    """Return the states of jobs that have not ended, which are finer than those of runs."""
    if all(run_status.of_mlflow(run.info.status) in states.LAST for run in runs):
        return {}
    jobs = source.store.jobs(states.ALL - states.LAST, limit=_JOBS)
    return {job.run_id: job.state for job in jobs}


def _duration(start: int | None, end: int | None) -> float | None:
    return None if start is None or end is None else (end - start) / 1000
