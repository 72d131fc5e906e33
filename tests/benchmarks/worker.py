"""What is done in processes of their own. Each prints one line of JSON, or one for each command."""

import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlflow.entities import Metric

from tests.benchmarks import callers, charts, uploads
from tests.benchmarks.datasets import FILLERS, METRIC
from tests.benchmarks.measure import memory, stopwatch
from tests.benchmarks.sides import Side
from tests.benchmarks.sizes import BY_NAME


def fill(name: str, sizes: str, *sides: str) -> None:
    """Make stores and fill their tables."""
    for side in map(Side.from_json, sides):
        side.create()
        FILLERS[name](side, BY_NAME[sizes])
    answer({})


def use(*sides: str) -> None:
    """Log a batch to a run and end it, as the next user of the filled stores would.

    The run has an experiment of its own, so that the others can be searched without it.
    """
    now = time.time_ns() // 1_000_000
    for side in map(Side.from_json, sides):
        experiment = side.client.create_experiment("use")
        run_id = side.client.create_run(experiment).info.run_id
        side.client.log_batch(run_id, [Metric("use", 0.5, now, step) for step in range(1000)])
        side.client.set_terminated(run_id)
    answer({})


def read(side: str, reader: str, run_id: str, short_run_id: str, expected: str) -> None:
    """Read the history of a run, after that of a short one: the time, and how the memory grew."""
    call = READERS[reader]
    opened = Side.from_json(side)
    call(opened, short_run_id)
    gc.collect()
    before = memory("VmRSS")
    with stopwatch() as watch:
        values = call(opened, run_id)
    growth = memory("VmHWM") - before
    assert len(values) == int(expected), f"{len(values)} values were read, not {expected}."
    answer({"seconds": watch.seconds, "megabytes": growth})


READERS: dict[str, Callable[[Side, str], Any]] = {
    "get_metric_history": lambda side, run_id: side.client.get_metric_history(run_id, METRIC),
    "get_metrics": lambda side, run_id: side.workspace.get_run(run_id).get_metrics(METRIC)[METRIC],
}


def chart(side: str, run_id: str, small_run_id: str) -> None:
    """Read a curve of a run, after one of a smaller run: the time, and how the memory grew."""
    opened = Side.from_json(side)
    charts.sees_spike(opened, small_run_id)
    gc.collect()
    before = memory("VmRSS")
    with stopwatch() as watch:
        spike = charts.sees_spike(opened, run_id)
    growth = max(memory("VmHWM") - before, 0)
    answer({"seconds": watch.seconds, "megabytes": growth, "spike": spike})


def write(side: str) -> None:
    """Log to a run of its own, for as many seconds as each line of standard input says."""
    opened = Side.from_json(side)
    run_id = opened.new_run()
    opened.client.log_metric(run_id, METRIC, 0.5, step=0)
    step = 1
    answer({"run_id": run_id})
    for line in sys.stdin:
        done = log_for(opened, run_id, step, float(line))
        step += done["calls"]
        answer(done)


def log_for(side: Side, run_id: str, step: int, seconds: float) -> dict[str, Any]:
    """Call log_metric for a time. Start and end are on the clock that all processes share."""
    failures, longest, calls = [], 0.0, 0
    start = end = time.monotonic()
    while end < start + seconds:
        called = end
        try:
            side.client.log_metric(run_id, METRIC, 0.5, step=step + calls)
        except Exception as error:  # noqa: BLE001  whatever it is, it is counted
            failures.append(f"{type(error).__name__}: {error}"[:200])
        end = time.monotonic()
        longest = max(longest, end - called)
        calls += 1
    times = {"start": start, "end": end, "longest": longest}
    return times | {"calls": calls, "failures": failures}


def answer(result: dict[str, Any]) -> None:
    """Print a line for the process that started this one."""
    print(json.dumps(result), flush=True)


def caller(side: str, action: str, number: str, *arguments: str) -> None:
    """Time the calls of a program that logs."""
    answer(callers.ACTIONS[action](Side.from_json(side), int(number), *arguments))


def upload(uploader: str, path: str, times: str) -> None:
    """Upload a file or a folder, and then again: the seconds of each, and how the memory grew."""
    answer(uploads.measured(uploader, Path(path), int(times)))


def table(reader: str, path: str, small: str) -> None:
    """Read the rows of a file: the seconds, and how the memory grew."""
    # What reads them is imported where it is measured only.
    from tests.benchmarks import tables

    answer(tables.measured(reader, path, small))


def do_as_told(workspace: str, hub: str) -> None:
    """Start a run, and log to it and print what standard input says: first its id."""
    # What the SDK imports is part of no other action's time.
    from mlflow_workspace_plugin import Experiment, Workspace

    of = Workspace.get(workspace, hub=hub)
    with Experiment(of, "seen").start_logging(display_name="seen") as run:
        answer({"run_id": run.id})
        for line in sys.stdin:
            action, _, text = line.rstrip("\n").partition(" ")
            if action == "log":
                run.log("loss", float(text))
            else:
                print(text, flush=True)


ACTIONS = {
    action.__name__: action
    for action in (fill, use, read, chart, write, caller, upload, table, do_as_told)
}

if __name__ == "__main__":
    ACTIONS[sys.argv[1]](*sys.argv[2:])
