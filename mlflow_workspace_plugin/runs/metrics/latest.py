"""The latest value of each metric, as far as the run itself tells it: no history is read."""

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from mlflow.entities import Run as MlflowRun

from mlflow_workspace_plugin.runs.metrics.descriptors import Column, columns_by_key
from mlflow_workspace_plugin.runs.metrics.values import told_by
from mlflow_workspace_plugin.stores.tags.text_tags import last_texts

if TYPE_CHECKING:
    from mlflow_workspace_plugin.stores.reads.metric_history import RunPoint

_OF_TEXT = ("string", "none")


class Latest(NamedTuple):
    """A metric, or a column of one, under the name it was logged by, and its latest value."""

    name: str
    value: Any


def latest_values(run: MlflowRun, told: "Callable[[str, str, RunPoint], Any]") -> Iterator[Latest]:
    """Yield the latest values of a run's metrics, by name. Files, and texts of tables, are none.

    A text is as its tag has it, which holds no more than MLflow lets it, and is left out where
    somebody else set the tag.

    Args:
        run: as MLflow returned it, with the tags that a search leaves out.
        told: returns what was logged where MLflow has NaN, which may stand for None, by the key,
            the type of the column and the point.
    """
    columns = columns_by_key(run.data.tags)
    values: dict[str, tuple[tuple[int, int], Any]] = {}
    for metric in run.data._metric_objs:
        _, column = columns.get(metric.key, (metric.key, Column("", metric.key, "double")))
        is_of_text = column.type in _OF_TEXT
        place = metric.timestamp, metric.step
        kind = "double" if is_of_text else column.type
        value = told_by(metric.value, kind)
        if math.isnan(metric.value) and metric.key in columns:
            value = told(metric.key, kind, (*place, metric.value))
            if is_of_text and value is not None:
                continue  # earlier versions stored it in the place of a text
        values[metric.key] = place, value
    for mark, text in last_texts(run.data.tags):
        place = mark.timestamp, mark.step
        if mark.metric not in values or values[mark.metric][0] <= place:
            values[mark.metric] = place, text
    found = [Latest(columns[key][0] if key in columns else key, values[key][1]) for key in values]
    yield from sorted(found, key=lambda each: each.name)
