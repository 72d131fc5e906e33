"""Finding what a hub holds, in any workspace: by its id, by what people type, and all of it."""

from typing import Any, Literal, NamedTuple

from mlflow.entities import LifecycleStage
from mlflow.store.tracking.dbmodels.models import (
    SqlExperiment,
    SqlLoggedModel,
    SqlRun,
    SqlTag,
    SqlTraceInfo,
)
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME
from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, or_, select

from mlflow_workspace_plugin.hub.databases.storable import NO_DATABASE_TAKES

_RUNS = select(
    SqlRun.run_uuid,
    SqlRun.name,
    SqlRun.start_time,
    SqlRun.lifecycle_stage,
    SqlExperiment.workspace,
    SqlExperiment.experiment_id,
    SqlExperiment.name,
).join_from(SqlRun, SqlExperiment, SqlExperiment.experiment_id == SqlRun.experiment_id)
_IS_ACTIVE = SqlRun.lifecycle_stage == LifecycleStage.ACTIVE

_SHORTEST_PREFIX = 4

Kind = Literal["run", "model", "trace"]

_IDS: dict[Kind, Any] = {
    "run": SqlRun.run_uuid,
    "model": SqlLoggedModel.model_id,
    "trace": SqlTraceInfo.request_id,
}


class RunPlace(NamedTuple):
    """A run, and where it is."""

    run_id: str
    name: str
    start_time: int | None
    lifecycle_stage: str
    workspace: str
    """As MLflow knows it."""
    experiment_id: int
    experiment: str

    @property
    def is_deleted(self) -> bool:
        """Whether MLflow shows it as deleted."""
        return bool(self.lifecycle_stage != LifecycleStage.ACTIVE)


class ExperimentRuns(NamedTuple):
    """An active experiment, and what runs it has that are not deleted."""

    experiment_id: int
    name: str
    runs: int
    last_started: int | None


def workspace_of(connection: Connection, kind: Kind, identifier: str) -> str | None:
    """Return the workspace that something is in, deleted or not; None if the hub holds none such.

    Args:
        connection: to a hub's database.
        kind: what it is.
        identifier: its id.
    """
    if NO_DATABASE_TAKES.search(identifier):
        return None
    column = _IDS[kind]
    statement = select(SqlExperiment.workspace).join_from(
        column.class_, SqlExperiment, SqlExperiment.experiment_id == column.class_.experiment_id
    )
    found: str | None = connection.execute(statement.where(column == identifier)).scalar()
    return found


def artifacts_of(connection: Connection, run_id: str) -> str | None:
    """Return where the files of a run are, as MLflow stored it; None if the hub holds no such run.

    Args:
        connection: to a hub's database.
        run_id: the run.
    """
    statement = select(SqlRun.artifact_uri).where(SqlRun.run_uuid == run_id)
    found: str | None = connection.execute(statement).scalar()
    return found


def runs_called(
    connection: Connection, given: str, own_id_tag: str, workspace: str | None = None
) -> list[RunPlace]:
    """Return the runs that a text may mean, newest first.

    An id is one run's, whatever else is called so. Else it is the runs of that name, and those
    whose ids begin with it; deleted ones only where no other is called so.

    Args:
        connection: to a hub's database.
        given: an id of MLflow's, one that its starter gave, a name, or the beginning of an id.
        own_id_tag: the tag that holds an id that its starter gave.
        workspace: only of this one, as MLflow knows it.
    """
    if not given or NO_DATABASE_TAKES.search(given):
        return []
    runs = _RUNS if workspace is None else _RUNS.where(SqlExperiment.workspace == workspace)
    for by_id in (SqlRun.run_uuid == given, _has_tag(own_id_tag, given)):
        if found := _places(connection, runs.where(by_id)):
            return found
    is_named = or_(
        SqlRun.name == given,
        # Runs of MLflow 1 are named by their tag only.
        and_(func.coalesce(SqlRun.name, "") == "", _has_tag(MLFLOW_RUN_NAME, given)),
    )
    begins = SqlRun.run_uuid.startswith(given, autoescape=True)
    found = _places(connection, runs.where(or_(is_named, begins)))
    if len(given) < _SHORTEST_PREFIX:
        # So many begin with it that a name is meant, if there is one.
        found = [each for each in found if each.name == given] or found
    return [each for each in found if not each.is_deleted] or found


def newest_runs(connection: Connection, limit: int, workspace: str | None = None) -> list[RunPlace]:
    """Return the newest runs that are not deleted.

    Args:
        connection: to a hub's database.
        limit: how many.
        workspace: only of this one, as MLflow knows it.
    """
    runs = _RUNS if workspace is None else _RUNS.where(SqlExperiment.workspace == workspace)
    return _places(connection, runs.where(_IS_ACTIVE).limit(limit))


def number_of_children(connection: Connection, run_id: str, workspace: str) -> int:
    """Return how many runs, not counting deleted ones, name a run as their parent.

    Args:
        connection: to a hub's database.
        run_id: the run.
        workspace: that they are in, as MLflow knows it.
    """
    count = select(func.count()).join_from(
        SqlRun, SqlExperiment, SqlExperiment.experiment_id == SqlRun.experiment_id
    )
    count = count.where(
        _IS_ACTIVE,
        SqlExperiment.workspace == workspace,
        _has_tag(MLFLOW_PARENT_RUN_ID, run_id),
    )
    return int(connection.execute(count).scalar_one())


def experiments_of(connection: Connection, workspace: str) -> list[ExperimentRuns]:
    """Return the active experiments of a workspace, that with the newest run first.

    Args:
        connection: to a hub's database.
        workspace: as MLflow knows it.
    """
    last = func.max(SqlRun.start_time)
    statement = (
        select(SqlExperiment.experiment_id, SqlExperiment.name, func.count(SqlRun.run_uuid), last)
        .outerjoin_from(
            SqlExperiment,
            SqlRun,
            and_(SqlRun.experiment_id == SqlExperiment.experiment_id, _IS_ACTIVE),
        )
        .where(
            SqlExperiment.workspace == workspace,
            SqlExperiment.lifecycle_stage == LifecycleStage.ACTIVE,
        )
        .group_by(SqlExperiment.experiment_id, SqlExperiment.name)
        .order_by(case((last.is_(None), 1), else_=0), last.desc(), SqlExperiment.name)
    )
    return [ExperimentRuns(*row) for row in connection.execute(statement)]


def _has_tag(key: str, value: str) -> ColumnElement[bool]:
    tagged = select(SqlTag.run_uuid).where(SqlTag.key == key, SqlTag.value == value)
    return SqlRun.run_uuid.in_(tagged)  # type: ignore[no-any-return]


def _places(connection: Connection, statement: Select[Any]) -> list[RunPlace]:
    ordered = statement.order_by(SqlRun.start_time.desc(), SqlRun.run_uuid)
    return [RunPlace(*row) for row in connection.execute(ordered)]
