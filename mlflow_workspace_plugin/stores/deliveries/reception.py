"""Storing what strangers send of their journals to a served hub."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextvars import ContextVar
from typing import NamedTuple

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, RESOURCE_DOES_NOT_EXIST
from sqlalchemy import bindparam, text

from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.journal.files import records
from mlflow_workspace_plugin.journal.files.records import NO_CALLS, Kind, Record, models_of
from mlflow_workspace_plugin.protocol.journal import Batch, InvalidBatchError, Reply
from mlflow_workspace_plugin.stores.deliveries.checks import Checks
from mlflow_workspace_plugin.stores.deliveries.served_writer import ServedWriter
from mlflow_workspace_plugin.stores.tracking import HubTrackingStore


class MayWrite(NamedTuple):
    """Says what whoever sends may write to."""

    runs: Callable[[Collection[str]], Collection[str]]
    """Returns those of some runs of the workspace."""
    models: Callable[[Collection[str]], Collection[str]]
    """Returns those of some logged models that are of the workspace."""


# How many records, of how many values and runs, are looked at and stored at once.
_RECORDS_AT_ONCE = 5_000
_VALUES_AT_ONCE = 50_000
_RUNS_AT_ONCE = 50
_LOCK_WAIT_MS = 2_000

_OWN_RUNS = text("""
    SELECT runs.run_uuid FROM runs
    JOIN experiments ON experiments.experiment_id = runs.experiment_id
    WHERE runs.run_uuid IN :ids AND experiments.workspace = :workspace
