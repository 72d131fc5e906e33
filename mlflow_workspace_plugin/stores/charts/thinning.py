"""Points that are all at hand as the few that are shown: the same that buckets would give."""

from collections.abc import Sequence
from typing import Any

from mlflow_workspace_plugin.stores.charts.buckets import Grid, cut, fitted
from mlflow_workspace_plugin.stores.charts.point import X

Row = tuple[int, int, float, Any]
"""The step, timestamp and value of a point, and whether it is NaN."""

_WIDEST = 1 << 62


def thinned(rows: Sequence[Row], x: X, points: int, *, buckets: int, finer: int) -> list[int]:
    """Return which rows are shown, in order.

    Args:
        rows: in the order of the chart's x.
        x: what the chart is over.
        points: how many are shown at most, fewer than there are.
        buckets: how many stretches there are at first.
        finer: how often these may be made finer.
    """
    import numpy as np

    if points == 1:
        return [len(rows) - 1]
    columns = list(zip(*rows, strict=True))
    xs = columns[0 if x == "step" else 1]
    grid = Grid.of(x, xs[0], xs[-1], max(buckets, points))
    is_nan = np.array(columns[3], bool)
    nans, numbers = np.flatnonzero(is_nan), np.flatnonzero(~is_nan)
    values = np.array(columns[2], np.float64)[numbers]
    ends = {0, len(rows) - 1}

    def keep(stretches: int) -> set[int]:
        # As neighbours are neighbours, a stretch is known by the number of those before it.
        stretch = places * stretches // grid.number
        stretch = np.concatenate(([0], np.cumsum((stretch[1:] != stretch[:-1]).astype(np.int64))))
        # The first of the least of each, the last of the greatest, and the first that is NaN.
        of_numbers = stretch[numbers]
        by_value = numbers[np.lexsort((values, of_numbers))]
        goes_on = of_numbers[1:] == of_numbers[:-1]
        least = by_value[~np.concatenate(([False], goes_on))[: len(numbers)]]
        greatest = by_value[~np.concatenate((goes_on, [False]))[: len(numbers)]]
        odd = nans[np.unique(stretch[nans], return_index=True)[1]]
        return ends.union(least.tolist(), greatest.tolist(), odd.tolist())

    for again in range(finer + 1):
        # Python's integers are slow, and have no end.
        kind = np.int64 if grid.span * grid.number < _WIDEST else object
        places = (np.array(xs, kind) - grid.low) * grid.number // grid.span
        found = fitted(grid.number, points, keep)
        more = points // len(found)
        if again == finer or more < 2 or grid.is_finest:
            break
        grid = Grid.of(x, grid.low, grid.high, grid.number * more)
    return cut(sorted(found), points)
