"""How a job goes: who has it, its signs of life, and its end. Each change is one transaction.

Each may be made again after its answer was lost.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Row, case, select, update

from mlflow_workspace_plugin.errors import (
    JobEndedError,
    JobTakenError,
    RunNotFoundError,
    UserErrorException,
)
from mlflow_workspace_plugin.hub.databases import storable
from mlflow_workspace_plugin.hub.tables import JOBS
from mlflow_workspace_plugin.stores.connections import Connections
from mlflow_workspace_plugin.stores.jobs import states
from mlflow_workspace_plugin.stores.jobs.job import LOST_S, Beat, Job
from mlflow_workspace_plugin.stores.jobs.rows import (
    change_job,
    change_run,
    end,
    is_deleted,
    job_of,
    jobs_as_seen,
    locked_job,
    now,
    silent_s,
)

_BEAT_LOCK_WAIT_MS = 3_000
"""For how long a beat waits for SQLite's lock."""
_NO_EXIT_CODE = 1 << 31
"""More than a column holds."""


class JobChanges(Connections):
    """Changes jobs."""

    def job_queued(self, run_id: str, handle: str) -> None:
        """Note that an engine has a job, and by which handle it knows it (ours).

        Args:
            run_id: the run.
            handle: the engine's.
        """
        self._check_text("The handle of a job", handle)
        is_new = JOBS.c.state == states.NOT_STARTED
        with self._transaction() as connection:
            connection.execute(
                update(JOBS)
                .where(JOBS.c.run_uuid == run_id)
                .where(JOBS.c.workspace == self._get_active_workspace())
                .values(handle=handle, state=case((is_new, states.QUEUED), else_=JOBS.c.state))
            )

    def take_job(self, run_id: str, owner: str, runner: dict[str, Any]) -> Job:
        """Make a runner the owner of a job, which is being prepared from then on (ours).

        Args:
            run_id: the run.
            owner: a token of the runner's own.
            runner: where to look for it: host, boot, process and lock.

        Raises:
            JobTakenError: another runner has it that gave a sign of life in the last five minutes.
            JobEndedError: it has ended, was canceled or deleted, or there is none.
            UnstorableValueError: the database cannot store what is said of the runner.
        """
        runner = storable.as_json("What is said of a runner", runner)
        with self._locked(run_id) as (connection, row):
            if row is None:
                raise JobEndedError(f"{self._no_job(run_id)} Nothing is run.")
            refused = _refusal(connection, row, owner)
            if refused is not None:
                # That it is canceled for that stays.
                connection.commit()
                raise refused
            is_first = row.started_at is None
            if row.owner != owner:
                change_job(
                    connection,
                    run_id,
                    owner=owner,
                    runner=runner,
                    state=states.PREPARING,
                    started_at=row.now if is_first else row.started_at,
                    beat=row.beat + 1,
                    beat_at=row.now,
                )
                started = {"start_time": row.now} if is_first else {}
                change_run(connection, run_id, states.PREPARING, end_time=None, **started)
            query = jobs_as_seen(connection.dialect.name, self._get_active_workspace())
            return job_of(connection.execute(query.where(JOBS.c.run_uuid == run_id)).one())

    def beat(self, run_id: str, owner: str) -> Beat:
        """Take a sign of life of a job's runner (ours).

        It is not made again while the database is away, and waits for it for some seconds only.

        Args:
            run_id: the run.
            owner: the runner's token.

        Returns:
            What the runner is to know.

        Raises:
            HubError: the database is away, or busy.
        """
        mine = (
            (JOBS.c.run_uuid == run_id)
            & (JOBS.c.workspace == self._get_active_workspace())
            & (JOBS.c.owner == owner)
        )
        with self._transaction(_BEAT_LOCK_WAIT_MS) as connection:
            beaten = connection.execute(
                update(JOBS)
                .where(mine, JOBS.c.state.not_in(states.LAST))
                .values(beat=JOBS.c.beat + 1, beat_at=now(connection.dialect.name))
            )
            query = select(JOBS.c.state, JOBS.c.cancel_requested_at).where(mine)
            row = connection.execute(query).one_or_none()
        if row is None:
            return Beat(is_owner=False, cancel_requested=False, forced=False)
        return Beat(
            is_owner=bool(beaten.rowcount),
            cancel_requested=row.cancel_requested_at is not None,
            forced=row.state == states.CANCELED,
        )

    def advance_job(self, run_id: str, owner: str, state: str) -> bool:
        """Say how far a job is, which is a sign of life, too (ours).

        That it is to be canceled stays its state, until it is being finalized.

        Args:
            run_id: the run.
            owner: the runner's token.
            state: SDK v1's; one of those between the first and the last.

        Returns:
            Whether the job is still the runner's.

        Raises:
            UserErrorException: the state is none of those.
        """
        states.check(state, states.GOING_ON, "A job that is run becomes")
        with self._locked(run_id) as (connection, row):
            if row is None or row.owner != owner or row.state in states.LAST:
                return False
            if row.state == states.CANCEL_REQUESTED and state != states.FINALIZING:
                state = row.state
            change_job(connection, run_id, state=state, beat=row.beat + 1, beat_at=row.now)
            change_run(connection, run_id, state, end_time=None)
            return True

    def end_job(
        self, run_id: str, owner: str, state: str, *, exit_code: int | None, cause: str | None
    ) -> bool:
        """End a job and its run, and keep the cause among the run's tags (ours).

        A job that was canceled stays canceled.

        Args:
            run_id: the run.
            owner: the runner's token.
            state: SDK v1's; one of the last.
            exit_code: of the command, if that ended.
            cause: why it failed or was canceled.

        Returns:
            Whether it has ended so, by this runner.

        Raises:
            UserErrorException: the state is none of the last, or the exit code is none.
        """
        states.check(state, states.LAST, "A job ends as")
        if exit_code is not None and not -_NO_EXIT_CODE <= exit_code < _NO_EXIT_CODE:
            raise UserErrorException(f"{exit_code} is no exit code, which has 32 bits at most.")
        with self._locked(run_id) as (connection, row):
            if row is None or row.owner != owner:
                return False
            if row.state in states.LAST:
                return bool(row.state == state)
            end(connection, row, state, cause=cause, exit_code=exit_code)
            return True

    def cancel_job(self, run_id: str, *, force: bool = False) -> str:
        """Have a job canceled (ours).

        One that waits is canceled at once, and so is one whose runner was silent for five minutes.
        Else its runner is asked to stop it.

        Args:
            run_id: the run.
            force: cancel it at once in any case. A runner that lives sees that, and stops it.

        Returns:
            The state of the job from then on.

        Raises:
            RunNotFoundError: the workspace has no such job.
        """
        with self._locked(run_id) as (connection, row):
            if row is None:
                raise RunNotFoundError(
                    f"{self._no_job(run_id)} mlflow-workspace jobs shows its jobs."
                )
            if row.state in states.LAST:
                return str(row.state)
            cause = _cause_of_cancel(row, force=force)
            if cause is not None:
                end(connection, row, states.CANCELED, cause=cause)
                return states.CANCELED
            if row.cancel_requested_at is not None:
                return str(row.state)
            state = row.state if row.state == states.FINALIZING else states.CANCEL_REQUESTED
            change_job(connection, run_id, state=state, cancel_requested_at=row.now)
            return str(state)

    def fail_lost_job(self, run_id: str, *, seen: Job, cause: str) -> bool:
        """End a job of which a reader has found out that nobody runs it (ours).

        It has failed; but one that was asked to stop is canceled.

        Args:
            run_id: the run.
            seen: the job as the reader saw it before it looked.
            cause: what it found.

        Returns:
            Whether it has ended so: not if its runner has given a sign of life since.
        """
        with self._locked(run_id) as (connection, row):
            if row is None or (row.owner, row.beat) != (seen.owner, seen.beat):
                return False
            if row.state in states.LAST:
                return bool(row.cause == cause)
            if row.owner is None and row.state != seen.stored_state:
                # An engine has got it just now.
                return False
            was_asked = row.cancel_requested_at is not None
            state = states.CANCELED if was_asked else states.FAILED
            end(connection, row, state, cause=cause)
            return True

    def name_job(self, run_id: str) -> bool:
        """Return whether who attaches to a run may name it (ours).

        That is the first one that asks, whether or not it has a name for it, unless the job was
        created with one.

        Args:
            run_id: the run; one that is no job may be named.
        """
        with self._locked(run_id) as (connection, row):
            if row is not None and not row.is_named:
                change_job(connection, run_id, is_named=True)
            return row is None or not row.is_named

    def _no_job(self, run_id: str) -> str:
        return f"Run {run_id!r} is no job of workspace {self._get_active_workspace()!r}."

    @contextmanager
    def _locked(self, run_id: str) -> Iterator[tuple[Connection, Row[Any] | None]]:
        with self._transaction() as connection:
            yield connection, locked_job(connection, self._get_active_workspace(), run_id)


