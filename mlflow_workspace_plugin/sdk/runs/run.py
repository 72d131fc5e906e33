"""SDK v1's ``Run``."""

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlflow.entities import Run as MlflowRun

from mlflow_workspace_plugin.errors import SnapshotException
from mlflow_workspace_plugin.runs import left_open
from mlflow_workspace_plugin.runs import search as run_search
from mlflow_workspace_plugin.runs.git_facts import git_properties
from mlflow_workspace_plugin.runs.metrics.run_images import RunImages
from mlflow_workspace_plugin.runs.reason import reason_of_ended
from mlflow_workspace_plugin.sdk.not_served import NotServedOfRun
from mlflow_workspace_plugin.sdk.runs.creation import create_run, outputs_of_started, tags_of
from mlflow_workspace_plugin.sdk.runs.parts.children import RunChildren
from mlflow_workspace_plugin.sdk.runs.parts.models import RunModels
from mlflow_workspace_plugin.sdk.runs.parts.of_experiment import found_in
from mlflow_workspace_plugin.sdk.runs.parts.snapshots import RunSnapshots
from mlflow_workspace_plugin.sdk.runs.parts.waiting import RunWaiting
from mlflow_workspace_plugin.sdk.wanted import check_experiment, in_workspace
from mlflow_workspace_plugin.terminal import shown

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.experiment import Experiment
    from mlflow_workspace_plugin.sdk.runs.around.offline_run import _OfflineRun
    from mlflow_workspace_plugin.sdk.workspace import Workspace


