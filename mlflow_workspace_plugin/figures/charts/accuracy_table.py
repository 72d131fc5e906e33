"""An accuracy table: how good a classifier is at each threshold, in five figures.

A table has a row for each threshold: true and false positives, true and false negatives of one
class against all others. That of probabilities takes for positive what is at least so probable;
that of percentiles the most probable part of all.
"""

import functools
import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mlflow_workspace_plugin.figures.charts.numbers import counted, part
from mlflow_workspace_plugin.figures.ids import figure_id
from mlflow_workspace_plugin.figures.lines import Curve, y_over_x
from mlflow_workspace_plugin.figures.specification import Figure
from mlflow_workspace_plugin.figures.tables import rows_within
from mlflow_workspace_plugin.figures.thinning import kept_rows

MOST_CLASSES = 12
"""What is more is not told apart by anybody; the averages are of all of them."""

_BINS = 10
_DIGITS = 6
_GRID = [step / 100 for step in range(101)]

Points = list[tuple[float, float]]


class Counts(NamedTuple):
    """What became of all cases at one threshold."""

    true_positives: float
    false_positives: float
    true_negatives: float
    false_negatives: float

    @property
    def positives(self) -> float:
        """How many are of the class."""
        return self.true_positives + self.false_negatives

    @property
    def taken(self) -> float:
        """How many are said to be of it."""
        return self.true_positives + self.false_positives

    @property
    def all(self) -> float:
        """How many there are."""
        return sum(self)


Counted = list[tuple[float, Counts]]
"""A table: thresholds, and what became of all cases at each."""


class _Drawn(NamedTuple):
    name: str
    title: str
    of: str
    points: Callable[[Counted], Points]
    x: str
    y: str
    is_diagonal: bool = False
    baseline: float | None = None


def _roc(table: Counted) -> Points:
    found = [
        (
            part(each.false_positives, each.false_positives + each.true_negatives),
            part(each.true_positives, each.positives),
        )
        for _, each in table
    ]
    # At a threshold that none or all are above.
    return sorted({(0.0, 0.0), (1.0, 1.0), *_there(found)})


def _precision_recall(table: Counted) -> Points:
    found = [
        (part(each.true_positives, each.positives), part(each.true_positives, each.taken))
        for _, each in table
    ]
    return sorted(set(_there(found)), key=lambda point: (point[0], -point[1]))


def _calibration(table: Counted) -> Points:
    """Return how many of those are of the class that are said to be so probably, in a few bins."""
    rows = sorted(table, key=lambda row: row[0])
    bins: dict[int, list[float]] = {}
    closed = [*rows, (max(1.0, rows[-1][0]) if rows else 1.0, Counts(0, 0, 0, 0))]
    for (low, here), (high, above) in zip(rows, closed[1:], strict=True):
        number = here.taken - above.taken
        if number > 0:
            middle = (low + high) / 2
            sums = bins.setdefault(min(int(middle * _BINS), _BINS - 1), [0.0, 0.0, 0.0])
            sums[0] += number
            sums[1] += number * middle
            sums[2] += here.true_positives - above.true_positives
    return [(x / number, of_class / number) for _, (number, x, of_class) in sorted(bins.items())]


def _gain(table: Counted) -> Points:
    found = [
        (part(each.taken, each.all), part(each.true_positives, each.positives)) for _, each in table
    ]
    return sorted({(0.0, 0.0), (1.0, 1.0), *_there(found)})


def _lift(table: Counted) -> Points:
    return [(x, y / x) for x, y in _gain(table) if x > 0]


_PART = "part of all cases"
_FIGURES = (
    _Drawn(
        *("roc", "ROC", "probability", _roc, "false positive rate", "true positive rate"),
        is_diagonal=True,
    ),
    _Drawn(
        *("precision-recall", "precision-recall", "probability", _precision_recall),
        *("recall", "precision"),
    ),
    _Drawn(
        *("calibration", "calibration", "probability", _calibration),
        *("predicted probability", "part that is of the class"),
        is_diagonal=True,
    ),
    _Drawn("lift", "lift", "percentile", _lift, _PART, "lift", baseline=1.0),
    _Drawn(
        *("gain", "cumulative gain", "percentile", _gain, _PART, "part of the class"),
        is_diagonal=True,
    ),
)


