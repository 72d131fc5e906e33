"""SDK v1's ``Experiment``."""

import re
from typing import TYPE_CHECKING

from mlflow.entities import Experiment as MlflowExperiment
from mlflow.entities import LifecycleStage
from mlflow.tracking.context import registry as context_registry

from mlflow_workspace_plugin.errors import UserErrorException

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.run import Run
    from mlflow_workspace_plugin.sdk.workspace import Workspace

_NAME = re.compile(r"[a-zA-Z0-9][\w-]{0,254}")


class Experiment:
    """An experiment of a workspace; created if there is none of that name (SDK v1).

    Args:
        workspace: the workspace it belongs to.
        name: 1-255 letters, digits, ``-`` and ``_``, the first a letter or digit (SDK v1's rule).

    Raises:
        UserErrorException: the name breaks the rule, or the experiment was deleted.
    """

    def __init__(self, workspace: "Workspace", name: str) -> None:
        self._workspace = workspace
        self._name = name
        found = workspace.client.get_experiment_by_name(name)
        if found is None:
            _check_name(name)
            self._id = workspace.client.create_experiment(name)
            return
        if found.lifecycle_stage == LifecycleStage.DELETED:
            raise UserErrorException(
                f"Experiment {name!r} was deleted from workspace {workspace.name!r}. Restore it "
                f"with MlflowClient.restore_experiment({found.experiment_id!r}), "
                "or use another name."
            )
        self._id = found.experiment_id

    @classmethod
    def from_mlflow(cls, workspace: "Workspace", found: MlflowExperiment) -> "Experiment":
        """Return the ``Experiment`` of one that MLflow returned, in whatever lifecycle stage."""
        experiment = cls.__new__(cls)
        experiment._workspace = workspace
        experiment._name = found.name
        experiment._id = found.experiment_id
        return experiment

    @property
    def name(self) -> str:
        """The name of the experiment."""
        return self._name

    @property
    def id(self) -> str:
        """MLflow's id of the experiment."""
        return str(self._id)

    @property
    def workspace(self) -> "Workspace":
        """The workspace it belongs to."""
        return self._workspace

    def start_logging(
        self, *, display_name: str | None = None, tags: dict[str, str] | None = None
    ) -> "Run":
        """Start a run in this process; end it with ``run.complete()``, or use it in ``with``.

        Args:
            display_name: the name of the run in MLflow; chosen by MLflow when None.
            tags: tags of the run, added to those MLflow finds itself (user, script, git commit).
        """
        from mlflow_workspace_plugin.sdk.run import Run

        created = self._workspace.client.create_run(
            self.id, tags=context_registry.resolve_tags(tags), run_name=display_name
        )
        return Run(self, created.info.run_id)

    def __repr__(self) -> str:
        return f"Experiment(Name: {self.name},\nWorkspace: {self._workspace.name})"


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserErrorException(
            f"Experiment name {name!r} is not 1-255 letters, digits, '-' and '_' that begin with a "
            "letter or digit. Choose another name."
        )
