"""The artifact repository of a hub folder."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import verify_artifact_path
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.utils.async_logging.run_operations import RunOperations
from mlflow.utils.uri import validate_path_within_directory
from mlflow.utils.workspace_context import get_request_workspace

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.artifacts.paths import check_path, location_of
from mlflow_workspace_plugin.errors import ServedHubError, UnsafeArtifactPathError
from mlflow_workspace_plugin.hub.database import translated_errors
from mlflow_workspace_plugin.hub.hub import Hub, open_hub


def open_repository(artifact_uri: str, tracking_uri: str) -> "HubArtifactRepository":
    """Open the repository behind a stored location, for the workspace of a tracking URI.

    Args:
        artifact_uri: a host-less ``mlflow-artifacts:`` URI.
        tracking_uri: a URI of ours. For ``workspace-hub:`` the workspace is that of the request
            being served.

    Raises:
        UnsafeArtifactPathError: the location is not in that workspace.
        HubError: the hub cannot be opened.
    """
    parsed = uris.parse(tracking_uri)
    if isinstance(parsed, uris.ServedWorkspaceUri):
        raise ServedHubError.of(str(parsed))
    workspace = parsed.name if isinstance(parsed, uris.WorkspaceUri) else get_request_workspace()
    if workspace is None:
        raise UnsafeArtifactPathError(
            f"Artifact location {artifact_uri!r} was asked for outside of any workspace. "
            "Use the tracking URI of a workspace: workspace:///path/to/hub/NAME."
        )
    location = location_of(artifact_uri, workspace)
    return HubArtifactRepository(open_hub(parsed.hub), location)


class HubArtifactRepository(LocalArtifactRepository):
    """Files of one run or model, in the hub's folder.

    MLflow's own local repository, with checked paths on every way in, the hub's permissions, and
    errors that name the hub.
    """

    def __init__(self, hub: Hub, location: PurePosixPath) -> None:
        self._hub = hub
        # No symbolic link leads out of the workspace; its own folder may lie on another disk.
        self._root = hub.folder.artifacts.joinpath(*location.parts[:2])
        self._directory = hub.folder.artifacts / location
        self._check_inside(self._directory)
        super().__init__(self._directory.as_uri())

    def __bool__(self) -> bool:
        """Whether MLflow may hand this repository out again from its cache.

        MLflow caches repositories by run id alone, for all tracking URIs of a process, so a
        cached one would be given to a client of another workspace; a false one is looked up anew.
        """
        return False

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Store a file; whole or not at all."""
        with self._writing(artifact_path) as folder:
            super().log_artifact(local_file, artifact_path)
            self._hub.folder.share_tree(folder / Path(local_file).name)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Store the files of a folder."""
        with self._writing(artifact_path) as folder:
            super().log_artifacts(local_dir, artifact_path)
            self._hub.folder.share_tree(folder)

    def log_artifact_from_stream(
        self, stream: BinaryIO, artifact_file_name: str, artifact_path: str | None = None
    ) -> None:
        """Store what a stream yields as a file; whole or not at all."""
        check_path(artifact_file_name)
        with self._writing(artifact_path) as folder:
            super().log_artifact_from_stream(stream, artifact_file_name, artifact_path)
            self._hub.folder.share_tree(folder / Path(artifact_file_name).name)

    def append(self, path: str, lines: bytes) -> None:
        """Append lines to a file, which is made if it is not there (ours).

        A line that was cut by the end of a process stays a line of its own.
        """
        folder, _, name = path.rpartition("/")
        with self._writing(folder) as directory:
            file = directory / name
            is_new = not file.exists()
            with file.open("ab+") as stream:
                if stream.tell():
                    stream.seek(-1, os.SEEK_END)
                    if stream.read(1) != b"\n":
                        lines = b"\n" + lines
                stream.write(lines)
            if is_new:
                self._hub.folder.share_file(file)

    def _log_artifact_async(
        self, filename: str, artifact_path: str | None = None, artifact: Any = None
    ) -> RunOperations:
        # At once: a folder needs no queue, and MLflow flushes only queues that it has cached.
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / filename
            artifact.save(local)
            self.log_artifact(str(local), artifact_path)
        return RunOperations([])

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """List the files and folders directly under a path."""
        with self._reading(path):
            return list(super().list_artifacts(path))

    def download_artifacts(self, artifact_path: str, dst_path: str | None = None) -> str:
        """Return the local path of a file or folder, copied to ``dst_path`` if that is given."""
        with self._reading(artifact_path):
            stored = self._directory / (artifact_path or "")
            # MLflow decodes the paths that it reads, and refuses "#", but not those that it writes.
            if dst_path is None and stored.exists():
                validate_path_within_directory(str(self._directory), str(stored))
                return str(stored)
            return str(super().download_artifacts(artifact_path, dst_path))

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Delete a file, a folder, or everything."""
        with self._reading(artifact_path):
            self._check_inside(self._directory / (artifact_path or ""))
            super().delete_artifacts(artifact_path)
            if not artifact_path:
                # A run's files lie in RUN/artifacts; with them gone the folder of the run is empty.
                with suppress(OSError):
                    self._directory.parent.rmdir()

    @contextmanager
    def _writing(self, artifact_path: str | None) -> Iterator[Path]:
        with self._reading(artifact_path):
            verify_artifact_path(artifact_path)
            folder = self._directory / (artifact_path or "")
            self._check_inside(folder)
            self._hub.folder.make_directory(folder)
            yield folder

    @contextmanager
    def _reading(self, artifact_path: str | None) -> Iterator[None]:
        check_path(artifact_path)
        with translated_errors(self._hub.path):
            yield

    def _check_inside(self, path: Path) -> None:
        try:
            validate_path_within_directory(str(self._root), str(path))
        except MlflowException as error:
            raise UnsafeArtifactPathError(
                f"Artifact path {str(path)!r} leads out of its workspace through a symbolic link. "
                "Remove the link."
            ) from error
