"""The places of the rows of SDK v1's tables.

The cells of a row are metrics of one step and one millisecond, which is all that says that they
belong together. So a row whose place is another's already, as of a process that logs to the same
table, moves to the next millisecond that is free, with all its cells.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain, pairwise
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from mlflow_workspace_plugin.errors import UnstorableValueError
from mlflow_workspace_plugin.hub.tables import ROWS
from mlflow_workspace_plugin.journal.files.records import Kind, Record

Place = tuple[int, int]
"""Timestamp and step."""

_LAST = (1 << 63) - 1
"""No later timestamp is stored."""


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

    Raises:
        UnstorableValueError: there is no time left behind a row that has to move.
    """
    wanted = sorted(set(places))
    if not wanted:
        return {}
    if wanted[0][0] >= after and _insert_all(connection, run_id, table, wanted):
        return {}
    moved = {}
    for timestamp, step in wanted:
        free = after = max(timestamp, after)
        while not _insert(connection, run_id, table, [(free, step)]):
            if free == _LAST:
                raise UnstorableValueError(
                    f"A row of table {table!r} at step {step} has no place: no later time than "
                    "that of another is left. Give it a time that is."
                )
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
    writable = set(runs)
    of_tables: dict[tuple[str, str], dict[int, list[Place]]] = defaultdict(dict)
    for index, record in enumerate(records):
        if record.kind == Kind.TYPED and record.run_id in writable:
            *_, table = record.content
            places = _places_of(record)
            if table is not None and places:
                of_tables[record.run_id, table][index] = places
    placed = list(records)
    for (run_id, table), wanted in of_tables.items():
        # What is usual takes one statement. Otherwise each record finds its own places.
        if _are_in_order(wanted.values()) and _insert_all(
            connection, run_id, table, list(chain.from_iterable(wanted.values()))
        ):
            continue
        after = 0
        for index, places in wanted.items():
            moved = claim_places(connection, run_id, table, places, after)
            placed[index] = _moved_record(records[index], moved)
            after = max(after, *moved.values(), places[-1][0])
    return placed if placed != records else records


def _places_of(record: Record) -> list[Place]:
    """Return the places of the rows of a record, sorted."""
    values, exact, _ = record.content
    places = {(timestamp, step) for _, _, timestamp, step, *_ in values}
    places.update((timestamp, step) for _, timestamp, step, *_ in exact)
    return sorted(places)


def _are_in_order(of_records: Iterable[list[Place]]) -> bool:
    """Whether no row is earlier than those that were logged before it."""
    return all(before[-1][0] <= behind[0][0] for before, behind in pairwise(of_records))


def _moved_record(record: Record, moved: dict[Place, int]) -> Record:
    if not moved:
        return record
    values, exact, table = record.content
    return record._replace(content=[_moved(values, 2, moved), _moved(exact, 1, moved), table])


def _moved(lists: list[list[Any]], at: int, moved: dict[Place, int]) -> list[list[Any]]:
    """Return lists with other timestamps, which are at an index and followed by the step."""
    return [
        [*each[:at], moved.get((each[at], each[at + 1]), each[at]), *each[at + 1 :]]
        for each in lists
    ]


def _insert_all(connection: Connection, run_id: str, table: str, places: Sequence[Place]) -> bool:
    """Insert places if all of them are free, or else none; return whether they were."""
    with_all = connection.begin_nested()
    if _insert(connection, run_id, table, places) == len(places):
        with_all.commit()
        return True
    with_all.rollback()
    return False


def _insert(connection: Connection, run_id: str, table: str, places: Sequence[Place]) -> int:
    """Insert those places that are free; return how many were."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    rows = [
        {"run_uuid": run_id, "table": table, "timestamp": timestamp, "step": step}
        for timestamp, step in places
    ]
    return connection.execute(
        dialect.insert(ROWS).on_conflict_do_nothing(),
        rows,
        execution_options={"preserve_rowcount": True},
    ).rowcount
