"""Workloads that write. Each value is seen by another connection when its time has been taken."""

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain
from subprocess import PIPE, Popen
from typing import Any

import mlflow
from mlflow.entities import Metric

from tests.benchmarks.datasets import METRIC
from tests.benchmarks.measure import (
    Bench,
    Workload,
    in_turn,
    medians,
    progress,
    stopwatch,
    worker_command,
)
from tests.benchmarks.report import Line
from tests.benchmarks.sides import MLFLOW, OURS, Side

PROCESSES = 4


def check_stored(side: Side, run_id: str, expected: int) -> None:
    """Fail unless another connection sees this many values of a run."""
    stored = side.stored_values(run_id)
    assert stored == expected, f"{side.name} stored {stored} of {expected} values."


def log_metric(bench: Bench) -> list[Line]:
    """``MlflowClient.log_metric``, one caller, one run."""
    calls = bench.sizes.calls

    def rate(side: Side) -> float:
        run_id, client = side.new_run(), side.client
        with stopwatch() as watch:
            for step in range(calls):
                client.log_metric(run_id, METRIC, 0.5, step=step)
        check_stored(side, run_id, calls)
        return calls / watch.seconds

    figures = medians(bench.datasets.empty(), bench.rounds, rate)
    wanted = {"SQLite": 15, "PostgreSQL": 10}[bench.database]
    return [Line("log_metric, one caller", bench.database, "calls/s", **figures, wanted=wanted)]


def log_batches(side: Side, run_id: str, first_step: int, bench: Bench) -> float:
    """Log a round's batches, of one metric, to a run; return values per second.

    Whether they are stored is for the caller to check.
    """
    sizes = bench.sizes
    starts = [first_step + number * sizes.batch for number in range(sizes.batches)]
    now = time.time_ns() // 1_000_000
    batches = [
        [Metric(METRIC, 0.5, now + i, start + i) for i in range(sizes.batch)] for start in starts
    ]
    with stopwatch() as watch:
        for batch in batches:
            side.client.log_batch(run_id, batch)
    return sizes.batches * sizes.batch / watch.seconds


def log_batch(bench: Bench) -> list[Line]:
    """``MlflowClient.log_batch`` of 1000 values of a metric, to a new run each round."""
    figures = medians(bench.datasets.empty(), bench.rounds, partial(_to_new_run, bench))
    wanted = {"SQLite": 6, "PostgreSQL": 4}[bench.database]
    title = f"log_batch({bench.sizes.batch}), empty hub"
    return [Line(title, bench.database, "values/s", **figures, wanted=wanted)]


def log_batch_rows_present(bench: Bench) -> list[Line]:
    """The same, while two million values of the metric are there."""
    figures = medians(bench.datasets.filled("present"), bench.rounds, partial(_to_new_run, bench))
    present = bench.sizes.present_runs * bench.sizes.points
    title = f"log_batch({bench.sizes.batch}), {present:,} rows present"
    wanted = {"SQLite": 10, "PostgreSQL": None}[bench.database]
    return [Line(title, bench.database, "values/s", **figures, wanted=wanted)]


def _to_new_run(bench: Bench, side: Side) -> float:
    run_id = side.new_run()
    rate = log_batches(side, run_id, 0, bench)
    check_stored(side, run_id, bench.sizes.batches * bench.sizes.batch)
    return rate


