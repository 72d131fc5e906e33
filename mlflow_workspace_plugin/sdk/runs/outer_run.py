"""The run around a process that has nothing in it yet, and the first run that the process begins.

A script that is run inside a run, and begins one of its own, means the same by both. So the first
run that the processes of the outer one begin is the outer one: in its experiment, and as long as
nothing was logged to it. Each later one is a run of its own.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
from mlflow.entities import Run as MlflowRun

from mlflow_workspace_plugin.errors import RunNotFoundError
from mlflow_workspace_plugin.runs.search import find_run
from mlflow_workspace_plugin.sdk.runs.run import Run

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.experiment import Experiment

_VARIABLE = "_MLFLOW_WORKSPACE_OUTER_RUN"
"""Names a file with the id and the tags of a run, which whoever begins the first run removes."""

_OF_THE_RUNNER = ("user_logs", "logs")


class AdoptedRun(Run):
    """The outer run, as the one that a script has begun: whoever runs the script sees to its logs.

    How the script ends it counts, unless the exit code says otherwise.
    """

    def _watched(self) -> AbstractContextManager[None]:
        return nullcontext()


@contextmanager
def offered(run: Run) -> Iterator[dict[str, str]]:
    """Offer a run to the processes that are started with the variables that this yields.

    Args:
        run: a new run.
    """
    folder = Path(tempfile.mkdtemp(prefix="mlflow-workspace-outer-"))
    try:
        stored = run.experiment.workspace.client.get_run(run.id)
        offer = folder / "run.json"
        offer.write_text(json.dumps([run.id, stored.data.tags]))
        yield {_VARIABLE: str(offer)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def leave() -> None:
    """Adopt no run from now on: this process begins one that is nobody else's."""
    os.environ.pop(_VARIABLE, None)


def adopted(experiment: "Experiment") -> MlflowRun | None:
    """Return the outer run, if a run that begins in an experiment now is that one.

    Args:
        experiment: in which a run is to begin.
    """
    path = os.environ.get(_VARIABLE)
    if path is None:
        return None
    try:
        run_id, tags = json.loads(Path(path).read_text())
        # Of several processes one succeeds.
        Path(path).unlink()
    except (OSError, ValueError):
        return None
    try:
        found = find_run(experiment.workspace.client, experiment.workspace.name, run_id)
    except RunNotFoundError:
        return None  # it is of another workspace
    is_fit = found.info.experiment_id == experiment.id and found.info.status == "RUNNING"
    return found if is_fit and _is_empty(experiment, found, tags) else None


def _is_empty(experiment: "Experiment", run: MlflowRun, tags: dict[str, str]) -> bool:
    active = mlflow.active_run()
    if active is not None and active.info.run_id == run.info.run_id:
        return False
    if run.data.metrics or run.data.params or run.data.tags != tags or run.inputs.dataset_inputs:
        return False
    try:
        files = experiment.workspace.client.list_artifacts(run.info.run_id)
    except Exception:  # noqa: BLE001  a run of its own can be begun all the same
        return False
    return all(each.path in _OF_THE_RUNNER for each in files)
