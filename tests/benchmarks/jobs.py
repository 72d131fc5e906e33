"""How long it takes until a script that is submitted runs, beside ``mlflow run`` of the same one.

Wall-clock time, taken in turn: what is asked is how long somebody waits.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.sdk.environments.environment import Environment
from mlflow_workspace_plugin.sdk.jobs.script_run_config import ScriptRunConfig
from tests.benchmarks.measure import in_turn
from tests.benchmarks.report import Line
from tests.benchmarks.sides import EXPERIMENT, Side, prepare, sides_in

_MLFLOW = Path(sys.executable).with_name("mlflow")
_TOLD = "FIRST_LINE"
_SCRIPT = f"""
import os, pathlib, time
pathlib.Path(os.environ[{_TOLD!r}]).write_text(repr(time.time()))
"""
_PROJECT = """
name: first-line
entry_points:
  main:
    command: "python first.py"
"""
_SUBMIT_MS = 500
_MORE_MS = 1_000
_IMPORTS = 2


def job_times(rounds: int) -> list[Line]:
    """The time of a submission, and until the script's first line."""
    folder = Path.cwd() / "jobs"
    sides = sides_in(folder, None)
    prepare(folder, sides, None)
    for side in sides:
        side.create()
    project = folder / "project"
    project.mkdir()
    (project / "first.py").write_text(_SCRIPT)
    (project / "MLproject").write_text(_PROJECT)
    variables = {
        _TOLD: str(folder / "told"),
        "MLFLOW_WORKSPACE_QUEUE_DIR": str(folder / "queue"),
        "MLFLOW_WORKSPACE_JOBS_DIR": str(folder / "runs"),
        # As mlflow run finds python.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        return _lines(*sides, project, rounds)
    finally:
        os.environ.clear()
        os.environ.update(before)


def _lines(mlflow: Side, ours: Side, project: Path, rounds: int) -> list[Line]:
    returned: list[float] = []
    actions: dict[str, Callable[[], float]] = {
        "mlflow run": partial(_by_mlflow_run_ms, mlflow, project),
        "submit": partial(_by_submit_ms, ours, project, returned),
        "import": _import_ms,
    }
    in_turn(actions, 1)
    returned.clear()
    taken = in_turn(actions, rounds)
    by_mlflow, by_submit, imported = (statistics.median(taken[name]) for name in actions)
    at_most = round(_IMPORTS * imported + _MORE_MS)
    return [
        Line(
            "exp.submit returns",
            "",
            "ms",
            None,
            statistics.median(returned),
            rounds,
            at_most=_SUBMIT_MS,
        ),
        Line(
            "submit to the script's first line (left: mlflow run, without an environment)",
            "",
            "ms",
            by_mlflow,
            by_submit,
            rounds,
            wanted=1,
        ),
        Line(
            "submit to the script's first line (left: python -c 'import mlflow')",
            "",
            "ms",
            imported,
            by_submit,
            rounds,
            at_most=at_most,
        ),
    ]


def _by_mlflow_run_ms(side: Side, project: Path) -> float:
    command = [str(_MLFLOW), "run", str(project), "--env-manager", "local"]
    command += ["--experiment-name", EXPERIMENT]
    began = _forgotten()
    environment = os.environ | {"MLFLOW_TRACKING_URI": side.uri}
    subprocess.run(command, env=environment, capture_output=True, check=True)
    return _told_after_ms(began)


def _by_submit_ms(side: Side, project: Path, returned: list[float]) -> float:
    environment = Environment("this-python")
    environment.python.user_managed_dependencies = True
    config = ScriptRunConfig(str(project), "first.py", environment=environment)
    began = _forgotten()
    run = Experiment(side.workspace, EXPERIMENT).submit(config)
    returned.append((time.time() - began) * 1e3)
    run.wait_for_completion()
    return _told_after_ms(began)


def _import_ms() -> float:
    began = time.time()
    subprocess.run([sys.executable, "-c", "import mlflow"], check=True)
    return (time.time() - began) * 1e3


def _forgotten() -> float:
    Path(os.environ[_TOLD]).unlink(missing_ok=True)
    return time.time()


def _told_after_ms(began: float) -> float:
    return (float(Path(os.environ[_TOLD]).read_text()) - began) * 1e3
