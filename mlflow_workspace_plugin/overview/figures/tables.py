"""The figures of SDK v1's tables: curves, or pages of rows; a long table is not read whole."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow_workspace_plugin.figures.ids import figure_id
from mlflow_workspace_plugin.figures.specification import Figure, Table
from mlflow_workspace_plugin.figures.tables import (
    PAGE,
    are_curves,
    curves,
    goes_one_way,
    of_columns,
    rows_within,
    table,
)
from mlflow_workspace_plugin.overview.figures.asked import Asked, whole
from mlflow_workspace_plugin.overview.figures.logged import Logged, LoggedRun, type_of_column
from mlflow_workspace_plugin.runs.metrics.names import table_id
from mlflow_workspace_plugin.runs.metrics.reader import Place, values_of

_NUMBERS = ("int", "double")
_READ_WHOLE = 100_000
"""So many rows are read for a range of an x that goes back and forth: they may be anywhere."""
_NARROWED = 3
"""How often the rows of a range are looked for between those that were found before."""


def figure_of_table(run: LoggedRun, logged: Logged, asked: Asked) -> Figure:
    """Return the figure of a table.

    Args:
        run: the run.
        logged: the table.
        asked: how many rows are drawn, and those of which x; of more than ``_READ_WHOLE`` rows
            whose x goes back and forth any.
    """
    if not _may_be_curves(run, logged):
        return rows_of_table(run, logged, 0, PAGE)
    figure = figure_id(*logged.parts)
    places, total = _places(run, logged, 0, asked.points)
    if len(places) == total and not asked.is_range:
        whole = cells_at(run, logged, places)
        return of_columns(figure, logged.name, whole, points=asked.points, run=run.id)
    drawn, _ = _drawn_places(run, logged, asked.points)
    columns = cells_at(run, logged, drawn)
    if asked.is_range and are_curves(columns):
        part = _within(run, logged, asked, drawn, columns)
        if part is None and total <= _READ_WHOLE:
            return _of_whole(run, logged, asked)
        drawn, total = part or (drawn, total)
        columns = cells_at(run, logged, drawn)
    if not are_curves(columns):
        return rows_of_table(run, logged, 0, PAGE)
    steps = [step for _, step in drawn]
    return curves(figure, logged.name, columns, total=total, rows=steps, run=run.id)


def _of_whole(run: LoggedRun, logged: Logged, asked: Asked) -> Figure:
    """Return the figure of a part of a table of which every row is read."""
    places, _ = _places(run, logged, 0, _READ_WHOLE)
    return of_columns(
        figure_id(*logged.parts),
        logged.name,
        cells_at(run, logged, places),
        points=asked.points,
        run=run.id,
        start=asked.start,
        end=asked.end,
    )


def rows_of_table(run: LoggedRun, logged: Logged, offset: int, limit: int) -> Table:
    """Return a page of a table, in the order in which its rows were logged.

    Args:
        run: the run.
        logged: the table.
        offset: how many rows are before the page.
        limit: how many are on it.
    """
    places, total = _places(run, logged, offset, limit)
    columns = cells_at(run, logged, places)
    rows = zip(*columns.values(), strict=True)
    figure = figure_id(*logged.parts)
    return table(figure, logged.name, list(columns), rows, total=total, offset=offset)


def cells_at(run: LoggedRun, logged: Logged, places: Sequence[Place]) -> dict[str, list[Any]]:
    """Return the cells of some rows, by column; None where a row has none.

    Args:
        run: the run.
        logged: the table.
        places: of the rows.
    """
    found = {}
    for name, declared in logged.columns.items():
        cells: dict[Place, Any] = {}
        for key in sorted({each.key for each in declared}):
            points = run.source.store.points_at(run.id, key, places)
            exact = run.exact(key).at(places)
            cells.update(values_of(points, exact, type_of_column(logged, name)))
        found[name] = [cells.get(place) for place in places]
    return found


def _places(run: LoggedRun, logged: Logged, offset: int, limit: int) -> tuple[list[Place], int]:
    return run.source.store.table_places(run.id, table_id(logged.name), offset, limit)


def _may_be_curves(run: LoggedRun, logged: Logged) -> bool:
    """Whether all cells are numbers, as far as that is known without reading them."""
    types = (type_of_column(logged, name) for name in logged.columns)
    return all(kind in _NUMBERS for kind in types) and not any(
        run.exact(key).alone for key in logged.keys
    )


def _drawn_places(
    run: LoggedRun,
    logged: Logged,
    points: int,
    start: int | None = None,
    end: int | None = None,
) -> tuple[list[Place], int]:
    """Return the places of those rows that are drawn, and of how many: the extremes of each column.

    Args:
        run: the run.
        logged: the table.
        points: how many rows at most.
        start: the number of the first row.
        end: the number of the last row.
    """
    store = run.source.store
    found = [
        store.chart_points(
            run.id, key, x="step", start=start, end=end, points=max(2, points // len(logged.keys))
        )
        for key in logged.keys
    ]
    places = sorted({(each.timestamp, each.step) for of_key in found for each in of_key.points})
    if all(of_key.is_exact for of_key in found):
        return places, len(places)
    return places, max(of_key.total for of_key in found)


def _within(
    run: LoggedRun,
    logged: Logged,
    asked: Asked,
    drawn: Sequence[Place],
    columns: Mapping[str, Sequence[Any]],
) -> tuple[list[Place], int] | None:
    """Return the places of the rows that are drawn of a range of x, and of how many.

    The range is found between rows that are drawn of all. None where x goes back and forth, so that
    a range of it is not one of rows, or where nothing is in it.
    """
    if len(columns) == 1:
        first, last = whole(asked.start, math.floor), whole(asked.end, math.ceil)
        return _drawn_places(run, logged, asked.points, first, last)
    x = next(iter(columns))
    found, total = list(drawn), 0
    xs: Sequence[Any] = columns[x]
    for _ in range(_NARROWED):
        inside = rows_within(xs, asked.start, asked.end) if goes_one_way(xs) else []
        if not inside:
            return None
        first, last = found[inside[0]][1], found[inside[-1]][1]
        found, total = _drawn_places(run, logged, asked.points, first, last)
        if len(found) == total:
            break
        xs = cells_at(run, logged, found)[x]
    return found, total
