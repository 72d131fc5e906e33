"""From a database to few points: what a metric holds is put into buckets where it lies.

Few values are read as they are, those of many runs together. Of more PostgreSQL makes buckets by
one query, over all points once. SQLite would sort them for that; there each stretch is read by an
index of its own, or, where that would meet many points of other runs, all points are read, and none
is kept. Either way the memory is that of the buckets.

All that is read for one chart is read in one transaction, which sees nothing that comes meanwhile.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, TextClause, text

from mlflow_workspace_plugin.stores.charts.buckets import Bucket, Gathered, Grid, Sketch, shown
from mlflow_workspace_plugin.stores.charts.point import ChartPoints, Point, X
from mlflow_workspace_plugin.stores.charts.thinning import Row, thinned

BUCKETS = 4_096
"""How many buckets a metric is read as, unless more points are wanted."""

BY_TIME = "INDEXED BY sqlite_autoindex_metrics_1"
"""How SQLite finds points of a metric by time, among those of other runs."""

BY_RUN = "INDEXED BY index_metrics_run_uuid_key_step"
"""How it finds those of a run, by step."""

AT_HAND, AT_HAND_OF_MANY = 10_000, 2_000
"""So few values are read as they are, of one run, and of each of several."""

_ROWS_TOGETHER = 100_000

_REFINEMENTS = 3
_COLUMNS: dict[X, str] = {"step": "step", "time": "timestamp"}
_OTHERS: dict[X, str] = {"step": "timestamp", "time": "step"}
_BY_TIMESTAMP, _IS_NAN = itemgetter(1, 0, 2, 3), itemgetter(3)
_ROWS_AT_ONCE = 10_000
# What columns hold, and which of it is a number of PostgreSQL's arrays, too.
_LEAST, _GREATEST = -(1 << 63), (1 << 63) - 1
_EXACT = 1 << 53
# A query for each stretch costs more than so few points.
_FEW = 20_000
_PROBES = 16
_FOREIGN = 4


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Attributes:
        run_id: the run.
        key: the metric.
        x: what the chart is over.
        start: the first step, or millisecond; None for all.
        end: the last one.
    """

    run_id: str
    key: str
    x: X
    start: int | None = None
    end: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether no part is left out."""
        return self.start is None and self.end is None

    @property
    def parameters(self) -> dict[str, Any]:
        """What statements are given."""
        found: dict[str, Any] = {"run_id": self.run_id, "key": self.key}
        if not self.is_whole:
            found["start"] = _within(self.start, _LEAST)
            found["end"] = _within(self.end, _GREATEST)
        return found


def _within(x: int | None, default: int) -> int:
    return default if x is None else max(_LEAST, min(_GREATEST, x))


def read_few(
    connection: Connection, wanted: Sequence[Wanted], points: int
) -> dict[str, ChartPoints]:
    """Return what is shown of those metrics that hold few values: by one query for many runs.

    Args:
        connection: in a transaction.
        wanted: the same of each run.
        points: how many points of each run are shown at most.

    Returns:
        By run; those that hold more values are left out.
    """
    limit = max(points, AT_HAND if len(wanted) == 1 else AT_HAND_OF_MANY)
    rows = _rows_of_runs(connection, wanted, limit + 1)
    return {
        each.run_id: _shown(found, each.x, points)
        for each, found in zip(wanted, rows, strict=True)
        if len(found) <= limit
    }


def _shown(rows: list[Row], x: X, points: int) -> ChartPoints:
    rows.sort(key=None if x == "step" else _BY_TIMESTAMP)
    is_exact = len(rows) <= points
    shown = rows
    if not is_exact:
        by: X = "time" if rows[0][0] == rows[-1][0] and x == "step" else x
        found = thinned(rows, by, points, buckets=BUCKETS, finer=_REFINEMENTS)
        shown = [rows[index] for index in found]
    nans = sum(map(_IS_NAN, rows))
    return ChartPoints([Point.of(*row) for row in shown], len(rows), nans, is_exact=is_exact)


def _rows_of_runs(
    connection: Connection, wanted: Sequence[Wanted], limit: int
) -> Iterator[list[Row]]:
    """Yield so many rows of each metric at most, by the driver: there may be many of them."""
    driver: Any = connection.connection.driver_connection
    x, is_whole = wanted[0].x, wanted[0].is_whole
    if connection.dialect.name == "sqlite":
        for each in wanted:
            parameters = each.parameters | {"limit": limit}
            yield driver.execute(_few(x, is_whole), parameters).fetchall()
        return
    at_once = max(1, _ROWS_TOGETHER // limit)
    for first in range(0, len(wanted), at_once):
        part = wanted[first : first + at_once]
        run_ids = [each.run_id for each in part]
        parameters = part[0].parameters | {"limit": limit, "run_ids": run_ids}
        found: dict[str, list[Row]] = {run_id: [] for run_id in run_ids}
        statement = _few_of_runs(x, is_whole)
        for run_id, *row in driver.execute(statement, parameters).fetchall():
            found[run_id].append(tuple(row))
        yield from (found[run_id] for run_id in run_ids)


def read_sketch(connection: Connection, wanted: Wanted, points: int) -> Sketch:
    """Return a metric that holds something as buckets, fine enough for so many points.

    Where points lie close together, and nothing between them, finer stretches are read, so that
    what may be shown is.
    """
    x, low, high = _bounds(connection, wanted)
    grid = Grid.of(x, low, high, max(BUCKETS, points))
    first, last = (_end(connection, wanted, grid, last=last) for last in (False, True))
    sketch = _read(connection, wanted, Sketch(grid, [], first, last, 0, 0), 1)
    for _ in range(_REFINEMENTS):
        finer = points // len(shown(sketch, points))
        if finer < 2 or sketch.grid.is_finest:
            break
        sketch = _read(connection, wanted, sketch, finer)
    return sketch


def is_fine_enough(sketch: Sketch, points: int) -> bool:
    """Whether finer stretches would not be read to show so many points."""
    grid = sketch.grid
    if grid.is_finest:
        return True
    return points <= grid.number and points // len(shown(sketch, points)) < 2


def _bounds(connection: Connection, wanted: Wanted) -> tuple[X, int, int]:
    """Return what to go by, and where the first and the last point are.

    The values of one step only are taken by time.
    """
    if wanted.x == "step":
        low, high = connection.execute(_steps(wanted.is_whole), wanted.parameters).one()
        if low != high:
            return "step", low, high
    low, high = connection.execute(_times(wanted.x, wanted.is_whole), wanted.parameters).one()
    return "time", low, high


def _end(connection: Connection, wanted: Wanted, grid: Grid, *, last: bool) -> Point:
    is_sqlite = connection.dialect.name == "sqlite"
    statement = _at(wanted.x, wanted.is_whole, grid.x, last, is_sqlite)
    x = grid.high if last else grid.low
    return Point.of(*connection.execute(statement, wanted.parameters | {"x": x}).one())


def _read(connection: Connection, wanted: Wanted, known: Sketch, finer: int) -> Sketch:
    """Return a sketch with so many times the stretches of a known one, or with its own."""
    grid = known.grid
    # Stretches of the finer grid lie within those that are known to hold something.
    places: Iterable[int] = range(grid.number)
    if finer > 1:
        grid = replace(grid, number=grid.number * finer)
        places = (
            place
            for bucket in known.buckets
            for place in range(bucket.place * finer, (bucket.place + 1) * finer)
        )
        if grid.number >= grid.span:
            grid = Grid.of(grid.x, grid.low, grid.high, grid.number)
            places = _finest(known, grid)
    if connection.dialect.name == "postgresql":
        found = _by_one_query(connection, wanted, grid)
    elif _is_scattered(connection, wanted, grid):
        found = _by_reading_all(connection, wanted, grid)
    else:
        found = _by_stretches(connection, wanted, grid, places)
    return replace(known, grid=grid, **found)


def _finest(known: Sketch, finest: Grid) -> Iterator[int]:
    for bucket in known.buckets:
        first, last = known.grid.edges(bucket.place)
        yield from range(finest.place(first), finest.place(last) + 1)


def _by_one_query(connection: Connection, wanted: Wanted, grid: Grid) -> dict[str, Any]:
    parameters = wanted.parameters | {"low": grid.low, "number": grid.number, "span": grid.span}
    # Compiling it would take longer than what it saves.
    connection.execute(text("SET LOCAL jit = off"))
    is_wide = grid.span * (grid.number + 1) > _GREATEST
    are_large = max(abs(grid.low), abs(grid.high)) > _EXACT
    while True:
        statement = _grouped(wanted.x, wanted.is_whole, grid.x, is_wide, are_large)
        rows = connection.execute(statement, parameters).all()
        if are_large or not any(row.are_large for row in rows):
            break
        are_large = True
    buckets = [
        Bucket(
            int(row.place),
            _point(row.least, grid.x, are_large),
            _point(row.greatest, grid.x, are_large),
            _point(row.nan, grid.x, are_large),
        )
        for row in rows
    ]
    total, nans = sum(row.total for row in rows), sum(row.nans for row in rows)
    return {"buckets": buckets, "total": total, "nans": nans}


def _point(found: list[float] | None, x: X, are_large: bool) -> Point | None:  # noqa: FBT001
    """Return the point that an array of PostgreSQL's stands for: value, x and the other one."""
    if found is None:
        return None
    value, *numbers = found
    if are_large:
        upper, lower, other_upper, other_lower = map(int, numbers)
        one, other = (upper << 32) + lower, (other_upper << 32) + other_lower
    else:
        one, other = map(int, numbers)
    step, timestamp = (one, other) if x == "step" else (other, one)
    is_nan = value != value
    return Point(step, timestamp, 0.0 if is_nan else value, is_nan)


