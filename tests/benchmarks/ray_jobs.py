"""How long a job takes on a Ray cluster of this machine, beside a bare one of Ray's own."""

import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

import requests

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.jobs import computes
from mlflow_workspace_plugin.jobs.engines.engine import Compute
from mlflow_workspace_plugin.sdk.environments.environment import Environment
from mlflow_workspace_plugin.sdk.jobs.script_run_config import ScriptRunConfig
from mlflow_workspace_plugin.stores.jobs import states
from tests.benchmarks.measure import in_turn
from tests.benchmarks.report import Line
from tests.benchmarks.sides import EXPERIMENT, Side, prepare, sides_in
from tests.ray_cluster import RayCluster, ray_cluster

_LOOK_S = 0.05
_MORE = 1.1
_IMPORTS = 2


def ray_times(rounds: int) -> list[Line]:
    """The time from a submission to the end that is recorded."""
    folder = Path.cwd() / "ray-jobs"
    sides = sides_in(folder, None)
    prepare(folder, sides, None)
    for side in sides:
        side.create()
    project = folder / "project"
    project.mkdir()
    script = project / "first.py"
    script.write_text("print('up')\n")
    with ray_cluster() as cluster:
        target = Compute("cluster", "ray", cluster.address)
        sides[1].workspace.tracking_store.put_compute(target)
        computes.remember(target)
        actions: dict[str, Callable[[], float]] = {
            "bare": partial(_bare_ms, cluster, script),
            "submit": partial(_submitted_ms, sides[1], project),
            "import": _import_ms,
        }
        in_turn(actions, 1)
        taken = in_turn(actions, rounds)
    bare, ours, imported = (statistics.median(taken[name]) for name in actions)
    at_most = round(_MORE * bare + _IMPORTS * imported)
    return [
        Line("import mlflow, in a new process", "", "ms", imported, None, rounds),
        Line(
            "job on Ray, to its end (left: a bare job of Ray's)",
            "",
            "ms",
            bare,
            ours,
            rounds,
            at_most=at_most,
        ),
    ]


def _bare_ms(cluster: RayCluster, script: Path) -> float:
    began = time.time()
    job = uuid.uuid4().hex
    body = {
        "submission_id": job,
        "entrypoint": f"{sys.executable} {script}",
        "entrypoint_num_cpus": 1,
    }
    requests.post(f"{cluster.address}/api/jobs/", json=body, timeout=60).raise_for_status()
    while _status(cluster, job) != "SUCCEEDED":
        time.sleep(_LOOK_S)
    return (time.time() - began) * 1e3


def _status(cluster: RayCluster, job: str) -> str:
    answer = requests.get(f"{cluster.address}/api/jobs/{job}", timeout=60)
    answer.raise_for_status()
    status: str = answer.json()["status"]
    assert status != "FAILED", answer.text
    return status


def _submitted_ms(side: Side, project: Path) -> float:
    environment = Environment("this-python")
    environment.python.user_managed_dependencies = True
    config = ScriptRunConfig(
        str(project), "first.py", compute_target="cluster", environment=environment
    )
    began = time.time()
    run = Experiment(side.workspace, EXPERIMENT).submit(config)
    store = side.workspace.tracking_store
    while (job := store.job(run.id)).stored_state not in states.LAST:
        time.sleep(_LOOK_S)
    assert job.stored_state == states.COMPLETED, job.cause
    return (time.time() - began) * 1e3


def _import_ms() -> float:
    began = time.time()
    subprocess.run([sys.executable, "-c", "import mlflow"], check=True, env=os.environ)
    return (time.time() - began) * 1e3
