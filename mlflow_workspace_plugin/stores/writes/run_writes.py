"""Creating and ending runs, their params and their tags, each by one short transaction.

Only what is as usual is done here. Whatever MLflow would refuse, or treat in a way of its own, is
left to MLflow's own method, which is called after nothing was written.
"""

import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from mlflow.entities import (
    LifecycleStage,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunStatus,
    RunTag,
    SourceType,
)
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.store.tracking.dbmodels.models import SqlRun, SqlTag
from mlflow.store.tracking.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_MODELS, MLFLOW_RUN_NAME
from mlflow.utils.name_utils import _generate_random_name
from mlflow.utils.uri import append_to_uri_path
from mlflow.utils.validation import _validate_param
from sqlalchemy import Connection, bindparam, insert, text
from sqlalchemy.dialects import postgresql, sqlite

from mlflow_workspace_plugin.artifacts.paths import followed
from mlflow_workspace_plugin.errors import RunExistsError
from mlflow_workspace_plugin.stores.checked_texts import RUN_NAME_LENGTH, USER_LENGTH
from mlflow_workspace_plugin.stores.connections import Connections
from mlflow_workspace_plugin.stores.experiment_ids import number_of
from mlflow_workspace_plugin.stores.reads.run_reads import read_info
from mlflow_workspace_plugin.stores.tags.growing_tags import (
    GROWING,
    drop_pieces,
    new_pieces,
    valid_tag,
    with_pieces,
)
from mlflow_workspace_plugin.stores.tags.text_tag_rows import disown
from mlflow_workspace_plugin.stores.writes.owned_runs import update_info_of_job

_LOCATION = text("""
    SELECT artifact_location FROM experiments WHERE experiment_id = :experiment_id
    AND workspace = :workspace AND lifecycle_stage = 'active'
""")
# Only its owner changes how a job goes.
_UPDATE = text("""
    UPDATE runs SET status = coalesce(:status, status), end_time = coalesce(:end_time, end_time),
        name = coalesce(:name, name)
    WHERE run_uuid = :run_id AND lifecycle_stage = 'active'
    AND experiment_id IN (SELECT experiment_id FROM experiments WHERE workspace = :workspace)
    AND NOT EXISTS (SELECT 1 FROM workspace_plugin_jobs WHERE run_uuid = :run_id)
""")
_CREATED_AS = text("""
    SELECT CAST(experiment_id AS VARCHAR(40)), user_id, start_time FROM runs
    WHERE run_uuid = :run_id
""")
_RUN_ID = re.compile("[0-9a-f]{32}")
_ADD_PARAM = text(
    "INSERT INTO params (run_uuid, key, value) VALUES (:run_id, :key, :value) "
    "ON CONFLICT DO NOTHING"
)
_PARAMS = text(
    "SELECT key, value FROM params WHERE run_uuid = :run_id AND key IN :keys"
).bindparams(bindparam("keys", expanding=True))
_SET_TAG = text(
    "INSERT INTO tags (run_uuid, key, value) VALUES (:run_id, :key, :value) "
    "ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value"
)


@dataclass(frozen=True)
class NewRun:
    """A run that is to be created, with its id: created again, it is the same one."""

    run_id: str
    user_id: str
    start_time: int
    name: str
    tags: list[RunTag]
    status: str = RunStatus.to_string(RunStatus.RUNNING)

    @classmethod
    def of(
        cls, user_id: str, start_time: int, tags: Iterable[RunTag] | None, name: str | None
    ) -> "NewRun":
        """Return a run with an id, and a name, which MLflow keeps as a tag, too."""
        tags = list(tags or ())
        name_tags = [tag.value for tag in tags if tag.key == MLFLOW_RUN_NAME]
        name = name or next(iter(name_tags), None) or _generate_random_name()
        if not name_tags:
            tags.append(RunTag(MLFLOW_RUN_NAME, name))
        return cls(uuid.uuid4().hex, user_id, start_time, name, tags)

    @property
    def has_one_name(self) -> bool:
        """Whether its tags name it as it is named; MLflow refuses others."""
        return all(tag.value == self.name for tag in self.tags if tag.key == MLFLOW_RUN_NAME)


