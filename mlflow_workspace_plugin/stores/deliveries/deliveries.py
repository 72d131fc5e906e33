"""Storing the records of a journal, each exactly once."""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from typing import Any

from mlflow.entities import Metric, Param, RunStatus, RunTag
from mlflow.store.tracking.dbmodels.models import SqlLoggedModelMetric
from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects import postgresql, sqlite

from mlflow_workspace_plugin.errors import HubBusyError, JournalBehindError
from mlflow_workspace_plugin.hub.databases import storable
from mlflow_workspace_plugin.journal.files.records import (
    AWAITED,
    NO_CALLS,
    VALUES,
    Kind,
    Record,
    keys_of,
    keys_of_texts,
    models_of,
    values_of,
)
from mlflow_workspace_plugin.journal.sending.again import is_sent_again
from mlflow_workspace_plugin.journal.sending.target import KeepRefused
from mlflow_workspace_plugin.stores.deliveries.conflicts import note_conflict
from mlflow_workspace_plugin.stores.deliveries.delivered_rows import (
    RunRows,
    insert_rows,
    rows_by_run,
)
from mlflow_workspace_plugin.stores.deliveries.writers import (
    HubWriter,
    Writer,
    last_of_hub_writer,
)
from mlflow_workspace_plugin.stores.reads.exact_values import ExactValue
from mlflow_workspace_plugin.stores.reads.receipts import (
    NOT_REFUSED,
    STORE_RECEIPT,
    Receipts,
    not_refused,
)
from mlflow_workspace_plugin.stores.retries.faults import is_of_content, is_refusal
from mlflow_workspace_plugin.stores.writes.metric_tables import (
    MetricTables,
    PostgresqlMetricTables,
    SqliteMetricTables,
)
from mlflow_workspace_plugin.stores.writes.run_writes import add_params, update_info, upsert_tags
from mlflow_workspace_plugin.stores.writes.table_rows import place_rows
from mlflow_workspace_plugin.stores.writes.typed_values import TypedValues, insert_descriptors

_LOCK_WAIT_ONCE_MS = 50
# Ours, and what MLflow leaves of a run: which datasets and models it read and made.
_OF_RUN = (
    "(destination_type = 'RUN' AND destination_id = :run_id) "
    "OR (source_type IN ('RUN_INPUT', 'RUN_OUTPUT') AND source_id = :run_id)"
)
_DROPPED_WITH_RUN = [
    text("DELETE FROM workspace_plugin_receipts WHERE run_uuid = :run_id"),
    text("DELETE FROM workspace_plugin_rows WHERE run_uuid = :run_id"),
    text("DELETE FROM workspace_plugin_jobs WHERE run_uuid = :run_id"),
    text("DELETE FROM workspace_plugin_charts WHERE run_uuid = :run_id"),
    text(
        "DELETE FROM input_tags WHERE input_uuid IN "
        f"(SELECT input_uuid FROM inputs WHERE {_OF_RUN})"
    ),
    text(f"DELETE FROM inputs WHERE {_OF_RUN}"),
]
_WRITABLE = text("""
    SELECT runs.run_uuid, runs.experiment_id FROM runs
    JOIN experiments ON experiments.experiment_id = runs.experiment_id
    WHERE runs.run_uuid IN :ids AND experiments.workspace = :workspace
    AND runs.lifecycle_stage = 'active'
""").bindparams(bindparam("ids", expanding=True))
_OWN_MODELS = text("""
    SELECT logged_models.model_id FROM logged_models
    JOIN experiments ON experiments.experiment_id = logged_models.experiment_id
    WHERE logged_models.model_id IN :ids AND experiments.workspace = :workspace
    AND logged_models.lifecycle_stage = 'active'
""").bindparams(bindparam("ids", expanding=True))

# How often a record is tried that seems to fail for its content.
_TRIES = 3
_PAUSE_S = 0.1


