"""Rows of metrics that a journal delivers: which coincide, how they are inserted and counted."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from mlflow_workspace_plugin.journal.files.records import Record, values_of
from mlflow_workspace_plugin.journal.give_way import RECORDS_AT_ONCE, give_way
from mlflow_workspace_plugin.stores.writes.metric_rows import MetricRow
from mlflow_workspace_plugin.stores.writes.metric_tables import MetricTables

# A call's own timestamp is taken a moment before the call, however many threads wait for the
# interpreter. One that is older was given by the caller, who may log the same value again.
_FRESH_MS = 2_000
# ``Run.log`` moves timestamps ahead of the clock, to keep values of one step in their order.
_AHEAD_MS = 600_000

Place = tuple[str, int, float, bool]
"""Key, step, value and whether it is NaN: rows of one place differ by their timestamps."""


class Gaps:
    """Remembers from where to where timestamps of a place are taken, to look for free ones once."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, Place], tuple[int, int]] = {}

    def free(self, run_id: str, row: MetricRow) -> MetricRow:
        """Return a row at the first timestamp, from its own on, that is not known to be taken."""
        first, end = self._taken.get((run_id, place_of(row)), (0, 0))
        return row._replace(timestamp=end) if first <= row.timestamp < end else row

    def took(self, run_id: str, row: MetricRow, moved: MetricRow) -> None:
        """Remember that all is taken from a row to where it moved."""
        place = run_id, place_of(row)
        first, end = self._taken.get(place, (row.timestamp, row.timestamp))
        if first <= row.timestamp <= end:
            self._taken[place] = first, max(end, moved.timestamp + 1)
        else:
            self._taken[place] = row.timestamp, moved.timestamp + 1


@dataclass
class RunRows:
    """The rows of one run that are to be inserted, and where they came from."""

    fresh: list[MetricRow] = field(default_factory=list)
    """Of calls that took their own timestamp. No two are equal, and none may equal a stored one."""
    given: list[MetricRow] = field(default_factory=list)
    """Of calls that were given a timestamp. One that is stored already stays one."""
    repeated: Counter[str] = field(default_factory=Counter)
    """By key, how many values were equal to another of the same call, or logged again."""
    of_models: list[tuple[MetricRow, list[Any]]] = field(default_factory=list)
    """Rows of a model's metrics, with model id, dataset name and dataset digest."""


def rows_by_run(
    records: Iterable[Record], sanitize: Callable[[float], tuple[bool, float]]
) -> dict[str, RunRows]:
    """Return the rows of records of metrics.

    Equal values of different calls are different values: a later one moves to the next free
    millisecond. Equal values of one call, or with a timestamp that was given, are one.

    Args:
        records: of metrics.
        sanitize: MLflow's replacement of NaN and infinities.
    """
    found: dict[str, RunRows] = defaultdict(RunRows)
    taken: dict[str, set[MetricRow]] = defaultdict(set)
    gaps = Gaps()
    for index, record in enumerate(records):
        if index % RECORDS_AT_ONCE == 0:
            give_way()
        rows, occupied = found[record.run_id], taken[record.run_id]
        in_call: set[MetricRow] = set()
        values = values_of(record)
        for key, value, timestamp, step, *model in values:
            is_nan, number = sanitize(value)
            row = MetricRow(key, float(number), timestamp, step, is_nan)
            if len(values) > 1:
                if row in in_call:
                    rows.repeated[key] += 1
                    continue
                in_call.add(row)
            is_fresh = _is_fresh(record, timestamp)
            if row not in occupied or is_fresh:
                row = _next_free(gaps, record.run_id, row, occupied)
                occupied.add(row)
                (rows.fresh if is_fresh else rows.given).append(row)
            else:
                rows.repeated[key] += 1
            if model:
                rows.of_models.append((row, model))
    return found


def _next_free(gaps: Gaps, run_id: str, row: MetricRow, occupied: set[MetricRow]) -> MetricRow:
    """Return a row at the first timestamp, from its own on, at which none is equal to it."""
    if row not in occupied:
        return row
    moved = gaps.free(run_id, row)
    while moved in occupied:
        moved = moved._replace(timestamp=moved.timestamp + 1)
    gaps.took(run_id, row, moved)
    return moved


def _is_fresh(record: Record, timestamp: int) -> bool:
    """Whether a call took a timestamp itself, and was not given one that may be logged again."""
    if record.called_at is None:
        return False
    return -_AHEAD_MS <= record.called_at - timestamp <= _FRESH_MS


def place_of(row: MetricRow) -> Place:
    """Return what a row shares with those that differ by their timestamps only."""
    return row.key, row.step, row.value, row.is_nan


def insert_rows(tables: MetricTables, rows: RunRows) -> Counter[str]:
    """Insert the rows of a run; return how many were, by key. Those that moved move in ``rows``.

    Args:
        tables: of the run.
        rows: the rows; ``repeated`` grows by the given ones that were stored before.
    """
    logged = rows.given + rows.fresh
    if not logged:
        return Counter()
    tables.execute("SAVEPOINT logged")
    if tables.insert(logged) < len(logged):
        # A given one is stored already, or another writer logged an equal value in the same
        # millisecond.
        tables.execute("ROLLBACK TO SAVEPOINT logged")
        new = [row for row in rows.given if tables.insert([row])]
        rows.repeated += Counter(row.key for row in rows.given) - Counter(row.key for row in new)
        rows.given = new
        _insert_moving(tables, rows)
        logged = rows.given + rows.fresh
    tables.execute("RELEASE SAVEPOINT logged")
    if logged:
        tables.upsert_latest(logged)
    return Counter(row.key for row in logged)


def _insert_moving(tables: MetricTables, rows: RunRows) -> None:
    """Insert fresh rows, those of each place from the next millisecond that is free on."""
    tables.execute("SAVEPOINT moving")
    moved = _moved_together(tables, rows.fresh)
    if tables.insert(list(moved.values())) < len(moved):
        # Between those that are stored there are gaps.
        tables.execute("ROLLBACK TO SAVEPOINT moving")
        moved = _insert_one_by_one(tables, rows.fresh)
    tables.execute("RELEASE SAVEPOINT moving")
    rows.fresh = list(moved.values())
    rows.of_models = [(moved.get(row, row), model) for row, model in rows.of_models]


def _moved_together(tables: MetricTables, rows: list[MetricRow]) -> dict[MetricRow, MetricRow]:
    """Return where rows are to be, if what is stored of each place has no gap."""
    moved: dict[MetricRow, MetricRow] = {}
    looked: set[Place] = set()
    gaps = Gaps()
    for row in rows:
        free = gaps.free("", row)
        if place_of(row) not in looked:
            looked.add(place_of(row))
            free = free._replace(timestamp=tables.next_free(free))
        gaps.took("", row, free)
        moved[row] = free
    return moved


def _insert_one_by_one(tables: MetricTables, rows: list[MetricRow]) -> dict[MetricRow, MetricRow]:
    moved: dict[MetricRow, MetricRow] = {}
    gaps = Gaps()
    for row in rows:
        free = gaps.free("", row)
        while not tables.insert([free]):
            free = free._replace(timestamp=tables.next_free(free))
        gaps.took("", row, free)
        moved[row] = free
    return moved
