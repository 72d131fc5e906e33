"""Reading runs: by MLflow's own filters and orders, but without an object for each row."""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LifecycleStage,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunTag,
)
from mlflow.store.tracking.dbmodels.models import SqlRun
from mlflow.store.tracking.sqlalchemy_store import (
    _get_orderby_clauses,
    _get_sqlalchemy_filter_clauses,
)
from mlflow.store.tracking.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME
from mlflow.utils.search_utils import SearchUtils
from sqlalchemy import Connection, Select, bindparam, select, text
from sqlalchemy.orm import Session

from mlflow_workspace_plugin.artifacts.paths import followed
from mlflow_workspace_plugin.hub.databases.storable import NO_DATABASE_TAKES
from mlflow_workspace_plugin.stores.connections import Connections
from mlflow_workspace_plugin.stores.reads.many_objects import many_objects
from mlflow_workspace_plugin.stores.tags.growing_tags import split_filters, without_pieces
from mlflow_workspace_plugin.stores.tags.own_tags import DESCRIPTOR_PREFIX
from mlflow_workspace_plugin.stores.tags.text_tags import MARK_PREFIX

Entity = TypeVar("Entity")

_RUN_COLUMNS = (
    SqlRun.run_uuid,
    SqlRun.name,
    SqlRun.experiment_id,
    SqlRun.user_id,
    SqlRun.status,
    SqlRun.start_time,
    SqlRun.end_time,
    SqlRun.lifecycle_stage,
    SqlRun.artifact_uri,
)
_RUN_OF_WORKSPACE = f"""
    SELECT {", ".join(f"runs.{column.key}" for column in _RUN_COLUMNS)} FROM runs
    JOIN experiments ON experiments.experiment_id = runs.experiment_id
    WHERE experiments.workspace = :workspace
"""
_RUN = text(f"{_RUN_OF_WORKSPACE} AND runs.run_uuid = :run_id")
_RUNS = text(f"{_RUN_OF_WORKSPACE} AND runs.run_uuid IN :run_ids").bindparams(
    bindparam("run_ids", expanding=True)
)
_OWN = """
    SELECT runs.run_uuid FROM runs
    JOIN experiments ON experiments.experiment_id = runs.experiment_id
    WHERE experiments.workspace = :workspace AND runs.run_uuid
"""
_OWN_AMONG = {
    "sqlite": text(f"{_OWN} IN (SELECT value FROM json_each(:run_ids))"),
    "postgresql": text(f"{_OWN} = ANY(:run_ids)"),
}


# Among the ids that are asked for, however many; and what they are as a parameter.
_AMONG = {"sqlite": "IN (SELECT value FROM json_each(?))", "postgresql": "= ANY(%s)"}
_PARAMETER: dict[str, Callable[[list[str]], Any]] = {"sqlite": json.dumps, "postgresql": list}

# Each begins with the id that the row belongs to.
_METRICS = """
    SELECT run_uuid, key, value, timestamp, step, is_nan FROM latest_metrics
    WHERE run_uuid {among}
"""
_PARAMS = "SELECT run_uuid, key, value FROM params WHERE run_uuid {among}"
_TAGS = "SELECT run_uuid, key, value FROM tags WHERE run_uuid {among}"
# As many as a run has metrics of SDK v1, and nothing that one searches for.
_OF_METRICS = " OR ".join(
    f"substr(key, 1, {len(prefix)}) = '{prefix}'" for prefix in (DESCRIPTOR_PREFIX, MARK_PREFIX)
)
_DESCRIPTORS = f"{_TAGS} AND ({_OF_METRICS})"
_SEARCHED_TAGS = f"{_TAGS} AND NOT ({_OF_METRICS})"
_DATASETS = """
    SELECT inputs.destination_id, inputs.input_uuid, datasets.dataset_uuid, datasets.name,
        datasets.digest, datasets.dataset_source_type, datasets.dataset_source,
        datasets.dataset_schema, datasets.dataset_profile
    FROM inputs JOIN datasets ON datasets.dataset_uuid = inputs.source_id
    WHERE inputs.destination_type = 'RUN' AND inputs.destination_id {among}
"""
_DATASET_TAGS = "SELECT input_uuid, name, value FROM input_tags WHERE input_uuid {among}"
_MODEL_INPUTS = """
    SELECT source_id, destination_id FROM inputs
    WHERE source_type = 'RUN_INPUT' AND destination_type = 'MODEL_INPUT' AND source_id {among}
"""
_MODEL_OUTPUTS = """
    SELECT source_id, destination_id, step FROM inputs
    WHERE source_type = 'RUN_OUTPUT' AND destination_type = 'MODEL_OUTPUT' AND source_id {among}
"""


