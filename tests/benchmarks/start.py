"""How long it takes until something can be done: processor time of new processes, side by side.

Processor time, for a machine is never quiet, and a start waits for next to nothing.
"""

import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.benchmarks.measure import in_turn
from tests.benchmarks.report import Line
from tests.benchmarks.sides import EXPERIMENT, Side, prepare, sides_in

_COMMAND = Path(sys.executable).with_name("mlflow-workspace")
_IMPORT_MLFLOW = ("-c", "import mlflow")
_CLIENT = f"""
import os, sys
from mlflow import MlflowClient

client = MlflowClient(sys.argv[1])
run = client.create_run(client.get_experiment_by_name({EXPERIMENT!r}).experiment_id)
client.log_metric(run.info.run_id, "m", 1.0)
os._exit(0)
"""
_FLUENT = f"""
import os, sys
import mlflow

mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment({EXPERIMENT!r})
mlflow.start_run()
mlflow.log_metric("m", 1.0)
os._exit(0)
"""
_IMPORT_MORE_MS = 150
_READ_MORE_MS = 400
_HELP_MS = 250
_LOOK_MS = 500


def start_times(rounds: int) -> list[Line]:
    """The time of an import, of the first logged value, and of commands."""
    folder = Path.cwd() / "start"
    sides = sides_in(folder, None)
    prepare(folder, sides, None)
    for side in sides:
        side.create()
    mlflow, ours = sides
    run_id = ours.new_run()
    ours.client.log_metric(run_id, "m", 1.0)
    ours.client.set_terminated(run_id)
    os.environ["MLFLOW_WORKSPACE_HUB"] = str(ours.hub)
    try:
        return _lines(mlflow, ours, run_id, rounds)
    finally:
        del os.environ["MLFLOW_WORKSPACE_HUB"]


def _lines(mlflow: Side, ours: Side, run_id: str, rounds: int) -> list[Line]:
    imported = partial(_python_ms, *_IMPORT_MLFLOW)
    clicked = partial(_python_ms, "-c", "import click")

    def command(*arguments: str) -> Callable[[], float]:
        return partial(_ms, [str(_COMMAND), *arguments])

    sdk = partial(
        _python_ms, "-c", "from mlflow_workspace_plugin import Experiment, Run, Workspace"
    )
    first = [
        _line(
            f"start to first value, {how} (left: MLflow's)",
            *(partial(_python_ms, "-c", code, side.uri) for side in (mlflow, ours)),
            rounds,
            wanted=1,
        )
        for how, code in (("MlflowClient", _CLIENT), ("mlflow.log_metric", _FLUENT))
    ]
    quick = [
        _line(
            f"mlflow-workspace {' '.join(arguments)} (left: import click)",
            clicked,
            command(*arguments),
            rounds,
            at_most=at_most,
        )
        for arguments, at_most in (
            (["--help"], _HELP_MS),
            (["--wrong"], _HELP_MS),
            (["list"], _LOOK_MS),
            (["where"], _LOOK_MS),
            (["sync", "--status"], _LOOK_MS),
        )
    ]
    reading = [
        _line(
            f"mlflow-workspace {name} (left: import mlflow)",
            imported,
            command(*arguments),
            rounds,
            more=_READ_MORE_MS,
        )
        for name, arguments in (
            ("runs", ["runs", "-w", "bench"]),
            ("metrics", ["metrics", run_id, "-w", "bench"]),
        )
    ]
    return [
        _line("import of the SDK (left: import mlflow)", imported, sdk, rounds, _IMPORT_MORE_MS),
        *first,
        *quick,
        *reading,
    ]


def _line(
    title: str,
    peer: Callable[[], float],
    ours: Callable[[], float],
    rounds: int,
    more: float | None = None,
    wanted: float | None = None,
    at_most: float | None = None,
) -> Line:
    """Measure two starts in turn, after one of each, which may have to compile.

    Args:
        title: of the line.
        peer: returns the time of what ours is compared with, in milliseconds.
        ours: returns ours.
        rounds: how often.
        more: how much longer ours may take.
        wanted: as for ``Line``.
        at_most: as for ``Line``.
    """
    actions = {"peer": peer, "ours": ours}
    in_turn(actions, 1)
    taken = in_turn(actions, rounds)
    left, right = (statistics.median(taken[name]) for name in actions)
    at_most = round(left + more) if more is not None else at_most
    return Line(title, "", "ms", left, right, rounds, wanted, at_most)


def _python_ms(*arguments: str) -> float:
    return _ms([sys.executable, *arguments])


def _ms(command: list[str]) -> float:
    """Return the processor time of a process, in milliseconds."""
    before = _of_children()
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode in (0, 2), done.stderr.decode()
    return (_of_children() - before) * 1e3


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
