"""What all parts of SDK v1's ``Run`` share."""

from typing import TYPE_CHECKING, Any

from mlflow.entities import Run as MlflowRun

from mlflow_workspace_plugin.errors import RunNotFoundError
from mlflow_workspace_plugin.sdk.runs.search import find_run

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.experiment import Experiment


class RunBase:
    """A run that exists.

    Args:
        experiment: the experiment it belongs to.
        run_id: MLflow's id of it, or the one that its starter gave it.
        _run_dto: the run as MLflow returned it, if it was just read (the name is SDK v1's).

    Raises:
        RunNotFoundError: the experiment has no such run.
    """

    def __init__(
        self,
        experiment: "Experiment",
        run_id: str,
        _run_dto: MlflowRun | None = None,
        **_kwargs: Any,
    ) -> None:
        self._experiment = experiment
        self._client = experiment.workspace.client
        self._store = experiment.workspace.tracking_store
        found = _run_dto or find_run(experiment.workspace, run_id)
        if found.info.experiment_id != experiment.id:
            raise RunNotFoundError(
                f"Run {run_id!r} was not found in experiment {experiment.name!r}: it is in another "
                f"of workspace {experiment.workspace.name!r}. Use workspace.get_run({run_id!r})."
            )
        self._id: str = found.info.run_id

    @property
    def id(self) -> str:
        """MLflow's id of the run."""
        return self._id

    @property
    def _run_id(self) -> str:
        # Private in SDK v1, and read by scripts all the same.
        return self._id

    @property
    def experiment(self) -> "Experiment":
        """The experiment it belongs to."""
        return self._experiment

    def _mlflow_run(self) -> MlflowRun:
        return self._client.get_run(self.id)
