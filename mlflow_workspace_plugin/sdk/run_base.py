"""What all parts of SDK v1's ``Run`` share."""

from typing import TYPE_CHECKING

from mlflow.entities import Run as MlflowRun

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.experiment import Experiment


class RunBase:
    """A run that exists, by MLflow's id."""

    def __init__(self, experiment: "Experiment", run_id: str) -> None:
        self._experiment = experiment
        self._client = experiment.workspace.client
        self._store = experiment.workspace.tracking_store
        self._id: str = self._client.get_run(run_id).info.run_id

    @property
    def id(self) -> str:
        """MLflow's id of the run."""
        return self._id

    @property
    def experiment(self) -> "Experiment":
        """The experiment it belongs to."""
        return self._experiment

    def _mlflow_run(self) -> MlflowRun:
        return self._client.get_run(self.id)
