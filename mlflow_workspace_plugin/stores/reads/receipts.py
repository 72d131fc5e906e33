"""What became of the values that were logged to a run, as the hub's database tells."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, text

from mlflow_workspace_plugin.hub.databases import storable
from mlflow_workspace_plugin.journal.files.records import OTHERS, UNCOUNTED

_WRITERS = text(
    "SELECT writer, sequence FROM workspace_plugin_writers WHERE writer IN :writers"
).bindparams(bindparam("writers", expanding=True))
_RECEIPTS = text("""
    SELECT key, writer, logged, stored, repeated, refused, dropped
    FROM workspace_plugin_receipts WHERE run_uuid = :run_id
""")
_ROWS = text("SELECT key, count(*) FROM metrics WHERE run_uuid = :run_id GROUP BY key")

_RUN_ID_LENGTH = 32
_KEY_LENGTH = 250
_WRITERS_AT_ONCE = 500
_OTHERS_SHOWN = "(params, tags, end)"
_COUNTS = ("logged", "stored", "repeated", "refused", "dropped")
STORE_RECEIPT = text(f"""
    INSERT INTO workspace_plugin_receipts (run_uuid, key, writer, {", ".join(_COUNTS)})
    VALUES (:run_id, :key, :writer, {", ".join(f":{count}" for count in _COUNTS)})
    ON CONFLICT (run_uuid, key, writer) DO UPDATE SET
    {", ".join(f"{each} = workspace_plugin_receipts.{each} + excluded.{each}" for each in _COUNTS)}
""")


class Receipts:
    """Counts what became of values, by run and metric, to be stored with them."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], Counter[str]] = {}

    def add(self, run_id: str, **counts: Counter[str]) -> None:
        """Add counts by key, under the name of what became of the values."""
        for became, by_key in counts.items():
            for key, number in by_key.items():
                self._counts.setdefault((run_id, key), Counter())[became] += number

    def rows(self, writer: str) -> list[dict[str, Any]]:
        """Return them as parameters of a statement, in the order in which all writers lock them."""
        return [
            {"run_id": run_id, "key": key, "writer": writer}
            | {name: counts[name] for name in _COUNTS}
            for (run_id, key), counts in sorted(self._counts.items())
            # A longer id is no run's.
            if len(run_id) <= _RUN_ID_LENGTH
        ]

    def storable(self) -> "Receipts":
        """Return them with keys that a database takes, of values that were refused for theirs."""
        found = Receipts()
        for (run_id, key), counts in self._counts.items():
            key = storable.storable(key)[:_KEY_LENGTH]
            found._counts.setdefault((storable.storable(run_id), key), Counter()).update(counts)
        return found


@dataclass
class Receipt:
    """What became of the values of one metric of a run. Numbers of values."""

    metric: str
    logged: int = 0
    """By calls that returned, in processes with a journal: as these counted them, if they ended by
    themselves, else what is known of them."""
    stored: int = 0
    repeated: int = 0
    """Equal to another of the same call, or logged again with the same timestamp."""
    refused: int = 0
    dropped: int = 0
    """Lost, because the journal could not be written, and memory was used up or the process ended.
    """
    waiting: int = 0
    """In journals of this machine."""
    lost: int = 0
    """Logged, and nowhere: their journal was damaged or removed, or is on another machine."""
    not_ours: int = 0
    """Rows, and texts, that other clients logged, or processes without a journal."""
    missing: int = 0
    """Rows, and texts, that were stored and are there no more."""

    @property
    def is_whole(self) -> bool:
        """Whether all that was logged can be read, or waits."""
        return not (self.refused or self.dropped or self.lost or self.missing)

    @property
    def is_equal(self) -> bool:
        """Whether all that was logged can be read."""
        return self.is_whole and not self.waiting


def stored_sequences(connection: Connection, writers: Iterable[str]) -> dict[str, int]:
    """Return the sequence of the last stored record of each of some writers."""
    found: dict[str, int] = {}
    names = iter(sorted(writers))
    while part := list(islice(names, _WRITERS_AT_ONCE)):
        rows = connection.execute(_WRITERS, {"writers": part})
        found |= {row.writer: row.sequence for row in rows}
    return found


def uncounted_of(connection: Connection, run_id: str) -> int:
    """Return in how many places calls of a run were lost that nobody counted by metric."""
    rows = connection.execute(_RECEIPTS, {"run_id": run_id})
    return sum(row.key == UNCOUNTED for row in rows)


def receipts_of(
    connection: Connection,
    run_id: str,
    waiting: Mapping[tuple[str, str], int],
    dropped: Mapping[tuple[str, str], int] | None = None,
    texts: Callable[[], Mapping[str, int] | None] = dict,
) -> list[Receipt]:
    """Return the receipts of a run, by metric.

    Args:
        connection: to a hub's database.
        run_id: the run.
        waiting: how many values wait in journals, by metric and writer.
        dropped: how many were lost with a writer's memory, as journals say that were not sent.
        texts: returns how many values without a number the run's files hold, by metric; None if
            that cannot be known now. Asked for after what is stored, which is in files before.
    """
    found: dict[str, Receipt] = {}
    parameters = {"run_id": run_id}
    stored: dict[tuple[str, str], list[int]] = {}
    for key, writer, *counts in connection.execute(_RECEIPTS, parameters):
        # What others sent in its place has ids that begin with its own.
        _add(stored, key, writer, map(int, counts))
    for (key, writer), number in (dropped or {}).items():
        _add(stored, key, writer, (0, 0, 0, 0, number))
    for key, writer in {**stored, **waiting}:
        if key == UNCOUNTED:
            continue
        receipt = found.setdefault(key, Receipt(key))
        counted, *became = stored.get((key, writer), [0] * 5)
        waits = waiting.get((key, writer), 0)
        known = sum(became) + waits
        receipt.logged += max(counted, known)
        receipt.lost += max(counted - known, 0)
        receipt.waiting += waits
        receipt.stored += became[0]
        receipt.repeated += became[1]
        receipt.refused += became[2]
        receipt.dropped += became[3]
    rows = Counter({key: int(number) for key, number in connection.execute(_ROWS, parameters)})
    in_files = texts()
    rows.update(in_files or {})
    for key in rows:
        found.setdefault(key, Receipt(key))
    for receipt in found.values():
        surplus = rows[receipt.metric] - receipt.stored
        receipt.not_ours = max(surplus, 0)
        receipt.missing = 0 if in_files is None else max(-surplus, 0)
    if OTHERS in found:
        found[OTHERS].metric = _OTHERS_SHOWN
    return [found[key] for key in sorted(found)]


def _add(
    stored: dict[tuple[str, str], list[int]], key: str, writer: str, counts: Iterable[int]
) -> None:
    place = key, writer.partition(".")[0]
    before = stored.get(place, [0] * len(_COUNTS))
    stored[place] = [one + other for one, other in zip(before, counts, strict=True)]
