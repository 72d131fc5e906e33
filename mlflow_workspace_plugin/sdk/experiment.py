"""SDK v1's ``Experiment``."""

import builtins
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from enum import Enum
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient
from mlflow.entities import Experiment as MlflowExperiment
from mlflow.entities import LifecycleStage
from mlflow.entities import ViewType as MlflowViewType
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

from mlflow_workspace_plugin.errors import ExperimentNotEmptyError, UserErrorException
from mlflow_workspace_plugin.runs import search as run_search
from mlflow_workspace_plugin.runs import tag_text
from mlflow_workspace_plugin.sdk.html_table import html_table
from mlflow_workspace_plugin.sdk.not_served import NotServedOfExperiment
from mlflow_workspace_plugin.sdk.wanted import check_workspace, in_workspace
from mlflow_workspace_plugin.terminal import shown

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.runs.run import Run
    from mlflow_workspace_plugin.sdk.runs.script_run import ScriptRun
    from mlflow_workspace_plugin.sdk.workspace import Workspace

_NAME = re.compile(r"[a-zA-Z0-9][\w-]{0,254}")
_ARCHIVED_NAME_TAG = f"{tag_text.OURS}archived_name"
_ARCHIVED_TIME_TAG = f"{tag_text.OURS}archived_time"


class ViewType(str, Enum):
    """Which experiments are listed (SDK v1)."""

    ActiveOnly = "ActiveOnly"
    All = "All"
    ArchivedOnly = "ArchivedOnly"


