"""The artifact repository of a hub whose bytes are in its folder."""

import filecmp
import os
import posixpath
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote

from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from mlflow.store.artifact.artifact_repo import verify_artifact_path
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.utils.file_utils import create_tmp_dir
from mlflow.utils.uri import validate_path_within_directory

from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
from mlflow_workspace_plugin.artifacts.local_files import files_in
from mlflow_workspace_plugin.artifacts.paths import check_path, workspace_root
from mlflow_workspace_plugin.artifacts.uri_names import stored_path
from mlflow_workspace_plugin.errors import (
    AzureMLException,
    UnsafeArtifactPathError,
    WorkspaceException,
)
from mlflow_workspace_plugin.hub.database import translated_errors
from mlflow_workspace_plugin.hub.folder import HubFolder


class FolderRepository(LocalArtifactRepository, HubRepository):
    """Files of one run or model, in the hub's folder.

    MLflow's own local repository, with checked paths on every way in, the hub's permissions, and
    errors that name the hub.
    """

    def __init__(self, folder: HubFolder, location: PurePosixPath) -> None:
        self._folder = folder
        # No symbolic link leads out of the workspace; its own folder may lie on another disk.
        self._root = folder.artifacts.joinpath(*location.parts[:2])
        self._directory = folder.artifacts / location
        self._check_inside(self._directory)
        super().__init__(self._directory.as_uri())

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Store a file; whole or not at all."""
        self.check_storable(posixpath.join(artifact_path or "", Path(local_file).name))
        with self._writing(artifact_path) as folder:
            super().log_artifact(local_file, artifact_path)
            self._folder.share_tree(folder / Path(local_file).name)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Store the files of a folder."""
        self.check_storable(artifact_path or "")
        for path in files_in(Path(local_dir)):
            self.check_storable(posixpath.join(artifact_path or "", path))
        with self._writing(artifact_path) as folder:
            super().log_artifacts(local_dir, artifact_path)
            self._folder.share_tree(folder)

    def log_artifact_from_stream(
        self, stream: BinaryIO, artifact_file_name: str, artifact_path: str | None = None
    ) -> None:
        """Store what a stream yields as a file; whole or not at all."""
        self.check_storable(posixpath.join(artifact_path or "", artifact_file_name))
        with self._writing(artifact_path) as folder:
            super().log_artifact_from_stream(stream, artifact_file_name, artifact_path)
            self._folder.share_tree(folder / Path(artifact_file_name).name)

    def append(self, path: str, lines: bytes) -> None:
        """Append lines to a file, which is made if it is not there (ours)."""
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
                self._folder.share_file(file)

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """List the files and folders directly under a path."""
        with self._reading(path):
            return list(super().list_artifacts(path))

    def download_artifacts(self, artifact_path: str, dst_path: str | None = None) -> str:
        """Return the local path of a file or folder, copied to ``dst_path`` if that is given."""
        with self._reading(artifact_path):
            if artifact_path and not (self._directory / artifact_path).exists():
                artifact_path = stored_path(self, artifact_path) or artifact_path
            stored = str(self._directory / (artifact_path or ""))
            if dst_path is None and unquote(stored) != stored and Path(stored).is_dir():
                # MLflow would decode this path, too, when it loads a model from it.
                dst_path = create_tmp_dir()
            return str(super().download_artifacts(artifact_path, dst_path))

    # MLflow decodes the paths that it reads and deletes, and refuses "#", but not in those that it
    # writes.
    def get_local_path(self, artifact_path: str) -> str:
        """Return where a file or folder is stored."""
        with self._reading(artifact_path):
            stored = self._directory / (artifact_path or "")
            validate_path_within_directory(str(self._directory), str(stored))
            if not stored.exists():
                raise MlflowException(
                    f"No such artifact: {artifact_path!r}", RESOURCE_DOES_NOT_EXIST
                )
            return str(stored)

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        shutil.copy2(self.get_local_path(remote_file_path), local_path)

    @contextmanager
    def local(self, path: str) -> Iterator[Path]:
        """Yield where a file or folder is stored (ours)."""
        yield Path(self.download_artifacts(path))

    def fetch(self, path: str, target: Path, *, compare: bool = False) -> None:
        """Copy a file to a local path, whole or not at all (ours)."""
        stored = Path(self.download_artifacts(path))
        if not stored.is_file():
            raise MlflowException(f"No such artifact: {path!r}", RESOURCE_DOES_NOT_EXIST)
        copy = target.with_name(f".download-{uuid.uuid4().hex}")
        try:
            shutil.copyfile(stored, copy)
            if compare and not filecmp.cmp(stored, copy, shallow=False):
                raise AzureMLException(
                    f"The copy of {path!r} is not what is stored: the disk of {str(target)!r} or "
                    "of the hub is faulty, or the file was replaced just now. Download it again."
                )
            copy.replace(target)
        finally:
            copy.unlink(missing_ok=True)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Delete a file, a folder, or everything."""
        with self._reading(artifact_path):
            stored = self._directory / (artifact_path or "")
            self._check_inside(stored)
            if stored.is_dir():
                shutil.rmtree(stored)
            elif stored.exists():
                stored.unlink()
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
            self._folder.make_directory(folder)
            yield folder

    def check_storable(self, path: str) -> None:
        """Check that there may be a file of that name (ours)."""
        for each in (path, *path.split("/")):
            check_path(each, is_only_here=True)

    @contextmanager
    def _reading(self, artifact_path: str | None) -> Iterator[None]:
        check_path(artifact_path, is_only_here=True)
        with translated_errors(self._folder.path):
            yield

    def _check_inside(self, path: Path) -> None:
        try:
            validate_path_within_directory(str(self._root), str(path))
        except MlflowException as error:
            raise UnsafeArtifactPathError(
                f"Artifact path {str(path)!r} leads out of its workspace through a symbolic link. "
                "Remove the link."
            ) from error


def remove_workspace_files(folder: HubFolder, name: str) -> None:
    """Remove all files of a workspace that was deleted.

    Raises:
        WorkspaceException: some remain.
    """
    files = folder.artifacts / workspace_root(name)
    try:
        # The folder may be a link to another disk.
        if files.is_dir():
            shutil.rmtree(files.resolve())
        if files.is_symlink():
            files.unlink()
    except OSError as error:
        raise WorkspaceException(
            f"Workspace {name!r} was deleted, but files of it remain in "
            f"{str(files.resolve())!r}: {error}. Remove them by hand."
        ) from error
