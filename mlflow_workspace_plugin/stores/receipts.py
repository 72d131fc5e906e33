"""What became of the values that were logged to a run, as the hub's database tells."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

_WRITERS = text("SELECT writer, sequence FROM workspace_plugin_writers")
_RECEIPTS = text("""
    SELECT key, writer, logged, stored, repeated, refused, dropped
    FROM workspace_plugin_receipts WHERE run_uuid = :run_id
""")
_WORKSPACE = text("""
    SELECT experiments.workspace FROM runs
    JOIN experiments ON experiments.experiment_id = runs.experiment_id
    WHERE runs.run_uuid = :run_id
""")
_ROWS = text("SELECT key, count(*) FROM metrics WHERE run_uuid = :run_id GROUP BY key")


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
    """Lost, because the journal could not be written and memory was used up."""
    waiting: int = 0
    """In journals of this machine."""
    lost: int = 0
    """Logged, and nowhere: their journal was damaged or removed, or is on another machine."""
    not_ours: int = 0
    """Rows that other clients logged, or processes without a journal."""
    missing: int = 0
    """Rows that were stored and are there no more."""

    @property
    def is_equal(self) -> bool:
        """Whether all that was logged can be read."""
        return not (self.refused or self.dropped or self.waiting or self.lost or self.missing)


def stored_sequences(connection: Connection) -> dict[str, int]:
    """Return the sequence of the last stored record of each journal that is not finished."""
    return {row.writer: row.sequence for row in connection.execute(_WRITERS)}


def workspace_of(connection: Connection, run_id: str) -> str | None:
    """Return the workspace of a run; None when the hub holds no such run."""
    found: str | None = connection.execute(_WORKSPACE, {"run_id": run_id}).scalar_one_or_none()
    return found


def receipts_of(
    connection: Connection, run_id: str, waiting: Mapping[tuple[str, str], int]
) -> list[Receipt]:
    """Return the receipts of a run, by metric.

    Args:
        connection: to a hub's database.
        run_id: the run.
        waiting: how many values wait in journals, by metric and writer.
    """
    found: dict[str, Receipt] = {}
    parameters = {"run_id": run_id}
    stored = {
        (key, writer): list(map(int, counts))
        for key, writer, *counts in connection.execute(_RECEIPTS, parameters)
    }
    for key, writer in {**stored, **waiting}:
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
    rows = {key: int(number) for key, number in connection.execute(_ROWS, parameters)}
    for key in rows:
        found.setdefault(key, Receipt(key))
    for receipt in found.values():
        surplus = rows.get(receipt.metric, 0) - receipt.stored
        receipt.not_ours, receipt.missing = max(surplus, 0), max(-surplus, 0)
    return [found[key] for key in sorted(found)]
