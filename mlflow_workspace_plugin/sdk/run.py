"""SDK v1's ``Run``."""

from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.sdk.run_lifecycle import RunLifecycle
from mlflow_workspace_plugin.sdk.run_metrics import RunMetrics
from mlflow_workspace_plugin.sdk.run_snapshots import RunSnapshots
from mlflow_workspace_plugin.sdk.run_tags import RunTags

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.experiment import Experiment
    from mlflow_workspace_plugin.sdk.offline_run import OfflineRun


class Run(RunMetrics, RunTags, RunSnapshots, RunLifecycle):
    """A run of an experiment, under SDK v1's name.

    Args:
        experiment: the experiment it belongs to.
        run_id: the id of an existing run.
        outputs: accepted and ignored: files are stored by ``upload_file``.

    Raises:
        mlflow.exceptions.MlflowException: the workspace holds no such run.
    """

    def __init__(
        self,
        experiment: "Experiment",
        run_id: str,
        outputs: object = None,
        **_kwargs: Any,
    ) -> None:
        super().__init__(experiment, run_id)

    @classmethod
    def get_context(
        cls,
        allow_offline: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
        used_for_context_manager: bool = False,  # noqa: FBT001, FBT002
        **_kwargs: Any,
    ) -> "Run | OfflineRun":
        """Return the run around this code; the same object each time (SDK v1).

        That is the active MLflow run, or the one that ``MLFLOW_RUN_ID`` names, if the tracking URI
        is a workspace's.

        Args:
            allow_offline: return an offline run, which prints, when there is none.
            used_for_context_manager: accepted and ignored.

        Raises:
            RunEnvironmentException: there is none, and ``allow_offline`` is False.
        """
        from mlflow_workspace_plugin.sdk import context

        return context.current_run(allow_offline=allow_offline)

    def get_portal_url(self) -> str:
        """Return the address of the run's page, as ``mlflow-workspace ui`` serves it."""
        page = f"experiments/{self._experiment.id}/runs/{self.id}"
        return self._experiment.workspace.portal_url(page)

    def __repr__(self) -> str:
        status = self._mlflow_run().info.status
        return f"Run(Experiment: {self._experiment.name},\nId: {self.id},\nStatus: {status})"
