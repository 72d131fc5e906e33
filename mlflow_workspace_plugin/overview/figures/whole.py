"""All that a figure is made of, however much: as rows that are read while they are sent."""

import functools
import heapq
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from mlflow_workspace_plugin.figures.charts.schemas import ACCURACY_TABLE
from mlflow_workspace_plugin.figures.comparison import RUN, names_of_runs, run_of
from mlflow_workspace_plugin.figures.ids import figure_id
from mlflow_workspace_plugin.figures.sheet import Sheet, moment_of
from mlflow_workspace_plugin.figures.specification import Lines
from mlflow_workspace_plugin.overview.figures import mlflow_files
from mlflow_workspace_plugin.overview.figures.asked import Asked
from mlflow_workspace_plugin.overview.figures.files import figures_of_files
from mlflow_workspace_plugin.overview.figures.logged import Logged, LoggedRun, type_of_column
from mlflow_workspace_plugin.overview.figures.mixed_values import all_values
from mlflow_workspace_plugin.overview.figures.tables import cells_at
from mlflow_workspace_plugin.overview.source import Source
from mlflow_workspace_plugin.runs.metrics.descriptors import SCALAR, TABLE
from mlflow_workspace_plugin.runs.metrics.names import table_id
from mlflow_workspace_plugin.runs.metrics.reader import Place, values_of

_ROWS_AT_ONCE = 10_000
_OF_SCALAR = ("step", "time", "value")
_CURVE = "series"
"""The column that says whose a point is, where a figure has several curves."""

_Row = Sequence[Any]
_Part = tuple[list[str], Callable[[], Iterator[_Row]]]
"""The columns of what one run has, and what reads its rows."""


def sheet_of_figure(source: Source, run_ids: Sequence[str], figure: str) -> Sheet:
    """Return what a curve or a table is made of, in the order in which it was logged.

    A metric has its steps, times and values; a table its columns; a figure of an accuracy table the
    points of its curves. Of several runs the first column
    says whose a row is.

    Args:
        source: the workspace.
        run_ids: the runs that the figure is of.
        figure: the id.

    Raises:
        MlflowException: one of the runs is not in the workspace, or none has such a figure.
    """
    parts, owner = run_of(figure)
    run_ids = list(dict.fromkeys(run_ids)) if owner is None else [owner]
    runs = [LoggedRun(source, source.store.get_run(run_id)) for run_id in run_ids]
    found = {run: part for run in runs if (part := _part_of(run, parts)) is not None}
    if not found:
        raise MlflowException(
            f"No run has such a figure, or none of rows: {figure[:200]!r}. "
            "Ask for the figures of the run.",
            RESOURCE_DOES_NOT_EXIST,
        )
    if len(runs) == 1:
        [(columns, read)] = found.values()
        return Sheet(columns, read())
    columns = list(dict.fromkeys(name for names, _ in found.values() for name in names))
    called = names_of_runs({run.id: run.name for run in runs})
    return Sheet([RUN, *columns], _of_runs(found, columns, called))


def _of_runs(
    found: Mapping[LoggedRun, _Part], columns: Sequence[str], called: Mapping[str, str]
) -> Iterator[_Row]:
    for run, (names, read) in found.items():
        for row in read():
            cells = dict(zip(names, row, strict=True))
            yield [called[run.id], *(cells.get(name) for name in columns)]


def _part_of(run: LoggedRun, parts: tuple[str, ...]) -> _Part | None:
    for logged in run.metrics:
        if logged.parts == parts and logged.kind == SCALAR:
            return list(_OF_SCALAR), functools.partial(_rows_of_scalar, run, logged)
        if logged.parts == parts and logged.kind == TABLE:
            return list(logged.columns), functools.partial(_rows_of_table, run, logged)
        if logged.kind == ACCURACY_TABLE and parts[:-1] == logged.parts:
            return _curves_of_chart(run, logged, figure_id(*parts))
    for path in mlflow_files.table_paths(run):
        if parts == (mlflow_files.TABLE, path):
            columns, rows = mlflow_files.all_rows(run, path)
            return columns, functools.partial(iter, rows)
    return None


def _curves_of_chart(run: LoggedRun, logged: Logged, figure: str) -> _Part | None:
    for found in figures_of_files(run, logged, Asked(points=sys.maxsize)):
        if found["id"] == figure and found["kind"] == "lines":
            columns = [_CURVE, found["x"]["label"], found["y"]["label"]]
            return columns, functools.partial(_rows_of_lines, found)
    return None


def _rows_of_lines(figure: Lines) -> Iterator[_Row]:
    for series in figure["series"]:
        for x, y in zip(series["x"], series["y"], strict=True):
            yield series["name"], x, y


def _rows_of_scalar(run: LoggedRun, logged: Logged) -> Iterator[_Row]:
    if logged.has_text or (logged.is_described and any(run.exact(key) for key in logged.keys)):
        # What numbers do not say is only found beside all of them.
        values: Iterator[tuple[Place, Any]] = iter(all_values(run, logged))
    else:
        values = heapq.merge(
            *(_values(run, logged, key) for key in logged.keys), key=lambda each: each[0]
        )
    for (timestamp, step), value in values:
        yield step, moment_of(timestamp), value


def _values(run: LoggedRun, logged: Logged, key: str) -> Iterator[tuple[Place, Any]]:
    kind, token = type_of_column(logged, ""), None
    while True:
        page = run.source.store.get_metric_history(run.id, key, _ROWS_AT_ONCE, token)
        points = [(each.timestamp, each.step, each.value) for each in page]
        for place, value in values_of(points, [], kind):
            # MLflow keeps an infinity as the largest number there is.
            is_infinite = not logged.is_described and abs(value) >= sys.float_info.max
            yield place, value * 2 if is_infinite else value
        token = page.token
        if token is None:
            return


def _rows_of_table(run: LoggedRun, logged: Logged) -> Iterator[_Row]:
    offset = 0
    while True:
        places, _ = run.source.store.table_places(
            run.id, table_id(logged.name), offset, _ROWS_AT_ONCE
        )
        if not places:
            return
        yield from zip(*cells_at(run, logged, places).values(), strict=True)
        offset += len(places)
