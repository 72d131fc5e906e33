"""What the parts of SDK v1's ``Run`` share that know its experiment."""

from typing import TYPE_CHECKING

from mlflow.entities import Run as MlflowRun

from mlflow_workspace_plugin.errors import RunNotFoundError
from mlflow_workspace_plugin.runs.base import RunBase
from mlflow_workspace_plugin.runs.search import find_run

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.experiment import Experiment


class OfExperiment(RunBase):
    """A run of an experiment."""

    _experiment: "Experiment"

    @property
    def experiment(self) -> "Experiment":
        """The experiment it belongs to."""
        return self._experiment

    @property
    def _run_id(self) -> str:
        # Private in SDK v1, and read by scripts all the same.
        return self.id


def found_in(experiment: "Experiment", run_id: str, known: MlflowRun | None) -> MlflowRun:
    """Return a run of an experiment.

    Args:
        experiment: the experiment it belongs to.
        run_id: MLflow's id of it, or the one that its starter gave it.
        known: the run as MLflow returned it, if it was just read.

    Raises:
        RunNotFoundError: the experiment has no such run.
    """
    workspace = experiment.workspace
    found = known or find_run(workspace.client, workspace.name, run_id)
    if found.info.experiment_id != experiment.id:
        raise RunNotFoundError(
            f"Run {run_id!r} was not found in experiment {experiment.name!r}: it is in another "
            f"of workspace {workspace.name!r}. Use workspace.get_run({run_id!r})."
        )
    return found
