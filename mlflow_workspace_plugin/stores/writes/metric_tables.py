"""Inserting rows of metrics in an open transaction, in the words of each database's own driver."""

import sqlite3
from typing import TYPE_CHECKING, Any, Protocol

from mlflow_workspace_plugin.stores.writes.metric_rows import (
    COLUMNS,
    IF_LATER,
    SQLITE_LATEST,
    TYPES,
    MetricRow,
    insert_into_sqlite,
    latest_of,
)

if TYPE_CHECKING:
    import psycopg

# Where a row of values ends that are equal, each a millisecond after the one before, from the one
# given on; nothing if that is not there. Read in the order of the primary key.
_NEXT_FREE = """
    SELECT timestamp + 1 FROM (
        SELECT timestamp, lead(timestamp) OVER (ORDER BY timestamp) AS following
        FROM metrics WHERE {place} AND timestamp >= {timestamp}
    ) AS taken
    WHERE (following IS NULL OR following > timestamp + 1)
    AND EXISTS (SELECT 1 FROM metrics WHERE {place} AND timestamp = {timestamp})
    ORDER BY timestamp LIMIT 1
"""
_PLACE = "key = {key} AND step = {step} AND run_uuid = {run} AND value = {value} AND is_nan = {nan}"


def _next_free(parameter: str) -> str:
    """Return the statement, with a database's own form of a parameter's name."""
    names = {name: parameter.format(name) for name in ("key", "step", "run", "value", "nan")}
    place = _PLACE.format(**names)
    return _NEXT_FREE.format(place=place, timestamp=parameter.format("timestamp"))


def _of_row(row: MetricRow, run_id: str) -> dict[str, Any]:
    return {
        "key": row.key,
        "step": row.step,
        "run": run_id,
        "value": row.value,
        "nan": row.is_nan,
        "timestamp": row.timestamp,
    }


class MetricTables(Protocol):
    """MLflow's tables of metrics, for one run, in a transaction."""

    def insert(self, rows: list[MetricRow]) -> int:
        """Insert rows, but for those that exist; return how many were inserted."""
        ...

    def next_free(self, row: MetricRow) -> int:
        """Return the first timestamp, from this one's on, at which no row is equal to this one."""
        ...

    def upsert_latest(self, rows: list[MetricRow]) -> None:
        """Let the latest of rows be what MLflow shows, where they are later than what it shows."""
        ...

    def execute(self, statement: str) -> None:
        """Execute a statement without parameters."""
        ...


class SqliteMetricTables:
    """MLflow's tables of metrics on SQLite."""

    _FREE = _next_free(":{}")

    def __init__(self, connection: sqlite3.Connection, run_id: str) -> None:
        self._connection = connection
        self._run_id = run_id

    def insert(self, rows: list[MetricRow]) -> int:
        """Insert rows, but for those that exist; return how many were inserted."""
        return insert_into_sqlite(self._connection, self._run_id, rows)

    def next_free(self, row: MetricRow) -> int:
        """Return the first timestamp, from this one's on, at which no row is equal to this one."""
        found = self._connection.execute(self._FREE, _of_row(row, self._run_id)).fetchone()
        return row.timestamp if found is None else int(found[0])

    def upsert_latest(self, rows: list[MetricRow]) -> None:
        """Let the latest of rows be what MLflow shows, where they are later than what it shows."""
        values = [(*row, self._run_id) for row in latest_of(rows)]
        self._connection.executemany(SQLITE_LATEST, values)

    def execute(self, statement: str) -> None:
        """Execute a statement without parameters."""
        self._connection.execute(statement)


class PostgresqlMetricTables:
    """MLflow's tables of metrics on PostgreSQL."""

    _UNNESTED = ", ".join(f"CAST(%s AS {kind}[])" for kind in TYPES)
    _INSERT = f"""
        INSERT INTO metrics ({COLUMNS}, run_uuid)
        SELECT given.*, %s FROM unnest({_UNNESTED}) AS given
        ON CONFLICT DO NOTHING
    """
    _LATEST = f"""
        INSERT INTO latest_metrics ({COLUMNS}, run_uuid)
        SELECT given.*, %s FROM unnest({_UNNESTED}) AS given {IF_LATER}
    """
    _FREE = _next_free("%({})s")

    def __init__(self, connection: "psycopg.Connection[Any]", run_id: str) -> None:
        from psycopg import Cursor

        # Not the connection's own, which sends values as text of no type.
        self._cursor = Cursor(connection)
        self._run_id = run_id

    def insert(self, rows: list[MetricRow]) -> int:
        """Insert rows, but for those that exist; return how many were inserted."""
        if not rows:
            return 0
        # In one order, so that no two writers wait for each other in a circle.
        return self._cursor.execute(self._INSERT, self._arrays(sorted(rows))).rowcount

    def next_free(self, row: MetricRow) -> int:
        """Return the first timestamp, from this one's on, at which no row is equal to this one."""
        found: Any = self._cursor.execute(self._FREE, _of_row(row, self._run_id)).fetchone()
        return row.timestamp if found is None else int(found[0])

    def upsert_latest(self, rows: list[MetricRow]) -> None:
        """Let the latest of rows be what MLflow shows, where they are later than what it shows."""
        self._cursor.execute(self._LATEST, self._arrays(latest_of(rows)))

    def execute(self, statement: str) -> None:
        """Execute a statement without parameters."""
        self._cursor.execute(statement)

    def _arrays(self, rows: list[MetricRow]) -> list[Any]:
        return [self._run_id, *map(list, zip(*rows, strict=True))]
