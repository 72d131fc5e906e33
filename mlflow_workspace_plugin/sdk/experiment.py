"""SDK v1's ``Experiment``."""

import re
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient
from mlflow.entities import Experiment as MlflowExperiment
from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
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

    def __init__(
        self,
        workspace: "Workspace",
        name: str,
        _skip_name_validation: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        _id: str | None = None,
        _archived_time: object = None,
        _create_in_cloud: bool = True,  # noqa: FBT001, FBT002
        _experiment_dto: object = None,
        **_kwargs: Any,
    ) -> None:
        self._workspace = workspace
        self._name = name
        found = workspace.client.get_experiment_by_name(name)
        if found is None:
            if not _skip_name_validation:
                _check_name(name)
            found = _get_or_create(workspace.client, name)
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

    def start_logging(self, *args: Any, **kwargs: Any) -> "Run":
        """Start a run in this process; end it with ``run.complete()``, or use it in ``with``.

        SDK v1's arguments are ``name, run_id, outputs, snapshot_directory``, and by keyword:

        Args:
            args: the first four, by position.
            kwargs: ``display_name``, the name of the run in MLflow, which else is ``name`` or
                chosen by MLflow; ``tags``, added to those MLflow finds itself (user, script, git
                commit).

        Raises:
            UserErrorException: a ``run_id`` of one's own, which is not served yet. ``outputs`` and
                ``snapshot_directory`` are accepted, and nothing is captured.
        """
        return self._start(*args, **kwargs)

    def _start(
        self,
        name: str | None = None,
        run_id: str | None = None,
        outputs: object = None,
        snapshot_directory: object = None,
        *,
        display_name: str | None = None,
        tags: dict[str, str] | None = None,
    ) -> "Run":
        from mlflow_workspace_plugin.sdk.run import Run

        if run_id is not None:
            raise UserErrorException(
                f"start_logging(run_id={run_id!r}) is not served yet: MLflow chooses the ids of "
                "runs. Leave it out, and keep your own id as a tag."
            )
        created = self._workspace.client.create_run(
            self.id, tags=context_registry.resolve_tags(tags), run_name=display_name or name
        )
        return Run(self, created.info.run_id)

    def __repr__(self) -> str:
        return f"Experiment(Name: {self.name},\nWorkspace: {self._workspace.name})"


def _get_or_create(client: MlflowClient, name: str) -> MlflowExperiment:
    try:
        return client.get_experiment(client.create_experiment(name))
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
        # Another process was quicker.
        return client.get_experiment_by_name(name)


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserErrorException(
            f"Experiment name {name!r} is not 1-255 letters, digits, '-' and '_' that begin with a "
            "letter or digit. Choose another name."
        )
