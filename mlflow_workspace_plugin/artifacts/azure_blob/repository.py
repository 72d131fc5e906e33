"""The artifact repository of a hub whose bytes are in Azure Blob Storage."""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobProperties
from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from mlflow.store.artifact.artifact_repo import verify_artifact_path
from tqdm.auto import tqdm

from mlflow_workspace_plugin.artifacts.azure_blob import listing
from mlflow_workspace_plugin.artifacts.azure_blob.connection.codes import code_of
from mlflow_workspace_plugin.artifacts.azure_blob.connection.container import (
    Container,
    container_of,
)
from mlflow_workspace_plugin.artifacts.azure_blob.connection.faults import answered
from mlflow_workspace_plugin.artifacts.azure_blob.transfer.append import append_lines
from mlflow_workspace_plugin.artifacts.azure_blob.transfer.digests import recorded_sha256
from mlflow_workspace_plugin.artifacts.azure_blob.transfer.download import download_file, read_piece
from mlflow_workspace_plugin.artifacts.azure_blob.transfer.progress import progress_bar, unseen
from mlflow_workspace_plugin.artifacts.azure_blob.transfer.reading import BlobFile
from mlflow_workspace_plugin.artifacts.azure_blob.transfer.upload import (
    upload_file,
    upload_grown,
    upload_stream,
)
from mlflow_workspace_plugin.artifacts.distant_space import (
    DistantSpace,
    check_no_folder_is_a_file,
    local_place,
)
from mlflow_workspace_plugin.artifacts.file_space import StoredFile, Told
from mlflow_workspace_plugin.artifacts.local_files import files_in
from mlflow_workspace_plugin.artifacts.paths import check_path, workspace_root
from mlflow_workspace_plugin.errors import UnsafeArtifactPathError
from mlflow_workspace_plugin.hub.azure import AzureRoot

_ASKED_ONE_BY_ONE = 50
"""Of so many files each is asked for by itself; of more there is a listing."""


