"""Reading runs: by MLflow's own filters and orders, but without an object for each row."""

import json
import math
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
from sqlalchemy import Connection, Select, select, text
from sqlalchemy.orm import Session

from mlflow_workspace_plugin.stores.connections import Connections, many_objects

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
_RUN = text(f"""
    SELECT {", ".join(f"runs.{column.key}" for column in _RUN_COLUMNS)} FROM runs
    JOIN experiments ON experiments.experiment_id = runs.experiment_id
    WHERE runs.run_uuid = :run_id AND experiments.workspace = :workspace
""")


# The ids whose rows are read, each with its number: rows that begin with a number are told apart
# sooner than rows that begin with an id, and one parameter holds any count of ids.
_WANTED = {
    "sqlite": "(SELECT key AS number, value AS id FROM json_each(?)) AS wanted",
    "postgresql": (
        "(SELECT place - 1 AS number, id FROM json_array_elements_text(%s) "
        "WITH ORDINALITY AS given(id, place)) AS wanted"
    ),
}
_METRICS = """
    SELECT wanted.number, key, value, timestamp, step, is_nan
    FROM {wanted} CROSS JOIN latest_metrics WHERE run_uuid = wanted.id
"""
_PARAMS = """
    SELECT wanted.number, key, value FROM {wanted} CROSS JOIN params WHERE run_uuid = wanted.id
"""
_TAGS = """
    SELECT wanted.number, key, value FROM {wanted} CROSS JOIN tags WHERE run_uuid = wanted.id
"""
_DATASETS = """
    SELECT wanted.number, inputs.input_uuid, datasets.dataset_uuid, datasets.name,
        datasets.digest, datasets.dataset_source_type, datasets.dataset_source,
        datasets.dataset_schema, datasets.dataset_profile
    FROM {wanted} CROSS JOIN inputs JOIN datasets ON datasets.dataset_uuid = inputs.source_id
    WHERE inputs.destination_type = 'RUN' AND inputs.destination_id = wanted.id
"""
_DATASET_TAGS = """
    SELECT wanted.number, name, input_tags.value
    FROM {wanted} CROSS JOIN input_tags WHERE input_uuid = wanted.id
"""
_MODEL_INPUTS = """
    SELECT wanted.number, destination_id FROM {wanted} CROSS JOIN inputs
    WHERE source_type = 'RUN_INPUT' AND source_id = wanted.id AND destination_type = 'MODEL_INPUT'
"""
_MODEL_OUTPUTS = """
    SELECT wanted.number, destination_id, step FROM {wanted} CROSS JOIN inputs
    WHERE source_type = 'RUN_OUTPUT' AND source_id = wanted.id
    AND destination_type = 'MODEL_OUTPUT'
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
                return _runs_of(connection, rows), token

    def _found_runs(
        self, session: Session, filter_string: str | None, order_by: list[str] | None
    ) -> Select[Any]:
        filters = SearchUtils.parse_search_filter(filter_string)
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
        return statement.where(*on_run).order_by(*order)


def read_info(connection: Connection, run_id: str, workspace: str) -> RunInfo:
    """Return what a run is, without what was logged to it.

    Args:
        connection: to a hub's database.
        run_id: a run that there is in the workspace.
        workspace: the workspace.
    """
    row = connection.execute(_RUN, {"run_id": run_id, "workspace": workspace}).one()
    tags = [] if row.name else _grouped(connection, _TAGS, [run_id], RunTag)[0]
    return _run_info(row, tags)


def _runs_of(
    connection: Connection,
    rows: Sequence[Any],
    model_inputs: list[list[LoggedModelInput]] | None = None,
) -> list[Run]:
    """Return the runs whose rows, beginning with ``_RUN_COLUMNS``, were read."""
    ids = [row[0] for row in rows]
    metrics = _grouped(connection, _METRICS, ids, _metric)
    params = _grouped(connection, _PARAMS, ids, Param)
    tags = _grouped(connection, _TAGS, ids, RunTag)
    datasets = _dataset_inputs(connection, ids)
    outputs = _grouped(connection, _MODEL_OUTPUTS, ids, LoggedModelOutput)
    return [
        Run(
            _run_info(row, tags[number]),
            RunData(metrics[number], params[number], tags[number]),
            RunInputs(datasets[number], model_inputs[number] if model_inputs else None),
            RunOutputs(outputs[number]),
        )
        for number, row in enumerate(rows)
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
        artifact_uri=artifact_uri,
        run_name=name,
    )


def _metric(key: str, value: float, timestamp: int, step: int, is_nan: bool) -> Metric:  # noqa: FBT001  a row
    return Metric(key, math.nan if is_nan else value, timestamp, step)


def _dataset_inputs(connection: Connection, ids: list[str]) -> list[list[DatasetInput]]:
    """Return the datasets of each run, once each, with the tags of all its uses."""
    rows = _rows(connection, _DATASETS, ids)
    tags = _grouped(connection, _DATASET_TAGS, [row[1] for row in rows], InputTag)
    found: list[dict[str, DatasetInput]] = [{} for _ in ids]
    for (number, _, dataset_id, *dataset), of_input in zip(rows, tags, strict=True):
        entity = found[number].setdefault(dataset_id, DatasetInput(Dataset(*dataset), []))
        entity.tags.extend(of_input)
    return [list(datasets.values()) for datasets in found]


def _grouped(
    connection: Connection, statement: str, ids: list[str], entity: Callable[..., Entity]
) -> list[list[Entity]]:
    """Return what the rows of a statement stand for, for each of the ids."""
    grouped: list[list[Entity]] = [[] for _ in ids]
    for row in _rows(connection, statement, ids):
        grouped[row[0]].append(entity(*row[1:]))
    return grouped


def _rows(connection: Connection, statement: str, ids: list[str]) -> list[tuple[Any, ...]]:
    """Return the rows of some ids, by the driver alone: SQLAlchemy would make an object of each."""
    if not ids:
        return []
    wanted = _WANTED[connection.dialect.name]
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement.format(wanted=wanted), (json.dumps(ids),))
        return list(cursor.fetchall())
    finally:
        cursor.close()
