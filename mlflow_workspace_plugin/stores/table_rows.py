"""The places of the rows of SDK v1's tables.

The cells of a row are metrics of one step and one millisecond, which is all that says that they
belong together. So a row whose place is another's already, as of a process that logs to the same
table, moves to the next millisecond that is free, with all its cells.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from mlflow_workspace_plugin.hub.tables import ROWS
from mlflow_workspace_plugin.journal.records import Kind, Record

_PLACES_AT_ONCE = 500

Place = tuple[int, int]
"""Timestamp and step."""


def claim_places(
    connection: Connection, run_id: str, table: str, places: Iterable[Place], after: int = 0
) -> dict[Place, int]:
    """Make places those of new rows, in order; return the timestamps of rows that have to move.

    Args:
        connection: in the transaction that stores the rows.
        run_id: the run.
        table: what names the table.
        places: of the rows.
        after: the timestamp of the row before these, behind which they stay.
    """
    wanted = sorted(set(places))
    if not wanted:
        return {}
    if wanted[0][0] >= after:
        with_all = connection.begin_nested()
        if _insert(connection, run_id, table, wanted) == len(wanted):
            with_all.commit()
            return {}
        with_all.rollback()
    moved = {}
    for timestamp, step in wanted:
        free = after = max(timestamp, after)
        while not _insert(connection, run_id, table, [(free, step)]):
            free = after = free + 1
        if free != timestamp:
            moved[timestamp, step] = free
    return moved


def place_rows(
    connection: Connection, records: Sequence[Record], runs: Iterable[str]
) -> Sequence[Record]:
    """Claim the places of all rows of tables; return the records as they are to be stored.

    Args:
        connection: in the transaction that stores them.
        records: in the order in which they were logged.
        runs: those that may be written to.
    """
    placed = list(records)
    writable = set(runs)
    last: dict[tuple[str, str], int] = {}
    for index, record in enumerate(records):
        if record.kind != Kind.TYPED or record.run_id not in writable:
            continue
        values, exact, table = record.content
        if table is None:
            continue
        places = [(timestamp, step) for _, _, timestamp, step, *_ in values]
        places += [(timestamp, step) for _, timestamp, step, _ in exact]
        before = last.get((record.run_id, table), 0)
        moved = claim_places(connection, record.run_id, table, places, before)
        if moved:
            placed[index] = record._replace(
                content=[_moved(values, 2, moved), _moved(exact, 1, moved), table]
            )
        last[record.run_id, table] = max(
            before, *moved.values(), *(timestamp for timestamp, _ in places)
        )
    return placed if placed != records else records


def _moved(lists: list[list[Any]], at: int, moved: dict[Place, int]) -> list[list[Any]]:
    """Return lists with other timestamps, which are at an index and followed by the step."""
    return [
        [*each[:at], moved.get((each[at], each[at + 1]), each[at]), *each[at + 1 :]]
        for each in lists
    ]


def _insert(connection: Connection, run_id: str, table: str, places: Sequence[Place]) -> int:
    """Insert those places that are free; return how many were."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(ROWS).on_conflict_do_nothing()
    inserted = 0
    # Of a statement that is executed many times drivers do not say how many were inserted.
    for first in range(0, len(places), _PLACES_AT_ONCE):
        rows = [
            {"run_uuid": run_id, "table": table, "timestamp": timestamp, "step": step}
            for timestamp, step in places[first : first + _PLACES_AT_ONCE]
        ]
        # One row is what is usual, and its statement is compiled once.
        of_these = (statement, rows[0]) if len(rows) == 1 else (statement.values(rows),)
        options = {"preserve_rowcount": True}
        inserted += connection.execute(*of_these, execution_options=options).rowcount
    return inserted
