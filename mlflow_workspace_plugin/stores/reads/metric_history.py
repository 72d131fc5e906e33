"""Reading metrics: in pages that cost the same each, and whole runs at once.

Two indexes lead to the values of one metric in one run, and each is wrong somewhere. That of runs
finds them without looking at other runs, but not in their order: it would sort the run again for
each page. The primary key has them in order, between those of all runs that share the name. So the
first page is read by the one, and the later pages, from where the page before ended, by the other.
"""

import base64
import functools
import itertools
import json
import math
import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from sqlalchemy import Connection, String, TextClause, bindparam, text

from mlflow_workspace_plugin.stores.connections import Connections
from mlflow_workspace_plugin.stores.reads.many_objects import many_objects

RunPoint = tuple[int, int, float]
"""Timestamp in milliseconds since 1970, step and value."""
KeyedPoint = tuple[str, int, int, float]
"""The same, behind the key of the metric."""
AnySize = Annotated[int, "of more than 64 bits, too"]

_ROWS_AT_ONCE = 10_000

_ACCESSIBLE = text("""
    SELECT runs.run_uuid FROM runs
    JOIN experiments ON experiments.experiment_id = runs.experiment_id
    WHERE runs.run_uuid IN :run_ids AND experiments.workspace = :workspace
""").bindparams(bindparam("run_ids", type_=String, expanding=True))

# is_nan is a part of the key: a NaN is stored as 0, and may stand beside a 0 of the same step.
_POINT = "timestamp, step, value, is_nan"
_OF_METRIC = "run_uuid = :run_id AND key = :key"
_BY_RUN = {"sqlite": "INDEXED BY index_metrics_run_uuid_key_step", "postgresql": ""}
_BY_KEY = {"sqlite": "INDEXED BY sqlite_autoindex_metrics_1", "postgresql": ""}


@functools.cache
def _first_page(dialect: str, *, limited: bool) -> TextClause:
    # OFFSET 0 keeps PostgreSQL from choosing the primary key for the sake of LIMIT.
    fence = "OFFSET 0" if dialect == "postgresql" else ""
    return text(f"""
        SELECT {_POINT} FROM (
            SELECT {_POINT} FROM metrics {_BY_RUN[dialect]} WHERE {_OF_METRIC} {fence}
        ) AS of_metric
        ORDER BY {_POINT} {"LIMIT :limit" if limited else ""}
    """)


@functools.cache
def _next_page(dialect: str, *, limited: bool) -> TextClause:
    return text(f"""
        SELECT {_POINT} FROM metrics {_BY_KEY[dialect]}
        WHERE {_OF_METRIC} AND ({_POINT}) > (:timestamp, :step, :value, :is_nan)
        ORDER BY {_POINT} {"LIMIT :limit" if limited else ""}
    """)


@functools.cache
def _whole_run(dialect: str, *, one_metric: bool) -> TextClause:
    return text(f"""
        SELECT key, {_POINT} FROM metrics {_BY_RUN[dialect]}
        WHERE {_OF_METRIC if one_metric else "run_uuid = :run_id"}
        ORDER BY key, {_POINT}
    """)


_OF_METRICS = "run_uuid = :run_id AND key IN :keys"


@functools.cache
def _count_of_metrics(dialect: str) -> TextClause:
    statement = text(f"SELECT count(*) FROM metrics {_BY_RUN[dialect]} WHERE {_OF_METRICS}")
    return statement.bindparams(bindparam("keys", type_=String, expanding=True))


@functools.cache
def _count_up_to(dialect: str) -> TextClause:
    statement = text(f"""
        SELECT count(*) FROM metrics {_BY_RUN[dialect]}
        WHERE {_OF_METRICS} AND (timestamp, step) <= (:timestamp, :step)
    """)
    return statement.bindparams(bindparam("keys", type_=String, expanding=True))


@functools.cache
def _page_of_metrics(dialect: str) -> TextClause:
    # OFFSET 0 is as for the first page of one metric.
    fence = "OFFSET 0" if dialect == "postgresql" else ""
    statement = text(f"""
        SELECT key, {_POINT} FROM (
            SELECT key, {_POINT} FROM metrics {_BY_RUN[dialect]} WHERE {_OF_METRICS} {fence}
        ) AS of_metrics
        ORDER BY timestamp, step, key, value, is_nan LIMIT :limit OFFSET :offset
    """)
    return statement.bindparams(bindparam("keys", type_=String, expanding=True))


