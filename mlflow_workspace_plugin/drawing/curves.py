"""Points as a path of few: what a picture cannot show of them is left out."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from mlflow_workspace_plugin.drawing.plot import Plot
from mlflow_workspace_plugin.drawing.svg import element

_COLUMN = 2
"""So many pixels wide is what one minimum and one maximum are drawn of."""

_TENTHS = 10
_FEW = 40


class Place(NamedTuple):
    """A pixel."""

    x: float
    y: float


def segments(xs: Sequence[float], ys: Sequence[float], plot: Plot) -> list[list[Place]]:
    """Return the places of points, apart where one is no number, and no more than can be seen.

    The first, the last, the least and the greatest of each column of pixels are kept; of a curve
    that turns back, those of so many points in a row.

    Args:
        xs: of the points; one that is not finite is left out.
        ys: of the points.
        plot: where they are drawn.
    """
    found: list[list[Place]] = [[]]
    for x, y in zip(xs, ys, strict=False):
        if math.isfinite(x) and math.isfinite(y):
            found[-1].append(Place(plot.x.place(x), plot.y.place(y)))
        elif found[-1]:
            found.append([])
    return [_reduced(each, plot) for each in found if each]


def line(places: Sequence[Place], **attributes: object) -> str:
    """Return a line through places; a point, where there is one only."""
    if len(places) == 1:
        return points(places, str(attributes["stroke"]))
    drawn = {"fill": "none", "stroke_width": 1.6, "stroke_linejoin": "round"} | attributes
    # Whole tenths of pixels, each told from the last, take the fewest characters.
    drawn["stroke_width"] = float(str(drawn["stroke_width"])) * _TENTHS
    if dashes := drawn.get("stroke_dasharray"):
        drawn["stroke_dasharray"] = " ".join(
            str(int(each) * _TENTHS) for each in str(dashes).split()
        )
    return element("path", d=_path(places), transform="scale(.1)", **drawn)


def area(upper: Sequence[Place], lower: Sequence[Place], **attributes: object) -> str:
    """Return what is between two lines."""
    places = [*upper, *reversed(lower)]
    return element("path", d=f"{_path(places)}z", transform="scale(.1)", **attributes)


def points(places: Sequence[Place], colour: str) -> str:
    """Return each of few points, so that it is seen where something was logged."""
    if not 0 < len(places) <= _FEW:
        return ""
    dots = "".join(
        f"M{round(x * _TENTHS)} {round(y * _TENTHS)}h0" for x, y in dict.fromkeys(places)
    )
    round_ones = {"stroke_width": 44, "stroke_linecap": "round", "fill": "none"}
    return element("path", d=dots, transform="scale(.1)", stroke=colour, **round_ones)


def _reduced(places: list[Place], plot: Plot) -> list[Place]:
    columns = max(1, int((plot.right - plot.left) / _COLUMN))
    if len(places) <= 2 * columns:
        return places
    if all(first.x <= second.x for first, second in pairwise(places)):
        return list(_extremes(places, lambda _, place: int(place.x / _COLUMN)))
    size = math.ceil(len(places) / columns)
    return list(_extremes(places, lambda index, _: index // size))


def _extremes(places: list[Place], column: Callable[[int, Place], int]) -> Iterator[Place]:
    for _, grouped in groupby(enumerate(places), lambda each: column(*each)):
        group = [place for _, place in grouped]
        kept = {0, len(group) - 1}
        kept.add(min(range(len(group)), key=lambda index: group[index].y))
        kept.add(max(range(len(group)), key=lambda index: group[index].y))
        yield from (group[index] for index in sorted(kept))


def _path(places: Sequence[Place]) -> str:
    whole = [(round(place.x * _TENTHS), round(place.y * _TENTHS)) for place in places]
    steps = [
        (x - last_x, y - last_y) for (x, y), (last_x, last_y) in zip(whole[1:], whole, strict=False)
    ]
    start = f"M{whole[0][0]} {whole[0][1]}"
    told = "l" + " ".join(f"{x}{y}" if y < 0 else f"{x} {y}" for x, y in steps) if steps else ""
    return start + told.replace(" -", "-")
