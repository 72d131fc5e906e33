"""Points of a run from a time on: what it costs grows with nothing that was logged before.

The index that has points by time has those of all runs that share the metric's name. Where too many
of others are among them, as behind a run that stands still while others go on, the run's last
points are read, by the index that has them by step.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from mlflow_workspace_plugin.stores.charts.point import Point
from mlflow_workspace_plugin.stores.charts.reading import BY_RUN, BY_TIME

MOST_PASSED = 20_000
"""So many points of all runs may be passed over, of all metrics together."""

_IN_ORDER = "ORDER BY timestamp, step, value, is_nan LIMIT"
_OF_SQLITE = "SELECT step, timestamp, value, is_nan FROM metrics {index} WHERE key = :key"
_ARE_MANY = f"""
    SELECT 1 FROM metrics {BY_TIME} WHERE key = :key AND timestamp >= :since
    ORDER BY timestamp LIMIT 1 OFFSET :passed
"""
_BY_TIME = f"""
    {_OF_SQLITE.format(index=BY_TIME)} AND timestamp >= :since AND run_uuid = :run_id
    {_IN_ORDER} :limit
"""
_BY_STEP = f"""
    SELECT * FROM (
        {_OF_SQLITE.format(index=BY_RUN)} AND run_uuid = :run_id ORDER BY step DESC LIMIT :limit
    ) WHERE timestamp >= :since {_IN_ORDER} :limit
"""

_WANTED = "unnest(CAST(%(keys)s AS text[])) AS wanted(key)"
_KEYS_OF_MANY = f"""
    SELECT wanted.key FROM {_WANTED} WHERE EXISTS (
        SELECT 1 FROM metrics WHERE metrics.key = wanted.key AND timestamp >= %(since)s
        ORDER BY timestamp LIMIT 1 OFFSET %(passed)s
    )
"""
_OF_RUN = """
    SELECT step, timestamp, value, is_nan FROM metrics
    WHERE metrics.key = wanted.key AND run_uuid = %(run_id)s
"""
_KEYS_BY_TIME = f"""
    SELECT wanted.key, found.* FROM {_WANTED}, LATERAL (
        {_OF_RUN} AND timestamp >= %(since)s {_IN_ORDER} %(limit)s
    ) AS found
"""
_KEYS_BY_STEP = f"""
    SELECT wanted.key, found.* FROM {_WANTED}, LATERAL (
        SELECT * FROM ({_OF_RUN} ORDER BY step DESC LIMIT %(limit)s) AS last
        WHERE timestamp >= %(since)s {_IN_ORDER} %(limit)s
    ) AS found
"""


def read_since(
    connection: Connection, run_id: str, keys: Sequence[str], timestamp_ms: int, limit: int
) -> dict[str, list[Point]]:
    """Return points from a time on, by metric; those without one are left out.

    Args:
        connection: to read by.
        run_id: the run.
        keys: the metrics.
        timestamp_ms: the time, in milliseconds since 1970.
        limit: how many points of each metric at most.
    """
    found: dict[str, list[Point]] = defaultdict(list)
    passed = max(limit, MOST_PASSED // max(1, len(keys)))
    parameters = {"run_id": run_id, "since": timestamp_ms, "limit": limit, "passed": passed}
    on = _on_sqlite if connection.dialect.name == "sqlite" else _on_postgresql
    driver: Any = connection.connection.driver_connection
    for key, step, timestamp, value, is_nan in on(driver, keys, parameters):
        found[key].append(Point(step, timestamp, value, bool(is_nan)))
    return dict(found)


def _on_sqlite(
    driver: Any, keys: Sequence[str], parameters: dict[str, Any]
) -> Iterator[tuple[Any, ...]]:
    for key in keys:
        of_key = parameters | {"key": key}
        are_many = driver.execute(_ARE_MANY, of_key).fetchone() is not None
        for row in driver.execute(_BY_STEP if are_many else _BY_TIME, of_key).fetchall():
            yield (key, *row)


def _on_postgresql(
    driver: Any, keys: Sequence[str], parameters: dict[str, Any]
) -> Iterator[tuple[Any, ...]]:
    rows = driver.execute(_KEYS_OF_MANY, parameters | {"keys": list(keys)}).fetchall()
    of_many = {key for (key,) in rows}
    parts = {
        _KEYS_BY_STEP: list(of_many),
        _KEYS_BY_TIME: [key for key in keys if key not in of_many],
    }
    for statement, of_part in parts.items():
        if of_part:
            yield from driver.execute(statement, parameters | {"keys": of_part}).fetchall()