""").bindparams(bindparam("ids", expanding=True))

_workspace: ContextVar[str] = ContextVar("workspace_of_delivery", default="")


class _Store(HubTrackingStore):
    """Stores what is sent to any workspace of a hub."""

    lock_wait_ms = _LOCK_WAIT_MS

    def _get_active_workspace(self) -> str:
        return _workspace.get()


class Reception:
    """Takes what clients send of their journals. Any thread may call it.

    Args:
        hub: where it is stored.
    """

    def __init__(self, hub: Hub) -> None:
        self._store = _Store(hub)

    def receive(
        self, workspace: str, secret: str, batch: Batch, may_write: MayWrite, seconds: float
    ) -> Reply:
        """Store the first of some records, but for those that are stored already.

        What is refused is kept, and said in each reply, until the sender acknowledges it. Of a
        sender that acknowledges none of a lot of it nothing more is taken.

        Args:
            workspace: the workspace, which there is, and in which the sender may write.
            secret: of the journal.
            batch: what was sent.
            may_write: says to which runs and logged models the sender may write.
            seconds: after that nothing more of it is begun.

        Raises:
            JournalNotYoursError: the journal is known by another secret.
            JournalBehindError: the hub has less of it than the sender was told.
            InvalidBatchError: a line is damaged, or is not in its place.
            Exception: the database is away. Nothing is lost by sending the batch again.
        """
        end = time.monotonic() + seconds
        token = _workspace.set(workspace)
        try:
            writer = ServedWriter(workspace, batch.writer, secret)
            writer.follows = batch.follows
            with self._store._statements() as connection:
                stored = writer.check(connection)
            given = _records_of(batch.lines)
            if batch.acknowledged:
                self._acknowledge(writer, batch, may_write)
            checks = Checks(self._store)
            for part in _parts([record for record in given if record.sequence > stored]):
                if not self._has_room(writer):
                    break
                self._deliver(writer, part, checks, may_write)
                if time.monotonic() >= end:
                    break
            with self._store._statements() as connection:
                return writer.reply(connection)
        finally:
            _workspace.reset(token)

    def reply(self, workspace: str, secret: str, writer: str) -> Reply:
        """Return how far a writer is, and what is refused of it and not acknowledged.

        Raises:
            JournalNotYoursError: the journal is known by another secret.
            Exception: the database is away.
        """
        with self._store._statements() as connection:
            return ServedWriter(workspace, writer, secret).reply(connection)

    def ping(self) -> None:
        """Ask the database for any answer, and SQLite for its lock.

        Raises:
            Exception: it is away.
        """
        self._store.ping()

    def _acknowledge(self, writer: ServedWriter, batch: Batch, may_write: MayWrite) -> None:
        """Forget what the sender knows to be refused; note what no call of it waited for."""
        known = batch.acknowledged
        with self._store._statements() as connection:
            notes = writer.unheard_notes(connection, known, batch.unheard)
        # Whoever may not write to a run may have records of it refused.
        own = self._own_runs({run_id for run_id, _ in notes})
        writable = set(may_write.runs(own)) & own if own else set()
        with self._store._delivery() as connection:
            writer.acknowledge(connection, known, (each for each in notes if each[0] in writable))

    def _deliver(
        self, writer: ServedWriter, given: Sequence[Record], checks: Checks, may_write: MayWrite
    ) -> None:
        """Deliver records; those that are refused unseen come with nothing in them."""
        refused: dict[int, tuple[Record, Exception]] = {}
        checked: list[Record] = []
        for record in given:
            found = checks.checked_or_refusal(record)
            if isinstance(found, Record):
                checked.append(found)
            else:
                refused[record.sequence] = record, found
        own = self._own_runs({record.run_id for record in checked})
        writable = set(may_write.runs(own)) & own if own else set()
        named = models_of(checked)
        closed = named.difference(may_write.models(named)) if named else set()
        for record in checked:
            if record.run_id not in writable:
                error = _refusal(record.run_id, is_own=record.run_id in own)
                refused[record.sequence] = record, error
            elif closed and (of_record := models_of([record]) & closed):
                refused[record.sequence] = record, _refusal_of_model(min(of_record))
        taken = {record.sequence: record for record in checked if record.sequence not in refused}
        wanted = [taken.get(record.sequence) or _nothing(record.sequence) for record in given]
        # What the journal says of itself is no call of anybody's.
        writer.refused = {
            number: each for number, each in refused.items() if each[0].kind not in NO_CALLS
        }
        while wanted:
            wanted = wanted[self._store.deliver_of(writer, wanted, writer.keep) :]

    def _has_room(self, writer: ServedWriter) -> bool:
        with self._store._statements() as connection:
            return writer.has_room(connection)

    def _own_runs(self, run_ids: set[str]) -> set[str]:
        if not run_ids:
            return set()
        parameters = {"ids": sorted(run_ids), "workspace": _workspace.get()}
        with self._store._statements() as connection:
            return set(connection.execute(_OWN_RUNS, parameters).scalars())


def _records_of(lines: Sequence[bytes]) -> list[Record]:
    """Return the records of lines.

    Raises:
        InvalidBatchError: a line is damaged, or is not in its place.
    """
    found: list[Record] = []
    for number, line in enumerate(lines):
        try:
            record = records.read(line)
        except ValueError as error:
            raise InvalidBatchError(f"Line {number} is damaged. {error}", number) from None
        if found and record.sequence <= found[-1].sequence:
            raise InvalidBatchError(f"Line {number} is not behind the one before it.", number)
        found.append(record)
    return found


def _parts(given: list[Record]) -> Iterator[list[Record]]:
    """Yield records in parts that take a moment each."""
    part: list[Record] = []
    runs: set[str] = set()
    values = 0
    for record in given:
        runs.add(record.run_id)
        # Whether it holds what it should is not known yet.
        own = len(record.content) if isinstance(record.content, list) else 1
        is_full = len(part) >= _RECORDS_AT_ONCE or values + own > _VALUES_AT_ONCE
        if part and (is_full or len(runs) > _RUNS_AT_ONCE):
            yield part
            part, runs, values = [], {record.run_id}, 0
        part.append(record)
        values += own
    if part:
        yield part


def _nothing(sequence: int) -> Record:
    return Record(sequence, Kind.LOGGED.value, "", None, {})


def _refusal(run_id: str, *, is_own: bool) -> MlflowException:
    if is_own:
        return MlflowException(
            f"You may not write to run {run_id!r}. Ask those who manage its workspace for the "
            "right to, and send it again.",
            PERMISSION_DENIED,
        )
    # As MLflow's own store, also of runs of other workspaces.
    return MlflowException(f"Run with id={run_id} not found", RESOURCE_DOES_NOT_EXIST)


def _refusal_of_model(model_id: str) -> MlflowException:
    # As MLflow's server, which does not say either whether there is one.
    return MlflowException(
        f"There is no logged model {model_id!r} in the workspace, or you may not write to it. Ask "
        "those who manage the workspace for the right to, and send it again.",
        PERMISSION_DENIED,
    )