class RunReads(Connections, WorkspaceAwareSqlAlchemyStore):
    """Reads runs with all that belongs to them, by one query for each kind."""

    def get_run(self, run_id: str) -> Run:
        """Return a run with its metrics, params, tags, inputs and outputs.

        Raises:
            MlflowException: as MLflow's own store: there is no such run in the workspace.
        """
        parameters = {"run_id": run_id, "workspace": self._get_active_workspace()}
        with self._statements() as connection:
            rows = connection.execute(_RUN, parameters).all()
            if rows:
                inputs = _grouped(connection, _MODEL_INPUTS, [run_id], LoggedModelInput)
                return _runs_of(connection, rows, inputs)[0]
        return super().get_run(run_id)

    def runs_of_ids(self, run_ids: Sequence[str]) -> list[Run]:
        """Return runs with their metrics, params, tags and datasets, in the order asked for (ours).

        Args:
            run_ids: those that are none of the workspace are left out, and repeated ones.
        """
        asked = [each for each in dict.fromkeys(run_ids) if not NO_DATABASE_TAKES.search(each)]
        if not asked:
            return []
        parameters = {"run_ids": asked, "workspace": self._get_active_workspace()}
        with self._statements() as connection:
            rows = {row[0]: row for row in connection.execute(_RUNS, parameters)}
            with many_objects():
                return _runs_of(connection, [rows[each] for each in asked if each in rows])

    def descriptor_tags(self, run_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the tags that a search leaves out, of runs that it found (ours).

        Args:
            run_ids: those that are none of the workspace are left out.
        """
        asked = [each for each in dict.fromkeys(run_ids) if not NO_DATABASE_TAKES.search(each)]
        with self._statements() as connection:
            dialect = connection.dialect.name
            parameters = {
                "run_ids": _PARAMETER[dialect](asked),
                "workspace": self._get_active_workspace(),
            }
            own = connection.execute(_OWN_AMONG[dialect], parameters).scalars().all()
            return read_descriptor_tags(connection, own)

    def _search_runs(
        self,
        experiment_ids: Sequence[str | int],
        filter_string: str | None,
        run_view_type: int,
        max_results: int | None,
        order_by: list[str] | None,
        page_token: str | None,
    ) -> tuple[list[Run], str | None]:
        if not all(str(each).isdecimal() for each in experiment_ids):
            # What is wrong with such an id differs between versions of MLflow.
            found: tuple[list[Run], str | None] = super()._search_runs(
                experiment_ids, filter_string, run_view_type, max_results, order_by, page_token
            )
            return found
        self._validate_max_results_param(max_results, allow_null=True)
        offset = SearchUtils.parse_start_offset_from_page_token(page_token)
        token = None
        with self._statements() as connection, Session(connection) as session:
            statement = self._found_runs(session, filter_string, order_by)
            statement = statement.where(
                SqlRun.experiment_id.in_(self._filter_experiment_ids(session, experiment_ids)),
                SqlRun.lifecycle_stage.in_(LifecycleStage.view_type_to_stages(run_view_type)),
            ).offset(offset)
            if max_results is not None:
                statement = statement.limit(max_results + 1)
            rows = connection.execute(statement).all()
            if max_results is not None and len(rows) > max_results:
                rows = rows[:max_results]
                token = SearchUtils.create_page_token(offset + max_results)
            with many_objects():
                return _runs_of(connection, rows, tags=_SEARCHED_TAGS), token

    def _found_runs(
        self, session: Session, filter_string: str | None, order_by: list[str] | None
    ) -> Select[Any]:
        filters, on_lists = split_filters(
            SearchUtils.parse_search_filter(filter_string), self._get_dialect()
        )
        ordered_columns, order, sorting = _get_orderby_clauses(order_by, session)
        on_run, on_children, on_datasets = _get_sqlalchemy_filter_clauses(
            filters, session, self._get_dialect()
        )
        statement = select(*_RUN_COLUMNS, *ordered_columns).select_from(SqlRun)
        for children in on_children:
            statement = statement.join(children)
        for datasets in on_datasets:
            statement = statement.join(datasets, SqlRun.run_uuid == datasets.c.destination_id)
        for children in sorting:
            statement = statement.outerjoin(children)
        if on_datasets:
            # Only by its datasets can a run be found twice. DISTINCT keeps SQLite from using the
            # index of a metric that the runs are sorted by.
            statement = statement.distinct()
        return statement.where(*on_run, *on_lists).order_by(*order)


def read_descriptor_tags(
    connection: Connection, run_ids: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Return the tags of runs that say what their metrics are, and which texts are metrics'.

    Args:
        connection: to a hub's database.
        run_ids: runs that the caller may see.
    """
    found = _grouped(connection, _DESCRIPTORS, list(run_ids), RunTag)
    return {run_id: {tag.key: tag.value for tag in tags} for run_id, tags in found.items()}


def read_info(connection: Connection, run_id: str, workspace: str) -> RunInfo:
    """Return what a run is, without what was logged to it.

    Args:
        connection: to a hub's database.
        run_id: a run that there is in the workspace.
        workspace: the workspace.
    """
    row = connection.execute(_RUN, {"run_id": run_id, "workspace": workspace}).one()
    tags = [] if row.name else _grouped(connection, _TAGS, [run_id], RunTag)[run_id]
    return _run_info(row, tags)


def _runs_of(
    connection: Connection,
    rows: Sequence[Any],
    model_inputs: dict[str, list[LoggedModelInput]] | None = None,
    tags: str = _TAGS,
) -> list[Run]:
    """Return the runs whose rows, beginning with ``_RUN_COLUMNS``, were read."""
    ids = [row[0] for row in rows]
    metrics = _grouped(connection, _METRICS, ids, _metric)
    params = _grouped(connection, _PARAMS, ids, Param)
    stored_tags = _grouped(connection, tags, ids, RunTag)
    tags_of = {run_id: without_pieces(stored_tags[run_id]) for run_id in ids}
    datasets = _dataset_inputs(connection, ids)
    outputs = _grouped(connection, _MODEL_OUTPUTS, ids, LoggedModelOutput)
    return [
        Run(
            _run_info(row, tags_of[row[0]]),
            RunData(metrics[row[0]], params[row[0]], tags_of[row[0]]),
            RunInputs(datasets[row[0]], (model_inputs or {}).get(row[0])),
            RunOutputs(outputs[row[0]]),
        )
        for row in rows
    ]


def _run_info(row: Sequence[Any], tags: list[RunTag]) -> RunInfo:
    run_id, name, experiment_id, user_id, status, start_time, end_time, stage, artifact_uri = row[
        : len(_RUN_COLUMNS)
    ]
    if not name:
        # Runs of MLflow 1 are named by their tag only.
        name = next((tag.value for tag in tags if tag.key == MLFLOW_RUN_NAME), name)
    return RunInfo(
        run_id=run_id,
        experiment_id=str(experiment_id),
        user_id=user_id,
        status=status,
        start_time=start_time,
        end_time=end_time,
        lifecycle_stage=stage,
        artifact_uri=followed(artifact_uri),
        run_name=name,
    )


def _metric(key: str, value: float, timestamp: int, step: int, is_nan: bool) -> Metric:  # noqa: FBT001  a row
    return Metric(key, math.nan if is_nan else value, timestamp, step)


def _dataset_inputs(connection: Connection, ids: list[str]) -> dict[str, list[DatasetInput]]:
    """Return the datasets of each run, once each, with the tags of all its uses."""
    rows = _rows(connection, _DATASETS, ids)
    tags = _grouped(connection, _DATASET_TAGS, [row[1] for row in rows], InputTag)
    found: dict[str, dict[str, DatasetInput]] = defaultdict(dict)
    for run_id, input_id, dataset_id, *dataset in rows:
        entity = found[run_id].setdefault(dataset_id, DatasetInput(Dataset(*dataset), []))
        entity.tags.extend(tags[input_id])
    return defaultdict(list, {run_id: list(each.values()) for run_id, each in found.items()})


def _grouped(
    connection: Connection, statement: str, ids: list[str], entity: Callable[..., Entity]
) -> dict[str, list[Entity]]:
    """Return what the rows of a statement stand for, by the id they begin with."""
    grouped: dict[str, list[Entity]] = defaultdict(list)
    for row in _rows(connection, statement, ids):
        grouped[row[0]].append(entity(*row[1:]))
    return grouped


def _rows(connection: Connection, statement: str, ids: list[str]) -> list[tuple[Any, ...]]:
    """Return the rows of some ids, by the driver alone: SQLAlchemy would make an object of each."""
    if not ids:
        return []
    database = connection.dialect.name
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement.format(among=_AMONG[database]), (_PARAMETER[database](ids),))
        return list(cursor.fetchall())
    finally:
        cursor.close()
