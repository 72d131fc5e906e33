"""Rows of jobs: how they are read, locked and ended, in the caller's transaction.

Whoever changes a job locks its row first, then that of its run.
"""

from typing import Any

from mlflow.entities import LifecycleStage
from mlflow.store.tracking.dbmodels.models import SqlRun, SqlTag
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    literal_column,
    select,
    update,
)

from mlflow_workspace_plugin.hub.databases import storable
from mlflow_workspace_plugin.hub.tables import JOBS
from mlflow_workspace_plugin.stores.jobs import states
from mlflow_workspace_plugin.stores.jobs.job import LOST_S, SILENT_S, Job
from mlflow_workspace_plugin.stores.tags.failure import is_kept, tags_of_cause
from mlflow_workspace_plugin.stores.tags.own_tags import EXIT_CODE_TAG
from mlflow_workspace_plugin.stores.writes.owned_runs import warn_of_said
from mlflow_workspace_plugin.stores.writes.run_writes import upsert_tags

_NOW = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS BIGINT)",
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
}
_LONGEST_CAUSE = 10_000


def now(dialect: str) -> ColumnElement[int]:
    """Return the time by the database's own clock, in milliseconds, as a part of a statement.

    Args:
        dialect: SQLAlchemy's name of the database.
    """
    return literal_column(_NOW[dialect], BigInteger)


def jobs_as_seen(dialect: str, workspace: str) -> Select[Any]:
    """Return the query of a workspace's jobs, whose rows :func:`job_of` takes.

    Args:
        dialect: SQLAlchemy's name of the database.
        workspace: the workspace.
    """
    return (
        select(
            JOBS,
            state_as_seen(dialect).label("seen"),
            _silence(dialect).label("silence"),
            (now(dialect) - JOBS.c.submitted_at).label("age"),
            SqlRun.experiment_id,
            SqlRun.name,
        )
        .join_from(JOBS, SqlRun, SqlRun.run_uuid == JOBS.c.run_uuid)
        .where(JOBS.c.workspace == workspace)
    )


def state_as_seen(dialect: str) -> ColumnElement[str]:
    """Return a job's state, or that its owner does not respond, as a part of a statement."""
    is_silent = and_(
        JOBS.c.owner.is_not(None),
        JOBS.c.state.not_in(states.LAST),
        _silence(dialect) > SILENT_S * 1000,
    )
    return case((is_silent, states.NOT_RESPONDING), else_=JOBS.c.state)


def has_runner(dialect: str) -> ColumnElement[bool]:
    """Return whether a job's owner gave a sign of life lately, as a part of a statement.

    Args:
        dialect: SQLAlchemy's name of the database.
    """
    return and_(
        JOBS.c.owner.is_not(None),
        JOBS.c.state.not_in(states.LAST),
        _silence(dialect) <= LOST_S * 1000,
    )


def _silence(dialect: str) -> ColumnElement[int]:
    return now(dialect) - JOBS.c.beat_at


def job_of(row: Row[Any]) -> Job:
    """Return the job of a row of :func:`jobs_as_seen`."""
    return Job(
        run_id=row.run_uuid,
        experiment_id=str(row.experiment_id),
        name=row.name or "",
        state=row.seen,
        stored_state=row.state,
        compute=row.compute,
        engine=row.engine,
        handle=row.handle,
        definition=row.definition,
        submitted_at=row.submitted_at,
        age_s=_seconds(row.age),
        started_at=row.started_at,
        owner=row.owner,
        runner=row.runner,
        beat=row.beat,
        beat_at=row.beat_at,
        silent_s=silent_s(row),
        cancel_requested_at=row.cancel_requested_at,
        ended_at=row.ended_at,
        exit_code=row.exit_code,
        cause=row.cause,
    )


def silent_s(row: Row[Any]) -> float | None:
    """Return for how long the owner of a job's row gave no sign of life; None if it has none."""
    return None if row.owner is None or row.silence is None else _seconds(row.silence)


def _seconds(milliseconds: int) -> float:
    # The clocks of machines that share a folder differ.
    return max(int(milliseconds), 0) / 1000


def locked_job(connection: Connection, workspace: str, run_id: str) -> Row[Any] | None:
    """Return the row of a job, which nobody else changes until the transaction ends.

    Args:
        connection: in a transaction, on SQLite one that writes.
        workspace: the workspace.
        run_id: the run.
    """
    dialect = connection.dialect.name
    query = (
        select(JOBS, now(dialect).label("now"), _silence(dialect).label("silence"))
        .where(JOBS.c.run_uuid == run_id, JOBS.c.workspace == workspace)
        .with_for_update()
    )
    return connection.execute(query).one_or_none()


def change_job(connection: Connection, run_id: str, **values: Any) -> None:
    """Change the row of a job that is locked.

    Args:
        connection: in the transaction that locked it.
        run_id: the run.
        values: by column.
    """
    connection.execute(update(JOBS).where(JOBS.c.run_uuid == run_id).values(values))


def change_run(connection: Connection, run_id: str, state: str, **values: Any) -> None:
    """Give the run of a job that is locked MLflow's status of a state.

    Args:
        connection: in the transaction that locked it.
        run_id: the run, deleted or not.
        state: SDK v1's.
        values: what else is to change, by column.
    """
    values["status"] = states.to_mlflow(state)
    connection.execute(update(SqlRun).where(SqlRun.run_uuid == run_id).values(values))


def end(
    connection: Connection,
    row: Row[Any],
    state: str,
    *,
    cause: str | None,
    exit_code: int | None = None,
) -> None:
    """End a job and its run, deleted or not, with exit code and reason among the run's tags.

    Of a command that failed, what the script said of it stays, being closer to it.

    Args:
        connection: in the transaction that locked the row.
        row: as it was locked.
        state: one of the last.
        cause: why it failed or was canceled.
        exit_code: of its command.
    """
    run_id = row.run_uuid
    cause = storable.storable(cause)[:_LONGEST_CAUSE] if cause else None
    # The clock of the machine may have been set back meanwhile.
    moment = max(row.now, row.started_at or row.submitted_at)
    change_job(connection, run_id, state=state, ended_at=moment, exit_code=exit_code, cause=cause)
    change_run(connection, run_id, state, end_time=moment)
    if exit_code is not None:
        upsert_tags(connection, run_id, {EXIT_CODE_TAG: str(exit_code)})
    if state == states.COMPLETED:
        warn_of_said(connection, run_id, row.said)
    elif cause and not (exit_code and state == states.FAILED and _says_why(connection, run_id)):
        upsert_tags(connection, run_id, tags_of_cause(cause))


def is_deleted(connection: Connection, run_id: str) -> bool:
    """Whether the run of a job was deleted, or is gone."""
    stage = connection.scalar(select(SqlRun.lifecycle_stage).where(SqlRun.run_uuid == run_id))
    return bool(stage != LifecycleStage.ACTIVE)


def _says_why(connection: Connection, run_id: str) -> bool:
    tags = connection.execute(select(SqlTag.key, SqlTag.value).where(SqlTag.run_uuid == run_id))
    return is_kept(dict(tags.all()))