class MetricHistory(Connections, WorkspaceAwareSqlAlchemyStore):
    """Reads metrics as tuples, by the index that fits."""

    def get_metric_history(
        self,
        run_id: str,
        metric_key: str,
        max_results: int | None = None,
        page_token: str | None = None,
    ) -> "PagedList[Metric]":
        """Return the values of a metric by time, step and value; a page of them if asked to.

        Raises:
            MlflowException: as MLflow's own store: there is no such run in the workspace, or the
                token is not one of this method's.
        """
        parameters: dict[str, Any] = {"run_id": run_id, "key": metric_key}
        limited = max_results is not None
        if max_results is not None:
            parameters["limit"] = max_results + 1
        dialect = self._hub.engine.dialect.name
        if page_token:
            parameters |= _position_of(page_token)
            statement = _next_page(dialect, limited=limited)
        else:
            statement = _first_page(dialect, limited=limited)
        token = None
        with self._statements() as connection, many_objects():
            self._check_accessible(connection, [run_id])
            rows = connection.execute(statement, parameters).all()
            if max_results is not None and len(rows) > max_results:
                rows = rows[:max_results]
                token = _token_of(rows[-1]) if rows else None
            values = [
                Metric(metric_key, math.nan if is_nan else value, timestamp, step)
                for timestamp, step, value, is_nan in rows
            ]
        return PagedList(values, token)

    def get_run_metrics(self, run_id: str, metric_key: str | None = None) -> dict[str, list[float]]:
        """Return the values of all metrics of a run, by one query (ours; MLflow has none).

        Args:
            run_id: the run.
            metric_key: only this metric; all when None.

        Returns:
            The values of each metric by time, step and value.

        Raises:
            MlflowException: there is no such run in the workspace.
        """
        one_metric = metric_key is not None
        statement = _whole_run(self._hub.engine.dialect.name, one_metric=one_metric)
        parameters = {"run_id": run_id} | ({"key": metric_key} if one_metric else {})
        values: dict[str, list[float]] = {}
        with self._rows() as connection:
            self._check_accessible(connection, [run_id])
            found = connection.execute(statement, parameters)
            for key, rows in itertools.groupby(found, operator.itemgetter(0)):
                values[key] = [math.nan if is_nan else value for *_, value, is_nan in rows]
        return values

    def get_run_points(
        self, run_id: str, metric_keys: Sequence[str] | None = None
    ) -> dict[str, list[RunPoint]]:
        """Return timestamp, step and value of all metrics of a run (ours; MLflow has none).

        Args:
            run_id: the run.
            metric_keys: only these metrics; all when None.

        Returns:
            The points of each metric by time, step and value.

        Raises:
            MlflowException: there is no such run in the workspace.
        """
        points: dict[str, list[RunPoint]] = {}
        dialect = self._hub.engine.dialect.name
        with self._rows() as connection:
            self._check_accessible(connection, [run_id])
            for key in [None] if metric_keys is None else metric_keys:
                statement = _whole_run(dialect, one_metric=key is not None)
                found = connection.execute(statement, {"run_id": run_id, "key": key})
                for each, rows in itertools.groupby(found, operator.itemgetter(0)):
                    points[each] = [
                        (timestamp, step, math.nan if is_nan else value)
                        for _, timestamp, step, value, is_nan in rows
                    ]
        return points

    def points_page(
        self, run_id: str, metric_keys: Sequence[str], offset: int, limit: int
    ) -> tuple[list[KeyedPoint], int]:
        """Return a page of the points of some metrics together, and how many there are (ours).

        Args:
            run_id: the run.
            metric_keys: the metrics.
            offset: of how many points those of the page come behind, by time, step, key and value.
            limit: how many points at most.

        Raises:
            MlflowException: there is no such run in the workspace.
        """
        dialect = self._hub.engine.dialect.name
        parameters = {"run_id": run_id, "keys": list(metric_keys)}
        with self._statements() as connection:
            self._check_accessible(connection, [run_id])
            total = connection.execute(_count_of_metrics(dialect), parameters).scalar_one()
            if limit < 1 or offset >= total:
                return [], total
            page = {**parameters, "offset": offset, "limit": limit}
            found = connection.execute(_page_of_metrics(dialect), page)
            return [
                (key, timestamp, step, math.nan if is_nan else value)
                for key, timestamp, step, value, is_nan in found
            ], total

    def count_points_up_to(
        self, run_id: str, metric_keys: Sequence[str], timestamp: AnySize, step: AnySize
    ) -> int:
        """Return how many points of some metrics together are not behind a place (ours).

        Args:
            run_id: the run.
            metric_keys: the metrics.
            timestamp: of the place; the points there are counted. It may be beyond what a database
                has, as any number may stand in a file.
            step: of it, likewise.

        Raises:
            MlflowException: there is no such run in the workspace.
        """
        place = {"timestamp": _in_database(timestamp), "step": _in_database(step)}
        parameters = {"run_id": run_id, "keys": list(metric_keys), **place}
        statement = _count_up_to(self._hub.engine.dialect.name)
        with self._statements() as connection:
            self._check_accessible(connection, [run_id])
            count: int = connection.execute(statement, parameters).scalar_one()
            return count

    def _check_accessible(self, connection: Connection, run_ids: Sequence[str]) -> None:
        parameters = {"run_ids": list(run_ids), "workspace": self._get_active_workspace()}
        found = set(connection.execute(_ACCESSIBLE, parameters).scalars())
        for run_id in run_ids:
            if run_id not in found:
                with self.ManagedSessionMaker() as session:
                    self._validate_run_accessible(session, run_id)

    @contextmanager
    def _rows(self) -> Iterator[Connection]:
        """Open a connection whose results are fetched while they are read, however many rows."""
        options = {"stream_results": True, "yield_per": _ROWS_AT_ONCE}
        engine = self._hub.engine.execution_options(**options)
        with self._errors(), engine.connect() as connection:
            yield connection


def _in_database(number: int) -> int:
    return max(-(1 << 63), min(number, (1 << 63) - 1))


def _token_of(row: Sequence[Any]) -> str:
    timestamp, step, value, is_nan = row
    position = json.dumps([timestamp, step, value, bool(is_nan)])
    return base64.urlsafe_b64encode(position.encode()).decode()


def _position_of(token: str) -> dict[str, Any]:
    try:
        timestamp, step, value, is_nan = json.loads(base64.urlsafe_b64decode(token))
        return {
            "timestamp": int(timestamp),
            "step": int(step),
            "value": float(value),
            "is_nan": bool(is_nan),
        }
    except (TypeError, ValueError) as error:
        raise MlflowException.invalid_parameter_value(
            f"Page token {token!r} is not one of a metric's history. Give the token of the page "
            "before, or none for the first page."
        ) from error
