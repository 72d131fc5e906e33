"""Charts with two axes: curves, bars, a band."""

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from mlflow_workspace_plugin.drawing.colours import FAULT, colour, dashes
from mlflow_workspace_plugin.drawing.curves import Place, area, line, points, segments
from mlflow_workspace_plugin.drawing.plot import Axis, Plot
from mlflow_workspace_plugin.drawing.scales import limits
from mlflow_workspace_plugin.drawing.svg import element
from mlflow_workspace_plugin.drawing.texts import number_of

_MOST_CURVES = 40
_ALIKE = 0.9
_MARK = 3
_NARROW = 2
"""So many pixels wide is the place of one bar, where there are too many for all."""


def lines(figure: Mapping[str, Any], width: float, height: float) -> str:
    """Return curves. Where a value is no number, a cross stands at the edge.

    Args:
        figure: of the kind ``lines``.
        width: of the picture.
        height: of the picture.
    """
    drawn = figure["series"][:_MOST_CURVES]
    series = [(_numbers(each["x"]), _numbers(each["y"])) for each in drawn]
    given = figure.get("limits") or {}
    x = _axis(figure["x"], chain.from_iterable(xs for xs, _ in series), given.get("x"))
    y = _axis(figure["y"], chain.from_iterable(ys for _, ys in series), given.get("y"))
    plot = Plot(x, y, width, height, [each["name"] for each in figure["series"]])
    parts = [plot.frame(), plot.diagonal() if figure.get("diagonal") else ""]
    before: list[set[Place]] = []
    for index, (xs, ys) in enumerate(series):
        found = segments(xs, ys, plot)
        pixels = {Place(round(x), round(y)) for each in found for x, y in each}
        dash = dashes(index, _covered(pixels, before))
        before.append(pixels)
        parts += [line(each, stroke=colour(index), stroke_dasharray=dash) for each in found]
        if dash is None:
            parts.append(points(list(chain.from_iterable(found)), colour(index)))
        parts.append(_no_numbers(xs, drawn[index]["y"], plot))
    return "".join(parts)


def bars(figure: Mapping[str, Any], width: float, height: float) -> str:
    """Return a histogram, whose bars are as wide as what they count.

    Args:
        figure: of the kind ``bars``.
        width: of the picture.
        height: of the picture.
    """
    edges, counts = _numbers(figure["edges"]), _numbers(figure["counts"])
    x = _axis(figure["x"], edges, None)
    plot = Plot(x, _axis(figure["y"], [0.0, *counts], None), width, height)
    base = plot.y.place(min(max(0.0, plot.y.least), plot.y.greatest))
    columns: dict[int, tuple[float, float, float]] = {}
    for left, right, count in zip(edges, edges[1:], counts, strict=False):
        if not all(map(math.isfinite, (left, right, count))):
            continue
        start, end = sorted((plot.x.place(left), plot.x.place(right)))
        top = plot.y.place(count)
        # Of what is narrower than its place the farthest is seen.
        is_narrow = end - start < _NARROW
        key = round(start / _NARROW) if is_narrow else -len(columns) - 1
        known = columns.get(key)
        if known is None or abs(base - top) > abs(base - known[2]):
            columns[key] = start, end, top
    parts = [plot.frame()]
    for start, end, top in columns.values():
        place = {"x": start, "y": min(base, top), "height": max(abs(base - top), 0.0)}
        wide = max(end - start - 1, 0.5)
        parts.append(element("rect", **place, width=wide, fill=colour(0), fill_opacity=0.75))
    return "".join(parts)


def band(figure: Mapping[str, Any], width: float, height: float) -> str:
    """Return means, and around them how far values lie apart.

    Args:
        figure: of the kind ``band``.
        width: of the picture.
        height: of the picture.
    """
    xs = _numbers(figure["xs"])
    mean, low, high = (_numbers(figure[each]) for each in ("mean", "low", "high"))
    y = _axis(figure["y"], [*mean, *low, *high], None)
    plot = Plot(_axis(figure["x"], xs, None), y, width, height)
    parts = [plot.frame(), plot.diagonal() if figure.get("ideal") else ""]
    known = [low if math.isfinite(high[index]) else math.nan for index, low in enumerate(low)]
    lower = segments(xs, known, plot)
    upper = segments(xs, [_if(each, high[i]) for i, each in enumerate(known)], plot)
    for above, below in zip(upper, lower, strict=False):
        parts.append(area(above, below, fill=colour(0), fill_opacity=0.25))
    for each in segments(xs, mean, plot):
        parts += [line(each, stroke=colour(0)), points(each, colour(0))]
    return "".join(parts)


def _if(known: float, value: float) -> float:
    return value if math.isfinite(known) else math.nan


def _numbers(values: Sequence[Any]) -> list[float]:
    return [number_of(each) for each in values]


def _axis(told: Mapping[str, Any], values: Any, given: "list[float] | None") -> Axis:
    return Axis(told.get("label") or "", told.get("type") or "number", *limits(values, given))


def _covered(pixels: set[Place], before: Sequence[set[Place]]) -> int:
    """Return how many curves lie below one, so that it would hide them."""
    return sum(
        bool(pixels) and len(pixels & each) >= _ALIKE * max(len(pixels), len(each))
        for each in before
    )


def _no_numbers(xs: Sequence[float], ys: Sequence[Any], plot: Plot) -> str:
    """Return crosses: an infinity at the edge that it is beyond, NaN below."""
    marks = set()
    for x, told in zip(xs, ys, strict=False):
        y = number_of(told)
        if told is not None and math.isfinite(x) and not math.isfinite(y):
            column = round(plot.x.place(x) / _MARK) * _MARK
            marks.add((column, round(plot.top if y == math.inf else plot.bottom)))
    if not marks:
        return ""
    arm = 2 * _MARK
    path = "".join(
        f"M{x - _MARK} {y - _MARK}l{arm} {arm}m-{arm} 0l{arm}-{arm}" for x, y in sorted(marks)
    )
    return element("path", d=path, stroke=FAULT, stroke_width=1.4, fill="none")