class AzureRepository(DistantSpace):
    """Files of one run or model, in a container.

    Args:
        root: the place of the hub's files.
        location: of these, below it.
        patience_s: for how many seconds a request that gets no answer is sent again; None is as
            long as the settings say.
        is_quiet: show no progress.
    """

    def __init__(
        self,
        root: AzureRoot,
        location: PurePosixPath,
        *,
        patience_s: float | None = None,
        is_quiet: bool = False,
    ) -> None:
        self.root = root
        self.patience_s = patience_s
        self._is_quiet = is_quiet
        self._base = root.blob(location)
        super().__init__(root.place(location))

    @answered
    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Store a file; whole or not at all."""
        file = Path(local_file)
        name = self._name(artifact_path, file.name)
        with self._progress_bar(f"Uploading {file.name}", file.stat().st_size) as bar:
            upload_file(self.container, name, file, bar.update, None)

    @answered
    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Store the files of a folder, but for those that are there already."""
        files = {
            self._name(artifact_path, path): Path(local_dir, path)
            for path in files_in(Path(local_dir))
        }
        there = listing.contents_below(self.container, self._name(artifact_path))
        size = sum(file.stat().st_size for file in files.values())
        with self._progress_bar(f"Uploading {len(files)} files", size) as bar:
            self.container.for_files(
                partial(upload_file, self.container, name, file, bar.update, there.get(name))
                for name, file in files.items()
            )

    @answered
    def log_artifact_from_stream(
        self, stream: BinaryIO, artifact_file_name: str, artifact_path: str | None = None
    ) -> None:
        """Store what a stream yields as a file; whole or not at all."""
        check_path(artifact_file_name)
        base = PurePosixPath(artifact_file_name).name
        with self._progress_bar(f"Uploading {base}", None) as bar:
            upload_stream(self.container, self._name(artifact_path, base), stream, bar.update)

    @answered
    def append(self, path: str, lines: bytes, *, goes_on: bool = False) -> None:
        """Append lines to a file, which is made if it is not there (ours)."""
        append_lines(self.container, self._name(path), lines)

    @answered
    def grow(self, path: str, source: BinaryIO) -> int | None:
        """Store what a local file has got since it was stored (ours)."""
        return upload_grown(self.container, self._name(path), source)

    @answered
    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """List the files and folders directly under a path."""
        return [
            FileInfo(self._path(each.path), each.is_dir, each.file_size)
            for each in listing.children(self.container, self._name(path))
        ]

    @answered
    def fetch(self, path: str, target: Path, *, compare: bool = False) -> None:
        """Copy a file to a local path, whole or not at all (ours). It is always compared."""
        with self._progress_bar(f"Downloading {target.name}", None) as bar:
            download_file(self.container, self._name(path), target, bar.update)

    @answered
    def read_from(self, path: str, start: int, size: int) -> bytes:
        """Return a piece of a file that may be growing (ours)."""
        return read_piece(self.container, self._name(path), start, size)

    @answered
    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Delete a file, a folder, or everything."""
        name = self._name(artifact_path)
        # A folder with something in it is not deleted where folders are real.
        delete_below(self.container, name)
        _delete(self.container, name)

    def check_storable(self, path: str) -> None:
        """Check that there may be a file of that name (ours)."""
        super().check_storable(path)
        if "\\" in path:
            raise UnsafeArtifactPathError(
                f"Artifact path {path!r} holds a backslash, which Azure takes for a slash. "
                "Choose another name."
            )

    @answered
    def files(self, path: str = "") -> Iterator[StoredFile]:
        """Yield all files below a path, or the one at it, by path (ours)."""
        name = self._name(path) if path else self._base
        # Blobs come by name, and a file comes before those of a folder of its name.
        found = list(listing.blobs_below(self.container, name))
        alone = self.container.properties(name) if path else None
        if alone is not None and not listing.is_folder(alone):
            found.insert(0, alone)
        return (self._stored_file(each) for each in found)

    @answered
    def file_at(self, path: str) -> StoredFile | None:
        """Return the file at a path; None if there is none (ours)."""
        found = self.container.properties(self._name(path))
        if found is None or listing.is_folder(found):
            return None
        return self._stored_file(found)

    @answered
    def blocks(self, path: str) -> tuple[list[str], list[str]]:
        """Return the ids of the blocks of a file, and of those that were only staged (ours)."""
        return self.container.blocks(self._name(path))

    @answered
    def present(self, paths: Sequence[str]) -> set[str]:
        """Return those of some paths at which there is a file (ours)."""
        if len(paths) > _ASKED_ONE_BY_ONE:
            above = str(PurePosixPath(os.path.commonpath(paths)))
            names = listing.contents_below(self.container, self._folder_of(above, paths))
            return {path for path in paths if self._name(path) in names}
        found: list[str] = []

        def ask(path: str) -> None:
            if self.container.properties(self._name(path)) is not None:
                found.append(path)

        self.container.for_files(partial(ask, path) for path in paths)
        return set(found)

    @answered
    def put_files(
        self, files: Sequence[tuple[Path, str]], told: Told, *, overwrite: bool = True
    ) -> list[str]:
        """Store files at paths, each whole or not at all, but for those that are there (ours)."""
        names = {path: self._name(path) for _, path in files}
        there: dict[str, BlobProperties] = {}
        if len(files) > _ASKED_ONE_BY_ONE:
            above = os.path.commonpath(list(names))
            there = listing.contents_below(self.container, self._folder_of(above, list(names)))

        def put(source: Path, path: str) -> None:
            name = names[path]
            known = there.get(name)
            if upload_file(self.container, name, source, unseen, known, overwrite=overwrite):
                told(source, path)

        self.container.for_files(partial(put, source, path) for source, path in files)
        return []

    @answered
    def fetch_files(
        self, files: Sequence[tuple[str, Path]], told: Callable[[str, Path], None]
    ) -> None:
        """Copy files to local paths, each whole or not at all, over what is there (ours)."""

        def fetch(path: str, target: Path) -> None:
            with self._asked_for(path):
                download_file(self.container, self._name(path), target, unseen)
            told(path, target)

        self.container.for_files(partial(fetch, path, target) for path, target in files)

    @answered
    def open_file(self, path: str) -> BinaryIO:
        """Open a file for reading (ours)."""
        with self._asked_for(path):
            file = BlobFile(self.container, self._name(path))
        return cast("BinaryIO", io.BufferedReader(file))

    @contextmanager
    def _asked_for(self, path: str) -> Iterator[None]:
        """Raise an error that names the file, if it is not there."""
        try:
            yield
        except ResourceNotFoundError as error:
            # The container itself may be gone.
            if code_of(error) not in ("", "BlobNotFound"):
                raise
            is_missing = True
        else:
            is_missing = False
        if is_missing:
            raise MlflowException(
                f"No such artifact: {path!r} in {self.artifact_uri!r}.", RESOURCE_DOES_NOT_EXIST
            )

    def _folder_of(self, above: str, paths: Sequence[str]) -> str:
        """Return the name of the folder that all of some paths are in."""
        return self._name(str(PurePosixPath(above).parent) if above in paths else above)

    def _stored_file(self, blob: BlobProperties) -> StoredFile:
        modified: datetime | None = blob.last_modified
        return StoredFile(
            self._path(blob.name),
            blob.size,
            None if modified is None else int(modified.timestamp() * 1000),
            blob.etag,
            recorded_sha256(blob),
        )

    @answered
    def _download_folder(self, path: str, target: Path) -> bool:
        """Copy the files of a folder; return whether there is one."""
        found = list(listing.blobs_below(self.container, self._name(path)))
        check_no_folder_is_a_file({self._path(each.name) for each in found})
        size = sum(each.size for each in found)
        with self._progress_bar(f"Downloading {len(found)} files", size) as bar:
            self.container.for_files(
                partial(
                    download_file,
                    self.container,
                    each.name,
                    local_place(self._path(each.name), target),
                    bar.update,
                )
                for each in found
            )
        return bool(found) or not path

    @property
    def container(self) -> Container:
        """The connection to where they are (ours)."""
        return container_of(self.root, self.patience_s)

    def _progress_bar(self, description: str, size: int | None) -> "tqdm[Any]":
        return progress_bar(description, size, is_quiet=self._is_quiet)

    def _name(self, path: str | None, base: str = "") -> str:
        """Return the name of the blob at a path, below a folder if a base name is given."""
        check_path(path)
        if base:
            verify_artifact_path(path)
            check_path(base)
        below = str(PurePosixPath(path or "", base))
        self.check_storable(below)
        return str(PurePosixPath(self._base, below))

    def _path(self, name: str) -> str:
        return name[len(self._base) + 1 :]


class WorkspaceFiles:
    """All files of a workspace, in a container."""

    def __init__(self, root: AzureRoot, name: str) -> None:
        self._root = root
        self._folder = root.blob(workspace_root(name))

    @property
    def container(self) -> Container:
        """The connection to where they are."""
        return container_of(self._root)

    @answered
    def remove(self) -> None:
        """Remove them."""
        delete_below(self.container, self._folder)


class Access:
    """The access of this process to a place for files."""

    def __init__(self, root: AzureRoot) -> None:
        self._root = root

    @property
    def container(self) -> Container:
        """The connection to it."""
        return container_of(self._root)

    @answered
    def check(self) -> None:
        """Check that the container is there and answers.

        Raises:
            HubError: it does not; the message says why.
        """
        listing.check(self.container)


def delete_below(container: Container, folder: str) -> None:
    """Delete all blobs below a folder, and then those that stand for folders, the deepest first."""
    found = list(listing.all_below(container, folder))
    container.for_files(
        partial(_delete, container, each.name) for each in found if not listing.is_folder(each)
    )
    for each in reversed(found):
        if listing.is_folder(each):
            _delete(container, each.name)


def _delete(container: Container, name: str) -> None:
    try:
        container.blob(name).delete_blob(delete_snapshots="include")
    except ResourceNotFoundError as error:
        if code_of(error) != "BlobNotFound":
            raise
