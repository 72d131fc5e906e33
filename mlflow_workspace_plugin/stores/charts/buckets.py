"""Many points as few buckets, and few buckets as the points that are shown.

A bucket is a stretch of the chart's x. Its smallest and its greatest value and a NaN cover what a
line through all its points would, so that a spike of one step stays to be seen. Stretches are of
equal width, as the columns of a screen are, and not of equally many points.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from mlflow_workspace_plugin.stores.charts.point import Point, X

_ENOUGH = 0.95

Kept = TypeVar("Kept")


class Bucket(NamedTuple):
    """What is kept of the points of a stretch."""

    place: int
    least: Point | None
    """The first of the smallest values; None where all are NaN."""
    greatest: Point | None
    """The last of the greatest values."""
    nan: Point | None
    """The first NaN."""


@dataclass(frozen=True)
class Grid:
    """The stretches of a chart, of which each holds a bucket, or no point.

    Attributes:
        x: what the chart is over.
        low: where the first point is.
        high: where the last one is.
        number: how many stretches there are.
    """

    x: X
    low: int
    high: int
    number: int

    @classmethod
    def of(cls, x: X, low: int, high: int, number: int) -> "Grid":
        """Return a grid of at most so many stretches, none narrower than one step."""
        return cls(x, low, high, min(number, high - low + 1))

    @property
    def span(self) -> int:
        """How many steps, or milliseconds, there are."""
        return self.high - self.low + 1

    @property
    def is_finest(self) -> bool:
        """Whether all points of a stretch share their x."""
        return self.number == self.span

    def place(self, x: int) -> int:
        """Return which stretch a point is in."""
        return (x - self.low) * self.number // self.span

    def edges(self, place: int) -> tuple[int, int]:
        """Return the first and the last x of a stretch."""
        first = -(-place * self.span // self.number)
        after = -(-(place + 1) * self.span // self.number)
        return self.low + first, self.low + after - 1


@dataclass(frozen=True)
class Sketch:
    """A metric, or a range of it, as buckets.

    Attributes:
        grid: where the buckets are.
        buckets: those that hold a point, in order.
        first: the first point of all.
        last: the last one.
        total: how many points there are.
        nans: how many of them are NaN.
    """

    grid: Grid
    buckets: Sequence[Bucket]
    first: Point
    last: Point
    total: int
    nans: int


class Gathered:
    """Points, given in any order, as buckets."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._buckets: dict[int, Bucket] = {}
        self.total = 0
        self.nans = 0

    def add(self, points: Iterable[Point]) -> None:
        """Take points."""
        grid, x, buckets = self._grid, self._grid.x, self._buckets
        for point in points:
            self.total += 1
            place = grid.place(point.at(x))
            found = buckets.get(place) or Bucket(place, None, None, None)
            least, greatest, nan = found.least, found.greatest, found.nan
            if point.is_nan:
                self.nans += 1
                if nan is not None and nan.place(x) < point.place(x):
                    continue
                nan = point
            else:
                if least is None or _rank(point, x) < _rank(least, x):
                    least = point
                if greatest is None or _rank(point, x) > _rank(greatest, x):
                    greatest = point
                if least is found.least and greatest is found.greatest:
                    continue
            buckets[place] = Bucket(place, least, greatest, nan)

    @property
    def buckets(self) -> list[Bucket]:
        """The buckets that hold a point, in order."""
        return [self._buckets[place] for place in sorted(self._buckets)]


def _rank(point: Point, x: X) -> tuple[float, tuple[int, int, float, bool]]:
    return point.value, point.place(x)


def shown(sketch: Sketch, points: int) -> list[Point]:
    """Return at most so many points: first and last, and what each stretch keeps.

    Args:
        sketch: the metric.
        points: how many may be shown, at least 1.
    """
    if points == 1:
        return [sketch.last]
    ends = {sketch.first, sketch.last}
    kept = fitted(sketch.grid.number, points, lambda stretches: _kept(sketch, stretches) | ends)
    return cut(sorted(kept, key=lambda point: point.place(sketch.grid.x)), points)


def fitted(number: int, points: int, keep: Callable[[int], set[Kept]]) -> set[Kept]:
    """Return what is kept of stretches that are as narrow as may be; too much if none fits.

    Neighbouring buckets are put together until it fits, and no more than that.

    Args:
        number: how many buckets there are.
        points: how many points may be shown, at least 2.
        keep: returns what is kept where there are so many stretches.
    """
    stretches = min(number, max(1, (points - 2) // 2))
    fitting: set[Kept] = set()
    while True:
        kept = keep(stretches)
        more = min(number, stretches * points // len(kept))
        if len(kept) <= points:
            fitting = kept
            if more <= stretches or len(kept) >= _ENOUGH * points:
                return fitting
        elif fitting or stretches == 1:
            return fitting or kept
        else:
            more = max(1, min(more, stretches - 1))
        stretches = more


def cut(found: list[Kept], points: int) -> list[Kept]:
    """Return at most so many of what was kept, of which the last is one."""
    return found if len(found) <= points else [*found[: points - 1], found[-1]]


def _kept(sketch: Sketch, stretches: int) -> set[Point]:
    number = sketch.grid.number
    kept: set[Point | None] = set()
    before = -1
    least = greatest = nan = None
    for bucket in sketch.buckets:
        stretch = bucket.place * stretches // number
        if stretch != before:
            kept.update((least, greatest, nan))
            before, (_, least, greatest, nan) = stretch, bucket
            continue
        if least is None or (bucket.least is not None and bucket.least.value < least.value):
            least = bucket.least
        if greatest is None or (
            bucket.greatest is not None and bucket.greatest.value >= greatest.value
        ):
            greatest = bucket.greatest
        nan = nan or bucket.nan
    kept.update((least, greatest, nan))
    return {point for point in kept if point is not None}
