"""Reading SDK v1's metrics of a run back, as they were logged."""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
from mlflow_workspace_plugin.runs.metrics.artifacts import read_artifact
from mlflow_workspace_plugin.runs.metrics.descriptors import (
    SCALAR,
    TABLE,
    Column,
    Descriptor,
    read_descriptors,
)
from mlflow_workspace_plugin.runs.metrics.values import cell, told_by
from mlflow_workspace_plugin.stores.reads.exact_values import ExactValue, read_exact
from mlflow_workspace_plugin.terminal import get_logger

if TYPE_CHECKING:
    from mlflow_workspace_plugin.stores.reads.metric_history import RunPoint
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

_logger = get_logger(__name__)

Place = tuple[int, int]
"""Timestamp and step: what the cells of a row share."""


def read_metrics(
    store: "WorkspaceTrackingStore",
    repository: HubRepository,
    run_id: str,
    name: str | None = None,
    *,
    populate: bool = False,
) -> dict[str, Any]:
    """Return the metrics of a run in SDK v1's shapes, in the order in which they were logged.

    Args:
        store: of the run's workspace.
        repository: of the run's artifacts.
        run_id: the run.
        name: only this metric; all when None.
        populate: read the files of metrics whose values are files.

    Returns:
        By name: a value, or a list of several; of a table a dict of these by column; of a metric
        whose values are files the first one's address, or that file.

    Raises:
        MlflowException: there is no such run in the workspace.
    """
    described = _by_name(read_descriptors(store.get_run(run_id).data.tags))
    if not described:
        plain = store.get_run_metrics(run_id, name)
        return {each: _unwrapped(values) for each, values in plain.items()}
    keys = None
    if name is not None:
        keys = sorted({c.key for each in described.get(name, []) for c in each.columns} | {name})
    points = store.get_run_points(run_id, keys)
    exact = defaultdict(list)
    for value in read_exact(repository, run_id):
        exact[value.key].append(value)
    owned = {c.key for of_name in described.values() for each in of_name for c in each.columns}
    for key in points:
        if key not in owned:
            plain_column = Column("", key, "double")
            described.setdefault(key, []).append(Descriptor(key, SCALAR, (plain_column,), 0))
    found = {}
    for each, descriptors in described.items():
        if name in (None, each):
            kind = descriptors[0].kind
            for read in _read(each, descriptors, points, exact):
                is_file = kind not in (SCALAR, TABLE)
                found[each] = (
                    read_artifact(repository, run_id, kind, read) if populate and is_file else read
                )
    return found


def _by_name(descriptors: Iterable[Descriptor]) -> dict[str, list[Descriptor]]:
    """Return the descriptors of each name that are of its first kind."""
    found: dict[str, list[Descriptor]] = {}
    for each in descriptors:
        of_name = found.setdefault(each.name, [])
        if of_name and of_name[0].kind != each.kind:
            _logger.warning(
                "Metric %r was logged as %s and as %s; only the first is read.",
                each.name,
                of_name[0].kind,
                each.kind,
            )
            continue
        of_name.append(each)
    return found


def _read(
    name: str,
    descriptors: Sequence[Descriptor],
    points: "dict[str, list[RunPoint]]",
    exact: dict[str, list[ExactValue]],
) -> list[Any]:
    """Return what is read of a metric; nothing, if it has no values."""
    kind = descriptors[0].kind
    if kind not in (SCALAR, TABLE):
        files = sorted(exact[name], key=lambda value: (value.timestamp, value.step))
        return [files[0].value] if files else []
    columns = {
        column: [
            cell_at
            for key in sorted({each.key for each in declared})
            for cell_at in values_of(points.get(key, []), exact[key], type_of(declared))
        ]
        for column, declared in columns_of(descriptors).items()
    }
    if kind == SCALAR:
        values = [value for _, value in sorted(columns[""], key=lambda each: each[0])]
        return [_unwrapped(values)] if values else []
    places = sorted({place for cells in columns.values() for place, _ in cells})
    if not places:
        return [{}]
    by_place = {column: dict(cells) for column, cells in columns.items()}
    return [
        {
            column: _unwrapped([cells.get(place) for place in places])
            for column, cells in by_place.items()
        }
    ]


def columns_of(descriptors: Iterable[Descriptor]) -> dict[str, list[Column]]:
    """Return the columns of a metric by name, each as often as it was declared."""
    found: dict[str, list[Column]] = {}
    for descriptor in descriptors:
        for column in descriptor.columns:
            found.setdefault(column.name, []).append(column)
    return found


def type_of(columns: Iterable[Column]) -> str:
    """Return the type of a column that several processes may have declared."""
    types = [column.type for column in columns if column.type not in ("string", "none")]
    # Numbers of both kinds are numbers with a fraction, as in SDK v1.
    return "double" if {"int", "double"} <= set(types) else next(iter(types), "double")


def values_of(
    points: "list[RunPoint]", exact: list[ExactValue], kind: str
) -> list[tuple[Place, Any]]:
    """Return what points stand for, and values without one, each with its place.

    Args:
        points: of one key, by time, step and value.
        exact: of the same key.
        kind: the type of the column.
    """
    values = [((timestamp, step), told_by(number, kind)) for timestamp, step, number in points]
    if not exact:
        return values
    alone = [((each.timestamp, each.step), each.value) for each in exact if each.is_alone]
    waiting: dict[tuple[int, str], deque[int]] = defaultdict(deque)
    for index, (_, step, number) in enumerate(points):
        waiting[step, repr(number + 0.0)].append(index)
    numbered = (each for each in exact if not each.is_alone)
    for each in sorted(numbered, key=lambda value: value.timestamp):
        of_number = waiting[each.step, repr(cell(each.value).stored_number + 0.0)]
        # Its point may have moved behind equal ones, never ahead.
        while of_number and points[of_number[0]][0] < each.timestamp:
            of_number.popleft()
        if of_number:
            index = of_number.popleft()
            values[index] = (values[index][0], each.value)
    return values + alone


def _unwrapped(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values
