"""What became of the values that were logged to a run, as the hub's database tells."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

_WRITERS = text("SELECT writer, sequence FROM workspace_plugin_writers")
_RECEIPTS = text("""
    SELECT key, sum(stored), sum(repeated), sum(refused), sum(dropped)
    FROM workspace_plugin_receipts WHERE run_uuid = :run_id GROUP BY key
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
    """By calls that returned, in processes with a journal."""
    stored: int = 0
    repeated: int = 0
    """Equal to another of the same call, or logged again with the same timestamp."""
    refused: int = 0
    dropped: int = 0
    """Lost, because the journal could not be written and memory was used up."""
    waiting: int = 0
    """In journals of this machine."""
    not_ours: int = 0
    """Rows that other clients logged, or processes without a journal."""
    missing: int = 0
    """Rows that were stored and are there no more."""

    @property
    def is_equal(self) -> bool:
        """Whether all that was logged can be read."""
        return not (self.refused or self.dropped or self.waiting or self.missing)


def stored_sequences(connection: Connection) -> dict[str, int]:
    """Return the sequence of the last stored record of each journal that is not finished."""
    return {row.writer: row.sequence for row in connection.execute(_WRITERS)}


def workspace_of(connection: Connection, run_id: str) -> str | None:
    """Return the workspace of a run; None when the hub holds no such run."""
    found: str | None = connection.execute(_WORKSPACE, {"run_id": run_id}).scalar_one_or_none()
    return found


def receipts_of(connection: Connection, run_id: str, waiting: dict[str, int]) -> list[Receipt]:
    """Return the receipts of a run, by metric.

    Args:
        connection: to a hub's database.
        run_id: the run.
        waiting: how many values wait in journals, by metric.
    """
    found: dict[str, Receipt] = {}

    def of(key: str) -> Receipt:
        return found.setdefault(key, Receipt(key))

    parameters = {"run_id": run_id}
    for key, *counts in connection.execute(_RECEIPTS, parameters):
        receipt = of(key)
        receipt.stored, receipt.repeated, receipt.refused, receipt.dropped = map(int, counts)
    for key, number in waiting.items():
        of(key).waiting = number
    rows = {key: int(number) for key, number in connection.execute(_ROWS, parameters)}
    for key in rows:
        of(key)
    for receipt in found.values():
        surplus = rows.get(receipt.metric, 0) - receipt.stored
        receipt.not_ours, receipt.missing = max(surplus, 0), max(-surplus, 0)
        receipt.logged = (
            receipt.stored + receipt.repeated + receipt.refused + receipt.dropped + receipt.waiting
        )
    return [found[key] for key in sorted(found)]
