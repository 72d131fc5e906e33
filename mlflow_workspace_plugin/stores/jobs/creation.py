"""Creating jobs: a run that waits, and who is to run it, in one transaction."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mlflow.entities import Experiment, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME, MLFLOW_USER
from mlflow.utils.validation import _validate_run_id
from sqlalchemy import Connection, delete, insert, select

from mlflow_workspace_plugin.errors import RunExistsError
from mlflow_workspace_plugin.hub.databases import storable
from mlflow_workspace_plugin.hub.tables import JOBS, NAME_LENGTH, TYPE_LENGTH
from mlflow_workspace_plugin.stores.checked_texts import RUN_NAME_LENGTH, CheckedTexts
from mlflow_workspace_plugin.stores.connections import Connections
from mlflow_workspace_plugin.stores.experiment_ids import number_of
from mlflow_workspace_plugin.stores.jobs import states
from mlflow_workspace_plugin.stores.jobs.rows import now
from mlflow_workspace_plugin.stores.tags.growing_tags import valid_tag
from mlflow_workspace_plugin.stores.tags.own_tags import JOB_TAG
from mlflow_workspace_plugin.stores.writes.run_writes import NewRun, insert_run


@dataclass
class NewJob:
    """A job that is to be created, with its id: created again, it is the same one."""

    run: NewRun
    row: dict[str, Any]
    """By column, but for what the database adds."""
    may_be_there: bool = False
    """Whether it may have been created by a call whose answer was lost."""


class NewJobs(CheckedTexts):
    """Creates jobs, of which each is checked first, and then has an id."""

    def create_job(
        self,
        experiment_id: str,
        *,
        run_name: str | None,
        tags: list[RunTag],
        definition: dict[str, Any],
        compute: str,
        engine: str,
        run_id: str | None = None,
        state: str = states.NOT_STARTED,
        submitter: dict[str, Any] | None = None,
        may_be_there: bool = False,
    ) -> Run:
        """Create a job: a run that is scheduled, and that nobody has yet (ours).

        Args:
            experiment_id: where.
            run_name: of the run; chosen by MLflow, or by the first that attaches to it, if None.
            tags: of the run.
            definition: what is run, as JSON holds it.
            compute: the name of the compute target.
            engine: what starts it there.
            run_id: MLflow's id of the run: 32 hexadecimal digits; a new one if None.
            state: SDK v1's; none of the last.
            submitter: where to look for the process that hands it over, as for a runner.
            may_be_there: whether it may have been created by a call whose answer was lost.

        Raises:
            MlflowException: there is no such experiment in the workspace, it was deleted, or the
                run has two names.
            RunExistsError: there is a run of that id.
            UserErrorException: a job cannot begin in the state.
            UnstorableValueError: the database cannot store one of the texts, or JSON cannot hold
                the definition.
        """
        new = self._new_job(run_name, tags, definition, compute, engine, run_id, state, submitter)
        new.may_be_there = may_be_there
        return self._create_job(experiment_id, new)

    def _new_job(
        self,
        run_name: str | None,
        tags: list[RunTag],
        definition: dict[str, Any],
        compute: str,
        engine: str,
        run_id: str | None,
        state: str,
        submitter: dict[str, Any] | None = None,
    ) -> NewJob:
        run_id = uuid.uuid4().hex if run_id is None else run_id
        _validate_run_id(run_id)
        tags = [tag for tag in tags if tag.key != JOB_TAG]
        tags = [valid_tag(tag.key, tag.value) for tag in (*tags, RunTag(JOB_TAG, run_id))]
        self._check_batch((), (), tags)
        self._check_text("The name of a run", run_name, RUN_NAME_LENGTH)
        self._check_text("The name of a compute target", compute, NAME_LENGTH)
        self._check_text("The name of an engine", engine, TYPE_LENGTH)
        states.check(state, states.WAITING | states.GOING_ON, "A job begins as")
        values = {tag.key: tag.value for tag in tags}
        user = values.get(MLFLOW_USER, "unknown")
        run = replace(
            NewRun.of(user, time.time_ns() // 1_000_000, tags, run_name),
            run_id=run_id,
            status=states.to_mlflow(state),
        )
        if not run.has_one_name:
            raise MlflowException(
                f"The run is named {run.name!r}, and otherwise by its tag {MLFLOW_RUN_NAME!r}. "
                "Leave one of them out.",
                INVALID_PARAMETER_VALUE,
            )
        return NewJob(
            run,
            {
                "run_uuid": run.run_id,
                "state": state,
                "compute": compute,
                "engine": engine,
                "definition": storable.as_json("The definition of a job", definition),
                "is_named": bool(run_name or MLFLOW_RUN_NAME in values),
                "beat": 0,
                "runner": storable.as_json("What is said of a submitter", submitter),
            },
        )

    def _create_job(self, experiment_id: str | int, new: NewJob) -> Run:
        """Create a job, unless it was created before."""
        raise NotImplementedError


class JobCreation(NewJobs, Connections):
    """Creates jobs in the database."""

    get_experiment: Callable[[Any], Experiment]
    _check_experiment_is_active: Callable[[Experiment], None]
    _own_experiment: Callable[[Any], str | int]

    def _create_job(self, experiment_id: str | int, new: NewJob) -> Run:
        """Create a job, unless it was created before."""
        experiment_id = self._own_experiment(experiment_id)
        number = number_of(experiment_id)
        if number is None:
            # MLflow says what is wrong with it.
            number = int(self.get_experiment(experiment_id).experiment_id)
        workspace = self._get_active_workspace()
        may_be_there, new.may_be_there = new.may_be_there, True
        with self._transaction() as connection:
            moment = connection.execute(select(now(connection.dialect.name))).scalar_one()
            run = replace(new.run, start_time=moment)
            inserted = insert_run(connection, workspace, number, run)
            if inserted is not None:
                created, is_new = inserted
                row = new.row | {"workspace": workspace, "submitted_at": moment}
                if is_new:
                    # One that is left of a run that others have deleted for good.
                    connection.execute(delete(JOBS).where(JOBS.c.run_uuid == run.run_id))
                    connection.execute(insert(JOBS).values(row))
                elif not (may_be_there and _is_there(connection, row)):
                    raise RunExistsError(
                        f"Run {run.run_id!r} exists already. Choose another id, or leave it out."
                    )
                return created
        # MLflow says why not.
        experiment = self.get_experiment(experiment_id)
        self._check_experiment_is_active(experiment)
        # It was restored just now.
        return self._create_job(experiment_id, new)


def _is_there(connection: Connection, row: dict[str, Any]) -> bool:
    """Whether a job is there as it was to be created."""
    query = select(JOBS).where(JOBS.c.run_uuid == row["run_uuid"])
    found = connection.execute(query).mappings().one_or_none()
    return found is not None and all(
        found[key] == value for key, value in row.items() if key != "submitted_at"
    )
