"""How many points metrics of several runs have within some times, by the index of times.

It tells whether something came to runs, at whatever step. What it costs grows with nothing that
was logged before: of each window the last points are counted, those of other runs among them.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from mlflow_workspace_plugin.stores.charts.reading import BY_TIME

MOST_COUNTED = 120_000
"""So many points of all runs are counted in all windows, together: of 10 metrics what 100 runs log
in two minutes, each once in a second."""
FEWEST_COUNTED = 1_000
"""So many in each window, however many metrics there are."""

_LAST = """
    SELECT run_uuid, timestamp FROM metrics {index}
    WHERE key = {key} AND timestamp BETWEEN {first} AND {last}
    ORDER BY timestamp DESC LIMIT {limit}
"""
_OF_SQLITE = f"""
    SELECT run_uuid, count(*), max(timestamp) FROM (
        {_LAST.format(index=BY_TIME, key=":key", first=":first", last=":last", limit=":limit")}
    ) GROUP BY run_uuid
"""
_LAST_OF_WANTED = _LAST.format(
    index="", key="wanted.key", first="wanted.begin", last="wanted.until", limit="%(limit)s"
)
_OF_POSTGRESQL = f"""
    SELECT wanted.number, found.* FROM unnest(
        CAST(%(keys)s AS text[]), CAST(%(firsts)s AS bigint[]), CAST(%(lasts)s AS bigint[])
    ) WITH ORDINALITY AS wanted(key, begin, until, number), LATERAL (
        SELECT run_uuid, count(*), max(timestamp) FROM (
            {_LAST_OF_WANTED}
        ) AS last GROUP BY run_uuid
    ) AS found
"""

Window = tuple[int, int]
"""The first millisecond since 1970, and the last."""


class Recent(NamedTuple):
    """Points of a metric of a run within some times.

    Attributes:
        points: how many; None where the runs have more than are counted.
        newest: the greatest timestamp.
    """

    points: int | None
    newest: int


def count_recent(
    connection: Connection, run_ids: Collection[str], windows: Mapping[str, Sequence[Window]]
) -> dict[str, dict[str, Recent]]:
    """Return how many points there are within windows, by run and metric; none are left out.

    Args:
        connection: to read by.
        run_ids: the runs.
        windows: of each metric, which have no time in common.
    """
    found: dict[str, dict[str, Recent]] = {run_id: {} for run_id in run_ids}
    wanted = [(key, *window) for key, of_key in windows.items() for window in of_key]
    limit = max(FEWEST_COUNTED, MOST_COUNTED // max(1, len(wanted)))
    on = _on_sqlite if connection.dialect.name == "sqlite" else _on_postgresql
    driver: Any = connection.connection.driver_connection
    for key, rows in on(driver, wanted, limit):
        are_all = sum(count for _, count, _ in rows) < limit
        for run_id, count, newest in rows:
            if run_id in found:
                points, before = found[run_id].get(key, Recent(0, int(newest)))
                points = None if points is None or not are_all else points + int(count)
                found[run_id][key] = Recent(points, max(before, int(newest)))
    return found


_Row = tuple[str, int, int]
_Wanted = tuple[str, int, int]
"""A metric, and a window."""


def _on_sqlite(
    driver: Any, wanted: Sequence[_Wanted], limit: int
) -> Iterator[tuple[str, list[_Row]]]:
    for key, first, last in wanted:
        parameters = {"key": key, "first": first, "last": last, "limit": limit}
        yield key, driver.execute(_OF_SQLITE, parameters).fetchall()


def _on_postgresql(
    driver: Any, wanted: Sequence[_Wanted], limit: int
) -> Iterator[tuple[str, list[_Row]]]:
    parameters = {
        "keys": [key for key, _, _ in wanted],
        "firsts": [first for _, first, _ in wanted],
        "lasts": [last for _, _, last in wanted],
        "limit": limit,
    }
    rows_of: dict[int, list[_Row]] = {}
    for number, *row in driver.execute(_OF_POSTGRESQL, parameters).fetchall():
        rows_of.setdefault(number, []).append(tuple(row))
    for number, rows in rows_of.items():
        yield wanted[number - 1][0], rows
