"""Taking figures: in turn, in processes of their own, and of a process's memory."""

import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.benchmarks.datasets import Datasets
    from tests.benchmarks.report import Line
    from tests.benchmarks.sides import Side
    from tests.benchmarks.sizes import Sizes

MEGABYTE = 1e6


@dataclass(frozen=True)
class Bench:
    """What a workload is run with."""

    database: str
    """``SQLite`` or ``PostgreSQL``."""
    datasets: "Datasets"
    sizes: "Sizes"
    rounds: int
    slow_rounds: int


@dataclass(frozen=True)
class Workload:
    """A part of the suite.

    Args:
        name: for ``--only``.
        measure: returns the lines of the table.
        large: whether it is run with ``--large`` only.
    """

    name: str
    measure: Callable[[Bench], "list[Line]"]
    large: bool = False


def progress(text: str) -> None:
    """Say on standard error what is going on."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def in_turn(actions: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[Any]]:
    """Call each action in turn, round by round; return what each returned."""
    taken: dict[str, list[Any]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            gc.collect()
            taken[name].append(action())
    return taken


def medians(sides: "list[Side]", rounds: int, action: "Callable[[Side], float]") -> dict[str, Any]:
    """Measure MLflow's side and ours in turn; return the fields of a ``Line``.

    Args:
        sides: MLflow's, then ours.
        rounds: how often.
        action: returns the figure of a side.
    """
    taken = in_turn({side.name: partial(action, side) for side in sides}, rounds)
    mlflow, ours = (statistics.median(taken[side.name]) for side in sides)
    return {"mlflow": mlflow, "ours": ours, "rounds": rounds}


class Stopwatch:
    """The seconds that a block took."""

    seconds = 0.0


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """Measure the seconds until the block is left."""
    watch = Stopwatch()
    start = time.perf_counter()
    yield watch
    watch.seconds = time.perf_counter() - start


def child(action: str, *arguments: str) -> Any:
    """Run an action of ``worker`` in a fresh process; return what it printed, as JSON."""
    done = subprocess.run(worker_command(action, *arguments), stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def worker_command(action: str, *arguments: str) -> list[str]:
    """Return the command that runs an action of ``worker``."""
    return [sys.executable, "-m", "tests.benchmarks.worker", action, *arguments]


def memory(field: str) -> float:
    """Return a figure of this process's memory in MB: ``VmRSS`` now, ``VmHWM`` at its highest."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024 / MEGABYTE
    raise LookupError(field)