class RunWrites(Connections, WorkspaceAwareSqlAlchemyStore):
    """Writes runs without reading back what was just written."""

    def create_run(
        self,
        experiment_id: str,
        user_id: str,
        start_time: int,
        tags: list[RunTag],
        run_name: str | None,
    ) -> Run:
        """Create a run.

        Raises:
            MlflowException: as MLflow's own store: there is no such experiment in the workspace, it
                was deleted, or the run has two names.
        """
        return self._create_run(experiment_id, NewRun.of(user_id, start_time, tags, run_name))

    def create_run_of(
        self,
        run_id: str,
        experiment_id: str,
        user_id: str,
        start_time: int,
        tags: list[RunTag],
        run_name: str,
    ) -> Run:
        """Create a run of an id that the caller has chosen, unless it was created before (ours).

        Args:
            run_id: 32 hexadecimal digits.
            experiment_id: where.
            user_id: whose it is.
            start_time: in milliseconds since 1970.
            tags: of the run.
            run_name: of the run.

        Raises:
            MlflowException: as :meth:`create_run`.
            RunExistsError: another run has the id.
            UnstorableValueError: the database cannot store one of the texts.
        """
        if not _RUN_ID.fullmatch(run_id):
            raise MlflowException(
                f"{run_id!r} is no id of a run, which is 32 hexadecimal digits.",
                INVALID_PARAMETER_VALUE,
            )
        tags = [valid_tag(tag.key, tag.value) for tag in tags]
        self._check_batch((), (), tags)
        self._check_text("The name of a run", run_name, RUN_NAME_LENGTH)
        self._check_text("The name of a user", user_id, USER_LENGTH)
        new = replace(NewRun.of(user_id, start_time, tags, run_name), run_id=run_id)
        with self._statements() as connection:
            found = connection.execute(_CREATED_AS, {"run_id": run_id}).one_or_none()
        if found is not None and tuple(found) != (str(experiment_id), user_id, start_time):
            raise RunExistsError(f"Run {run_id!r} exists already. Choose another id.")
        return self._create_run(experiment_id, new)

    def _create_run(self, experiment_id: str | int, new: NewRun) -> Run:
        """Create a run, unless it was created before."""
        number = number_of(experiment_id)
        if number is not None and new.has_one_name:
            with self._transaction() as connection:
                inserted = insert_run(connection, self._get_active_workspace(), number, new)
                if inserted is not None:
                    return inserted[0]
        return super().create_run(experiment_id, new.user_id, new.start_time, new.tags, new.name)

    def update_run_info(
        self, run_id: str, run_status: int | None, end_time: int | None, run_name: str | None
    ) -> RunInfo:
        """Change the status, the end and the name of a run; None leaves each as it is.

        Raises:
            MlflowException: as MLflow's own store: there is no such run in the workspace, or it was
                deleted.
        """
        workspace = self._get_active_workspace()
        status = None if run_status is None else RunStatus.to_string(run_status)
        # A single statement needs no transaction of its own, but SQLite's lock in good time.
        is_one = not run_name and not self._is_sqlite
        while True:
            opened = self._statements() if is_one else self._transaction()
            with opened as connection:
                if update_info(connection, workspace, run_id, status, end_time, run_name):
                    return read_info(connection, run_id, workspace)
            # Asked for no change, MLflow's method says why there can be none; else the run was
            # restored just now.
            super().update_run_info(run_id, None, None, None)

    def log_param(self, run_id: str, param: Param) -> None:
        """Log one param.

        Raises:
            MlflowException: as MLflow's own store: it is not valid, it has another value already,
                or the run does not exist, or was deleted.
        """
        valid = _validate_param(param.key, param.value)
        if not self._add_params(run_id, [valid]):
            super().log_param(run_id, valid)

    def set_tag(self, run_id: str, tag: RunTag) -> None:
        """Set one tag.

        Raises:
            MlflowException: as MLflow's own store: it is not valid, or the run does not exist, or
                was deleted.
        """
        valid = valid_tag(tag.key, tag.value)
        if not self._upsert_tags(run_id, [valid]):
            super().set_tag(run_id, valid)

    def set_tag_now(self, run_id: str, tag: RunTag) -> None:
        """Set one tag that is stored when this returns, or not at all (ours).

        Raises:
            MlflowException: as :meth:`set_tag`, or it is not stored.
        """
        RunWrites.set_tag(self, run_id, tag)

    def _log_params(self, run_id: str, params: list[Param]) -> None:
        if params and not self._add_params(run_id, params):
            super()._log_params(run_id, params)

    def _set_tags(self, run_id: str, tags: list[RunTag]) -> None:
        valid = [
            valid_tag(tag.key, tag.value, path=f"tags[{index}]") for index, tag in enumerate(tags)
        ]
        if valid and not self._upsert_tags(run_id, valid):
            super()._set_tags(run_id, [tag for tag in valid if tag.key not in GROWING])
            self._upsert_tags(run_id, [tag for tag in valid if tag.key != MLFLOW_RUN_NAME])

    def delete_tag(self, run_id: str, key: str) -> None:
        """Delete a tag.

        Raises:
            MlflowException: as MLflow's own store: there is no such tag, or the run does not
                exist, or was deleted.
        """
        super().delete_tag(run_id, key)
        with self._transaction() as connection:
            drop_pieces(connection, run_id, key)

    def record_logged_model(self, run_id: str, mlflow_model: Any) -> None:
        """Add a model to those that a run logged.

        Args:
            run_id: the run.
            mlflow_model: of class ``mlflow.models.Model``.

        Raises:
            MlflowException: as MLflow's own store: the run does not exist, or was deleted.
        """
        entry = json.dumps([mlflow_model.get_tags_dict()])
        if not self._upsert_tags(run_id, [valid_tag(MLFLOW_LOGGED_MODELS, entry)]):
            super().record_logged_model(run_id, mlflow_model)

    def _add_params(self, run_id: str, params: list[Param]) -> bool:
        with self._transaction() as connection:
            if self._experiment_of_active_run(connection, run_id) is None:
                return False
            added = add_params(connection, run_id, {param.key: param.value for param in params})
            if not added:
                connection.rollback()
            return added

    def _upsert_tags(self, run_id: str, tags: list[RunTag]) -> bool:
        with self._transaction() as connection:
            if self._experiment_of_active_run(connection, run_id) is None:
                return False
            return upsert_tags(connection, run_id, {tag.key: tag.value for tag in tags})


