"""A metric's history in few points, for a chart."""

import itertools
import math
from collections.abc import Iterable
from typing import NamedTuple

_KEPT = 3


class Point(NamedTuple):
    """A value of a metric. The order of points is that of MLflow's charts."""

    step: int
    timestamp: int
    value: float
    is_nan: bool


def sample(points: Iterable[Point], count: int, max_results: int) -> list[Point]:
    """Return at most ``max_results`` points that look like all of them.

    The first and the last are kept, and of the others each bucket's smallest, its greatest and a
    NaN (its first point where it has none), so that a spike of one step stays to be seen. A single
    result is the last point.

    Args:
        points: in order; read once.
        count: how many there are.
        max_results: at least 1.
    """
    if count <= max_results:
        # Some may have been logged since they were counted.
        return list(itertools.islice(points, max_results))
    buckets = max(1, (max_results - 2) // _KEPT)
    size = max(1, math.ceil((count - 2) / buckets))
    iterator = iter(points)
    first = next(iterator)
    sampled, bucket, last = [first], _Bucket(), first
    for index, point in enumerate(iterator, 1):
        last = point
        if index == count - 1:
            break
        bucket.add(point)
        if index % size == 0:
            sampled += bucket.kept()
            bucket = _Bucket()
    sampled += bucket.kept()
    if max_results == 1:
        return [last]
    return [*sampled[: max_results - 1], last]


class _Bucket:
    """What is kept of some points."""

    def __init__(self) -> None:
        self._first: Point | None = None
        self._nan: Point | None = None
        self._least: Point | None = None
        self._greatest: Point | None = None

    def add(self, point: Point) -> None:
        if self._first is None:
            self._first = point
        if point.is_nan:
            self._nan = self._nan or point
        elif self._least is None or self._greatest is None:
            self._least = self._greatest = point
        elif point.value < self._least.value:
            self._least = point
        elif point.value > self._greatest.value:
            self._greatest = point

    def kept(self) -> list[Point]:
        found = {self._least, self._greatest, self._nan or self._first}
        return sorted(point for point in found if point is not None)
