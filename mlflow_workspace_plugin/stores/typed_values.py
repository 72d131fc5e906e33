"""Values whose number does not say what they are, and tags that describe metrics.

The number is an ordinary metric, so that every tool of MLflow's has it. What was logged is a line
of a file among the run's artifacts, one file for each writer, whose lines are those of a journal. A
line may be there twice, when a process ended before the database knew of it: its number tells.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mlflow.entities import Metric
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from sqlalchemy import Connection, bindparam, text

from mlflow_workspace_plugin.artifacts.paths import INTERNAL_FOLDER, location_of
from mlflow_workspace_plugin.artifacts.repository import HubArtifactRepository
from mlflow_workspace_plugin.journal.records import Kind, Record, body, line, parse
from mlflow_workspace_plugin.stores.metric_writes import MetricWrites
from mlflow_workspace_plugin.stores.run_writes import RunWrites

FOLDER = f"{INTERNAL_FOLDER}/values"
"""Where the files are, below the artifacts of the run."""

_DESCRIBE = text(
    "INSERT INTO tags (run_uuid, key, value) VALUES (:run_id, :key, :value) ON CONFLICT DO NOTHING"
)
_ARTIFACTS = text("SELECT run_uuid, artifact_uri FROM runs WHERE run_uuid IN :ids").bindparams(
    bindparam("ids", expanding=True)
)


class ExactValue(NamedTuple):
    """What was logged where a metric has a number."""

    key: str
    timestamp: int
    """As it was logged; the metric's own may be later, if an equal value was logged before."""
    step: int
    value: Any


class TypedValues(MetricWrites, RunWrites):
    """Stores what the numbers of metrics do not say."""

    def log_values(
        self,
        run_id: str,
        metrics: list[Metric],
        exact: Sequence[ExactValue] = (),
        descriptors: dict[str, str] | None = None,
    ) -> None:
        """Log numbers, what was logged in their place, and tags that describe them (ours).

        Args:
            run_id: the run.
            metrics: the numbers.
            exact: what was logged, where the number does not say it.
            descriptors: tags; one that is there already stays as it is.

        Raises:
            MlflowException: as ``log_batch``.
        """
        self._experiment_or_refusal(run_id)
        if descriptors:
            with self._transaction() as connection:
                insert_descriptors(connection, run_id, descriptors)
        if exact:
            record = Record(1, Kind.EXACT.value, run_id, 0, list(exact))
            with self._statements() as connection:
                self._append_exact(connection, uuid.uuid4().hex, [record])
        if metrics:
            self.log_batch(run_id, metrics, [], [])

    def _append_exact(self, connection: Connection, writer: str, records: Iterable[Record]) -> None:
        """Append the values of records to the files of their runs, which exist."""
        lines: dict[str, list[bytes]] = defaultdict(list)
        for record in records:
            text_of = body(Kind.EXACT, record.run_id, record.called_at, record.content)
            lines[record.run_id].append(line(record.sequence, text_of))
        if not lines:
            return
        for run_id, artifact_uri in connection.execute(_ARTIFACTS, {"ids": sorted(lines)}):
            location = location_of(artifact_uri, self._get_active_workspace())
            repository = HubArtifactRepository(self._hub, location)
            repository.append(f"{FOLDER}/{writer}", b"".join(lines[run_id]))


def insert_descriptors(connection: Connection, run_id: str, descriptors: dict[str, str]) -> None:
    """Set tags of a run that are not set yet."""
    connection.execute(
        _DESCRIBE,
        [
            {"run_id": run_id, "key": key, "value": value}
            for key, value in sorted(descriptors.items())
        ],
    )


def read_exact(repository: ArtifactRepository, run_id: str) -> list[ExactValue]:
    """Return all exact values of a run, in the order in which each writer logged them.

    Args:
        repository: of the run's artifacts.
        run_id: the run.
    """
    found = []
    for entry in repository.list_artifacts(FOLDER):
        seen: set[int] = set()
        with Path(repository.download_artifacts(entry.path)).open("rb") as file:
            for each in file:
                record = parse(each.removesuffix(b"\n"))
                if record is not None and record.run_id == run_id and record.sequence not in seen:
                    seen.add(record.sequence)
                    found += [ExactValue(*value) for value in record.content]
    return found
