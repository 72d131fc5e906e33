"""How many points metrics of several runs have from a time on, by the index that has them by time.

It tells whether something came to runs, at whatever step. What it costs grows with nothing that
was logged before: of each metric the last points are counted, those of other runs among them.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection

from mlflow_workspace_plugin.stores.charts.reading import BY_TIME

MOST_COUNTED = 20_000
"""So many points of all runs are counted, of all metrics together."""
FEWEST_COUNTED = 1_000
"""So many of each, however many metrics there are."""

_LAST = """
    SELECT run_uuid, timestamp FROM metrics {index} WHERE key = {key} AND timestamp >= {since}
    ORDER BY timestamp DESC LIMIT {limit}
"""
_OF_SQLITE = f"""
    SELECT run_uuid, count(*), max(timestamp) FROM (
        {_LAST.format(index=BY_TIME, key=":key", since=":since", limit=":limit")}
    ) GROUP BY run_uuid
"""
_OF_POSTGRESQL = f"""
    SELECT wanted.key, found.* FROM unnest(
        CAST(%(keys)s AS text[]), CAST(%(since)s AS bigint[])
    ) AS wanted(key, since), LATERAL (
        SELECT run_uuid, count(*), max(timestamp) FROM (
            {_LAST.format(index="", key="wanted.key", since="wanted.since", limit="%(limit)s")}
        ) AS last GROUP BY run_uuid
    ) AS found
"""


class Recent(NamedTuple):
    """Points of a metric of a run from a time on.

    Attributes:
        points: how many; None where the runs have more than are counted.
        newest: the greatest timestamp.
    """

    points: int | None
    newest: int


def count_recent(
    connection: Connection, run_ids: Collection[str], since: Mapping[str, int]
) -> dict[str, dict[str, Recent]]:
    """Return how many points there are from a time on, by run and metric; none are left out.

    Args:
        connection: to read by.
        run_ids: the runs.
        since: the time of each metric, in milliseconds since 1970.
    """
    found: dict[str, dict[str, Recent]] = {run_id: {} for run_id in run_ids}
    limit = max(FEWEST_COUNTED, MOST_COUNTED // max(1, len(since)))
    on = _on_sqlite if connection.dialect.name == "sqlite" else _on_postgresql
    driver: Any = connection.connection.driver_connection
    for key, rows in on(driver, since, limit):
        are_all = sum(count for _, count, _ in rows) < limit
        for run_id, count, newest in rows:
            if run_id in found:
                found[run_id][key] = Recent(int(count) if are_all else None, int(newest))
    return found


_Row = tuple[str, int, int]


def _on_sqlite(
    driver: Any, since: Mapping[str, int], limit: int
) -> Iterator[tuple[str, list[_Row]]]:
    for key, start in since.items():
        parameters = {"key": key, "since": start, "limit": limit}
        yield key, driver.execute(_OF_SQLITE, parameters).fetchall()


def _on_postgresql(
    driver: Any, since: Mapping[str, int], limit: int
) -> Iterator[tuple[str, list[_Row]]]:
    parameters = {"keys": list(since), "since": list(since.values()), "limit": limit}
    rows_of: dict[str, list[_Row]] = {}
    for key, *row in driver.execute(_OF_POSTGRESQL, parameters).fetchall():
        rows_of.setdefault(key, []).append(tuple(row))
    yield from rows_of.items()
