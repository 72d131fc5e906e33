"""Reading jobs."""

from collections.abc import Collection

from mlflow.entities import LifecycleStage
from mlflow.store.tracking.dbmodels.models import SqlRun

from mlflow_workspace_plugin.hub.tables import JOBS
from mlflow_workspace_plugin.stores.connections import Connections
from mlflow_workspace_plugin.stores.jobs import states as job_states
from mlflow_workspace_plugin.stores.jobs.job import Job
from mlflow_workspace_plugin.stores.jobs.rows import job_of, jobs_as_seen, state_as_seen


class JobReads(Connections):
    """Reads jobs."""

    def job(self, run_id: str) -> Job | None:
        """Return a job, deleted or not; None if the run is none of the workspace (ours).

        Args:
            run_id: the run.
        """
        with self._statements() as connection:
            query = jobs_as_seen(connection.dialect.name, self._get_active_workspace())
            row = connection.execute(query.where(JOBS.c.run_uuid == run_id)).one_or_none()
        return None if row is None else job_of(row)

    def jobs(
        self,
        states: Collection[str] | None = None,
        compute: str | None = None,
        limit: int = 1000,
    ) -> list[Job]:
        """Return the jobs of the workspace whose runs were not deleted, newest first (ours).

        Args:
            states: only those that a reader sees in one of these.
            compute: only those of this compute target.
            limit: how many at most.
        """
        with self._statements() as connection:
            dialect = connection.dialect.name
            query = jobs_as_seen(dialect, self._get_active_workspace())
            query = query.where(SqlRun.lifecycle_stage == LifecycleStage.ACTIVE)
            if states is not None:
                may_be_silent = job_states.NOT_RESPONDING in states
                stored = {*states, *(job_states.GOING_ON if may_be_silent else ())}
                # The first condition alone has an index.
                query = query.where(
                    JOBS.c.state.in_(sorted(stored)), state_as_seen(dialect).in_(sorted(states))
                )
            if compute is not None:
                query = query.where(JOBS.c.compute == compute)
            query = query.order_by(JOBS.c.submitted_at.desc(), JOBS.c.run_uuid).limit(limit)
            return [job_of(row) for row in connection.execute(query)]
