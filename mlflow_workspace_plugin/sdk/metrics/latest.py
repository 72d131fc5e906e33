"""The latest value of each metric, as far as the run itself tells it: no history is read."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from mlflow.entities import Run as MlflowRun

from mlflow_workspace_plugin.sdk.metrics.descriptors import Column, read_descriptors
from mlflow_workspace_plugin.sdk.metrics.values import told_by

_OF_TEXT = ("string", "none")


class Latest(NamedTuple):
    """A metric, or a column of one, under the name it was logged by, and its latest value."""

    name: str
    value: Any


def latest_values(run: MlflowRun) -> Iterator[Latest]:
    """Yield the latest values of a run's metrics, by name. Files, and text, are none.

    Args:
        run: as MLflow returned it.
    """
    columns: dict[str, tuple[str, Column]] = {}
    for described in read_descriptors(run.data.tags):
        for column in described.columns:
            name = "/".join(filter(None, (described.name, column.name)))
            columns[column.key] = name, column
    found = []
    for key, number in run.data.metrics.items():
        name, column = columns.get(key, (key, Column("", key, "double")))
        if column.type not in _OF_TEXT:
            found.append(Latest(name, told_by(number, column.type)))
    yield from sorted(found, key=lambda each: each.name)
