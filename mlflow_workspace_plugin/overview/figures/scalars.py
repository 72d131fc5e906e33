"""The figures of metrics that are single values: curves, a number, or a table of texts."""

import math
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from mlflow_workspace_plugin.figures.cells import is_nan
from mlflow_workspace_plugin.figures.comparison import RUN
from mlflow_workspace_plugin.figures.ids import figure_id
from mlflow_workspace_plugin.figures.lines import Curve, over_steps
from mlflow_workspace_plugin.figures.specification import Figure, Lines, Table
from mlflow_workspace_plugin.figures.tables import PAGE, table
from mlflow_workspace_plugin.figures.values import single
from mlflow_workspace_plugin.overview.figures.asked import Asked
from mlflow_workspace_plugin.overview.figures.logged import Logged, LoggedRun, type_of_column
from mlflow_workspace_plugin.overview.figures.mixed_values import page_of_values
from mlflow_workspace_plugin.overview.source import Source
from mlflow_workspace_plugin.runs.metrics.reader import Place, values_of
from mlflow_workspace_plugin.stores.charts.point import ChartPoints, Point

_TEXT_COLUMNS = ("step", "value")


def figure_of_scalar(run: LoggedRun, logged: Logged, asked: Asked) -> Figure | None:
    """Return the figure of a metric; None, if it has no values.

    Args:
        run: the run.
        logged: the metric.
        asked: what of it is drawn.
    """
    figure = figure_id(*logged.parts)
    if logged.has_text:
        values, total = page_of_values(run, logged, 0, PAGE)
        if total == 1 and not asked.is_range:
            return single(figure, logged.name, values[0][1])
        return _page(figure, logged.name, values, total, 0) if values else None
    found = chart_points(run, logged, asked)
    # Of a part nothing may be there.
    if found.total == 0 and not asked.is_range:
        return None
    if found.total == 1 and not asked.is_range:
        return single(figure, logged.name, _typed(run, logged, found.points)[0])
    return curves(figure, logged.name, {run: (logged, found)}, asked, {run: logged.name})


def compared(
    source: Source,
    runs: Mapping[LoggedRun, Logged],
    asked: Asked,
    names: Mapping[str, str],
) -> list[Figure]:
    """Return the figure of a metric of several runs; none, if it has no values.

    Args:
        source: the workspace.
        runs: with the metric of each, in which no text is.
        asked: what of it is drawn.
        names: of the runs, by their ids.
    """
    found = {
        run: points
        for run, points in _points(source, runs, asked)
        if points.total or asked.is_range
    }
    if not found:
        return []
    any_of_them = next(iter(runs.values()))
    figure, title = figure_id(*any_of_them.parts), any_of_them.name
    if not asked.is_range and all(points.total == 1 for points in found.values()):
        rows = [
            (names[run.id], _typed(run, runs[run], points.points)[0])
            for run, points in found.items()
        ]
        return [table(figure, title, (RUN, title), rows, total=len(rows))]
    by_run = {run: (runs[run], points) for run, points in found.items()}
    return [curves(figure, title, by_run, asked, {run: names[run.id] for run in found})]


def _points(
    source: Source, runs: Mapping[LoggedRun, Logged], asked: Asked
) -> Iterator[tuple[LoggedRun, ChartPoints]]:
    """Yield the points of each run: by one call for all, where they are asked for the same."""
    together: dict[str, list[LoggedRun]] = defaultdict(list)
    for run, logged in runs.items():
        if len(logged.keys) == 1 and (asked.x != "relative" or not asked.is_range):
            together[logged.keys[0]].append(run)
        else:
            yield run, chart_points(run, logged, asked)
    wanted = asked.of_store(None)
    for key, of_key in together.items():
        found = source.store.chart_points_of_runs([run.id for run in of_key], key, **wanted)
        for run in of_key:
            yield run, found[run.id]


def rows_of_scalar(run: LoggedRun, logged: Logged, offset: int, limit: int) -> Table:
    """Return values of a metric as rows, in the order in which they were logged.

    Args:
        run: the run.
        logged: the metric.
        offset: how many rows are before the page.
        limit: how many are on it.
    """
    values, total = page_of_values(run, logged, offset, limit)
    return _page(figure_id(*logged.parts), logged.name, values, total, offset)


