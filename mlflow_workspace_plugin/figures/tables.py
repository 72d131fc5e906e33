"""Rows: curves where they are numbers, else a table."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from mlflow_workspace_plugin.figures.cells import cell, is_nan, text
from mlflow_workspace_plugin.figures.head import head
from mlflow_workspace_plugin.figures.lines import Curve, y_over_x
from mlflow_workspace_plugin.figures.specification import Lines, Table
from mlflow_workspace_plugin.figures.thinning import kept_rows

PAGE = 100
"""How many rows a page has by default."""

ROW = "row"
"""What the x of a single column is called."""


def are_curves(columns: Mapping[str, Sequence[Any]]) -> bool:
    """Whether rows are drawn: one column over the rows, two as y over x, more over a first x.

    More columns than two need an x that goes one way, else they would be a knot.

    Args:
        columns: those rows that are at hand, by column; None where a row has none.
    """
    cells = list(columns.values())
    if not cells or len(cells[0]) < 2 or not all(map(_is_numeric, cells)):
        return False
    return len(cells) <= 2 or goes_one_way(cells[0])


def goes_one_way(cells: Sequence[Any]) -> bool:
    """Whether numbers never fall, or never rise, and do not stay."""
    if any(each is None or is_nan(each) for each in cells) or cells[0] == cells[-1]:
        return False
    return all(a <= b for a, b in pairwise(cells)) or all(a >= b for a, b in pairwise(cells))


def rows_within(xs: Sequence[Any], start: float | None, end: float | None) -> list[int]:
    """Return which rows are drawn of a range of x: those in it, and those that lead there.

    Where x goes back and forth they are in several stretches. What leads from one to the next is
    beside the range, and what is broken there is not joined.

    Args:
        xs: the x of all rows, or of some in their order; None where a row has none.
        start: where the range begins; None is where the rows do.
        end: where it ends.

    Returns:
        Their indices in order; none, where nothing is in the range.
    """
    least = -math.inf if start is None else start
    greatest = math.inf if end is None else end
    inside: set[int] = set()
    broken: set[int] = set()
    for index, (first, second) in enumerate(pairwise(xs)):
        if first is None or second is None or is_nan(first) or is_nan(second):
            broken |= {index, index + 1}
        # What is between two of them may be in the range, though neither is.
        elif min(first, second) <= greatest and max(first, second) >= least:
            inside |= {index, index + 1}
    return sorted(inside | broken) if inside else []


def of_columns(
    figure: str,
    title: str,
    columns: Mapping[str, Sequence[Any]],
    *,
    points: int = 2_000,
    run: str | None = None,
    start: float | None = None,
    end: float | None = None,
) -> Lines | Table:
    """Return the figure of rows that are all at hand.

    Args:
        figure: the id.
        title: the table's name.
        columns: all rows, by column.
        points: how many rows are drawn, at most.
        run: whose they are.
        start: leave out what of curves is before it.
        end: leave out what is after it.
    """
    if not are_curves(columns):
        rows = zip(*columns.values(), strict=True)
        total = len(next(iter(columns.values()), ()))
        page = [row for row, _ in zip(rows, range(PAGE), strict=False)]
        return table(figure, title, list(columns), page, total=total)
    total = len(next(iter(columns.values())))
    xs: Sequence[Any] = next(iter(columns.values())) if len(columns) > 1 else range(total)
    part = [] if start is None and end is None else rows_within(xs, start, end)
    if part:
        inside = [[cells[index] for index in part] for cells in columns.values()]
        kept = [part[index] for index in kept_rows(inside, points)]
        total = len(part)
    else:
        kept = kept_rows(list(columns.values()), points)
    shown = {name: [cells[index] for index in kept] for name, cells in columns.items()}
    return curves(figure, title, shown, total=total, rows=kept, run=run)


def curves(
    figure: str,
    title: str,
    columns: Mapping[str, Sequence[Any]],
    *,
    total: int,
    rows: Sequence[int],
    run: str | None = None,
) -> Lines:
    """Return the curves of rows for which :func:`are_curves`.

    Args:
        figure: the id.
        title: the table's name.
        columns: those rows that are drawn, by column.
        total: how many rows there are.
        rows: the numbers of those that are drawn.
        run: whose they are.
    """
    names = list(columns)
    x, *ys = names if len(names) > 1 else (ROW, *names)
    xs = columns[x] if len(names) > 1 else rows
    # Of rows that are not here nobody knows.
    is_whole = len(rows) >= total
    return y_over_x(
        figure,
        title,
        [
            Curve(name, xs, columns[name], total, run=run, nans=is_whole * _nans(columns[name]))
            for name in ys
        ],
        x=x,
        y=ys[0] if len(ys) == 1 else "",
    )


def table(
    figure: str,
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    total: int,
    offset: int = 0,
    note: str | None = None,
) -> Table:
    """Return a page of a table.

    Args:
        figure: the id.
        title: the table's name.
        columns: their names.
        rows: of the page.
        total: how many rows there are.
        offset: how many are before the page.
        note: what has to be said of it.
    """
    return {
        **head(figure, title, note),
        "kind": "table",
        "columns": [text(column) for column in columns],
        "rows": [[cell(value) for value in row] for row in rows],
        "total": total,
        "offset": offset,
    }


def _is_numeric(cells: Sequence[Any]) -> bool:
    """Whether all are numbers; a row may have none. Truth values are read, not drawn."""
    there = [each for each in cells if each is not None]
    return bool(there) and all(
        isinstance(each, (int, float)) and not isinstance(each, bool) for each in there
    )


def _nans(cells: Sequence[Any]) -> int:
    return sum(map(is_nan, cells))
