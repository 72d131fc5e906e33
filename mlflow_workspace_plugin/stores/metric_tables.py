"""Inserting rows of metrics in an open transaction, in the words of each database's own driver."""

import sqlite3
from typing import TYPE_CHECKING, Any, Protocol

from mlflow_workspace_plugin.stores.metric_rows import (
    IF_LATER,
    MetricRow,
    insert_into_sqlite,
    latest_of,
)

if TYPE_CHECKING:
    import psycopg

_COLUMNS = "key, value, timestamp, step, is_nan, run_uuid"
_TYPES = ("text", "float8", "bigint", "bigint", "boolean")
# Where a row of values ends that are equal, each a millisecond after the one before, from the one
# given on; nothing if that is not there.
_NEXT_FREE = """
    SELECT taken.timestamp + 1 FROM metrics AS taken
    WHERE taken.key = {0} AND taken.value = {0} AND taken.timestamp >= {0}
    AND taken.step = {0} AND taken.is_nan = {0} AND taken.run_uuid = {0}
    AND EXISTS (
        SELECT 1 FROM metrics AS given
        WHERE given.key = taken.key AND given.timestamp = {1}
        AND given.step = taken.step AND given.run_uuid = taken.run_uuid
        AND given.value = taken.value AND given.is_nan = taken.is_nan
    )
    AND NOT EXISTS (
        SELECT 1 FROM metrics AS next
        WHERE next.key = taken.key AND next.timestamp = taken.timestamp + 1
        AND next.step = taken.step AND next.run_uuid = taken.run_uuid
        AND next.value = taken.value AND next.is_nan = taken.is_nan
    )
    ORDER BY taken.timestamp LIMIT 1
"""


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

    _LATEST = f"INSERT INTO latest_metrics ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) {IF_LATER}"
    _FREE = _NEXT_FREE.format("?", "?")

    def __init__(self, connection: sqlite3.Connection, run_id: str) -> None:
        self._connection = connection
        self._run_id = run_id

    def insert(self, rows: list[MetricRow]) -> int:
        """Insert rows, but for those that exist; return how many were inserted."""
        return insert_into_sqlite(self._connection, self._run_id, rows)

    def next_free(self, row: MetricRow) -> int:
        """Return the first timestamp, from this one's on, at which no row is equal to this one."""
        found = self._connection.execute(self._FREE, (*row, self._run_id, row.timestamp)).fetchone()
        return row.timestamp if found is None else int(found[0])

    def upsert_latest(self, rows: list[MetricRow]) -> None:
        """Let the latest of rows be what MLflow shows, where they are later than what it shows."""
        values = [(*row, self._run_id) for row in latest_of(rows)]
        self._connection.executemany(self._LATEST, values)

    def execute(self, statement: str) -> None:
        """Execute a statement without parameters."""
        self._connection.execute(statement)


class PostgresqlMetricTables:
    """MLflow's tables of metrics on PostgreSQL."""

    _UNNESTED = ", ".join(f"CAST(%s AS {kind}[])" for kind in _TYPES)
    _INSERT = f"""
        INSERT INTO metrics ({_COLUMNS}) SELECT given.*, %s FROM unnest({_UNNESTED}) AS given
        ON CONFLICT DO NOTHING
    """
    _LATEST = f"""
        INSERT INTO latest_metrics ({_COLUMNS})
        SELECT given.*, %s FROM unnest({_UNNESTED}) AS given {IF_LATER}
    """
    _FREE = _NEXT_FREE.format("%s", "%s")

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
        found: Any = self._cursor.execute(
            self._FREE, (*row, self._run_id, row.timestamp)
        ).fetchone()
        return row.timestamp if found is None else int(found[0])

    def upsert_latest(self, rows: list[MetricRow]) -> None:
        """Let the latest of rows be what MLflow shows, where they are later than what it shows."""
        self._cursor.execute(self._LATEST, self._arrays(latest_of(rows)))

    def execute(self, statement: str) -> None:
        """Execute a statement without parameters."""
        self._cursor.execute(statement)

    def _arrays(self, rows: list[MetricRow]) -> list[Any]:
        return [self._run_id, *map(list, zip(*rows, strict=True))]
