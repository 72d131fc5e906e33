"""What all that acts on a run shares."""

from typing import TYPE_CHECKING

from mlflow import MlflowClient
from mlflow.entities import Run as MlflowRun

if TYPE_CHECKING:
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore


class RunBase:
    """A run that exists.

    Args:
        client: MLflow's, of the run's workspace.
        store: the tracking store of that workspace.
        run_id: MLflow's id of the run.
    """

    def __init__(self, client: MlflowClient, store: "WorkspaceTrackingStore", run_id: str) -> None:
        self._client = client
        self._store = store
        self._id = run_id

    @property
    def id(self) -> str:
        """MLflow's id of the run."""
        return self._id

    def _mlflow_run(self) -> MlflowRun:
        return self._client.get_run(self.id)
