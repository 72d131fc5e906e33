"""The part of SDK v1's ``Run`` that is about the snapshot of its code."""

import os
import tempfile
import uuid
from pathlib import Path

from mlflow.entities import RunTag

from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
from mlflow_workspace_plugin.artifacts.paths import INTERNAL_FOLDER
from mlflow_workspace_plugin.errors import NoAnswerError, SnapshotException, clause
from mlflow_workspace_plugin.remote.files.open import open_repository
from mlflow_workspace_plugin.runs.files.run_files import RunFiles
from mlflow_workspace_plugin.runs.files.transfer import fetch
from mlflow_workspace_plugin.runs.snapshots.open import snapshots_of
from mlflow_workspace_plugin.runs.snapshots.snapshots import SNAPSHOT_TAG, SnapshotFiles
from mlflow_workspace_plugin.sdk.runs.parts.of_experiment import OfExperiment


class RunSnapshots(OfExperiment, RunFiles):
    """The snapshot of a run: a folder as it was when the run started."""

    def take_snapshot(self, file_or_folder_path: "str | os.PathLike[str]") -> str:
        """Keep the files of a folder for the run (SDK v1), where no call lists them.

        What ``.amlignore`` names is left out, or ``.gitignore`` where there is none. SDK v1
        refuses more than 300 MiB or 2000 files; this takes them, and warns. What an earlier
        snapshot of the folder stored is not stored again.

        Args:
            file_or_folder_path: the folder, or a single file.

        Returns:
            The id of the snapshot, the property ``ContentSnapshotId``. Folders of equal content
            have one id.

        Raises:
            SnapshotException: the run has one already, or it cannot be taken.
        """
        if existing := self.get_snapshot_id():
            raise SnapshotException(
                f"Run {self.id} has a snapshot already: {existing}. "
                "Start another run to keep another one."
            )
        with self._snapshots().keeping(file_or_folder_path) as snapshot_id:
            # One that is stored later would name what may be freed until then.
            try:
                self._store.set_tag_now(self.id, RunTag(SNAPSHOT_TAG, snapshot_id))
            except NoAnswerError as error:
                raise SnapshotException(
                    f"Run {self.id} has no snapshot: {clause(error)}. Take it again later."
                ) from error
        return snapshot_id

    def get_snapshot_id(self) -> str | None:
        """Return the id of the run's snapshot (SDK v1); None when it has none."""
        found: str | None = self._mlflow_run().data.tags.get(SNAPSHOT_TAG)
        return found

    def restore_snapshot(
        self,
        snapshot_id: str | None = None,
        path: "str | os.PathLike[str] | None" = None,
    ) -> str:
        """Copy a snapshot of the workspace to a local folder, as a zip (SDK v1).

        Args:
            snapshot_id: that of any run of an active experiment; this run's own when None.
            path: the folder, made when missing; a new temporary one when None.

        Returns:
            The path of the zip, which is named by the id.

        Raises:
            SnapshotException: there is no such snapshot, or it cannot be written.
        """
        wanted = snapshot_id or self.get_snapshot_id()
        if wanted is None:
            raise SnapshotException(
                f"Run {self.id} has no snapshot. Pass the snapshot_id of another run's, or take "
                "one with take_snapshot while the folder is as it was."
            )
        repository = self._repository_with(wanted)
        target = Path(tempfile.mkdtemp() if path is None else path) / f"{wanted}.zip"
        snapshots = self._snapshots()
        if snapshots.holds(wanted):
            snapshots.zip(wanted, target)
            return str(target)
        try:
            # Older versions kept a zip with each run.
            fetch(repository, f"{INTERNAL_FOLDER}/snapshots/{wanted}.zip", target)
        except FileNotFoundError as error:
            raise _missing(wanted) from error
        return str(target)

    def _snapshots(self) -> SnapshotFiles:
        return snapshots_of(self._experiment.workspace.get_mlflow_tracking_uri())

    def _repository_with(self, snapshot_id: str) -> HubRepository:
        if snapshot_id == self.get_snapshot_id():
            return self._repository()
        try:
            uuid.UUID(snapshot_id)
        except ValueError as error:
            raise _missing(snapshot_id) from error
        workspace = self._experiment.workspace
        runs = self._client.search_runs(
            [experiment.id for experiment in workspace.experiments.values()],
            f"tags.`{SNAPSHOT_TAG}` = '{snapshot_id}'",
            max_results=1,
        )
        if not runs:
            raise _missing(snapshot_id)
        return open_repository(runs[0].info.artifact_uri, workspace.get_mlflow_tracking_uri())


def _missing(snapshot_id: str) -> SnapshotException:
    return SnapshotException(
        f"No run of an active experiment of the workspace has snapshot {snapshot_id!r}. "
        "Take its id from run.get_snapshot_id()."
    )
