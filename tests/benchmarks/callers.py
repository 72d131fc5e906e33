"""What a logging call costs the program that makes it, in a process of its own.

Each action prints the times of its calls, and how long it took until another connection could read
every value; that all were there is checked before it prints.
"""

import os
import threading
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import mlflow
from mlflow.entities import Metric

from tests.benchmarks.datasets import METRIC
from tests.benchmarks.measure import stopwatch
from tests.benchmarks.sides import Side

Call = Callable[[int], None]


def timed(call: Call, calls: int) -> dict[str, float]:
    """Call something with a number; return the median and the 99th percentile in microseconds."""
    clock, took = time.perf_counter_ns, []
    for number in range(calls):
        start = clock()
        call(number)
        took.append(clock() - start)
    took.sort()
    return {"p50": took[calls // 2] / 1e3, "p99": took[calls * 99 // 100] / 1e3}


def measured(side: Side, run_id: str, call: Call, calls: int, values_of_call: int = 1) -> dict:
    """Time calls, and wait until their values are stored."""
    call(-1)
    cpu = time.process_time()
    with stopwatch() as watch:
        result = timed(call, calls)
        flush(side)
    result["stored_per_s"] = calls * values_of_call / watch.seconds
    result["cpu_us"] = (time.process_time() - cpu) / calls / values_of_call * 1e6
    expected = (calls + 1) * values_of_call
    # Read by a connection past the store.
    assert side.stored_values(run_id) == expected, f"{side.name} lost values."
    return result


def flush(side: Side) -> None:
    """Wait until all is stored; MLflow's own store has stored it."""
    if side.hub is not None:
        assert side.store.flush(600)


def client_call(side: Side, calls: int) -> dict:
    """``MlflowClient.log_metric``."""
    run_id, client = side.new_run(), side.client
    return measured(side, run_id, lambda i: client.log_metric(run_id, METRIC, 0.5, step=i), calls)


def sdk_call(side: Side, calls: int) -> dict:
    """``Run.log``; MLflow's side has none, and takes the call that is nearest."""
    if side.hub is None:
        return client_call(side, calls)
    run = side.workspace.get_run(side.new_run())
    return measured(side, run.id, lambda i: run.log(METRIC, 0.5, step=i), calls)


def fluent_call(side: Side, calls: int, registry: str) -> dict:
    """``mlflow.log_metric``."""
    with _active(side, registry) as run_id:
        return measured(side, run_id, lambda i: mlflow.log_metric(METRIC, 0.5, step=i), calls)


def fluent_batch(side: Side, calls: int, registry: str) -> dict:
    """``mlflow.log_metrics`` of 50."""
    many = {f"metric-{i}": 0.5 for i in range(50)}
    with _active(side, registry) as run_id:
        return measured(side, run_id, lambda i: mlflow.log_metrics(many, step=i), calls, 50)


def batch(side: Side, calls: int) -> dict:
    """``MlflowClient.log_batch`` of 1,000."""
    run_id, client, now = side.new_run(), side.client, int(time.time() * 1e3)

    def log(number: int) -> None:
        first = number * 1000
        client.log_batch(run_id, [Metric(METRIC, 0.5, now, first + i) for i in range(1000)])

    return measured(side, run_id, log, calls, 1000)


def rows(side: Side, calls: int) -> dict:
    """``Run.log_row`` of 15 columns to three tables; on MLflow's side a batch for each row."""
    run_id, client = side.new_run(), side.client
    cells = {f"column {number}": number / 2 for number in range(15)}
    tables = [f"table {number}" for number in range(3)]

    def log_batches(number: int) -> None:
        for table in tables:
            client.log_batch(
                run_id,
                [Metric(f"{table}/{key}", value, 0, number) for key, value in cells.items()],
            )

    if side.hub is None:
        return measured(side, run_id, log_batches, calls, 45)
    run = side.workspace.get_run(run_id)

    def log_rows(_number: int) -> None:
        for table in tables:
            run.log_row(table, **cells)

    return measured(side, run_id, log_rows, calls, 45)


def floor(side: Side, calls: int, registry: str) -> dict:
    """``mlflow.log_metric`` on a store that does nothing: MLflow's own part of a call."""
    with _active(side, registry):
        side.store.__class__.log_metric = lambda *_: None
        return timed(lambda i: mlflow.log_metric(METRIC, 0.5, step=i), calls)


def loop(side: Side, seconds: int) -> dict:
    """How much slower a loop that computes is when it logs 1,000 values a second, in percent.

    By ``Run.log``, by MLflow's client, and by MLflow's client on a store that does nothing.
    """
    run_id, client = side.new_run(), side.client
    run = side.workspace.get_run(run_id)
    store = side.store.__class__
    log_metric = store.log_metric
    calls = {
        "quiet": lambda step: None,
        "sdk": lambda step: run.log(METRIC, 0.5, step=step),
        "client": lambda step: client.log_metric(run_id, METRIC, 0.5, step=step),
        "floor": lambda step: client.log_metric(run_id, METRIC, 0.5, step=step),
    }
    rates = {how: [] for how in calls}
    logged = 0
    for _ in range(5):
        for how, call in calls.items():
            store.log_metric = (lambda *_: None) if how == "floor" else log_metric
            done = called = 0
            start = time.perf_counter()
            while (now := time.perf_counter() - start) < seconds:
                sum(range(1000))
                done += 1
                if called < now * 1000:
                    call(logged + called)
                    called += 1
            rates[how].append(done / seconds)
            logged += called if how in ("sdk", "client") else 0
            store.log_metric = log_metric
            flush(side)
    assert side.stored_values(run_id) == logged
    quiet = median(rates.pop("quiet"))
    return {how: (1 - median(rate) / quiet) * 100 for how, rate in rates.items()}


def forks(side: Side, seconds: str) -> dict:
    """``os.fork()``, while nothing is logged, and while a thread logs at full speed."""
    run_id, client = side.new_run(), side.client
    took: dict[str, float] = {}
    client.log_metric(run_id, METRIC, 0.5, step=-1)
    stop = threading.Event()
    logged = 1

    def log() -> None:
        nonlocal logged
        while not stop.is_set():
            client.log_metric(run_id, METRIC, 0.5, step=logged)
            logged += 1

    for how in ("quiet", "logging"):
        thread = threading.Thread(target=log)
        if how == "logging":
            thread.start()
        took[how] = _forks(float(seconds))
    stop.set()
    thread.join()
    flush(side)
    assert side.stored_values(run_id) == logged
    return took


def _forks(seconds: float) -> float:
    """Fork for some seconds; return the 99th percentile of what it took, in milliseconds."""
    took = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        start = time.perf_counter()
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        took.append(time.perf_counter() - start)
        os.waitpid(pid, 0)
        time.sleep(0.02)
    return sorted(took)[len(took) * 99 // 100] * 1e3


class _active:  # noqa: N801  reads as a function
    """A run of a side's, as ``mlflow``'s own functions use it."""

    def __init__(self, side: Side, registry: str) -> None:
        self._side, self._registry = side, registry

    def __enter__(self) -> str:
        mlflow.set_tracking_uri(self._side.uri)
        if self._registry == "registry":
            mlflow.set_registry_uri(self._side.uri)
        self._run_id = self._side.new_run()
        mlflow.start_run(run_id=self._run_id)
        return self._run_id

    def __exit__(self, *_: Any) -> None:
        mlflow.end_run()


ACTIONS = {
    action.__name__: action
    for action in (
        client_call,
        sdk_call,
        fluent_call,
        fluent_batch,
        batch,
        rows,
        floor,
        loop,
        forks,
    )
}
