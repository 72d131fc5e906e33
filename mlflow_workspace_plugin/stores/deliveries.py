"""Storing the records of a journal, each exactly once."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from mlflow.entities import Metric, Param, RunStatus, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE, ErrorCode
from mlflow.store.tracking.dbmodels.models import SqlLoggedModelMetric
from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects import postgresql, sqlite

from mlflow_workspace_plugin.errors import HubError
from mlflow_workspace_plugin.journal.records import Kind, Record
from mlflow_workspace_plugin.stores.delivered_rows import RunRows, insert_rows, rows_by_run
from mlflow_workspace_plugin.stores.metric_tables import (
    MetricTables,
    PostgresqlMetricTables,
    SqliteMetricTables,
)
from mlflow_workspace_plugin.stores.metric_writes import MetricWrites
from mlflow_workspace_plugin.stores.run_writes import (
    RunWrites,
    add_params,
    update_info,
    upsert_tags,
)

_NEW_WRITER = text(
    "INSERT INTO workspace_plugin_writers (writer, sequence) VALUES (:writer, 0) "
    "ON CONFLICT DO NOTHING"
)
# The lock keeps two processes that send one journal apart; SQLite's covers the whole database.
_LAST_SEQUENCE = "SELECT sequence FROM workspace_plugin_writers WHERE writer = :writer"
_STORED = text("UPDATE workspace_plugin_writers SET sequence = :sequence WHERE writer = :writer")
_FORGET = text("DELETE FROM workspace_plugin_writers WHERE writer = :writer")
_DROP_RECEIPTS = text("DELETE FROM workspace_plugin_receipts WHERE run_uuid = :run_id")
_WRITABLE = text("""
    SELECT runs.run_uuid, runs.experiment_id FROM runs
    JOIN experiments ON experiments.experiment_id = runs.experiment_id
    WHERE runs.run_uuid IN :ids AND experiments.workspace = :workspace
    AND runs.lifecycle_stage = 'active'
""").bindparams(bindparam("ids", expanding=True))
_COUNTS = ("stored", "repeated", "refused", "dropped")
_RECEIPT = text(f"""
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
        ]