def curves(
    figure: str,
    title: str,
    found: Mapping[LoggedRun, tuple[Logged, ChartPoints]],
    asked: Asked,
    names: Mapping[LoggedRun, str],
) -> Lines:
    """Return the curves of a metric of one run, or several.

    Values that have no step of their own are drawn over the time.

    Args:
        figure: the id.
        title: the metric's name.
        found: the points of each run.
        asked: what was asked for.
        names: of the curves.
    """
    is_stepped = asked.is_range or any(map(_is_stepped, (points for _, points in found.values())))
    if asked.x == "step" and not is_stepped:
        asked = replace(asked, x="time")
    drawn = [
        _curve(run, logged, points, asked, names[run]) for run, (logged, points) in found.items()
    ]
    only_step = None if is_stepped else _only_step([points for _, points in found.values()])
    return over_steps(figure, title, drawn, x=asked.x, is_stepped=is_stepped, only_step=only_step)


def chart_points(run: LoggedRun, logged: Logged, asked: Asked) -> ChartPoints:
    """Return those points of a metric without texts that are drawn.

    Args:
        run: the run.
        logged: the metric.
        asked: what of it is drawn.
    """
    wanted = asked.of_store(run.start_time)
    # Several, where processes gave it different keys.
    found = [run.source.store.chart_points(run.id, key, **wanted) for key in logged.keys]
    return found[0] if len(found) == 1 else _together(found, wanted["x"])


def _page(
    figure: str, title: str, values: Sequence[tuple[Place, Any]], total: int, offset: int
) -> Table:
    rows = [(step, value) for (_, step), value in values]
    return table(figure, title, _TEXT_COLUMNS, rows, total=total, offset=offset)


def _together(found: Sequence[ChartPoints], x: str) -> ChartPoints:
    points = [point for each in found for point in each.points]
    return ChartPoints(
        sorted(points, key=lambda point: (point.step if x == "step" else point.timestamp, point)),
        sum(each.total for each in found),
        sum(each.nans for each in found),
        is_exact=all(each.is_exact for each in found),
    )


def _is_stepped(found: ChartPoints) -> bool:
    return found.total == 1 or any(point.step != found.points[0].step for point in found.points)


def _only_step(found: Sequence[ChartPoints]) -> int | None:
    steps = {point.step for each in found for point in each.points}
    return steps.pop() if len(steps) == 1 else None


def _curve(run: LoggedRun, logged: Logged, found: ChartPoints, asked: Asked, name: str) -> Curve:
    may_be_none = found.nans > 0 and logged.is_described
    nones = _nones(run, logged, asked) if may_be_none and not found.is_exact else []
    if may_be_none and found.is_exact:
        ys = list(map(_number, _typed(run, logged, found.points)))
    else:
        ys = _numbers(found.points, set(nones))
    return Curve(
        name=name,
        x=[asked.x_of(point, run.start_time) for point in found.points],
        y=ys,
        total=found.total,
        time=[point.timestamp for point in found.points] if asked.x == "step" else None,
        run=run.id,
        start_time=run.start_time,
        nans=sum(y is not None and is_nan(y) for y in ys)
        if found.is_exact
        else max(0, found.nans - len(nones)),
    )


def _nones(run: LoggedRun, logged: Logged, asked: Asked) -> list[Place]:
    """Return where None was logged among numbers, which MLflow keeps as NaN."""
    wanted = asked.of_store(run.start_time)
    first = -math.inf if wanted["start"] is None else wanted["start"]
    last = math.inf if wanted["end"] is None else wanted["end"]
    places = [
        (each.timestamp, each.step)
        for key in logged.keys
        for each in run.exact(key).numbered
        if each.value is None
    ]
    x = 1 if wanted["x"] == "step" else 0
    return [place for place in places if first <= place[x] <= last]


def _numbers(points: Sequence[Point], nones: Set[Place]) -> list[float | None]:
    """Return what is drawn of points, some of which are where None was logged."""
    return [
        (None if (point.timestamp, point.step) in nones else math.nan)
        if point.is_nan
        else point.value
        for point in points
    ]


def _meant(value: float) -> float:
    """Return what MLflow was given: it keeps an infinity as the largest number there is."""
    return math.copysign(math.inf, value) if abs(value) >= sys.float_info.max else value


def _number(value: Any) -> float | None:
    return value if value is None or isinstance(value, (int, float)) else math.nan


def _typed(run: LoggedRun, logged: Logged, points: Sequence[Point]) -> list[Any]:
    """Return what was logged as some points of a metric, in their order."""
    numbered = sorted(
        (point.timestamp, point.step, math.nan if point.is_nan else point.value, index)
        for index, point in enumerate(points)
    )
    is_typed = logged.is_described
    exact = [value for key in logged.keys for value in run.exact(key)] if is_typed else []
    values = values_of([each[:3] for each in numbered], exact, type_of_column(logged, ""))
    if not is_typed:
        values = [(place, _meant(value)) for place, value in values]
    by_index = {each[3]: value for each, (_, value) in zip(numbered, values, strict=False)}
    return [by_index[index] for index in range(len(points))]