def _refusal(
    connection: Connection, row: Row[Any], owner: str
) -> JobTakenError | JobEndedError | None:
    """Return why a runner cannot have a job; None if it can."""
    run_id = row.run_uuid
    if row.state in states.LAST:
        return JobEndedError(
            f"Job {run_id} is {row.state} already{_because(row.cause)}. "
            "Submit it again to run it again."
        )
    if is_deleted(connection, run_id):
        return JobEndedError(
            f"Run {run_id} was deleted, so its job is not run. Restore the run with "
            f"MlflowClient.restore_run({run_id!r}) first, or submit it again."
        )
    if row.owner in (None, owner):
        return None
    silence = silent_s(row) or 0
    if silence <= LOST_S:
        return JobTakenError(
            f"Job {run_id} is run by another runner, whose last sign of life is "
            f"{silence:.0f} s old. One that is silent for {LOST_S} s may be replaced."
        )
    if row.cancel_requested_at is not None:
        cause = "Canceled: its runner, which was asked to stop it, did not respond."
        end(connection, row, states.CANCELED, cause=cause)
        return JobEndedError(f"Job {run_id} was canceled. Submit it again to run it again.")
    return None


def _cause_of_cancel(row: Row[Any], *, force: bool) -> str | None:
    """Return why a job is canceled at once; None if its runner is to be asked."""
    if row.owner is None:
        return "Canceled before it was started."
    if force:
        return "Canceled without waiting for its runner."
    silence = silent_s(row) or 0
    if silence > LOST_S:
        return f"Canceled: its runner gave no sign of life for {silence:.0f} s."
    return None


def _because(cause: str | None) -> str:
    return f" ({cause.rstrip('.')})" if cause else ""
