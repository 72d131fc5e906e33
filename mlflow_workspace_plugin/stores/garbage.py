"""What was deleted in a workspace, and freeing it: its rows and its files.

``mlflow gc`` frees it, too. Here it can be said beforehand what that would be; what a registered
model or a skill is loaded from stays; and with an experiment goes all that lies in its folder, the
files of its logged models and traces as well.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from mlflow.entities import LifecycleStage
from mlflow.entities.model_registry.model_version_stages import STAGE_DELETED_INTERNAL
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.store.model_registry.dbmodels.models import SqlModelVersion
from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlLoggedModel, SqlRun, SqlTag
from mlflow.utils.time import get_current_time_millis
from sqlalchemy import Connection, Select, bindparam, delete, or_, select, union

from mlflow_workspace_plugin.artifacts.hub_repository import stored_files
from mlflow_workspace_plugin.artifacts.paths import ARTIFACT_ROOT, is_own, workspace_root
from mlflow_workspace_plugin.artifacts.repository import open_to_log
from mlflow_workspace_plugin.errors import ForeignFileError
from mlflow_workspace_plugin.hub.databases.database import (
    connected,
    transaction,
    translated_errors,
)
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.hub.tables import CHARTS, JOBS
from mlflow_workspace_plugin.stores.jobs.rows import has_runner
from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore
from mlflow_workspace_plugin.stores.writes.skills import locations_of_skills

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


class Piece(NamedTuple):
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
    elsewhere: list[Piece]
    """What was deleted and has files, by its row, that are not its own ones in the hub."""

    @property
    def locations(self) -> list[str]:
        """The URIs of all files that are freed, none below another."""
        pieces = (*self.runs, *self.models, *self.experiments)
        found = {each.location for each in pieces if each.location is not None}
        return sorted(each for each in found if found.isdisjoint(_above(each)))


class Freed(NamedTuple):
    """What was freed of some garbage.

    Attributes:
        runs: how many of them.
        models: how many logged models.
        experiments: how many of them.
        sizes: of their files.
        left: what was not freed, because a link leads to its files; and experiments that hold any
            of it, which stay until the link is gone.
        is_all: whether nothing was left to another time.
    """

    runs: int
    models: int
    experiments: int
    sizes: list[int]
    left: list[Piece]
    is_all: bool


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
    with translated_errors(hub.path, hub.database_uri), connected(hub.engine) as connection:
        return set(connection.scalars(query))


def find_garbage(hub: Hub, workspace: str, older_than_s: float = 0) -> Garbage:
    """Find what was deleted in a workspace and may be freed.

    Args:
        hub: the hub.
        workspace: the name MLflow knows.
        older_than_s: leave out what was deleted in these last seconds.
    """
    before = get_current_time_millis() - int(older_than_s * 1000)
    with translated_errors(hub.path, hub.database_uri), connected(hub.engine) as connection:
        used = _used_locations(connection, workspace)
        deleted = _deleted_runs(connection, workspace, before)
        runs = [
            each for each in deleted if not _is_used(each, used) and _has_own_files(each, workspace)
        ]
        run_ids = {run.id for run in runs}
        deleted_experiments = _deleted_experiments(connection, workspace, before)
        experiments = [
            each
            for each in _with_own_files(deleted_experiments, workspace)
            if not _is_used(each, used)
            and _run_ids(connection, each) <= run_ids
            and all(
                _has_own_files(model, workspace) and not _is_used(model, used)
                for model in _models_of(connection, each)
            )
        ]
        deleted_models = _deleted_models(connection, workspace, before, experiments)
    models = [
        each
        for each in deleted_models
        if not _is_used(each, used) and _has_own_files(each, workspace)
    ]
    kept = [each for each in (*deleted, *deleted_models) if _is_used(each, used)]
    elsewhere = [
        each
        for each in (*deleted, *deleted_models)
        if not _is_used(each, used) and not _has_own_files(each, workspace)
    ]
    elsewhere += [each for each in deleted_experiments if not _is_in_hub(each, workspace)]
    return Garbage(runs, models, experiments, kept, elsewhere)


def sizes_of_files(hub: Hub, workspace: str, location: str) -> list[int]:
    """Return the size of each file at a location that would be freed."""
    # Of a link only the link goes.
    with suppress(ForeignFileError):
        found = stored_files(open_to_log(hub, workspace, location))
        return [file.file_size or 0 for file in found]
    return []


def named_snapshots(hub: Hub, workspace: str, tag: str, without: Collection[str] = ()) -> set[str]:
    """Return the ids of the snapshots that runs of a workspace name, deleted ones as well.

    Args:
        hub: the hub.
        workspace: the name MLflow knows.
        tag: the tag of a run that names its snapshot; that of a job is in its definition, too.
        without: the ids of runs whose snapshots do not count.
    """
    of_workspace = (
        select(SqlRun.run_uuid, SqlTag.value)
        .join(SqlExperiment, SqlExperiment.experiment_id == SqlRun.experiment_id)
        .where(SqlExperiment.workspace == workspace)
    )
    of_runs = of_workspace.join(SqlTag, SqlTag.run_uuid == SqlRun.run_uuid).where(SqlTag.key == tag)
    of_jobs = select(JOBS.c.run_uuid, JOBS.c.definition["snapshot"].as_string()).join(
        SqlRun, SqlRun.run_uuid == JOBS.c.run_uuid
    )
    of_jobs = of_jobs.where(JOBS.c.workspace == workspace)
    left = set(without)
    with translated_errors(hub.path, hub.database_uri), connected(hub.engine) as connection:
        found = [*connection.execute(of_runs), *connection.execute(of_jobs)]
    return {snapshot for run_id, snapshot in found if snapshot and run_id not in left}


def free(
    hub: Hub,
    workspace: str,
    garbage: Garbage,
    *,
    stays: Collection[str] = (),
    is_over: Callable[[], bool] = lambda: False,
) -> Freed:
    """Free it, but for what was restored, or came into use, since it was found.

    Files go before rows: what remains after an error or a kill is found the next time. What another
    process frees meanwhile is left to it.

    Args:
        hub: the hub.
        workspace: the name MLflow knows.
        garbage: as it was found.
        stays: the ids of what was left by a call before, and of what is not tried again.
        is_over: whether to stop now; it is asked after each piece.

    Raises:
        HubError: files or rows cannot be deleted.
    """
    store = WorkspaceTrackingStore(hub, workspace)
    now = find_garbage(hub, workspace)
    left: list[Piece] = []
    sizes: list[int] = []
    is_stopped = False

    def free_all(
        found: list[Piece], is_deleted: Callable[[str], bool], drop: Callable[[str], None]
    ) -> int:
        nonlocal is_stopped
        freed = 0
        for piece in found:
            if is_stopped:
                break
            with _unless_gone():
                if not is_deleted(piece.id):
                    continue
                location = piece.location
                of_piece = [] if location is None else sizes_of_files(hub, workspace, location)
                if _delete_files(hub, workspace, piece):
                    drop(piece.id)
                    sizes.extend(of_piece)
                    freed += 1
                else:
                    left.append(piece)
            is_stopped = is_over()
        return freed

    runs = free_all(
        _in_both(garbage.runs, now.runs, stays),
        lambda id_: bool(store.get_run(id_).info.lifecycle_stage == LifecycleStage.DELETED),
        store._hard_delete_run,
    )
    models = free_all(
        _in_both(garbage.models, now.models, stays),
        lambda id_: _is_deleted_model(hub, id_),
        store._hard_delete_logged_model,
    )
    experiments = [] if is_stopped else _in_both(garbage.experiments, now.experiments, stays)
    staying = {*stays, *(each.id for each in left)}
    held = [each for each in experiments if staying and _holds(hub, each, staying)]
    freed = free_all(
        [each for each in experiments if each not in held],
        lambda id_: bool(store.get_experiment(id_).lifecycle_stage == LifecycleStage.DELETED),
        store._hard_delete_experiment,
    )
    _free_charts(hub)
    return Freed(runs, models, freed, sizes, left + held, not is_stopped)


def _free_charts(hub: Hub) -> None:
    """Delete the kept charts of runs that somebody else removed for good."""
    is_left = CHARTS.c.run_uuid.not_in(select(SqlRun.run_uuid))
    with translated_errors(hub.path, hub.database_uri):
        with connected(hub.engine) as connection:
            found = connection.execute(select(CHARTS.c.run_uuid).where(is_left).limit(1)).first()
        if found is not None:
            with transaction(hub.engine) as connection:
                connection.execute(delete(CHARTS).where(is_left))


def _in_both(found: list[Piece], now: list[Piece], stays: Collection[str]) -> list[Piece]:
    still = set(now)
    return [each for each in found if each in still and each.id not in stays]


def _is_deleted_model(hub: Hub, model_id: str) -> bool:
    with connected(hub.engine) as connection:
        return connection.scalar(_IS_DELETED_MODEL, {"id": model_id}) is not None


def _delete_files(hub: Hub, workspace: str, piece: Piece) -> bool:
    """Delete the files of something; return whether no link leads to them."""
    try:
        if piece.location is not None:
            open_to_log(hub, workspace, piece.location).delete_artifacts()
    except ForeignFileError:
        return False
    return True


def _holds(hub: Hub, experiment: Piece, ids: set[str]) -> bool:
    """Whether the rows of some runs or logged models would go with that of an experiment."""
    with connected(hub.engine) as connection:
        models = {each.id for each in _models_of(connection, experiment)}
        held = _run_ids(connection, experiment) | models
    return not held.isdisjoint(ids)


@contextmanager
def _unless_gone() -> Iterator[None]:
    try:
        yield
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise


def _deleted_runs(connection: Connection, workspace: str, before: int) -> list[Piece]:
    """Return the deleted runs, but for those of jobs that run: by its row a job is canceled."""
    run = select(JOBS.c.run_uuid).where(has_runner(connection.dialect.name))
    query = (
        select(SqlRun.run_uuid, SqlRun.artifact_uri)
        .join(SqlExperiment)
        .where(SqlExperiment.workspace == workspace)
        .where(SqlRun.lifecycle_stage == LifecycleStage.DELETED, SqlRun.deleted_time <= before)
        .where(SqlRun.run_uuid.not_in(run))
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
    return _pieces(connection, query)


def _run_ids(connection: Connection, experiment: Piece) -> set[str]:
    query = select(SqlRun.run_uuid).where(SqlRun.experiment_id == int(experiment.id))
    return set(connection.scalars(query))


def _models_of(connection: Connection, experiment: Piece) -> list[Piece]:
    query = select(SqlLoggedModel.model_id, SqlLoggedModel.artifact_location).where(
        SqlLoggedModel.experiment_id == int(experiment.id)
    )
    return _pieces(connection, query)


def _has_own_files(piece: Piece, workspace: str) -> bool:
    """Whether the files of a run or logged model, as its row has it, are in the hub and its own.

    A row may be anybody's, and name what belongs to others.
    """
    return piece.location is None or (
        is_own(piece.location, workspace) and piece.location.endswith(f"/{piece.id}/artifacts")
    )


def _is_in_hub(experiment: Piece, workspace: str) -> bool:
    return experiment.location is None or is_own(experiment.location, workspace)


def _with_own_files(experiments: list[Piece], workspace: str) -> list[Piece]:
    """Return the experiments whose folders are in the hub, with those that are all their own."""
    own = f"{ARTIFACT_ROOT}{workspace_root(workspace)}"
    return [
        # Where a user chose the folder, it may hold more.
        each if each.location == f"{own}/{each.id}" else Piece(each.id, None)
        for each in experiments
        if _is_in_hub(each, workspace)
    ]


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
