"""Storing values whose number does not say what they are, and tags that describe metrics."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from mlflow.entities import Metric
from sqlalchemy import Connection, bindparam, text

from mlflow_workspace_plugin.artifacts.repository import append_or_keep, open_to_log
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.journal.files.records import Kind, Record, body, line
from mlflow_workspace_plugin.stores.reads.exact_values import FOLDER, ExactValue, read_exact
from mlflow_workspace_plugin.stores.tags.own_tags import DESCRIPTOR_PREFIX
from mlflow_workspace_plugin.stores.tags.text_tag_rows import set_texts
from mlflow_workspace_plugin.stores.writes.metric_writes import MetricWrites
from mlflow_workspace_plugin.stores.writes.run_writes import RunWrites
from mlflow_workspace_plugin.stores.writes.table_rows import Place, claim_places

_DESCRIBE = text(
    "INSERT INTO tags (run_uuid, key, value) VALUES (:run_id, :key, :value) ON CONFLICT DO NOTHING"
)
_ARTIFACTS = text("SELECT run_uuid, artifact_uri FROM runs WHERE run_uuid IN :ids").bindparams(
    bindparam("ids", expanding=True)
)
_DESCRIBED = text(
    "SELECT runs.artifact_uri FROM runs WHERE run_uuid = :run_id AND EXISTS (SELECT 1 FROM tags "
    "WHERE tags.run_uuid = runs.run_uuid "
    f"AND substr(tags.key, 1, {len(DESCRIPTOR_PREFIX)}) = '{DESCRIPTOR_PREFIX}')"
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
        writer: str | None = None,
        sequence: int = 1,
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
            record = Record(sequence, Kind.TYPED.value, run_id, 0, [[], exact, table])
            with self._transaction() as connection:
                self._append_exact(connection, writer or uuid.uuid4().hex, [record])
        if metrics:
            super().log_batch(run_id, list(metrics), [], [])

    def _append_exact(self, connection: Connection, writer: str, records: Iterable[Record]) -> None:
        """Append what records say was logged to the files of their runs; note their last texts."""
        lines: dict[str, list[bytes]] = defaultdict(list)
        texts: dict[str, dict[str, tuple[int, int, str]]] = defaultdict(dict)
        for record in records:
            if record.kind == Kind.TYPED and record.content[1]:
                _, exact, table = record.content
                text_of = body(Kind.TYPED, record.run_id, record.called_at, exact)
                lines[record.run_id].append(line(record.sequence, text_of))
                if table is None:
                    add_texts(texts[record.run_id], exact)
        if not lines:
            return
        # In the order of their runs, in which all writers lock them.
        for run_id in sorted(texts):
            if texts[run_id]:
                set_texts(connection, run_id, texts[run_id])
        for run_id, artifact_uri in connection.execute(_ARTIFACTS, {"ids": sorted(lines)}):
            path, content = f"{FOLDER}/{writer}", b"".join(lines[run_id])
            append_or_keep(self._hub, self._get_active_workspace(), artifact_uri, path, content)


def add_texts(texts: dict[str, tuple[int, int, str]], exact: Iterable[Sequence[Any]]) -> None:
    """Add the last text of each metric to those that are known, by timestamp and step.

    Args:
        texts: timestamp, step and text by key; changed.
        exact: what was logged, as an :class:`ExactValue` or as JSON has it.
    """
    for key, timestamp, step, value, *alone in exact:
        if isinstance(value, str) and any(alone):
            known = texts.get(key)
            if known is None or (timestamp, step) >= known[:2]:
                texts[key] = timestamp, step, value


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


def texts_of(hub: Hub, connection: Connection, workspace: str, run_id: str) -> Counter[str]:
    """Return how many values without a number a run has, by key: they are in files only.

    Raises:
        MlflowException: the files cannot be read now, or are larger than a server reads.
    """
    artifact_uri = connection.execute(_DESCRIBED, {"run_id": run_id}).scalar_one_or_none()
    if artifact_uri is None:
        return Counter()
    repository = open_to_log(hub, workspace, artifact_uri)
    values = read_exact(repository, run_id, is_limited=True)
    return Counter(each.key for each in values if each.is_alone)