def figures(
    parts: tuple[str, ...],
    title: str,
    data: Mapping[str, Any],
    *,
    points: int,
    start: float | None = None,
    end: float | None = None,
) -> list[Figure]:
    """Return the figures of an accuracy table.

    Args:
        parts: of the ids.
        title: the metric's name.
        data: of the document, whose sizes fit.
        points: how many points a curve has, at most.
        start: leave out what of curves is before it.
        end: leave out what is after it.

    Raises:
        TypeError, ValueError: what should be a finite number is none.
    """
    labels = [str(label) for label in data["class_labels"]]
    curve = functools.partial(_curve, points=points, start=start, end=end)
    return [_figure(parts, title, labels, data, drawn, curve) for drawn in _FIGURES]


def _figure(
    parts: tuple[str, ...],
    title: str,
    labels: list[str],
    data: Mapping[str, Any],
    drawn: _Drawn,
    curve: Callable[[str, Points], Curve],
) -> Figure:
    thresholds = [counted(each) for each in data[f"{drawn.of}_thresholds"]]
    tables: list[Counted] = [
        [
            (threshold, Counts(*map(counted, row)))
            for threshold, row in zip(thresholds, table, strict=True)
        ]
        for table in data[f"{drawn.of}_tables"]
    ]
    curves = [drawn.points(table) for table in tables]
    named = list(zip(labels, curves, strict=True))
    note = None
    if len(named) > MOST_CLASSES:
        note = f"{len(named):,} classes, of which {MOST_CLASSES:,} are drawn; averages are of all."
        named = named[:MOST_CLASSES]
    if len(tables) > 1:
        named += _averages(tables, curves, drawn)
    found = [curve(name, points) for name, points in named]
    if drawn.baseline is not None:
        found.append(curve("at random", [(0.0, drawn.baseline), (1.0, drawn.baseline)]))
    top = None if drawn.name == "lift" else (0.0, 1.0)
    return y_over_x(
        figure_id(*parts, drawn.name),
        f"{title} {drawn.title}",
        found,
        x=drawn.x,
        y=drawn.y,
        diagonal=drawn.is_diagonal,
        limits={"x": (0.0, 1.0), "y": top},
        note=note,
    )


def _averages(
    tables: list[Counted], curves: list[Points], drawn: _Drawn
) -> list[tuple[str, Points]]:
    """Return the averages over all classes: of their cases, of their curves, and by their size."""
    pooled = [
        (rows[0][0], Counts(*map(sum, zip(*(counts for _, counts in rows), strict=True))))
        for rows in zip(*tables, strict=True)
    ]
    sizes = [table[0][1].positives if table else 0.0 for table in tables]
    macro = _mean(curves, [1.0] * len(curves))
    return [
        ("micro average", drawn.points(pooled)),
        ("macro average", macro),
        ("weighted average", _mean(curves, sizes)),
    ]


def _mean(curves: list[Points], weights: list[float]) -> Points:
    """Return the mean of curves at each x that they have a value for."""
    found = []
    for x in _GRID:
        at = [
            (y, weight)
            for points, weight in zip(curves, weights, strict=True)
            if weight and (y := _at(points, x)) is not None
        ]
        total = sum(weight for _, weight in at)
        if total:
            found.append((x, sum(y * weight for y, weight in at) / total))
    return found


def _at(points: Points, x: float) -> float | None:
    """Return the y of a curve at some x, between its points; None before and behind them."""
    if not points or not points[0][0] <= x <= points[-1][0]:
        return None
    index = bisect_right(points, (x, math.inf))
    if index == len(points):
        return points[-1][1]
    (before, low), (behind, high) = points[index - 1], points[index]
    return low + (high - low) * (x - before) / (behind - before)


def _there(points: Points) -> Points:
    return [point for point in points if not any(map(math.isnan, point))]


def _curve(
    name: str, places: Points, *, points: int, start: float | None, end: float | None
) -> Curve:
    xs, ys = [round(x, _DIGITS) for x, _ in places], [round(y, _DIGITS) for _, y in places]
    if start is not None or end is not None:
        part = rows_within(xs, start, end) or range(len(xs))
        xs, ys = [xs[index] for index in part], [ys[index] for index in part]
    kept = kept_rows([xs, ys], points)
    return Curve(name, [xs[index] for index in kept], [ys[index] for index in kept], len(xs))
