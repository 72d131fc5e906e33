"""The tracking stores: of a whole hub for a server, of one workspace for everybody else."""

import functools
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from mlflow.entities import (
    Experiment,
    ExperimentTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Run,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from mlflow.store.tracking.dbmodels.models import SqlExperiment
from mlflow.store.tracking.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from sqlalchemy import bindparam, text

from mlflow_workspace_plugin.artifacts.paths import ARTIFACT_ROOT, is_own
from mlflow_workspace_plugin.artifacts.repository import flush_files
from mlflow_workspace_plugin.hub.accounts import forget_experiment
from mlflow_workspace_plugin.hub.catalog import DEFAULT_WORKSPACE, HubWorkspaceStore
from mlflow_workspace_plugin.hub.databases.database import uses_of
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.hub.ui_address import where_to_look
from mlflow_workspace_plugin.hub.workspace_record import WorkspaceRecord
from mlflow_workspace_plugin.stores.charts.charts import Charts
from mlflow_workspace_plugin.stores.data.data import Data
from mlflow_workspace_plugin.stores.default_experiment import experiment_zero_is_default
from mlflow_workspace_plugin.stores.deliveries.deliveries import Deliveries
from mlflow_workspace_plugin.stores.experiment_ids import LARGEST
from mlflow_workspace_plugin.stores.jobs.jobs import Jobs
from mlflow_workspace_plugin.stores.journalling.beneath import Beneath
from mlflow_workspace_plugin.stores.on_hub import OnHub, Pinned
from mlflow_workspace_plugin.stores.process import run_lines
from mlflow_workspace_plugin.stores.reads.look_ups import LookUps
from mlflow_workspace_plugin.stores.reads.run_reads import RunReads
from mlflow_workspace_plugin.stores.reads.table_places import TablePlaces
from mlflow_workspace_plugin.stores.retries.created_meanwhile import experiment_created_or_found
from mlflow_workspace_plugin.stores.retries.lost_races import counted_sessions, written_again
from mlflow_workspace_plugin.stores.trace_places import TracePlaces
from mlflow_workspace_plugin.stores.views import Views
from mlflow_workspace_plugin.stores.workspace_runs import WorkspaceRuns
from mlflow_workspace_plugin.stores.writes.metric_writes import MetricWrites
from mlflow_workspace_plugin.stores.writes.run_writes import RunWrites
from mlflow_workspace_plugin.stores.writes.skills import SkillContent

_FOREIGN_MODEL = text("""
    SELECT logged_models.model_id FROM logged_models
    JOIN experiments ON experiments.experiment_id = logged_models.experiment_id
    WHERE logged_models.model_id IN :ids AND experiments.workspace <> :workspace
""").bindparams(bindparam("ids", expanding=True))
_OUTPUT_MODELS = text("""
    SELECT destination_id FROM inputs WHERE source_type = 'RUN_OUTPUT' AND source_id = :run_id
    AND destination_type = 'MODEL_OUTPUT'
""")
_LATER_OUTPUT = text("""
    UPDATE inputs SET step = :step WHERE source_type = 'RUN_OUTPUT' AND source_id = :run_id
    AND destination_type = 'MODEL_OUTPUT' AND destination_id = :model_id AND step < :step
""")


@written_again(WorkspaceAwareSqlAlchemyStore)
class HubTrackingStore(
    OnHub, TracePlaces, Deliveries, MetricWrites, Charts, TablePlaces, RunWrites, RunReads
):
    """All workspaces of a hub. The one in use is that of the request, as in MLflow's own store.

    Where MLflow takes ids of other workspaces' experiments and models unseen, this refuses them.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        with uses_of(hub.engine):
            super().__init__(hub.database_uri, ARTIFACT_ROOT)
        self._open_sessions()
        self.ManagedSessionMaker = counted_sessions(self.ManagedSessionMaker)

    def _get_workspace_provider_instance(self) -> HubWorkspaceStore:
        return self._hub.catalog.store

    def _initialize_store_state(self) -> None:
        # MLflow tries to insert experiment 0 on each opening, which takes SQLite's write lock, and
        # would give it the artifact location of whichever workspace is active.
        with self.ManagedSessionMaker() as session:
            if session.get(SqlExperiment, int(self.DEFAULT_EXPERIMENT_ID)) is not None:
                return
        self._create_default_of(DEFAULT_WORKSPACE)

    def _create_default_of(self, workspace: str) -> None:
        self._learn_artifact_root(workspace)
        with self.ManagedSessionMaker(read_only=False) as session:
            self._create_default_experiment(session, workspace_override=workspace)

    def create_experiment(
        self,
        name: str,
        artifact_location: str | None = None,
        tags: list[ExperimentTag] | None = None,
    ) -> Any:
        """Create an experiment and return its id."""
        self._learn_artifact_root(self._get_active_workspace())
        return super().create_experiment(name, artifact_location, tags)

    def get_experiment(self, experiment_id: str) -> Any:
        """Return an experiment; of a number that no column of ids takes there is none."""
        with suppress(ValueError):
            if abs(int(experiment_id)) > LARGEST:
                raise MlflowException(
                    f"No Experiment with id={experiment_id} exists", RESOURCE_DOES_NOT_EXIST
                )
        return super().get_experiment(experiment_id)

    def _learn_artifact_root(self, workspace: str) -> None:
        # MLflow, which keeps it for a while, looks it up by a second connection while a transaction
        # holds the first. If all processes did, and the server had no third, none would go on.
        self._get_workspace_provider_instance().resolve_artifact_root(ARTIFACT_ROOT, workspace)

    def _get_artifact_location(self, experiment_id: int, workspace: str | None = None) -> str:
        if int(experiment_id) == int(self.DEFAULT_EXPERIMENT_ID):
            workspace = DEFAULT_WORKSPACE
        return str(super()._get_artifact_location(experiment_id, workspace))

    def create_dataset(
        self,
        name: str,
        tags: dict[str, str] | None = None,
        experiment_ids: list[str] | None = None,
    ) -> Any:
        """Create an evaluation dataset, refusing experiments of other workspaces."""
        for experiment_id in experiment_ids or ():
            self.get_experiment(experiment_id)
        return super().create_dataset(name, tags, experiment_ids)

    def log_inputs(
        self,
        run_id: str,
        datasets: list[Any] | None = None,
        models: list[LoggedModelInput] | None = None,
    ) -> None:
        """Log inputs of a run, refusing models of other workspaces."""
        self._refuse_foreign_models(model.model_id for model in models or ())
        super().log_inputs(run_id, datasets, models)

    def log_outputs(self, run_id: str, models: list[LoggedModelOutput]) -> None:
        """Log output models of a run, refusing those of other workspaces.

        MLflow has no room for a model that is logged twice, and refuses it in the terms of the
        database. Here it has the greatest of its steps, which is the one that MLflow looks for.
        """
        self._refuse_foreign_models(model.model_id for model in models)
        with self._statements() as connection:
            logged = set(connection.execute(_OUTPUT_MODELS, {"run_id": run_id}).scalars())
        models = sorted(models, key=lambda model: int(model.step))
        new = {model.model_id: model for model in models if model.model_id not in logged}
        super().log_outputs(run_id, list(new.values()))
        later = [
            {"run_id": run_id, "model_id": model.model_id, "step": model.step}
            for model in models
            if model.model_id in logged
        ]
        if later:
            with self._transaction() as connection:
                connection.execute(_LATER_OUTPUT, later)

    def _log_model_metrics(
        self, run_id: str, metrics: list[Metric], *args: Any, **kwargs: Any
    ) -> None:
        self._refuse_foreign_models(metric.model_id for metric in metrics)
        super()._log_model_metrics(run_id, metrics, *args, **kwargs)

    def _select_archived_traces_for_delete(self, **selection: Any) -> list[Any]:
        """Leave archived traces alone that are not in the hub: MLflow would delete any file."""
        workspace = self._get_active_workspace()
        found = super()._select_archived_traces_for_delete(**selection)
        return [
            each
            if each.archived_artifact_uri and is_own(each.archived_artifact_uri, workspace)
            else type(each)(trace_id=each.trace_id, archived_artifact_uri=None)
            for each in found
        ]

    def _hard_delete_logged_model(self, model_id: str) -> None:
        self._refuse_foreign_models([model_id])
        super()._hard_delete_logged_model(model_id)

    def _hard_delete_experiment(self, experiment_id: str) -> None:
        super()._hard_delete_experiment(experiment_id)
        # Not before: one that stays may be restored, with what is denied of it.
        with self.ManagedSessionMaker(read_only=False) as session:
            workspace = self._get_active_workspace()
            forget_experiment(
                self._hub.folder, session.connection(), workspace, str(int(experiment_id))
            )

    def _refuse_foreign_models(self, model_ids: Iterable[str | None]) -> None:
        """Raise what MLflow raises for an unknown model; MLflow itself does not look here."""
        given = {model_id for model_id in model_ids if model_id is not None}
        if not given:
            return
        parameters = {"ids": sorted(given), "workspace": self._get_active_workspace()}
        with self._statements() as connection:
            foreign = connection.execute(_FOREIGN_MODEL, parameters).scalar()
        if foreign is not None:
            self._raise_model_not_found(foreign)


@experiment_created_or_found
@experiment_zero_is_default
class WorkspaceTrackingStore(
    Pinned, WorkspaceRuns, SkillContent, Jobs, Data, Views, LookUps, HubTrackingStore, Beneath
):
    """One workspace of a hub, whatever MLflow's active workspace is."""

    def __init__(self, hub: Hub, workspace: str) -> None:
        self._workspace = workspace
        super().__init__(hub)

    @property
    def place(self) -> tuple[Hub, str]:
        """The hub, and the name MLflow knows of the workspace (ours)."""
        return self._hub, self._workspace

    def workspace_record(self) -> WorkspaceRecord:
        """Return the workspace as it was created (ours).

        Raises:
            WorkspaceNotFoundError: it was deleted.
        """
        # Of one that is gone this says so, and nothing of the others.
        self._hub.catalog.check_holds(self._workspace)
        return self._hub.catalog.get(self._workspace)

    def create_run(
        self,
        experiment_id: str,
        user_id: str,
        start_time: int,
        tags: list[RunTag],
        run_name: str | None,
    ) -> Run:
        """Create a run, and say where to look at it."""
        run = super().create_run(experiment_id, user_id, start_time, tags, run_name)
        self._say_started(run, tags or ())
        return run

    def _say_started(self, run: Run, tags: Iterable[RunTag]) -> None:
        where = functools.partial(where_to_look, self._hub.path, self._workspace)
        run_lines.started(run, tags, where)

    def _flush_files(self, timeout_s: float) -> bool:
        return flush_files(self._hub, self._workspace, timeout_s)

    def _refuse_deleted(self, run_id: str) -> None:
        self._experiment_or_refusal(run_id)

    def _own_experiment(self, experiment_id: str | int) -> str | int:
        if str(experiment_id) != self.DEFAULT_EXPERIMENT_ID or self._workspace == DEFAULT_WORKSPACE:
            return experiment_id
        default = self.get_experiment_by_name(Experiment.DEFAULT_EXPERIMENT_NAME)
        if default is None:
            self._check_workspace()
            self._create_default_of(self._workspace)
            default = self.get_experiment_by_name(Experiment.DEFAULT_EXPERIMENT_NAME)
        return str(default.experiment_id)
