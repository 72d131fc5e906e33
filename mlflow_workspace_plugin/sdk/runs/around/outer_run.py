"""The run around a process, as the first one that the process begins: see ``runs.outer_run``."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from mlflow.entities import Run as MlflowRun
from mlflow.environment_variables import MLFLOW_RUN_ID

from mlflow_workspace_plugin.errors import RunNotFoundError
from mlflow_workspace_plugin.jobs.ended import LOGS
from mlflow_workspace_plugin.runs import outer_run
from mlflow_workspace_plugin.runs.search import find_run
from mlflow_workspace_plugin.sdk.runs.run import Run

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.experiment import Experiment

_OF_THE_RUNNER = (*LOGS, "logs")


class AdoptedRun(Run):
    """The outer run, as the one that a script has begun: whoever runs the script sees to its logs.

    How the script ends it does not count: its exit code does.
    """

    def cancel(self) -> None:
        """Ask whoever runs the script to stop it."""
        self._store.cancel_job(self.id)

    def _watched(self) -> AbstractContextManager[None]:
        return nullcontext()


def adopted(experiment: "Experiment") -> MlflowRun | None:
    """Return the outer run, if a run that begins in an experiment now is that one.

    Args:
        experiment: in which a run is to begin.
    """
    offer = outer_run.taken()
    if offer is None:
        return None
    run_id, tags = offer
    try:
        found = find_run(experiment.workspace.client, experiment.workspace.name, run_id)
    except RunNotFoundError:
        return None  # it is of another workspace
    is_fit = found.info.experiment_id == experiment.id and found.info.status == "RUNNING"
    return found if is_fit and _is_empty(experiment, found, tags) else None


def _is_empty(experiment: "Experiment", run: MlflowRun, tags: dict[str, str]) -> bool:
    # MLflow takes its variable out of the environment when it takes the run.
    if MLFLOW_RUN_ID.get() is None:
        return False
    if run.data.metrics or run.data.params or run.data.tags != tags or run.inputs.dataset_inputs:
        return False
    try:
        files = experiment.workspace.client.list_artifacts(run.info.run_id)
    except Exception:  # noqa: BLE001  a run of its own can be begun all the same
        return False
    return all(each.path in _OF_THE_RUNNER for each in files)
