"""What was deleted in a workspace, and freeing it: its rows and its files.

``mlflow gc`` frees it, too. Here it can be said beforehand what that would be; what a registered
model or a skill is loaded from stays; and with an experiment goes all that lies in its folder, the
files of its logged models and traces as well.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mlflow.entities import LifecycleStage
from mlflow.entities.model_registry.model_version_stages import STAGE_DELETED_INTERNAL
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.model_registry.dbmodels.models import SqlModelVersion
from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlLoggedModel, SqlRun
from mlflow.utils.time import get_current_time_millis
from sqlalchemy import Connection, Select, bindparam, or_, select, union

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.artifacts.paths import ARTIFACT_ROOT, workspace_root
from mlflow_workspace_plugin.hub.database import translated_errors
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.stores.skills import locations_of_skills
from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

# With an experiment go its logged models, whether or not they were deleted.
_IS_DELETED_MODEL = (
    select(SqlLoggedModel.model_id)
    .join(SqlExperiment, SqlExperiment.experiment_id == SqlLoggedModel.experiment_id)
    .where(SqlLoggedModel.model_id == bindparam("id"))
    .where(
        or_(
            SqlLoggedModel.lifecycle_stage == LifecycleStage.DELETED,
            SqlExperiment.lifecycle_stage == LifecycleStage.DELETED,
        )
    )
)


@dataclass(frozen=True)
class Piece:
    """A run, a logged model or an experiment."""

    id: str
    location: str | None
    """The URI of its files; None if they are not all its own."""


@dataclass(frozen=True)
class Garbage:
    """What was deleted in a workspace and is of no more use."""

    runs: list[Piece]
    models: list[Piece]
    experiments: list[Piece]
    kept: list[Piece]
    """Deleted runs and logged models from whose files registered models or skills are loaded."""

    @property
    def locations(self) -> list[str]:
        """The URIs of all files that are freed, none below another."""
        pieces = (*self.runs, *self.models, *self.experiments)
        found = {each.location for each in pieces if each.location is not None}
        return sorted(each for each in found if found.isdisjoint(_above(each)))


NOTHING = Garbage([], [], [], [])
"""In a workspace in which nothing was deleted."""


def workspaces_with_garbage(hub: Hub) -> set[str]:
    """Return the names MLflow knows of the workspaces in which anything was deleted, ever."""
    of_experiments = select(SqlExperiment.workspace)
    of_runs = of_experiments.join(SqlRun, SqlRun.experiment_id == SqlExperiment.experiment_id)
    of_models = of_experiments.join(
        SqlLoggedModel, SqlLoggedModel.experiment_id == SqlExperiment.experiment_id
    )
    query = union(
        of_experiments.where(SqlExperiment.lifecycle_stage == LifecycleStage.DELETED),
        of_runs.where(SqlRun.lifecycle_stage == LifecycleStage.DELETED),
        of_models.where(SqlLoggedModel.lifecycle_stage == LifecycleStage.DELETED),
    )
    with translated_errors(hub.path, hub.database_uri), hub.engine.connect() as connection:
        return set(connection.scalars(query))


def find_garbage(hub: Hub, workspace: str, older_than_s: float = 0) -> Garbage:
    """Find what was deleted in a workspace and may be freed.

    Args:
        hub: the hub.
        workspace: the name MLflow knows.
        older_than_s: leave out what was deleted in these last seconds.
    """
    before = get_current_time_millis() - int(older_than_s * 1000)
    with translated_errors(hub.path, hub.database_uri), hub.engine.connect() as connection:
        used = _used_locations(connection, workspace)
        deleted = _deleted_runs(connection, workspace, before)
        runs = [each for each in deleted if not _is_used(each, used)]
        experiments = [
            each
            for each in _deleted_experiments(connection, workspace, before)
            if not _is_used(each, used)
            and _run_ids(connection, each) <= {run.id for run in runs}
            and used.isdisjoint(_model_locations(connection, each))
        ]
        deleted_models = _deleted_models(connection, workspace, before, experiments)
    models = [each for each in deleted_models if not _is_used(each, used)]
    kept = [each for each in (*deleted, *deleted_models) if _is_used(each, used)]
    return Garbage(runs, models, experiments, kept)


def sizes_of_files(hub: Hub, workspace: str, garbage: Garbage) -> Iterator[int]:
    """Yield the size of each file that would be freed."""
    for location in garbage.locations:
        yield from _sizes(_repository(hub, workspace, location), None)


def free(hub: Hub, workspace: str, garbage: Garbage) -> None:
    """Free it, but for what was restored, or came into use, since it was found.

    Files go before rows: what remains after an error or a kill is found the next time. What another
    process frees meanwhile is left to it.

    Raises:
        HubError: files or rows cannot be deleted.
    """
    store = WorkspaceTrackingStore(hub, workspace)
    now = find_garbage(hub, workspace)

    for run in _in_both(garbage.runs, now.runs):
        with _unless_gone():
            if store.get_run(run.id).info.lifecycle_stage == LifecycleStage.DELETED:
                _delete_files(hub, workspace, run)
                store._hard_delete_run(run.id)
    for model in _in_both(garbage.models, now.models):
        with _unless_gone():
            if _is_deleted_model(hub, model):
                _delete_files(hub, workspace, model)
                store._hard_delete_logged_model(model.id)
    for experiment in _in_both(garbage.experiments, now.experiments):
        with _unless_gone():
            if store.get_experiment(experiment.id).lifecycle_stage == LifecycleStage.DELETED:
                _delete_files(hub, workspace, experiment)
                store._hard_delete_experiment(experiment.id)


def _in_both(found: list[Piece], now: list[Piece]) -> list[Piece]:
    still = set(now)
    return [each for each in found if each in still]


def _is_deleted_model(hub: Hub, model: Piece) -> bool:
    with hub.engine.connect() as connection:
        return connection.scalar(_IS_DELETED_MODEL, {"id": model.id}) is not None


@contextmanager
def _unless_gone() -> Iterator[None]:
    try:
        yield
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise


def _deleted_runs(connection: Connection, workspace: str, before: int) -> list[Piece]:
    query = (
        select(SqlRun.run_uuid, SqlRun.artifact_uri)
        .join(SqlExperiment)
        .where(SqlExperiment.workspace == workspace)
        .where(SqlRun.lifecycle_stage == LifecycleStage.DELETED, SqlRun.deleted_time <= before)
    )
    return _pieces(connection, query)


def _deleted_models(
    connection: Connection, workspace: str, before: int, experiments: list[Piece]
) -> list[Piece]:
    """Return the deleted logged models, and all of those experiments: their rows go with them."""
    is_deleted = (SqlLoggedModel.lifecycle_stage == LifecycleStage.DELETED) & (
        SqlLoggedModel.last_updated_timestamp_ms <= before
    )
    goes = SqlLoggedModel.experiment_id.in_([int(each.id) for each in experiments])
    query = (
        select(SqlLoggedModel.model_id, SqlLoggedModel.artifact_location)
        .join(SqlExperiment, SqlExperiment.experiment_id == SqlLoggedModel.experiment_id)
        .where(SqlExperiment.workspace == workspace)
        .where(or_(is_deleted, goes))
    )
    return _pieces(connection, query)


def _deleted_experiments(connection: Connection, workspace: str, before: int) -> list[Piece]:
    query = select(SqlExperiment.experiment_id, SqlExperiment.artifact_location).where(
        SqlExperiment.workspace == workspace,
        SqlExperiment.lifecycle_stage == LifecycleStage.DELETED,
        SqlExperiment.last_update_time <= before,
    )
    own = f"{ARTIFACT_ROOT}{workspace_root(workspace)}"
    return [
        # Where a user chose the folder, it may hold more.
        each if each.location == f"{own}/{each.id}" else Piece(each.id, None)
        for each in _pieces(connection, query)
    ]


def _run_ids(connection: Connection, experiment: Piece) -> set[str]:
    query = select(SqlRun.run_uuid).where(SqlRun.experiment_id == int(experiment.id))
    return set(connection.scalars(query))


def _model_locations(connection: Connection, experiment: Piece) -> set[str]:
    query = select(SqlLoggedModel.artifact_location).where(
        SqlLoggedModel.experiment_id == int(experiment.id)
    )
    return set(connection.scalars(query))


def _used_locations(connection: Connection, workspace: str) -> set[str]:
    """Return the URIs of all files of registered models and skills, and of all folders above."""
    query = select(SqlModelVersion.storage_location, SqlModelVersion.source).where(
        SqlModelVersion.workspace == workspace,
        SqlModelVersion.current_stage != STAGE_DELETED_INTERNAL,
    )
    found = {each for row in connection.execute(query) for each in row if each}
    found.update(locations_of_skills(connection, workspace))
    return found.union(*map(_above, found))


def _is_used(piece: Piece, used: set[str]) -> bool:
    # A source may also name a run or a logged model by its id.
    return not used.isdisjoint((piece.location, f"runs:/{piece.id}", f"models:/{piece.id}"))


def _above(location: str) -> Iterator[str]:
    """Yield the URI of each folder that a URI is in."""
    parts = location.split("/")
    for length in range(1, len(parts)):
        yield "/".join(parts[:length])


def _pieces(connection: Connection, query: Select[Any]) -> list[Piece]:
    return [
        Piece(str(id_), location and location.rstrip("/"))
        for id_, location in connection.execute(query)
    ]


def _repository(hub: Hub, workspace: str, location: str) -> ArtifactRepository:
    tracking_uri = str(uris.WorkspaceUri(hub.path, workspace))
    return get_artifact_repository(location, tracking_uri=tracking_uri)


def _sizes(repository: ArtifactRepository, path: str | None) -> Iterable[int]:
    for entry in repository.list_artifacts(path):
        if entry.is_dir:
            yield from _sizes(repository, entry.path)
        else:
            yield entry.file_size or 0


def _delete_files(hub: Hub, workspace: str, piece: Piece) -> None:
    if piece.location is not None:
        _repository(hub, workspace, piece.location).delete_artifacts()
