"""The values of a metric with texts: numbers, which the database has, among what files have."""

import heapq
from collections.abc import Sequence
from typing import Any

from mlflow_workspace_plugin.overview.figures.exact_of_key import place_of
from mlflow_workspace_plugin.overview.figures.logged import Logged, LoggedRun, type_of_column
from mlflow_workspace_plugin.runs.metrics.reader import Place, values_of
from mlflow_workspace_plugin.runs.metrics.values import cell
from mlflow_workspace_plugin.stores.reads.exact_values import ExactValue
from mlflow_workspace_plugin.stores.reads.metric_history import KeyedPoint, RunPoint

_WINDOW = 1_000
"""So many more numbers than a page has are read for it at most."""
_MOVED_MS = 1_000
"""No number is looked for so far behind the time at which it was logged."""


def all_values(run: LoggedRun, logged: Logged) -> list[tuple[Place, Any]]:
    """Return all values of a metric, as they were logged, with their places.

    Args:
        run: the run.
        logged: the metric.
    """
    points = run.source.store.get_run_points(run.id, logged.keys)
    kind = type_of_column(logged, "")
    found = [
        value
        for key in logged.keys
        for value in values_of(points.get(key, []), list(run.exact(key)), kind)
    ]
    return sorted(found, key=lambda each: each[0])


def page_of_values(
    run: LoggedRun, logged: Logged, offset: int, limit: int
) -> tuple[list[tuple[Place, Any]], int]:
    """Return a page of a metric's values, as they were logged, with their places; and the total.

    Of the numbers those of the page are read, and at most ``_WINDOW`` others.

    Args:
        run: the run.
        logged: the metric.
        offset: how many values are before the page.
        limit: how many are on it.
    """
    alone = _alone(run, logged)
    before, after = _before(run, logged, alone, offset)
    # At least so many numbers are before the page, and not all of the others.
    points, total = _points(run, logged, offset - after, after - before + limit)
    merged: list[tuple[Place, ExactValue | None, KeyedPoint | None]] = [
        *((point[1:3], None, point) for point in points),
        *((place_of(each), each, None) for each in alone[before : after + limit]),
    ]
    merged.sort(key=lambda each: each[0])
    page = merged[after - before : after - before + limit]
    told = iter(_told(run, logged, [point for _, _, point in page if point is not None]))
    values = [(place, next(told) if text is None else text.value) for place, text, _ in page]
    return values, total + len(alone)


def _alone(run: LoggedRun, logged: Logged) -> Sequence[ExactValue]:
    """Return the values without a number, as a metric of several keys has them together."""
    found = [run.exact(key).alone for key in logged.keys]
    return found[0] if len(found) == 1 else list(heapq.merge(*found, key=place_of))


def _before(
    run: LoggedRun, logged: Logged, alone: Sequence[ExactValue], offset: int
) -> tuple[int, int]:
    """Return how many of the values without a number are before a page: at least, and at most."""
    least, most = 0, min(offset, len(alone))
    if most:
        _, total = _points(run, logged, 0, 0)
        least = max(0, offset - total)
    while most - least > _WINDOW:
        middle = (least + most) // 2
        # Counted, as a number that was looked up by its rank would have all of them sorted.
        place = place_of(alone[middle])
        ahead = run.source.store.count_points_up_to(run.id, logged.keys, *place)
        if middle + ahead < offset:
            least = middle + 1
        else:
            most = middle
    return min(least, most), most


def _points(
    run: LoggedRun, logged: Logged, offset: int, limit: int
) -> tuple[list[KeyedPoint], int]:
    return run.source.store.points_page(run.id, logged.keys, offset, limit)


def _told(run: LoggedRun, logged: Logged, points: Sequence[KeyedPoint]) -> list[Any]:
    """Return what was logged as some numbers that follow each other, in their order."""
    told: dict[int, Any] = {}
    for key in logged.keys:
        of_key = [index for index, point in enumerate(points) if point[0] == key]
        if of_key:
            rows = [points[index][1:] for index in of_key]
            kind = type_of_column(logged, "")
            told.update(zip(of_key, told_of_key(run, key, kind, rows), strict=True))
    return [told[index] for index in range(len(points))]


def told_of_key(run: LoggedRun, key: str, kind: str, points: Sequence[RunPoint]) -> list[Any]:
    """Return what was logged as some numbers of one key that follow each other, in their order.

    Args:
        run: the run.
        key: the key.
        kind: the type of the column.
        points: the numbers, by time, step and value; at least one.
    """
    first = points[0][:2]
    ends = {step: timestamp for timestamp, step, _ in points}
    exact = [
        each
        for step, end in ends.items()
        for each in run.exact(key).numbered_at(step, first[0] - _MOVED_MS, end)
    ]
    known = {_number_at(*point) for point in points}
    starts: dict[int, int] = {}
    for each in exact:
        place = place_of(each)
        # A number of the first one's place may be on the page before.
        if place < first or (
            place == first and _number_at(*place, cell(each.value).stored_number) not in known
        ):
            starts[each.step] = min(each.timestamp, starts.get(each.step, each.timestamp))
    # A number moves behind equal ones, millisecond by millisecond: they tell whose it is.
    places = [
        (timestamp, step)
        for step, start in starts.items()
        for timestamp in range(start, first[0] + 1)
        if (timestamp, step) <= first
    ]
    found = run.source.store.points_at(run.id, key, places) if places else []
    ahead = [point for point in found if _number_at(*point) not in known]
    values = values_of([*ahead, *points], exact, kind)
    return [value for _, value in values[len(ahead) :]]


def _number_at(timestamp: int, step: int, number: float) -> tuple[int, int, str]:
    """Return what tells a point from others; NaN is none to itself."""
    return timestamp, step, repr(number + 0.0)
