"""What the commands look up in a workspace: its runs by what people type, and what it holds."""

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from sqlalchemy import Connection

from mlflow_workspace_plugin.hub.databases.database import connected, translated_errors
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.stores.reads import run_lookup
from mlflow_workspace_plugin.stores.reads.receipts import Stored, read_stored, stored_sequences
from mlflow_workspace_plugin.stores.reads.run_lookup import ExperimentRuns, RunPlace
from mlflow_workspace_plugin.stores.writes.typed_values import texts_of

_MOST = 10_000


class LookUps:
    """Reads of one workspace that MLflow has no call for."""

    _hub: Hub
    _workspace: str

    def runs_called(self, given: str, own_id_tag: str) -> list[RunPlace]:
        """Return the runs that a text may mean, newest first; see :mod:`run_lookup` (ours)."""
        with self._looking_up() as connection:
            return run_lookup.runs_called(connection, given, own_id_tag, self._workspace)

    def newest_runs(self, limit: int) -> list[RunPlace]:
        """Return the newest runs that are not deleted (ours)."""
        with self._looking_up() as connection:
            return run_lookup.newest_runs(connection, min(limit, _MOST), self._workspace)

    def experiments_with_runs(self) -> list[ExperimentRuns]:
        """Return the active experiments, that with the newest run first (ours)."""
        with self._looking_up() as connection:
            return run_lookup.experiments_of(connection, self._workspace)

    def number_of_children(self, run_id: str) -> int:
        """Return how many runs of the workspace, not counting deleted ones, a run has (ours)."""
        with self._looking_up() as connection:
            return run_lookup.number_of_children(connection, run_id, self._workspace)

    def run_receipts(self, run_id: str, writers: list[str]) -> Stored:
        """Return what the hub knows of the values that were logged to a run (ours).

        Args:
            run_id: the run.
            writers: of journals, of which the last stored record is asked about, too.
        """
        with self._looking_up() as connection:
            if run_lookup.workspace_of(connection, "run", run_id) != self._workspace:
                # As of a run that is nowhere.
                known = stored_sequences(connection, writers, self._workspace)
                return Stored(known, [], {}, {}, [])
            texts = functools.partial(self._texts, connection, run_id)
            return read_stored(connection, run_id, writers, self._workspace, texts)

    def _texts(
        self, connection: Connection, run_id: str
    ) -> tuple[Mapping[str, int] | None, list[str]]:
        """Return how many texts of a run can be read, by metric; None, and why, if nobody knows."""
        try:
            return texts_of(self._hub, connection, self._workspace, run_id), []
        except (MlflowException, OSError) as error:
            return None, [f"The texts of it, which are among its files, cannot be read: {error}"]

    @contextmanager
    def _looking_up(self) -> Iterator[Connection]:
        hub = self._hub
        with translated_errors(hub.path, hub.database_uri), connected(hub.engine) as connection:
            yield connection
