"""Workloads that read, from databases that hold the same rows on both sides."""

import statistics
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from typing import Any

from mlflow.entities import Metric, Run

from tests.benchmarks.datasets import LONG_RUN, METRIC, METRICS, PARAMS, TAGS, run_id_of
from tests.benchmarks.measure import Bench, Workload, child, in_turn, medians, progress, stopwatch
from tests.benchmarks.report import Line
from tests.benchmarks.sides import Side

RUNS_READ = 5


def check_equal(sides: list[Side], read: Callable[[Side], Any]) -> None:
    """Read once from each side, unmeasured; fail unless both return the same."""
    mlflow, ours = (read(side) for side in sides)
    assert mlflow, "Nothing was read."
    assert mlflow == ours, "MLflow and the workspace return different things."


def long_history(bench: Bench) -> list[Line]:
    """The history of a run of a million values, while two million others share the metric's name.

    Each reading is in a fresh process, which has read a short history before; so what its memory
    grows by, at its highest, is measured in the same rounds.
    """
    sizes = bench.sizes
    mlflow, ours = bench.datasets.filled("history")

    def reading(side: Side, reader: str) -> dict[str, float]:
        progress(f"{bench.database}: {reader} of {sizes.history:,} values, {side.name}")
        expected = str(sizes.history)
        return child("read", side.to_json(), reader, LONG_RUN, run_id_of(0), expected)

    taken = in_turn(
        {
            "MLflow": partial(reading, mlflow, "get_metric_history"),
            "get_metric_history": partial(reading, ours, "get_metric_history"),
            "Run.get_metrics": partial(reading, ours, "get_metrics"),
        },
        bench.slow_rounds,
    )

    def median(name: str, field: str) -> float:
        return statistics.median(each[field] for each in taken[name])

    return [
        Line(
            f"{reader}, {sizes.history:,} values{what}",
            bench.database,
            unit,
            mlflow=median("MLflow", field),
            ours=median(reader, field),
            rounds=bench.slow_rounds,
            wanted=wanted,
        )
        for field, unit, what, floors in (
            ("seconds", "s", "", (8, 20)),
            ("megabytes", "MB", ": growth of memory", (3, 3)),
        )
        for reader, wanted in zip(("get_metric_history", "Run.get_metrics"), floors, strict=True)
    ]


def short_history(bench: Bench) -> list[Line]:
    """In the same database, the history of one of the runs that share the metric's name."""
    sides = bench.datasets.filled("history")
    # Other runs in each round, and the same ones on both sides.
    numbers = {side.name: cycle(range(1, bench.sizes.present_runs)) for side in sides}

    def history(side: Side, number: int) -> list[Metric]:
        return side.client.get_metric_history(run_id_of(number), METRIC)

    def milliseconds(side: Side) -> float:
        chosen = list(islice(numbers[side.name], RUNS_READ))
        with stopwatch() as watch:
            lengths = [len(history(side, number)) for number in chosen]
        assert lengths == [bench.sizes.points] * RUNS_READ
        return watch.seconds / RUNS_READ * 1e3

    check_equal(sides, lambda side: [dict(each) for each in history(side, 0)])
    figures = medians(sides, bench.rounds, milliseconds)
    title = f"get_metric_history, {bench.sizes.points:,} values of one of those runs"
    return [Line(title, bench.database, "ms", **figures, wanted=50)]


def search(bench: Bench) -> list[Line]:
    """``MlflowClient.search_runs``: a thousand of ten thousand runs, with all they hold."""
    title = f"search_runs, {bench.sizes.found:,} of {bench.sizes.runs:,} runs"
    return [_search(bench, title, bench.sizes.found, None, wanted=15)]


def search_ordered(bench: Bench) -> list[Line]:
    """In the same database, the hundred runs that are best by a metric."""
    sizes = bench.sizes
    title = f"search_runs by a metric, best {sizes.found_ordered:,} of {sizes.runs:,} runs"
    return [_search(bench, title, sizes.found_ordered, ["metrics.m3 DESC"], wanted=8)]


def _search(
    bench: Bench, title: str, count: int, order_by: list[str] | None, wanted: float
) -> Line:
    sides = bench.datasets.filled("runs")

    def read(side: Side) -> list[Run]:
        return side.client.search_runs([side.experiment], max_results=count, order_by=order_by)

    check_equal(sides, lambda side: [_content(run) for run in read(side)])
    return _timed(bench, title, sides, read, wanted)


def get_run(bench: Bench) -> list[Line]:
    """``MlflowClient.get_run`` of a run with 20 metrics, 10 params and 10 tags."""
    sides = bench.datasets.filled("runs")
    chosen = [run_id_of(number) for number in range(0, bench.sizes.runs, bench.sizes.runs // 50)]

    def read(side: Side) -> list[Run]:
        return [side.client.get_run(run_id) for run_id in chosen]

    check_equal(sides, lambda side: [_content(run) for run in read(side)])
    title = f"get_run ({METRICS} metrics, {PARAMS} params, {TAGS} tags)"
    return [_timed(bench, title, sides, read, of=len(chosen))]


def _timed(
    bench: Bench,
    title: str,
    sides: list[Side],
    read: Callable[[Side], Any],
    wanted: float | None = None,
    of: int = 1,
) -> Line:
    def milliseconds(side: Side) -> float:
        with stopwatch() as watch:
            read(side)
        return watch.seconds / of * 1e3

    figures = medians(sides, bench.rounds, milliseconds)
    return Line(title, bench.database, "ms", **figures, wanted=wanted)


def _content(run: Run) -> tuple[Any, ...]:
    """Return what both sides have in common: not the experiment's id, nor where files lie."""
    info, data = run.info, run.data
    times = (info.start_time, info.end_time)
    return (info.run_id, info.status, info.run_name, *times, data.metrics, data.params, data.tags)


WORKLOADS = (
    Workload("history", long_history),
    Workload("short_history", short_history),
    Workload("search", search),
    Workload("search_ordered", search_ordered),
    Workload("get_run", get_run),
)