class Run(RunImages, RunModels, RunSnapshots, RunChildren, RunWaiting, NotServedOfRun):
    """A run of an experiment, under SDK v1's name.

    Args:
        experiment: the experiment it belongs to.
        run_id: the id of an existing run: MLflow's, or the one that its starter gave it.
        outputs: the folder whose files are stored with the run when this object ends it, made if
            it is missing. True is ``./outputs``; None and False are none (ours: to SDK v1 None is
            ``./outputs``, even to who cancels another's run).

    Raises:
        RunNotFoundError: the experiment has no such run.
    """

    def __init__(
        self,
        experiment: "Experiment",
        run_id: str,
        outputs: object = None,
        *,
        _run_dto: MlflowRun | None = None,
        **_kwargs: Any,
    ) -> None:
        check_experiment(experiment, type(self).__name__)
        self._experiment = experiment
        workspace = experiment.workspace
        found = found_in(experiment, run_id, _run_dto)
        super().__init__(workspace.client, workspace.tracking_store, found.info.run_id, outputs)

    @classmethod
    def start_logging(
        cls,
        experiment: "Experiment",
        name: str | None = None,
        run_id: str | None = None,
        outputs: object = None,
        snapshot_directory: str | None = None,
        *,
        display_name: str | None = None,
        tags: "dict[str, str | None] | str | None" = None,
        properties: dict[str, str | None] | None = None,
        description: str | None = None,
        **_kwargs: Any,
    ) -> "Run":
        """Start a run in this process; end it with ``run.complete()``, or use it in ``with``.

        SDK v1's documents name it; there it is ``experiment.start_logging()`` only. One that is
        not ended ends with the process, as that does (ours). Inside ``mlflow-workspace run`` the
        first one is the run around the script, if it is of the same experiment and nothing was
        logged to it yet (ours).

        Args:
            experiment: where.
            name: the name of the run in MLflow; chosen by MLflow when None.
            run_id: an id of one's own. ``run.id`` is MLflow's all the same, and the run is found
                by either.
            outputs: the folder whose files are stored with the run when it ends, made if it is
                missing. None and True are ``./outputs``; False is none (SDK v1).
            snapshot_directory: the folder with the run's code. None here, where SDK v1 took the
                working directory, with whatever was in it.
            display_name: as ``name``, before which it goes.
            tags: tags of the run.
            properties: properties of the run.
            description: what MLflow's UI shows of it.

        Raises:
            UserErrorException: ``run_id`` is no id that SDK v1 or MLflow takes.
            RunExistsError: a run of the workspace has that id.
            SnapshotException: no snapshot can be taken; the run has failed, with that as its
                cause.
        """
        from mlflow_workspace_plugin.sdk.runs.around import outer_run

        if snapshot_directory is not None:
            properties = git_properties(snapshot_directory) | (properties or {})
        name = display_name or name
        outputs = outputs_of_started(outputs)
        outer = outer_run.adopted(experiment)
        if outer is None:
            created = create_run(
                experiment,
                name=name,
                run_id=run_id,
                tags=tags,
                properties=properties,
                description=description,
            )
            started = cls(experiment, created.info.run_id, outputs, _run_dto=created)
        else:
            known = tags_of(experiment, run_id, tags, properties, description)
            started = outer_run.AdoptedRun(experiment, outer.info.run_id, outputs, _run_dto=outer)
            started._write_tags(known)
            if name is not None:
                started.display_name = name
        left_open.begun(started)
        if snapshot_directory is not None:
            try:
                started.take_snapshot(snapshot_directory)
            except SnapshotException as error:
                started.fail(error)
                raise
        return started

    @staticmethod
    @in_workspace
    def get(workspace: "Workspace", run_id: str) -> "Run":
        """Return a run of a workspace (SDK v1).

        Raises:
            RunNotFoundError: there is no such run in this workspace.
        """
        return workspace.get_run(run_id)

    @staticmethod
    def list(
        experiment: "Experiment",
        type: str | None = None,  # noqa: A002  SDK v1's name
        tags: run_search.Wanted = None,
        properties: run_search.Wanted = None,
        status: str | None = None,
        include_children: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        _rehydrate_runs: bool = True,  # noqa: FBT001, FBT002
    ) -> "Iterator[Run]":
        """Yield the runs of an experiment, newest first (SDK v1).

        Args:
            experiment: whose runs.
            type: only those of this type.
            tags: only those that have this tag, or all these pairs.
            properties: only those that have this property, or all these pairs.
            status: only those of this status of SDK v1.
            include_children: children of runs too.

        Raises:
            ValueError: ``tags`` or ``properties`` is neither text nor a dictionary.
        """
        from mlflow_workspace_plugin.sdk.runs.script_run import runs_of

        search = run_search.all_runs if include_children else run_search.top_level_runs
        wanted = run_search.RunFilter(type, tags, properties, status)
        yield from runs_of(experiment, search(experiment.searched(), wanted), status)

    @classmethod
    def get_context(
        cls,
        allow_offline: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
        used_for_context_manager: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> "Run | _OfflineRun":
        """Return the run around this code; the same object each time (SDK v1).

        That is the active MLflow run, or the one that ``MLFLOW_RUN_ID`` names, if the tracking URI
        is a workspace's.

        Args:
            allow_offline: return an offline run, which prints, when there is none.
            used_for_context_manager: accepted and ignored.
            kwargs: accepted and ignored.

        Raises:
            RunEnvironmentException: there is none, and ``allow_offline`` is False.
        """
        from mlflow_workspace_plugin.sdk.runs.around import context

        return context.current_run(allow_offline=allow_offline)

    @classmethod
    def get_submitted_run(cls, **kwargs: Any) -> "Run | _OfflineRun":
        """Return the run around this code (deprecated in SDK v1).

        Raises:
            RunEnvironmentException: there is none.
        """
        warnings.warn(
            "Run.get_submitted_run() is deprecated since SDK v1: use Run.get_context().",
            DeprecationWarning,
            stacklevel=2,
        )
        return cls.get_context(allow_offline=False, **kwargs)

    def __repr__(self) -> str:
        run = self._mlflow_run()
        reason = reason_of_ended(run)
        return (
            f"Run(Experiment: {shown(self._experiment.name)},\nId: {self.id},\n"
            f"Type: {run.data.tags.get(run_search.TYPE_TAG)},\nStatus: {self.get_status()}"
            + (f",\nReason: {shown(reason, lines=True)})" if reason else ")")
        )

    def _repr_html_(self) -> str:
        from mlflow_workspace_plugin.sdk.widgets.looks import html_of

        return html_of(self)


def get_run(
    experiment: "Experiment",
    run_id: str,
    rehydrate: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
    clean_up: bool = True,  # noqa: FBT001, FBT002
) -> Run:
    """Return a run of an experiment (SDK v1).

    Args:
        experiment: the experiment it belongs to.
        run_id: the id of an existing run: MLflow's, or the one that its starter gave it.
        rehydrate: accepted and ignored.
        clean_up: accepted and ignored.

    Raises:
        RunNotFoundError: the experiment has no such run.
    """
    from mlflow_workspace_plugin.sdk.runs.script_run import run_of

    return run_of(experiment, found_in(experiment, run_id, None))