def log_batch_to_large_run(bench: Bench) -> list[Line]:
    """The same, to a run that holds ten million values, against one that holds a thousand.

    Ours only: in the column of MLflow stands the workspace with the small run, in a hub of its own.
    """
    sizes = bench.sizes
    side, beside = bench.datasets.empty("large")[1], bench.datasets.empty("small")[1]
    large = side.new_run()
    for start in range(0, sizes.large, sizes.batch * sizes.batches):
        if start % (sizes.large // 10) == 0:
            progress(f"logging {sizes.large:,} values: {start:,}")
        log_batches(side, large, start, bench)
    held = sizes.large
    check_stored(side, large, held)

    def to_large() -> float:
        nonlocal held
        rate = log_batches(side, large, held, bench)
        held += sizes.batches * sizes.batch
        check_stored(side, large, held)
        return rate

    def to_small() -> float:
        run_id = beside.new_run()
        beside.client.log_batch(run_id, [Metric(METRIC, 0.5, 0, i) for i in range(sizes.batch)])
        rate = log_batches(beside, run_id, sizes.batch, bench)
        check_stored(beside, run_id, (1 + sizes.batches) * sizes.batch)
        return rate

    taken = in_turn({MLFLOW: to_small, OURS: to_large}, bench.rounds)
    small_rate, large_rate = (statistics.median(rates) for rates in taken.values())
    title = f"log_batch({sizes.batch}), {sizes.large:,} values in the run (left: ours, 1,000 in it)"
    return [
        Line(
            title,
            bench.database,
            "values/s",
            mlflow=small_rate,
            ours=large_rate,
            rounds=bench.rounds,
            wanted=0.7,
        )
    ]


class Writers:
    """Processes that log to one store side by side, each to a run of its own."""

    def __init__(self, side: Side, processes: list["Popen[str]"]) -> None:
        self._side = side
        self._processes = processes
        self._run_ids = [self._answer_of(process)["run_id"] for process in processes]
        self._stored = len(processes)
        self.failures: list[str] = []
        self.longest = 0.0

    @classmethod
    @contextmanager
    def of(cls, side: Side) -> "Iterator[Writers]":
        """Start them, and end them when the block is left."""
        command = worker_command("write", side.to_json())
        with ExitStack() as stack:
            processes = [
                stack.enter_context(Popen(command, stdin=PIPE, stdout=PIPE, text=True))
                for _ in range(PROCESSES)
            ]
            yield cls(side, processes)
            for process in processes:
                process.stdin.close()

    def rate(self, seconds: float) -> float:
        """Let all of them log for a time; return the calls per second that succeeded in total."""
        for process in self._processes:
            process.stdin.write(f"{seconds}\n")
            process.stdin.flush()
        answers = [self._answer_of(process) for process in self._processes]
        self.failures += [text for answer in answers for text in answer["failures"]]
        self.longest = max(self.longest, *(answer["longest"] for answer in answers))
        calls = sum(answer["calls"] - len(answer["failures"]) for answer in answers)
        self._stored += calls
        stored = sum(self._side.stored_values(run_id) for run_id in self._run_ids)
        assert stored == self._stored, f"{stored} of {self._stored} values were stored."
        taken = max(x["end"] for x in answers) - min(x["start"] for x in answers)
        return calls / taken

    @staticmethod
    def _answer_of(process: "Popen[str]") -> dict[str, Any]:
        line = process.stdout.readline()
        assert line, f"A process that logs ended with status {process.wait()}."
        return json.loads(line)


def processes(bench: Bench) -> list[Line]:
    """Four processes that call ``MlflowClient.log_metric`` at one hub, each for its own run."""
    with ExitStack() as stack:
        sides = bench.datasets.empty("processes")
        writers = {side.name: stack.enter_context(Writers.of(side)) for side in sides}
        figures = medians(
            sides, bench.rounds, lambda side: writers[side.name].rate(bench.sizes.seconds)
        )
    for name, group in writers.items():
        for failure in sorted(set(group.failures))[:3]:
            progress(f"{name}: {failure}")
    wanted = {"SQLite": 25, "PostgreSQL": None}[bench.database]
    title, rounds = f"log_metric, {PROCESSES} processes", bench.rounds
    failed = [len(group.failures) for group in writers.values()]
    longest = [group.longest * 1e3 for group in writers.values()]
    return [
        Line(f"{title}, total", bench.database, "calls/s", **figures, wanted=wanted),
        Line(f"{title}: failed calls", bench.database, "", *failed, rounds, at_most=0),
        Line(f"{title}: longest wait", bench.database, "ms", *longest, rounds),
    ]


def create_and_finish(bench: Bench) -> list[Line]:
    """``MlflowClient.create_run`` and ``set_terminated``."""
    calls = bench.sizes.calls // 5

    def milliseconds(side: Side) -> float:
        client, experiment = side.client, side.experiment
        with stopwatch() as watch:
            for _ in range(calls):
                client.set_terminated(client.create_run(experiment).info.run_id)
        return watch.seconds / calls * 1e3

    figures = medians(bench.datasets.empty(), bench.rounds, milliseconds)
    return [Line("create and finish a run", bench.database, "ms", **figures, wanted=3)]


def fluent(bench: Bench) -> list[Line]:
    """``mlflow.log_metric`` and ``mlflow.log_metrics`` of 50, in ``with mlflow.start_run():``."""
    calls = bench.sizes.calls

    def times(side: Side) -> tuple[list[float], list[float]]:
        mlflow.set_tracking_uri(side.uri)
        with mlflow.start_run(run_id=side.new_run()):
            single = [_seconds_of(mlflow.log_metric, METRIC, 0.5, step=i) for i in range(calls)]
            many = {f"metric-{i}": 0.5 for i in range(50)}
            batch = [_seconds_of(mlflow.log_metrics, many, step=i) for i in range(calls // 5)]
        return single, batch

    sides = bench.datasets.empty()
    try:
        taken = in_turn({side.name: partial(times, side) for side in sides}, bench.rounds)
    finally:
        mlflow.set_tracking_uri(None)
    lines = []
    for which, call in enumerate(("mlflow.log_metric", "mlflow.log_metrics of 50")):
        pooled = [
            list(chain.from_iterable(each[which] for each in taken[side.name])) for side in sides
        ]
        for percent in (50, 99):
            figures = [_percentile(seconds, percent) * 1e3 for seconds in pooled]
            lines.append(Line(f"{call}, p{percent}", bench.database, "ms", *figures, bench.rounds))
    return lines


def _seconds_of(function: Any, *args: Any, **kwargs: Any) -> float:
    with stopwatch() as watch:
        function(*args, **kwargs)
    return watch.seconds


def _percentile(figures: list[float], percent: int) -> float:
    return sorted(figures)[len(figures) * percent // 100]


WORKLOADS = (
    Workload("log_metric", log_metric),
    Workload("log_batch", log_batch),
    Workload("log_batch_rows_present", log_batch_rows_present),
    Workload("processes", processes),
    Workload("log_batch_large_run", log_batch_to_large_run, large=True),
    Workload("create_run", create_and_finish),
    Workload("fluent", fluent),
)
