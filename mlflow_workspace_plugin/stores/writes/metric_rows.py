"""From metrics as they are logged to rows of MLflow's tables, and to the database."""

import operator
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mlflow.entities import Metric

if TYPE_CHECKING:
    import psycopg

_LIMIT = 1 << 63


class MetricRow(NamedTuple):
    """A row of ``metrics``, but for the run."""

    key: str
    value: float
    timestamp: int
    step: int
    is_nan: bool


_RUN = """
    SELECT runs.run_uuid FROM runs
    JOIN experiments ON experiments.experiment_id = runs.experiment_id
    WHERE runs.run_uuid = {run} AND experiments.workspace = {workspace}
    AND runs.lifecycle_stage = 'active'
"""

# The value with the greatest step, then the latest, then the greatest, is what MLflow shows.
IF_LATER = """
    ON CONFLICT (key, run_uuid) DO UPDATE SET
        value = excluded.value, timestamp = excluded.timestamp,
        step = excluded.step, is_nan = excluded.is_nan
    WHERE (excluded.step, excluded.timestamp, excluded.value)
        > (latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)
"""

_SQLITE_RUN = _RUN.format(run="?", workspace="?")
# OR IGNORE would swallow a missing value, too.
_SQLITE_INSERT = """
    INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES {rows}
    ON CONFLICT DO NOTHING
"""
# By how many rows the statement has, most first. While one is executed other threads run.
_SQLITE_INSERTS = {
    size: _SQLITE_INSERT.format(rows=", ".join(["(?, ?, ?, ?, ?, ?)"] * size))
    for size in (200, 20, 1)
}
SQLITE_LATEST = f"""
    INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid)
    VALUES (?, ?, ?, ?, ?, ?) {IF_LATER}
"""

COLUMNS = "key, value, timestamp, step, is_nan"
TYPES = ("text", "float8", "bigint", "bigint", "boolean")
_ROW = ", ".join(f"CAST(%(c{i})s AS {kind})" for i, kind in enumerate(TYPES))
_ROWS = ", ".join(f"CAST(%(c{i})s AS {kind}[])" for i, kind in enumerate(TYPES))
_LATEST_ROWS = ", ".join(f"CAST(%(l{i})s AS {kind}[])" for i, kind in enumerate(TYPES))


def _postgresql(rows: str, latest: str) -> str:
    return f"""
        WITH run AS ({_RUN.format(run="%(run)s", workspace="%(workspace)s")}),
        logged AS (
            INSERT INTO metrics ({COLUMNS}, run_uuid)
            SELECT given.*, run.run_uuid FROM run, {rows} AS given ON CONFLICT DO NOTHING
        ),
        latest AS (
            INSERT INTO latest_metrics ({COLUMNS}, run_uuid)
            SELECT given.*, run.run_uuid FROM run, {latest} AS given {IF_LATER}
        )
        SELECT run_uuid FROM run
    """


_POSTGRESQL_ONE = _postgresql(f"(SELECT {_ROW})", f"(SELECT {_ROW})")
_POSTGRESQL_MANY = _postgresql(f"unnest({_ROWS})", f"unnest({_LATEST_ROWS})")


def rows_of(
    metrics: Iterable[Metric], sanitize: Callable[[float], tuple[bool, float]]
) -> list[MetricRow]:
    """Return the rows of metrics.

    Args:
        metrics: valid metrics.
        sanitize: MLflow's replacement of NaN and infinities.

    Raises:
        TypeError: a step or timestamp is a number, but no integer.
        OverflowError: one of the numbers is too large for its column.
    """
    rows = []
    for metric in metrics:
        is_nan, value = sanitize(metric.value)
        timestamp, step = integer(metric.timestamp), integer(metric.step)
        rows.append(MetricRow(metric.key, float(value), timestamp, step, is_nan))
    return rows


def integer(number: Any) -> int:
    """Return a step or timestamp as Python's own integer: of NumPy's the drivers make bytes.

    Raises:
        TypeError: it is a number, but no integer.
        OverflowError: it does not fit into 64 bits.
    """
    converted = operator.index(number)
    if not -_LIMIT <= converted < _LIMIT:
        raise OverflowError(f"{converted} does not fit into 64 bits.")
    return converted


def latest_of(rows: Iterable[MetricRow]) -> list[MetricRow]:
    """Return the row of each key that MLflow shows as the metric's value, by key.

    In the order of the keys every transaction locks them alike, so none waits for another in a
    circle. Of equals the first one stays.
    """
    latest: dict[str, MetricRow] = {}
    for row in rows:
        known = latest.get(row.key)
        if known is None or (row.step, row.timestamp, row.value) > (
            known.step,
            known.timestamp,
            known.value,
        ):
            latest[row.key] = row
    return [latest[key] for key in sorted(latest)]


def write_to_sqlite(
    connection: sqlite3.Connection, run_id: str, workspace: str, rows: list[MetricRow]
) -> bool:
    """Write rows in a transaction that holds SQLite's write lock. Rows that exist are skipped.

    Returns:
        Whether the run may be written to: it is active, and of that workspace.
    """
    if connection.execute(_SQLITE_RUN, (run_id, workspace)).fetchone() is None:
        return False
    insert_into_sqlite(connection, run_id, rows)
    connection.executemany(SQLITE_LATEST, [(*row, run_id) for row in latest_of(rows)])
    return True


def insert_into_sqlite(
    connection: sqlite3.Connection, run_id: str, rows: Sequence[MetricRow]
) -> int:
    """Insert rows of a run, but for those that exist; return how many were inserted."""
    inserted = done = 0
    for size, statement in _SQLITE_INSERTS.items():
        while done + size <= len(rows):
            cells = [cell for row in rows[done : done + size] for cell in (*row, run_id)]
            inserted += connection.execute(statement, cells).rowcount
            done += size
    return inserted


def write_to_postgresql(
    connection: "psycopg.Connection[Any]", run_id: str, workspace: str, rows: list[MetricRow]
) -> bool:
    """Write rows by one statement, whose plan the server keeps. Rows that exist are skipped.

    Returns:
        Whether the run may be written to: it is active, and of that workspace.
    """
    from psycopg import Cursor

    parameters: dict[str, Any] = {"run": run_id, "workspace": workspace}
    if len(rows) == 1:
        statement = _POSTGRESQL_ONE
        parameters |= _numbered("c", rows[0])
    else:
        statement = _POSTGRESQL_MANY
        parameters |= _numbered("c", map(list, zip(*rows, strict=True)))
        parameters |= _numbered("l", map(list, zip(*latest_of(rows), strict=True)))
    with Cursor(connection) as cursor:
        return cursor.execute(statement, parameters, prepare=True).fetchone() is not None


def _numbered(prefix: str, values: Iterable[Any]) -> dict[str, Any]:
    return {f"{prefix}{number}": value for number, value in enumerate(values)}