class Deliveries(TypedValues):
    """Stores what journals deliver."""

    lock_wait_ms: int | None = None
    """How long a delivery waits for SQLite's lock; by default as long as everything else."""

    def deliver(self, writer: str, records: list[Record], keep_refused: KeepRefused) -> int:
        """Store the first of some records of a writer, but for those that are stored already.

        Args:
            writer: the id of the writer.
            records: in the order of their sequence; all that have a lower one were delivered.
            keep_refused: given each record that is refused, before its transaction is committed.

        Returns:
            How many records were dealt with, at least one.

        Raises:
            JournalBehindError: the hub has less than was delivered: it was restored.
            Exception: the database is away. Nothing is lost by delivering the records again.
        """
        delivered = self._delivered
        try:
            of = HubWriter(writer, delivered.get(writer, 0))
            done = self.deliver_of(of, records, keep_refused)
        except JournalBehindError as error:
            delivered[writer] = error.sequence
            raise
        delivered[writer] = max(delivered.get(writer, 0), records[done - 1].sequence)
        return done

    @cached_property
    def _delivered(self) -> dict[str, int]:
        """Up to which record each writer's were delivered by this process."""
        return {}

    def deliver_of(self, writer: Writer, records: list[Record], keep_refused: KeepRefused) -> int:
        """Store records as :meth:`deliver` does, of whatever is known as a writer.

        Args:
            writer: the writer.
            records: in the order of their sequence; all that have a lower one were delivered.
            keep_refused: given each record that is refused, in the transaction that notes that it
                was dealt with, before that is noted.

        Returns:
            How many records were dealt with, at least one.

        Raises:
            Exception: the database is away, or the writer is not to be stored.
        """
        try:
            done = self._deliver_usual(writer, records, keep_refused)
        except Exception as error:
            if not (is_refusal(error) or is_of_content(error)):
                raise
            if len(records) > 1:
                # One of them is what the database refuses.
                return self.deliver_of(writer, records[: len(records) // 2], keep_refused)
            done = 0
        if done == 0:
            self._deliver_unusual(writer, records[0], keep_refused)
        return max(done, 1)

    def last_sequence(self, writer: str) -> int:
        """Return the sequence of the last record of a writer that is stored; 0 if none is."""
        with self._statements() as connection:
            return last_of_hub_writer(connection, writer)

    def refusals_of(self, writer: str) -> dict[int, Exception]:
        """Return nothing: who delivers here learns of each refusal before it is stored."""
        del writer
        return {}

    def forget_refusals(self, writer: str, unheard: Collection[int]) -> None:
        """Do nothing; see :meth:`refusals_of`."""

    def ping(self) -> None:
        """Ask the database for any answer, and SQLite for its lock.

        Raises:
            Exception: it is away.
        """
        with self._delivery() as connection:
            connection.execute(text("SELECT 1"))

    def _hard_delete_run(self, run_id: str) -> None:
        super()._hard_delete_run(run_id)
        with self._transaction() as connection:
            for statement in _DROPPED_WITH_RUN:
                connection.execute(statement, {"run_id": run_id})

    def _deliver_usual(
        self, writer: Writer, records: list[Record], keep_refused: KeepRefused
    ) -> int:
        """Store records in one transaction, up to the first that MLflow's own methods have to see.

        Returns:
            How many records were dealt with.
        """
        refused = self._refused_runs(records)
        # Before the transaction, which on SQLite keeps all others out.
        by_run = self._rows_of(records)
        with self._delivery() as connection, self._driver_errors():
            last = writer.last(connection)
            new = _rising(records, last)
            runs = self._writable_runs(connection, {record.run_id for record in new})
            models = self._models_of_workspace(connection, models_of(new))
            usual = []
            for record in new:
                if not self._apply_if_usual(connection, record, runs, models, refused):
                    break
                usual.append(record)
            placed = place_rows(connection, usual, runs)
            self._append_exact(
                connection, writer.id, (each for each in placed if each.run_id in runs)
            )
            if len(usual) < len(records) or placed is not usual:
                by_run = self._rows_of(placed)
            receipts, written = _receipts_of(usual, runs), 0
            for run_id, rows in sorted(by_run.items()):
                if run_id in runs:
                    stored = insert_rows(self._metric_tables(connection, run_id), rows)
                    if rows.of_models:
                        self._insert_of_models(connection, run_id, runs[run_id], rows)
                    receipts.add(run_id, stored=stored, repeated=rows.repeated)
                    written += stored.total()
            for record in usual:
                if record.kind in VALUES and record.run_id not in runs:
                    keep_refused(record, refused[record.run_id])
            if usual:
                self._note(connection, writer, usual[-1].sequence, receipts)
        # Behind the transaction, for it may look at the tables through another connection.
        self._hub.statistics.wrote(written)
        return len(records) if len(usual) == len(new) else records.index(new[len(usual)])

    def _rows_of(self, records: Iterable[Record]) -> dict[str, RunRows]:
        of_values = (record for record in records if record.kind in VALUES)
        return rows_by_run(of_values, self.sanitize_metric_value)

    @contextmanager
    def _delivery(self) -> Iterator[Connection]:
        """Open a transaction that waits only a moment for SQLite's lock, and gives up.

        A fork waits until nobody uses the database, and has its turn between the tries; others
        send again by themselves.
        """
        with ExitStack() as opened:
            if self.lock_wait_ms is None:
                yield opened.enter_context(self._transaction())
                return
            deadline = time.monotonic() + self.lock_wait_ms / 1000
            connection = None
            while connection is None and time.monotonic() < deadline:
                with suppress(HubBusyError):
                    connection = opened.enter_context(self._transaction(_LOCK_WAIT_ONCE_MS))
            if connection is None:
                connection = opened.enter_context(self._transaction(_LOCK_WAIT_ONCE_MS))
            yield connection

    def _refused_runs(self, records: list[Record]) -> dict[str, Exception]:
        """Return why values of runs are refused: they do not exist, or were deleted."""
        ids = {record.run_id for record in records if record.kind in VALUES}
        with self._statements() as connection:
            refused = ids - self._writable_runs(connection, ids).keys()
        reasons = {run_id: self._reason(run_id) for run_id in refused}
        return {run_id: reason for run_id, reason in reasons.items() if reason is not None}

    def _reason(self, run_id: str) -> Exception | None:
        """Return why values of a run are refused; None if they are not."""
        try:
            self._experiment_or_refusal(run_id)
        except Exception as error:
            if not is_refusal(error):
                raise
            return error
        return None

    def _deliver_unusual(self, writer: Writer, record: Record, keep_refused: KeepRefused) -> None:
        """Let MLflow's own methods do what a record says, or refuse it."""
        with self._delivery() as connection:
            if record.sequence <= writer.last(connection):
                return
        receipts = Receipts()
        receipts.add(record.run_id, logged=_logged(record), dropped=_dropped(record))
        refused = self._apply_or_refuse(writer, record)
        if refused is None:
            receipts.add(record.run_id, stored=_count(record))
        else:
            receipts.add(record.run_id, refused=_count(record))
        try:
            self._note_unusual(writer, record, receipts, refused, keep_refused)
        except Exception as error:
            if not is_of_content(error):
                raise
            # No database takes the names in the record, not even to count it under them.
            self._note_unusual(writer, record, receipts.storable(), refused, keep_refused)

    def _apply_or_refuse(self, writer: Writer, record: Record) -> Exception | None:
        """Do what a record says; return why it is refused, or None.

        What fails for the record's content, as it seems, is tried again: another writer may have
        been in the way, and whoever is away answers no ping.

        Raises:
            Exception: the database is away.
        """
        # What was typed is appended to files first, each time anew.
        tries = 1 if record.kind == Kind.TYPED else _TRIES
        for _ in range(tries - 1):
            refused = self._refusal(writer, record)
            if refused is None or is_refusal(refused):
                return refused
            time.sleep(_PAUSE_S)
        return self._refusal(writer, record)

    def _refusal(self, writer: Writer, record: Record) -> Exception | None:
        try:
            if record.kind in VALUES:
                self._apply_values(writer, record)
            else:
                self._apply(record)
        except Exception as error:
            if not is_refusal(error):
                if not is_of_content(error):
                    raise
                self.ping()
            return error
        return None

    def _note_unusual(
        self,
        writer: Writer,
        record: Record,
        receipts: Receipts,
        refused: Exception | None,
        keep_refused: KeepRefused,
    ) -> None:
        with self._delivery() as connection:
            writer.last(connection)
            is_kept = refused is not None and keep_refused(record, refused)
            self._note(connection, writer, record.sequence, receipts)
            if (
                is_kept
                and refused is not None
                and record.kind in AWAITED
                and record.run_id == storable.storable(record.run_id)
                and self._writable_runs(connection, {record.run_id})
            ):
                note_conflict(connection, record, refused)

    def _apply_if_usual(
        self,
        connection: Connection,
        record: Record,
        runs: dict[str, int],
        models: set[str],
        refused: dict[str, Exception],
    ) -> bool:
        """Do what a record says, unless it is about metrics; return whether it is as usual."""
        run_id, content = record.run_id, record.content
        if record.kind in NO_CALLS:
            return True
        if record.kind in VALUES:
            return run_id in refused or (run_id in runs and models_of([record]) <= models)
        if run_id not in runs:
            return False
        if record.kind == Kind.DESCRIBED:
            insert_descriptors(connection, run_id, content)
            return True
        if record.kind in (Kind.PARAM, Kind.PARAMS):
            savepoint = connection.begin_nested()
            added = add_params(connection, run_id, content)
            if added:
                savepoint.commit()
            else:
                savepoint.rollback()
            return added
        if record.kind in (Kind.TAG, Kind.TAGS):
            return upsert_tags(connection, run_id, content)
        status, end_time, name, _ = content
        workspace = self._get_active_workspace()
        return update_info(connection, workspace, run_id, status, end_time, name)

    def _apply_values(self, writer: Writer, record: Record) -> None:
        run_id, content = record.run_id, record.content
        metrics = [_metric(run_id, value) for value in values_of(record)]
        # In this order: a model that is refused refuses the values.
        self._link_to_models(run_id, metrics)
        exact, table = content[1:] if record.kind == Kind.TYPED else ((), None)
        typed = [ExactValue(*value) for value in exact]
        # Under the record's own number: what is appended again is no second value.
        self._log_typed(run_id, metrics, typed, table, writer.id, record.sequence)

    def _apply(self, record: Record) -> None:
        run_id, content = record.run_id, record.content
        if record.kind == Kind.DESCRIBED:
            # If there is no such run, or it was deleted, that is what is raised.
            self._experiment_or_refusal(run_id)
            with self._transaction() as connection:
                insert_descriptors(connection, run_id, content)
        elif record.kind == Kind.PARAM:
            self.log_param(run_id, *(Param(*each) for each in content.items()))
        elif record.kind == Kind.TAG:
            self.set_tag(run_id, *(RunTag(*each) for each in content.items()))
        elif record.kind == Kind.PARAMS:
            self.log_batch(run_id, [], [Param(*each) for each in content.items()], [])
        elif record.kind == Kind.TAGS:
            self.log_batch(run_id, [], [], [RunTag(*each) for each in content.items()])
        elif record.kind == Kind.INFO:
            status, end_time, name, _ = content
            status = None if status is None else RunStatus.from_string(status)
            self.update_run_info(run_id, status, end_time, name)

    def _note(
        self, connection: Connection, writer: Writer, sequence: int, receipts: Receipts
    ) -> None:
        writer.note(connection, sequence)
        rows = receipts.rows(writer.id)
        if rows:
            connection.execute(STORE_RECEIPT, rows)
        if rows and is_sent_again(writer.id):
            connection.execute(NOT_REFUSED, not_refused(rows))

    def _writable_runs(self, connection: Connection, ids: set[str]) -> dict[str, int]:
        if not ids:
            return {}
        parameters = {"ids": sorted(ids), "workspace": self._get_active_workspace()}
        return {
            row.run_uuid: row.experiment_id for row in connection.execute(_WRITABLE, parameters)
        }

    def _own_models(self, models: set[str]) -> set[str]:
        """Return those of some models that there are in the workspace."""
        with self._statements() as connection:
            return self._models_of_workspace(connection, models)

    def _models_of_workspace(self, connection: Connection, models: set[str]) -> set[str]:
        if not models:
            return set()
        parameters = {"ids": sorted(models), "workspace": self._get_active_workspace()}
        return set(connection.execute(_OWN_MODELS, parameters).scalars())

    def _metric_tables(self, connection: Connection, run_id: str) -> MetricTables:
        driver: Any = connection.connection.driver_connection
        tables = SqliteMetricTables if self._is_sqlite else PostgresqlMetricTables
        return tables(driver, run_id)

    def _insert_of_models(
        self, connection: Connection, run_id: str, experiment_id: int, rows: RunRows
    ) -> None:
        dialect = sqlite if self._is_sqlite else postgresql
        connection.execute(
            dialect.insert(SqlLoggedModelMetric).on_conflict_do_nothing(),
            [
                {
                    "model_id": model_id,
                    "metric_name": row.key,
                    "metric_timestamp_ms": row.timestamp,
                    "metric_step": row.step,
                    "metric_value": row.value,
                    "experiment_id": experiment_id,
                    "run_id": run_id,
                    "dataset_uuid": None,
                    "dataset_name": dataset_name,
                    "dataset_digest": dataset_digest,
                }
                for row, (model_id, dataset_name, dataset_digest) in rows.of_models
            ],
        )


def _count(record: Record) -> Counter[str]:
    """Return how many values a record of metrics has, by key."""
    return Counter(keys_of(record))


def _receipts_of(records: list[Record], runs: Collection[str]) -> Receipts:
    """Return what records say of values that are no rows: not stored, or texts.

    Args:
        records: in the order of their sequence.
        runs: those that may be written to.
    """
    receipts = Receipts()
    for record in records:
        if record.kind == Kind.DROPPED:
            receipts.add(record.run_id, dropped=_dropped(record))
        elif record.kind in (Kind.LOGGED, Kind.INFO):
            receipts.add(record.run_id, logged=_logged(record))
        elif record.kind in VALUES and record.run_id not in runs:
            receipts.add(record.run_id, refused=_count(record))
        elif record.kind == Kind.TYPED:
            # None of these coincide, as numbers may.
            receipts.add(record.run_id, stored=Counter(keys_of_texts(record.content[1])))
    return receipts


def _rising(records: list[Record], last: int) -> list[Record]:
    """Return the records behind the last that was stored, each once."""
    rising = []
    for record in records:
        if record.sequence > last:
            rising.append(record)
            last = record.sequence
    return rising


def _logged(record: Record) -> Counter[str]:
    """Return how many values of each metric a record says were logged before it."""
    if record.kind == Kind.INFO:
        return Counter(record.content[3])
    return Counter(record.content if record.kind == Kind.LOGGED else {})


def _dropped(record: Record) -> Counter[str]:
    """Return how many values of each metric a record says were lost before it."""
    return Counter(record.content if record.kind == Kind.DROPPED else {})


def _metric(run_id: str, value: list[Any]) -> Metric:
    key, number, timestamp, step, *model = value
    return Metric(key, number, timestamp, step, *model, **({"run_id": run_id} if model else {}))
