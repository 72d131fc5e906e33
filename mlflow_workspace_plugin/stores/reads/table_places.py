"""Reading a part of a table of SDK v1's: where its rows are, and the numbers there."""

import functools
import json
import math
from collections.abc import Sequence

from sqlalchemy import TextClause, text

from mlflow_workspace_plugin.stores.reads.metric_history import MetricHistory, RunPoint
from mlflow_workspace_plugin.stores.writes.table_rows import Place

_OF_TABLE = 'workspace_plugin_rows WHERE run_uuid = :run_id AND "table" = :table'
_COUNT = text(f"SELECT count(*) FROM {_OF_TABLE}")
_PLACES = text(f"""
    SELECT timestamp, step FROM {_OF_TABLE} ORDER BY timestamp, step LIMIT :limit OFFSET :offset
""")
_GIVEN = {
    "sqlite": """
        (SELECT json_extract(value, '$[0]') AS timestamp, json_extract(value, '$[1]') AS step
        FROM json_each(:places)) AS given CROSS JOIN metrics INDEXED BY sqlite_autoindex_metrics_1
    """,
    "postgresql": """
        (SELECT (value->>0)::bigint AS timestamp, (value->>1)::bigint AS step
        FROM json_array_elements(CAST(:places AS json)) AS listed (value)) AS given
        CROSS JOIN metrics
    """,
}


@functools.cache
def _numbers(dialect: str) -> TextClause:
    # By the primary key, place by place.
    return text(f"""
        SELECT metrics.timestamp, metrics.step, metrics.value, metrics.is_nan
        FROM {_GIVEN[dialect]}
        WHERE metrics.key = :key AND metrics.timestamp = given.timestamp
        AND metrics.step = given.step AND metrics.run_uuid = :run_id
        ORDER BY metrics.timestamp, metrics.step
    """)


class TablePlaces(MetricHistory):
    """Reads rows of tables without reading all of them."""

    def table_places(
        self, run_id: str, table: str, offset: int, limit: int
    ) -> tuple[list[Place], int]:
        """Return where rows of a table are, as they were logged, and how many there are (ours).

        Args:
            run_id: the run.
            table: what names the table, as ``log_values`` was given it.
            offset: of how many rows those come behind.
            limit: how many rows at most.

        Raises:
            MlflowException: there is no such run in the workspace.
        """
        parameters = {"run_id": run_id, "table": table}
        with self._statements() as connection:
            self._check_accessible(connection, [run_id])
            total = connection.execute(_COUNT, parameters).scalar_one()
            page = {**parameters, "offset": offset, "limit": limit}
            found = connection.execute(_PLACES, page).all()
            return [(timestamp, step) for timestamp, step in found], total

    def points_at(self, run_id: str, key: str, places: Sequence[Place]) -> list[RunPoint]:
        """Return the points of a metric at some places, by time and step (ours).

        Args:
            run_id: the run.
            key: the metric.
            places: where; there may be none at some of them.

        Raises:
            MlflowException: there is no such run in the workspace.
        """
        parameters = {"run_id": run_id, "key": key, "places": json.dumps(places)}
        with self._statements() as connection:
            self._check_accessible(connection, [run_id])
            found = connection.execute(_numbers(self._hub.engine.dialect.name), parameters)
            return [
                (timestamp, step, math.nan if is_nan else value)
                for timestamp, step, value, is_nan in found
            ]
