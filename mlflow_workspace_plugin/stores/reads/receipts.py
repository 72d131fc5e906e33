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
_JOURNALS = text("""
    SELECT writer, sequence FROM workspace_plugin_journals
    WHERE workspace = :workspace AND writer IN :writers
""").bindparams(bindparam("writers", expanding=True))
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
NOT_REFUSED = text("""
    UPDATE workspace_plugin_receipts
    SET refused = CASE WHEN refused > :number THEN refused - :number ELSE 0 END
    WHERE run_uuid = :run_id AND key = :key AND writer = :writer
""")
"""Takes back that values were refused, which were sent again; see :func:`not_refused`."""


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


def not_refused(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the parameters that take back what a writer's values were counted as before.

    Args:
        rows: as they are counted now, under an id that is used in the place of the writer's.
    """
    return [
        {
            "run_id": row["run_id"],
            "key": row["key"],
            "writer": row["writer"].partition(".")[0],
            "number": row["stored"] + row["repeated"] + row["refused"],
        }
        for row in rows
    ]


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


def stored_sequences(
    connection: Connection, writers: Iterable[str], workspace: str | None = None
) -> dict[str, int]:
    """Return the sequence of the last stored record of each of some writers.

    Args:
        connection: to a hub's database.
        writers: their ids.
        workspace: that they log to by the hub's server, if some do, as MLflow knows it.
    """
    found: dict[str, int] = {}
    names = iter(sorted(writers))
    while part := list(islice(names, _WRITERS_AT_ONCE)):
        rows = connection.execute(_WRITERS, {"writers": part})
        found |= {row.writer: row.sequence for row in rows}
        if workspace is not None:
            rows = connection.execute(_JOURNALS, {"workspace": workspace, "writers": part})
            found |= {row.writer: row.sequence for row in rows}
    return found


@dataclass(frozen=True)
class Stored:
    """What a hub knows, at one moment, of the values that were logged to a run.

    Attributes:
        sequences: of the last stored record, of those writers that were asked about.
        counts: by metric and writer, how many values were logged, stored, repeated, refused and
            dropped.
        rows: how many rows each metric has.
        texts: how many values without a number the run's files hold, by metric; None if that
            cannot be known now.
        unread: why not, if so.
    """

    sequences: dict[str, int]
    counts: list[tuple[str, str, int, int, int, int, int]]
    rows: dict[str, int]
    texts: dict[str, int] | None
    unread: list[str]

    @property
    def uncounted(self) -> int:
        """In how many places calls were lost that nobody counted by metric."""
        return sum(key == UNCOUNTED for key, *_ in self.counts)


def read_stored(
    connection: Connection,
    run_id: str,
    writers: Iterable[str] = (),
    workspace: str | None = None,
    texts: Callable[[], tuple[Mapping[str, int] | None, list[str]]] = lambda: ({}, []),
) -> Stored:
    """Return what a hub knows of the values that were logged to a run.

    Args:
        connection: to its database.
        run_id: the run.
        writers: whose sequences are asked about.
        workspace: as for :func:`stored_sequences`.
        texts: returns how many values without a number the run's files hold, by metric, or None and
            why. Asked for after what is stored, which is in files before.
    """
    sequences = stored_sequences(connection, writers, workspace)
    parameters = {"run_id": run_id}
    counts = [
        (key, writer, *map(int, of_it))
        for key, writer, *of_it in connection.execute(_RECEIPTS, parameters)
    ]
    rows = {key: int(number) for key, number in connection.execute(_ROWS, parameters)}
    in_files, unread = texts()
    return Stored(sequences, counts, rows, None if in_files is None else dict(in_files), unread)


def receipts_of(
    known: Stored,
    waiting: Mapping[tuple[str, str], int],
    dropped: Mapping[tuple[str, str], int] | None = None,
) -> list[Receipt]:
    """Return the receipts of a run, by metric.

    Args:
        known: what its hub knows.
        waiting: how many values wait in journals, by metric and writer.
        dropped: how many were lost with a writer's memory, as journals say that were not sent.
    """
    found: dict[str, Receipt] = {}
    stored: dict[tuple[str, str], list[int]] = {}
    for key, writer, *counts in known.counts:
        # What others sent in its place has ids that begin with its own.
        _add(stored, key, writer, counts)
    for (key, writer), number in (dropped or {}).items():
        _add(stored, key, writer, (0, 0, 0, 0, number))
    for key, writer in {**stored, **waiting}:
        if key == UNCOUNTED:
            continue
        receipt = found.setdefault(key, Receipt(key))
        counted, *became = stored.get((key, writer), [0] * 5)
        waits = waiting.get((key, writer), 0)
        sent = sum(became) + waits
        receipt.logged += max(counted, sent)
        receipt.lost += max(counted - sent, 0)
        receipt.waiting += waits
        receipt.stored += became[0]
        receipt.repeated += became[1]
        receipt.refused += became[2]
        receipt.dropped += became[3]
    rows = Counter(known.rows)
    rows.update(known.texts or {})
    for key in rows:
        found.setdefault(key, Receipt(key))
    for receipt in found.values():
        surplus = rows[receipt.metric] - receipt.stored
        receipt.not_ours = max(surplus, 0)
        receipt.missing = 0 if known.texts is None else max(-surplus, 0)
    if OTHERS in found:
        found[OTHERS].metric = _OTHERS_SHOWN
    return [found[key] for key in sorted(found)]


def _add(
    stored: dict[tuple[str, str], list[int]], key: str, writer: str, counts: Iterable[int]
) -> None:
    place = key, writer.partition(".")[0]
    before = stored.get(place, [0] * len(_COUNTS))
    stored[place] = [one + other for one, other in zip(before, counts, strict=True)]