def update_info(
    connection: Connection,
    workspace: str,
    run_id: str,
    status: str | None,
    end_time: int | None,
    name: str | None,
) -> bool:
    """Change the status, the end and the name of an active run; None leaves each as it is.

    Of a job, only the name changes.

    Args:
        connection: to a hub's database; in a transaction, if the name is to change.
        workspace: that the run is in.
        run_id: the run.
        status: MLflow's word.
        end_time: in milliseconds.
        name: the name.

    Returns:
        Whether there is such a run.
    """
    parameters = {
        "run_id": run_id,
        "workspace": workspace,
        "status": status,
        "end_time": end_time,
        "name": name or None,
    }
    if not connection.execute(_UPDATE, parameters).rowcount and not update_info_of_job(
        connection, workspace, run_id, status, name
    ):
        return False
    if name:
        tag = {"run_id": run_id, "key": MLFLOW_RUN_NAME, "value": name}
        connection.execute(_SET_TAG, tag)
    return True


def add_params(connection: Connection, run_id: str, wanted: dict[str, str]) -> bool:
    """Add params to an active run that are new, or have the same value.

    Returns:
        Whether all are as wanted now; if not, the transaction is to be undone.
    """
    rows = [{"run_id": run_id, "key": key, "value": wanted[key]} for key in sorted(wanted)]
    connection.execute(_ADD_PARAM, rows)
    stored = connection.execute(_PARAMS, {"run_id": run_id, "keys": list(wanted)})
    return {row.key: row.value for row in stored} == wanted


def upsert_tags(connection: Connection, run_id: str, wanted: dict[str, str]) -> bool:
    """Set tags of an active run, unless one of them is the one that renames the run.

    Returns:
        Whether they are set now; if not, nothing was done.
    """
    if MLFLOW_RUN_NAME in wanted:
        return False
    disown(connection, run_id, wanted)
    wanted = with_pieces(connection, run_id, wanted)
    rows = [{"run_id": run_id, "key": key, "value": wanted[key]} for key in sorted(wanted)]
    if rows:
        connection.execute(_SET_TAG, rows)
    return True


def insert_run(
    connection: Connection, workspace: str, experiment_id: int, new: NewRun
) -> tuple[Run, bool] | None:
    """Insert a run with its tags, unless there is one of its id.

    Args:
        connection: in a transaction.
        workspace: that the experiment is to be in.
        experiment_id: where.
        new: the run.

    Returns:
        The run, and whether it was inserted; None if there is no such experiment, or it was
        deleted.
    """
    parameters = {"experiment_id": experiment_id, "workspace": workspace}
    location = connection.execute(_LOCATION, parameters).scalar_one_or_none()
    if location is None:
        return None
    info = _info_of(str(experiment_id), location, new)
    is_new = _insert_run(connection, info, new.tags)
    return Run(info, RunData(tags=new.tags), RunInputs(dataset_inputs=[])), is_new


def _info_of(experiment_id: str, location: str, new: NewRun) -> RunInfo:
    return RunInfo(
        run_id=new.run_id,
        experiment_id=experiment_id,
        user_id=new.user_id,
        status=new.status,
        start_time=new.start_time,
        end_time=None,
        lifecycle_stage=LifecycleStage.ACTIVE,
        artifact_uri=append_to_uri_path(
            followed(location), new.run_id, WorkspaceAwareSqlAlchemyStore.ARTIFACTS_FOLDER_NAME
        ),
        run_name=new.name,
    )


def _insert_run(connection: Connection, info: RunInfo, tags: list[RunTag]) -> bool:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    inserted = connection.execute(
        dialect.insert(SqlRun).on_conflict_do_nothing(),
        {
            "run_uuid": info.run_id,
            "name": info.run_name,
            "experiment_id": int(info.experiment_id),
            "user_id": info.user_id,
            "status": info.status,
            "start_time": info.start_time,
            "lifecycle_stage": info.lifecycle_stage,
            "artifact_uri": info.artifact_uri,
            # What MLflow writes into columns that it does not use any more.
            "source_type": SourceType.to_string(SourceType.UNKNOWN),
            "source_name": "",
            "entry_point_name": "",
            "source_version": "",
        },
        execution_options={"preserve_rowcount": True},
    )
    if not inserted.rowcount:
        # It was created by a call whose answer was lost, with its tags.
        return False
    rows = [
        {"run_uuid": info.run_id, "key": tag.key, "value": tag.value} for tag in new_pieces(tags)
    ]
    connection.execute(insert(SqlTag), rows)
    return True
