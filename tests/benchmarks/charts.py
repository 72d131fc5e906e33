"""Workloads that read a metric for a chart, beside MLflow's own way.

MLflow keeps every so-manieth value, in which a spike is lost; what is read here keeps extremes.
"""

import math
import statistics
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from typing import Any

from mlflow_workspace_plugin.stores.charts import kept
from mlflow_workspace_plugin.stores.charts.buckets import Gathered, Grid
from mlflow_workspace_plugin.stores.charts.point import Point
from tests.benchmarks.datasets import (
    LARGE_RUN,
    LONG_RUN,
    METRIC,
    SPIKE,
    TENTH_RUN,
    UNSTEPPED_RUN,
)
from tests.benchmarks.measure import Bench, Workload, child, in_turn, progress, stopwatch
from tests.benchmarks.report import Line
from tests.benchmarks.sides import Side

SHOWN = 2_000
LIKE_BEFORE = 3
GROWTH_MB = 50
LINEAR = 12


def curves(bench: Bench) -> list[Line]:
    """A curve of a million values: read anew, over its steps and by time, and kept."""
    mlflow, ours = bench.datasets.filled("history")
    actions: dict[str, Callable[[], float]] = {
        "MLflow": partial(_milliseconds, partial(_curve, mlflow, LONG_RUN)),
        "rows": partial(_milliseconds, partial(_all_rows, ours, LONG_RUN)),
        "steps": partial(_anew, partial(_curve, ours, LONG_RUN)),
        "time": partial(_anew, partial(_chart, ours, LONG_RUN, "time")),
        "MLflow, unstepped": partial(_milliseconds, partial(_curve, mlflow, UNSTEPPED_RUN)),
        "unstepped": partial(_anew, partial(_curve, ours, UNSTEPPED_RUN)),
        "kept": partial(_milliseconds, partial(_curve, ours, LONG_RUN)),
    }
    # The first reader keeps what it found; and both sides have opened what they need.
    _curve(mlflow, LONG_RUN)
    assert SHOWN * 0.9 < len(_curve(ours, LONG_RUN)) <= SHOWN
    taken = {name: statistics.median(each) for name, each in in_turn(actions, bench.rounds).items()}

    def line(title: str, left: float | None, name: str, wanted: float | None) -> Line:
        return Line(title, bench.database, "ms", left, taken[name], bench.rounds, wanted=wanted)

    title = f"a curve of {SHOWN:,} of {bench.sizes.history:,} values"
    read_all = f"{title}, read anew (left: all rows read, and then fewer)"
    at_least = LIKE_BEFORE if bench.database == "PostgreSQL" else 1
    return [
        line(f"{title}, read anew", taken["MLflow"], "steps", 1),
        line(read_all, taken["rows"], "steps", at_least),
        line(f"{title}, by time", None, "time", None),
        line(f"{title} without steps", taken["MLflow, unstepped"], "unstepped", 1),
        line(f"{title} of an ended run, kept", taken["MLflow"], "kept", 1),
    ]


def large(bench: Bench) -> list[Line]:
    """A curve of ten million values with one spike, each time in a fresh process."""
    sizes = bench.sizes
    mlflow, ours = bench.datasets.filled("large")

    def reading(side: Side, run_id: str) -> dict[str, Any]:
        progress(f"{bench.database}: a curve of the run {run_id}, {side.name}")
        return child("chart", side.to_json(), run_id, TENTH_RUN)

    taken = in_turn(
        {
            "MLflow": partial(reading, mlflow, LARGE_RUN),
            "ours": partial(reading, ours, LARGE_RUN),
            "a tenth": partial(reading, ours, TENTH_RUN),
        },
        bench.slow_rounds,
    )
    assert all(each["spike"] for each in taken["ours"]), "The spike was not seen."

    def median(name: str, field: str) -> float:
        return statistics.median(each[field] for each in taken[name])

    title = f"a curve of {SHOWN:,} of {sizes.large:,} values"
    rounds, seconds = bench.slow_rounds, median("ours", "seconds")
    grown = median("MLflow", "megabytes"), median("ours", "megabytes")
    return [
        Line(title, bench.database, "s", median("MLflow", "seconds"), seconds, rounds, wanted=1),
        Line(
            f"{title}: growth of memory",
            bench.database,
            "MB",
            *grown,
            rounds,
            at_most=GROWTH_MB,
        ),
        Line(
            f"{title}: time of one of a tenth",
            bench.database,
            "times",
            None,
            seconds / median("a tenth", "seconds"),
            rounds,
            at_most=LINEAR,
        ),
    ]


def sees_spike(side: Side, run_id: str) -> bool:
    """Read a curve anew; return whether the spike is in it."""
    with _nothing_kept():
        return any(each.value == SPIKE for each in _curve(side, run_id))


def _curve(side: Side, run_id: str) -> list[Any]:
    return side.store.get_metric_history_bulk_interval([run_id], METRIC, SHOWN, None, None)


def _chart(side: Side, run_id: str, x: str) -> list[Any]:
    return side.store.chart_points(run_id, METRIC, x=x, points=SHOWN).points


def _all_rows(side: Side, run_id: str) -> list[Any]:
    """Read all rows, a part at a time, and only then make them fewer."""
    history = side.store.get_run_points(run_id, [METRIC])[METRIC]
    points = [Point(step, time, value, math.isnan(value)) for time, step, value in history]
    gathered = Gathered(Grid.of("step", points[0].step, points[-1].step, SHOWN // 2))
    gathered.add(points)
    return gathered.buckets


def _milliseconds(read: Callable[[], Any]) -> float:
    with stopwatch() as watch:
        assert read()
    return watch.seconds * 1e3


def _anew(read: Callable[[], Any]) -> float:
    with _nothing_kept():
        return _milliseconds(read)


@contextmanager
def _nothing_kept() -> Any:
    version, long = kept.VERSION, kept.LONG
    kept.VERSION, kept.LONG = -1, 1 << 62
    try:
        yield
    finally:
        kept.VERSION, kept.LONG = version, long


WORKLOADS = (Workload("charts", curves), Workload("charts_large", large, large=True))