class Deliveries(MetricWrites, RunWrites):
    """Stores what journals deliver."""

    def deliver(self, writer: str, records: list[Record]) -> list[Exception | None]:
        """Store records of a writer, but for those that are stored already.

        Args:
            writer: the id of the writer.
            records: in the order of their sequence; all that have a lower one were delivered.

        Returns:
            For each record why it was refused, or None.

        Raises:
            Exception: the database is away. Nothing is lost by delivering the records again.
        """
        outcomes: list[Exception | None] = []
        while len(outcomes) < len(records):
            rest = records[len(outcomes) :]
            try:
                done = self._deliver_usual(writer, rest)
            except Exception as error:
                if is_away(error):
                    raise
                if len(rest) > 1:
                    # One of them is what the database refuses.
                    half = rest[: len(rest) // 2]
                    outcomes += self.deliver(writer, half)
                    continue
                done = 0
            outcomes += [None] * done
            if done < len(rest):
                outcomes.append(self._deliver_unusual(writer, rest[done]))
        return outcomes

    def ping(self) -> None:
        """Ask the database for any answer.

        Raises:
            Exception: it is away.
        """
        with self._statements() as connection:
            connection.execute(text("SELECT 1"))

    def forget_writer(self, writer: str) -> None:
        """Forget how far the records of a writer were stored, of whom there will be no more."""
        with self._transaction() as connection:
            connection.execute(_FORGET, {"writer": writer})

    def _hard_delete_run(self, run_id: str) -> None:
        super()._hard_delete_run(run_id)
        with self._transaction() as connection:
            connection.execute(_DROP_RECEIPTS, {"run_id": run_id})

    def _deliver_usual(self, writer: str, records: list[Record]) -> int:
        """Store records in one transaction, up to the first that MLflow's own methods have to see.

        Returns:
            How many records are stored now.
        """
        with self._transaction() as connection:
            last = self._last_sequence(connection, writer)
            new = [record for record in records if record.sequence > last]
            runs = self._writable_runs(connection, {record.run_id for record in new})
            usual = []
            for record in new:
                if record.run_id not in runs and record.kind != Kind.DROPPED:
                    break
                if not self._apply_if_usual(connection, record):
                    break
                usual.append(record)
            receipts = Receipts()
            metrics = [record for record in usual if record.kind == Kind.METRICS]
            by_run = rows_by_run(metrics, self.sanitize_metric_value)
            for run_id, rows in sorted(by_run.items()):
                stored = insert_rows(self._metric_tables(connection, run_id), rows)
                if rows.of_models:
                    self._insert_of_models(connection, run_id, runs[run_id], rows)
                receipts.add(run_id, stored=stored, repeated=rows.repeated)
            for record in usual:
                if record.kind == Kind.DROPPED:
                    receipts.add(record.run_id, dropped=Counter(record.content))
            if usual:
                self._note(connection, writer, usual[-1].sequence, receipts)
        self._hub.statistics.wrote(len(metrics))
        return len(records) - len(new) + len(usual)

    def _deliver_unusual(self, writer: str, record: Record) -> Exception | None:
        """Let MLflow's own methods do what a record says, or refuse it."""
        refused: Exception | None = None
        receipts = Receipts()
        counts = Counter(value[0] for value in record.content if record.kind == Kind.METRICS)
        try:
            self._apply(record)
        except Exception as error:
            if is_away(error):
                raise
            refused = error
            receipts.add(record.run_id, refused=counts)
        else:
            receipts.add(record.run_id, stored=counts)
        with self._transaction() as connection:
            self._last_sequence(connection, writer)
            self._note(connection, writer, record.sequence, receipts)
        return refused

    def _apply_if_usual(self, connection: Connection, record: Record) -> bool:
        run_id, content = record.run_id, record.content
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
        if record.kind == Kind.INFO:
            status, end_time, name = content
            workspace = self._get_active_workspace()
            return not name and update_info(connection, workspace, run_id, status, end_time)
        return True

    def _apply(self, record: Record) -> None:
        run_id, content = record.run_id, record.content
        if record.kind == Kind.METRICS:
            self.log_batch(run_id, [_metric(run_id, value) for value in content], [], [])
        elif record.kind == Kind.PARAM:
            self.log_param(run_id, *(Param(*each) for each in content.items()))
        elif record.kind == Kind.TAG:
            self.set_tag(run_id, *(RunTag(*each) for each in content.items()))
        elif record.kind == Kind.PARAMS:
            self.log_batch(run_id, [], [Param(*each) for each in content.items()], [])
        elif record.kind == Kind.TAGS:
            self.log_batch(run_id, [], [], [RunTag(*each) for each in content.items()])
        elif record.kind == Kind.INFO:
            status, end_time, name = content
            status = None if status is None else RunStatus.from_string(status)
            self.update_run_info(run_id, status, end_time, name)

    def _last_sequence(self, connection: Connection, writer: str) -> int:
        statement = _LAST_SEQUENCE if self._is_sqlite else f"{_LAST_SEQUENCE} FOR UPDATE"
        connection.execute(_NEW_WRITER, {"writer": writer})
        return int(connection.execute(text(statement), {"writer": writer}).scalar_one())

    def _note(self, connection: Connection, writer: str, sequence: int, receipts: Receipts) -> None:
        connection.execute(_STORED, {"writer": writer, "sequence": sequence})
        rows = receipts.rows(writer)
        if rows:
            connection.execute(_RECEIPT, rows)

    def _writable_runs(self, connection: Connection, ids: Iterable[str]) -> dict[str, int]:
        parameters = {"ids": sorted(ids), "workspace": self._get_active_workspace()}
        return {
            row.run_uuid: row.experiment_id for row in connection.execute(_WRITABLE, parameters)
        }

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


def _metric(run_id: str, value: list[Any]) -> Metric:
    key, number, timestamp, step, *model = value
    return Metric(key, number, timestamp, step, *model, **({"run_id": run_id} if model else {}))


def is_away(error: Exception) -> bool:
    """Whether an error says that the database cannot be used now, and not that it refuses."""
    code = ErrorCode.Name(TEMPORARILY_UNAVAILABLE)
    return isinstance(error, (HubError, TimeoutError)) or (
        isinstance(error, MlflowException) and error.error_code == code
    )