def _is_scattered(connection: Connection, wanted: Wanted, grid: Grid) -> bool:
    """Whether reading stretch by stretch would take longer than reading all points."""
    if connection.execute(_count(wanted.x, wanted.is_whole), wanted.parameters).scalar_one() < _FEW:
        return True
    if grid.x == "step":
        return False
    # The index that has points by time has those of all runs that share the metric's name.
    own = others = 0
    for probe in range(_PROBES):
        first, last = grid.edges(grid.number * probe // _PROBES)
        parameters = {"key": wanted.key, "first": first, "last": last, "run_id": wanted.run_id}
        all_of_them, of_run = connection.execute(_PROBE, parameters).one()
        own += of_run
        others += all_of_them - of_run
    return others > _FOREIGN * max(own, 1)


def _by_reading_all(connection: Connection, wanted: Wanted, grid: Grid) -> dict[str, Any]:
    gathered = Gathered(grid)
    cursor = connection.execute(_all(wanted.x, wanted.is_whole), wanted.parameters)
    for rows in cursor.partitions(_ROWS_AT_ONCE):
        gathered.add(Point.of(*row) for row in rows)
    return {"buckets": gathered.buckets, "total": gathered.total, "nans": gathered.nans}


def _by_stretches(
    connection: Connection, wanted: Wanted, grid: Grid, places: Iterable[int]
) -> dict[str, Any]:
    least_of, first_of, greatest_of, nan_of = _of_stretch(wanted.x, wanted.is_whole, grid.x)
    driver: Any = connection.connection.driver_connection
    parameters = wanted.parameters
    buckets, total, nans = [], 0, 0
    for place in places:
        parameters["first"], parameters["last"] = grid.edges(place)
        count, of_nan, value, step, timestamp = driver.execute(least_of, parameters).fetchone()
        if not count:
            continue
        least = greatest = nan = None
        if value is not None:
            if count - of_nan > 1 and grid.x == "step":
                parameters |= {"step": step, "value": value}
                [timestamp] = driver.execute(first_of, parameters).fetchone()
            least = greatest = Point(step, timestamp, value, False)  # noqa: FBT003
            if count - of_nan > 1:
                step, timestamp, value = driver.execute(greatest_of, parameters).fetchone()
                greatest = Point(step, timestamp, value, False)  # noqa: FBT003
        if of_nan:
            step, timestamp = driver.execute(nan_of, parameters).fetchone()
            nan = Point(step, timestamp, 0.0, True)  # noqa: FBT003
        buckets.append(Bucket(place, least, greatest, nan))
        total += count
        nans += of_nan
    return {"buckets": buckets, "total": total, "nans": nans}


def _from(x: X, is_whole: bool, index: str = "") -> str:  # noqa: FBT001
    """Return where the wanted points are, as a part of a statement."""
    part = "" if is_whole else f" AND {_COLUMNS[x]} BETWEEN :start AND :end"
    return f"FROM metrics {index} WHERE run_uuid = :run_id AND key = :key{part}"


def _index(by: X) -> str:
    return BY_RUN if by == "step" else BY_TIME


@functools.cache
def _few(x: X, is_whole: bool) -> str:  # noqa: FBT001
    return f"SELECT step, timestamp, value, is_nan {_from(x, is_whole)} LIMIT :limit"


@functools.cache
def _few_of_runs(x: X, is_whole: bool) -> str:  # noqa: FBT001
    """Return PostgreSQL's query, as its driver takes it."""
    part = "" if is_whole else f" AND {_COLUMNS[x]} BETWEEN %(start)s AND %(end)s"
    return f"""
        SELECT wanted.run_id, few.*
        FROM unnest(CAST(%(run_ids)s AS text[])) AS wanted(run_id), LATERAL (
            SELECT step, timestamp, value, is_nan FROM metrics
            WHERE run_uuid = wanted.run_id AND key = %(key)s{part} LIMIT %(limit)s
        ) AS few
    """


@functools.cache
def _all(x: X, is_whole: bool) -> TextClause:  # noqa: FBT001
    return text(f"SELECT step, timestamp, value, is_nan {_from(x, is_whole, BY_RUN)}")


@functools.cache
def _count(x: X, is_whole: bool) -> TextClause:  # noqa: FBT001
    few = f"SELECT 1 {_from(x, is_whole, BY_RUN)} LIMIT {_FEW}"
    return text(f"SELECT count(*) FROM ({few}) AS few")


@functools.cache
def _steps(is_whole: bool) -> TextClause:  # noqa: FBT001
    # Each by itself is found in an index.
    of_metric = _from("step", is_whole)
    return text(f"SELECT (SELECT min(step) {of_metric}), (SELECT max(step) {of_metric})")


@functools.cache
def _times(x: X, is_whole: bool) -> TextClause:  # noqa: FBT001
    return text(f"SELECT min(timestamp), max(timestamp) {_from(x, is_whole)}")


@functools.cache
def _at(x: X, is_whole: bool, by: X, last: bool, is_sqlite: bool) -> TextClause:  # noqa: FBT001
    order = ", ".join(
        f"{column} {'DESC' if last else 'ASC'}" for column in (_OTHERS[by], "value", "is_nan")
    )
    return text(f"""
        SELECT step, timestamp, value, is_nan
        {_from(x, is_whole, _index(by) if is_sqlite else "")} AND {_COLUMNS[by]} = :x
        ORDER BY {order} LIMIT 1
    """)


@functools.cache
def _grouped(x: X, is_whole: bool, by: X, is_wide: bool, are_large: bool) -> TextClause:  # noqa: FBT001
    """Return PostgreSQL's query. The arrays are of double precision, as values are.

    A whole number that is larger than such a number can be is put into them as two.
    """
    column = _COLUMNS[by]
    if is_wide:
        place = f"div((CAST({column} AS numeric) - :low) * :number, :span)"
    else:
        numbers = "CAST(:low AS bigint)) * CAST(:number AS bigint) / CAST(:span AS bigint)"
        place = f"({column} - {numbers}"
    pair = [column, _OTHERS[by]]
    if are_large:
        pair = [part for each in pair for part in (f"{each} >> 32", f"{each} & 4294967295")]
    array = ", ".join(pair)
    large = (
        f"step NOT BETWEEN -{_EXACT} AND {_EXACT} OR timestamp NOT BETWEEN -{_EXACT} AND {_EXACT}"
    )
    return text(f"""
        SELECT {place} AS place, count(*) AS total, count(*) FILTER (WHERE is_nan) AS nans,
            min(ARRAY[value, {array}]) FILTER (WHERE NOT is_nan) AS least,
            max(ARRAY[value, {array}]) FILTER (WHERE NOT is_nan) AS greatest,
            min(ARRAY[CAST('NaN' AS double precision), {array}]) FILTER (WHERE is_nan) AS nan,
            bool_or({large}) AS are_large
        {_from(x, is_whole)} GROUP BY 1 ORDER BY 1
    """)


_PROBE = text(f"""
    SELECT count(*), coalesce(sum(run_uuid = :run_id), 0) FROM metrics {BY_TIME}
    WHERE key = :key AND timestamp BETWEEN :first AND :last
""")


@functools.cache
def _of_stretch(x: X, is_whole: bool, by: X) -> tuple[str, str, str, str]:  # noqa: FBT001
    """Return SQLite's queries for the buckets of a stretch: its least, its greatest, its NaN.

    The second one says when the least was logged first, of several at one step, in whose order
    the index of time has them, and the other one does not.
    """
    column, other = _COLUMNS[by], _OTHERS[by]
    of_stretch = _from(x, is_whole, _index(by))
    of_stretch += f" AND {column} BETWEEN :first AND :last"
    return (
        # SQLite takes the other columns from the row that has the least value.
        "SELECT count(*), sum(is_nan), min(CASE WHEN is_nan THEN NULL ELSE value END), "
        f"step, timestamp {of_stretch}",
        f"SELECT min(timestamp) {_from(x, is_whole, _index(by))} "
        "AND step = :step AND value = :value AND NOT is_nan",
        f"SELECT step, timestamp, value {of_stretch} AND NOT is_nan "
        f"ORDER BY value DESC, {column} DESC, {other} DESC LIMIT 1",
        f"SELECT step, timestamp {of_stretch} AND is_nan ORDER BY {column}, {other} LIMIT 1",
    )
