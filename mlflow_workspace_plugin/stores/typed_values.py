"""Storing values whose number does not say what they are, and tags that describe metrics."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence

from mlflow.entities import Metric
from sqlalchemy import Connection, bindparam, text

from mlflow_workspace_plugin.artifacts.repository import append_or_keep
from mlflow_workspace_plugin.journal.records import Kind, Record, body, line
from mlflow_workspace_plugin.stores.exact_values import FOLDER, ExactValue
from mlflow_workspace_plugin.stores.metric_writes import MetricWrites
from mlflow_workspace_plugin.stores.run_writes import RunWrites
from mlflow_workspace_plugin.stores.table_rows import Place, claim_places

_DESCRIBE = text(
    "INSERT INTO tags (run_uuid, key, value) VALUES (:run_id, :key, :value) ON CONFLICT DO NOTHING"
)
_ARTIFACTS = text("SELECT run_uuid, artifact_uri FROM runs WHERE run_uuid IN :ids").bindparams(
    bindparam("ids", expanding=True)
)


class TypedValues(MetricWrites, RunWrites):
    """Stores what the numbers of metrics do not say."""

    def log_values(
        self,
        run_id: str,
        metrics: Sequence[Metric],
        exact: Sequence[ExactValue] = (),
        descriptors: dict[str, str] | None = None,
        table: str | None = None,
    ) -> None:
        """Log numbers, what was logged in their place, and tags that describe them (ours).

        Args:
            run_id: the run.
            metrics: the numbers.
            exact: what was logged, where the number does not say it.
            descriptors: tags; one that is there already stays as it is.
            table: what names the table whose rows they are. A row is what shares a timestamp and a
                step, and moves to the next millisecond if that is another's.

        Raises:
            MlflowException: as ``log_batch``.
        """
        self._experiment_or_refusal(run_id)
        if descriptors:
            with self._transaction() as connection:
                insert_descriptors(connection, run_id, descriptors)
        self._log_typed(run_id, metrics, exact, table)

    def _log_typed(
        self,
        run_id: str,
        metrics: Sequence[Metric],
        exact: Sequence[ExactValue],
        table: str | None,
    ) -> None:
        if table is not None:
            places = [(each.timestamp, each.step) for each in (*metrics, *exact)]
            with self._transaction() as connection:
                moved = claim_places(connection, run_id, table, places)
            metrics = [_moved_metric(each, moved) for each in metrics]
            exact = [
                each._replace(timestamp=moved.get((each.timestamp, each.step), each.timestamp))
                for each in exact
            ]
        if exact:
            record = Record(1, Kind.TYPED.value, run_id, 0, [[], exact, table])
            with self._statements() as connection:
                self._append_exact(connection, uuid.uuid4().hex, [record])
        if metrics:
            super().log_batch(run_id, list(metrics), [], [])

    def _append_exact(self, connection: Connection, writer: str, records: Iterable[Record]) -> None:
        """Append what records say was logged to the files of their runs."""
        lines: dict[str, list[bytes]] = defaultdict(list)
        for record in records:
            if record.kind == Kind.TYPED and record.content[1]:
                text_of = body(Kind.TYPED, record.run_id, record.called_at, record.content[1])
                lines[record.run_id].append(line(record.sequence, text_of))
        if not lines:
            return
        for run_id, artifact_uri in connection.execute(_ARTIFACTS, {"ids": sorted(lines)}):
            path, content = f"{FOLDER}/{writer}", b"".join(lines[run_id])
            append_or_keep(self._hub, self._get_active_workspace(), artifact_uri, path, content)


def _moved_metric(metric: Metric, moved: dict[Place, int]) -> Metric:
    timestamp = moved.get((metric.timestamp, metric.step), metric.timestamp)
    return Metric(metric.key, metric.value, timestamp, metric.step, model_id=metric.model_id)


def insert_descriptors(connection: Connection, run_id: str, descriptors: dict[str, str]) -> None:
    """Set tags of a run that are not set yet."""
    connection.execute(
        _DESCRIBE,
        [
            {"run_id": run_id, "key": key, "value": value}
            for key, value in sorted(descriptors.items())
        ],
    )