class Experiment(NotServedOfExperiment):
    """An experiment of a workspace; created if there is none of that name (SDK v1).

    Args:
        workspace: the workspace it belongs to, or its name in the default hub.
        name: 1-255 letters, digits, ``-`` and ``_``, the first a letter or digit (SDK v1's rule).
        _create_in_cloud: False leaves the workspace as it is: the experiment is but a name.

    Raises:
        UserErrorException: the name breaks the rule, or the experiment was deleted by MLflow.
        WorkspaceNotFoundError: the default hub holds no workspace of that name.
    """

    def __init__(
        self,
        workspace: "Workspace | str",
        name: str,
        _skip_name_validation: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        _id: str | None = None,
        _archived_time: object = None,
        _create_in_cloud: bool = True,  # noqa: FBT001, FBT002
        _experiment_dto: object = None,
        **kwargs: Any,
    ) -> None:
        self._workspace = _opened(workspace)
        self._name = name
        self._found: MlflowExperiment | None = None
        if _create_in_cloud:
            self._found = self._get_or_create(check=not _skip_name_validation)

    @classmethod
    def from_mlflow(cls, workspace: "Workspace", found: MlflowExperiment) -> "Experiment":
        """Return the ``Experiment`` of one that MLflow returned, in whatever lifecycle stage."""
        experiment = cls(workspace, found.name, _skip_name_validation=True, _create_in_cloud=False)
        experiment._found = found
        return experiment

    @property
    def name(self) -> str:
        """The name of the experiment; of an archived one, the name it had."""
        if self._found is None:
            return self._name
        return str(self._found.tags.get(_ARCHIVED_NAME_TAG, self._found.name))

    @property
    def id(self) -> str:
        """MLflow's id of the experiment."""
        return str(self._existing.experiment_id)

    @property
    def tags(self) -> dict[str, str | None]:
        """The tags, as last read: by :meth:`refresh`, or when they were set by this object."""
        return tag_text.from_mlflow(self._existing.tags)

    def searched(self) -> run_search.InExperiment:
        """Return what searches for its runs are told (ours)."""
        client = self.workspace.client
        return run_search.InExperiment(client, self.id, self.archived_time is not None)

    @property
    def archived_time(self) -> datetime | None:
        """When it was archived; None if it is active."""
        tags = self._found.tags if self._found is not None else {}
        text = tags.get(_ARCHIVED_TIME_TAG)
        return None if text is None else datetime.fromisoformat(text)

    @property
    def workspace(self) -> "Workspace":
        """The workspace it belongs to."""
        return self._workspace

    @property
    def workspace_object(self) -> "Workspace":
        """The workspace it belongs to (deprecated in SDK v1)."""
        return self._workspace

    @staticmethod
    @in_workspace
    def list(
        workspace: "Workspace",
        experiment_name: str | None = None,
        view_type: ViewType = ViewType.ActiveOnly,
        tags: run_search.Wanted = None,
    ) -> "builtins.list[Experiment]":
        """Return the experiments of a workspace (SDK v1).

        Args:
            workspace: whose experiments.
            experiment_name: only the one of this name; several may be archived under one.
            view_type: those that are active, or archived, or both. Those that were deleted by
                MLflow are neither.
            tags: only those that have this tag, or all these pairs.

        Raises:
            ValueError: ``tags`` is neither text nor a dictionary.
        """
        view = ViewType(view_type)
        found = [
            Experiment.from_mlflow(workspace, each)
            for each in workspace.search_experiments(MlflowViewType.ALL)
            if each.lifecycle_stage == LifecycleStage.ACTIVE or _ARCHIVED_TIME_TAG in each.tags
        ]
        return [
            each
            for each in found
            if view in (ViewType.All, _view_of(each))
            and experiment_name in (None, each.name)
            and run_search.has(each.tags, tags, "tags")
        ]

    def start_logging(self, *args: Any, **kwargs: Any) -> "Run":
        """Start a run in this process; end it with ``run.complete()``, or use it in ``with``.

        Args:
            args: SDK v1's ``name, run_id, outputs, snapshot_directory``, as for
                ``Run.start_logging``. No snapshot is taken unless a folder is given.
            kwargs: the same by keyword, and ``display_name``, ``tags``, ``properties`` and
                ``description``.

        Raises:
            UserErrorException: ``run_id`` is no id that SDK v1 or MLflow takes.
            RunExistsError: a run of the workspace has that id.
        """
        from mlflow_workspace_plugin.sdk.runs.run import Run

        return Run.start_logging(self, *args, **kwargs)

    def submit(
        self,
        config: Any,
        tags: "dict[str, str | None] | None" = None,
        **kwargs: Any,
    ) -> "ScriptRun":
        """Submit a job (SDK v1): it is queued when this returns, or running already.

        Args:
            config: a ``ScriptRunConfig``, or another configuration of SDK v1's that is served.
            tags: of the run.
            kwargs: ``run_id``, an id of one's own, kept beside MLflow's; ``show_output=True``
                waits for the run and shows what it prints (documents of SDK v1 pass it, which took
                it of some configurations only); and what else the configuration takes.

        Raises:
            AzureMLException: the configuration cannot be submitted.
            ExperimentExecutionException: there is no such script in the source directory.
            ComputeTargetException: the compute target is unknown, or takes no job now.
            UserErrorException: it asks for what is not served; the message says what is.
            SnapshotException: the source directory cannot be kept.
        """
        from mlflow_workspace_plugin.sdk.runs.submitting import submit_config

        return submit_config(self, config, tags, **kwargs)

    def get_runs(
        self,
        type: str | None = None,  # noqa: A002  SDK v1's name
        tags: run_search.Wanted = None,
        properties: run_search.Wanted = None,
        include_children: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
    ) -> "Iterator[Run]":
        """Yield the runs of the experiment, newest first (SDK v1).

        Args:
            type: only those of this type.
            tags: only those that have this tag, or all these pairs.
            properties: only those that have this property, or all these pairs.
            include_children: children of runs too.

        Raises:
            ValueError: ``tags`` or ``properties`` is neither text nor a dictionary.
        """
        from mlflow_workspace_plugin.sdk.runs.run import Run

        return Run.list(self, type, tags, properties, include_children=include_children)

    def tag(self, key: str, value: str | None = None) -> None:
        """Set a tag (SDK v1); one of that key is replaced.

        Args:
            key: any text.
            value: text or None; anything else is converted to text, with a warning.
        """
        self.set_tags({key: value})

    def set_tags(self, tags: "dict[str, str | None] | str") -> None:
        """Set tags (SDK v1); other tags stay.

        Args:
            tags: values by key, as for :meth:`tag`; or one key alone.
        """
        written = tag_text.to_mlflow(tag_text.as_text(tags))
        for key, text in written.items():
            self._client.set_experiment_tag(self.id, key, text)
        self.refresh()
        for key in tag_text.outdated_keys(written, self._existing.tags):
            self._client.delete_experiment_tag(self.id, key)

    def remove_tags(self, tags: "builtins.list[str]") -> None:
        """Remove tags (SDK v1).

        Args:
            tags: the keys; unknown ones are passed over.
        """
        self.refresh()
        for key in tag_text.stored_keys(tags, self._existing.tags):
            self._client.delete_experiment_tag(self.id, key)
        self.refresh()

    def refresh(self) -> None:
        """Read anew what is known of the experiment (SDK v1)."""
        self._found = self._client.get_experiment(self.id)

    def archive(self) -> None:
        """Hide the experiment, and give its name free (SDK v1).

        It is renamed and deleted in MLflow, whose UI then hides it, its runs too; ``mlflow gc``
        would remove them for good.
        """
        self.refresh()
        if self.archived_time is not None:
            return
        now = datetime.now(timezone.utc).isoformat()
        self._client.set_experiment_tag(self.id, _ARCHIVED_NAME_TAG, self.name)
        self._client.set_experiment_tag(self.id, _ARCHIVED_TIME_TAG, now)
        _rename_and_delete(self._client, self._existing, "archived")
        self.refresh()

    def reactivate(self, new_name: str | None = None) -> None:
        """Show an archived experiment again, under its name (SDK v1).

        Args:
            new_name: None; SDK v1 has dropped it.

        Raises:
            UserErrorException: ``new_name`` is given, or its name belongs to another experiment.
        """
        if new_name is not None:
            raise UserErrorException(
                f"Experiment {self.name!r} cannot be reactivated as {new_name!r}: SDK v1 does not "
                "rename. Leave new_name out."
            )
        self.refresh()
        if self.archived_time is None:
            return
        name = self.name
        if self._client.get_experiment_by_name(name) is not None:
            raise UserErrorException(
                f"Experiment {name!r} cannot be reactivated: another one has its name by now. "
                "Archive or delete that one first."
            )
        self._client.restore_experiment(self.id)
        self._client.rename_experiment(self.id, name)
        for key in (_ARCHIVED_TIME_TAG, _ARCHIVED_NAME_TAG):
            self._client.delete_experiment_tag(self.id, key)
        self.refresh()

    @staticmethod
    @in_workspace
    def delete(workspace: "Workspace", experiment_id: str) -> None:
        """Delete an experiment without runs, and give its name free (SDK v1).

        Raises:
            ExperimentNotEmptyError: it has runs.
            mlflow.exceptions.MlflowException: there is no such experiment in the workspace.
        """
        found = workspace.client.get_experiment(experiment_id)
        if workspace.client.search_runs([experiment_id], max_results=1):
            raise ExperimentNotEmptyError(
                f"Experiment {found.name!r} has runs and is not deleted. Hide it with "
                "experiment.archive(), or delete its runs in MLflow first."
            )
        _rename_and_delete(workspace.client, found, "deleted")

    def get_portal_url(self) -> str:
        """Return the address of the experiment's page, as ``mlflow-workspace ui`` serves it."""
        return self._workspace.portal_url(f"experiments/{self.id}")

    def __repr__(self) -> str:
        return f"Experiment(Name: {shown(self.name)},\nWorkspace: {self._workspace.name})"

    def _repr_html_(self) -> str:
        return html_table(
            {"Name": self.name, "Workspace": self._workspace.name},
            {} if self._found is None else {"Report Page": self.get_portal_url()},
        )

    @property
    def _client(self) -> MlflowClient:
        return self._workspace.client

    @property
    def _existing(self) -> MlflowExperiment:
        if self._found is None:
            raise UserErrorException(
                f"Experiment {self._name!r} was not looked up in workspace "
                f"{self._workspace.name!r}. Leave _create_in_cloud=False out."
            )
        return self._found

    def _get_or_create(self, *, check: bool) -> MlflowExperiment:
        found = self._client.get_experiment_by_name(self._name)
        if found is None:
            if check:
                _check_name(self._name)
            found = _get_or_create(self._client, self._name)
        if found.lifecycle_stage == LifecycleStage.DELETED:
            raise UserErrorException(
                f"Experiment {self._name!r} was deleted from workspace {self._workspace.name!r}. "
                f"Restore it with MlflowClient.restore_experiment({found.experiment_id!r}), "
                "or use another name."
            )
        return found


def _opened(workspace: "Workspace | str") -> "Workspace":
    if not isinstance(workspace, str):
        check_workspace(workspace, "Experiment")
        return workspace
    from mlflow_workspace_plugin.sdk.workspace import Workspace

    return Workspace.get(workspace)


def _view_of(experiment: Experiment) -> ViewType:
    return ViewType.ActiveOnly if experiment.archived_time is None else ViewType.ArchivedOnly


def _rename_and_delete(client: MlflowClient, found: MlflowExperiment, state: str) -> None:
    # MLflow keeps the names of deleted experiments taken.
    client.rename_experiment(found.experiment_id, f"{found.name} ({state} {found.experiment_id})")
    client.delete_experiment(found.experiment_id)


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
