"""The artifact repository of a served hub."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.store.artifact.artifact_repo import verify_artifact_path

from mlflow_workspace_plugin.artifacts.azure_blob.transfer.progress import progress_bar, unseen
from mlflow_workspace_plugin.artifacts.distant_space import (
    DistantSpace,
    check_no_folder_is_a_file,
    local_place,
)
from mlflow_workspace_plugin.artifacts.file_space import StoredFile, Told
from mlflow_workspace_plugin.artifacts.local_files import files_in
from mlflow_workspace_plugin.artifacts.paths import ARTIFACT_ROOT, check_path
from mlflow_workspace_plugin.errors import UnsafeArtifactPathError
from mlflow_workspace_plugin.protocol.files import FILES_AT_ONCE
from mlflow_workspace_plugin.remote.files.calls import FileCalls, batches
from mlflow_workspace_plugin.remote.files.present import PresentTransfer
from mlflow_workspace_plugin.remote.files.transfer import Kind, Todo, Transfer
from mlflow_workspace_plugin.remote.http import HubHttp

_ASKED_ONE_BY_ONE = 50
"""Of so many files each is asked for by itself; of more there is a listing."""


class ServedRepository(DistantSpace):
    """Files of one run or model of a served hub.

    What there is says the hub. The bytes go the way that it names: straight to a storage account,
    with signatures of single blobs, or through its server.

    Args:
        http: the way to the hub.
        workspace: the name MLflow knows.
        location: of the files, below the place of the hub's.
        patience_s: for how many seconds a request that gets no answer is sent again; None is as
            long as the settings say.
        is_quiet: show no progress.
    """

    def __init__(
        self,
        http: HubHttp,
        workspace: str,
        location: PurePosixPath,
        *,
        patience_s: float | None = None,
        is_quiet: bool = False,
    ) -> None:
        super().__init__(f"{ARTIFACT_ROOT}{location}")
        self._base = location
        self._calls = FileCalls(http, workspace, patience_s)
        self._patience_s = patience_s
        self._http = http
        self._is_quiet = is_quiet

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Store a file; whole or not at all."""
        file = Path(local_file)
        location = self._location(artifact_path, file.name)
        with self._bar(f"Uploading {file.name}", file.stat().st_size) as bar:
            self.transfer.put(Todo(location, file), bar.update)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Store the files of a folder, but for those that are there already."""
        files = {
            self._location(artifact_path, path): Path(local_dir, path)
            for path in files_in(Path(local_dir))
        }
        size = sum(file.stat().st_size for file in files.values())
        top = PurePosixPath(self._location(artifact_path))
        there = {f"{top}/{each.path}": each for each in self._below(top)} if files else {}
        with self._bar(f"Uploading {len(files)} files", size) as bar:
            self._put_all(
                [Todo(each, file, there.get(each), is_listed=True) for each, file in files.items()],
                lambda todo: self.transfer.put(todo, bar.update),
            )

    def log_artifact_from_stream(
        self, stream: BinaryIO, artifact_file_name: str, artifact_path: str | None = None
    ) -> None:
        """Store what a stream yields as a file; whole or not at all."""
        check_path(artifact_file_name)
        base = PurePosixPath(artifact_file_name).name
        with self._bar(f"Uploading {base}", None) as bar:
            self.transfer.put_stream(self._location(artifact_path, base), stream, bar.update)

    def append(self, path: str, lines: bytes, *, goes_on: bool = False) -> None:
        """Append lines to a file, which is made if it is not there (ours)."""
        self.transfer.append(self._location(path), lines, goes_on=goes_on)

    def grow(self, path: str, source: BinaryIO) -> int | None:
        """Store what a local file has got since it was stored (ours)."""
        return self.transfer.grow(self._location(path), source)

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """List the files and folders directly under a path."""
        above = PurePosixPath(path or "")
        place = PurePosixPath(self._location(path))
        listed = (
            FileInfo(str(above / each["path"]), each["is_folder"], each["size"])
            for each in self._calls.files(place, deep=False)
        )
        return sorted(listed, key=lambda info: info.path)

    def fetch(self, path: str, target: Path, *, compare: bool = False) -> None:
        """Copy a file to a local path, whole or not at all (ours). It is always compared."""
        with (
            self._asked_for(path),
            self._bar(f"Downloading {target.name}", None) as bar,
        ):
            self.transfer.fetch(self._location(path), target, bar.update)

    def read_from(self, path: str, start: int, size: int) -> bytes:
        """Return a piece of a file that may be growing (ours)."""
        with self._asked_for(path):
            return self.transfer.read_from(self._location(path), start, size)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Delete a file, a folder, or everything."""
        if artifact_path:
            self._location(artifact_path)
        self._calls.delete(self._base, artifact_path or None)

    def files(self, path: str = "") -> Iterator[StoredFile]:
        """Yield all files below a path, or the one at it, by path (ours)."""
        for each in self._below(PurePosixPath(self._location(path))):
            below = "/".join(part for part in (path.strip("/"), each.path) if part)
            yield StoredFile(below, each.size, each.modified_ms, each.etag, each.sha256)

    def file_at(self, path: str) -> StoredFile | None:
        """Return the file at a path; None if there is none (ours)."""
        return self._there([path]).get(path)

    def present(self, paths: Sequence[str]) -> set[str]:
        """Return those of some paths at which there is a file (ours)."""
        return set(self._there(paths))

    def put_files(
        self, files: Sequence[tuple[Path, str]], told: Told, *, overwrite: bool = True
    ) -> list[str]:
        """Store files at paths, each whole or not at all, but for those that are there (ours)."""
        kind: Kind = "data" if overwrite else "new"
        paths = {self._location(path): path for _, path in files}
        there = self._there(list(paths.values())) if len(files) > 1 else {}
        todo = [
            Todo(self._location(path), source, there.get(path), is_listed=len(files) > 1)
            for source, path in files
        ]

        def put(each: Todo) -> None:
            if self.transfer.put(each, unseen, kind):
                told(each.file, paths[each.location])

        for each in self._put_all(todo, put):
            told(each.file, paths[each.location])
        return []

    def fetch_files(
        self, files: Sequence[tuple[str, Path]], told: Callable[[str, Path], None]
    ) -> None:
        """Copy files to local paths, each whole or not at all, over what is there (ours)."""
        transfer = self.transfer

        def fetch(path: str, target: Path) -> None:
            with self._asked_for(path):
                transfer.fetch(self._location(path), target, unseen)
            told(path, target)

        self._fetch_all(files, fetch)

    def open_file(self, path: str) -> BinaryIO:
        """Open a file for reading (ours)."""
        with self._asked_for(path):
            return self.transfer.open_file(self._location(path))

    def check_storable(self, path: str) -> None:
        """Check that there may be a file of that name (ours)."""
        super().check_storable(path)
        try:
            path.encode()
        except UnicodeEncodeError:
            raise UnsafeArtifactPathError(
                f"Artifact path {path!r} is no text that can be sent. Choose another name."
            ) from None

    def _put_all(self, todo: list[Todo], put: Callable[[Todo], object]) -> list[Todo]:
        """Store files but for those that are there as they are; return these."""
        transfer = self.transfer
        unchanged: list[Todo] = []
        # What is got ready for many is good for minutes only.
        for some in batches(todo, FILES_AT_ONCE):
            same = transfer.prepare(some)
            transfer.for_files(partial(put, each) for each in some if each.location not in same)
            unchanged += (each for each in some if each.location in same)
        return unchanged

    def _fetch_all(
        self, files: Sequence[tuple[str, Path]], fetch: Callable[[str, Path], object]
    ) -> None:
        """Copy files to local paths."""
        transfer = self.transfer
        for some in batches(files, FILES_AT_ONCE):
            transfer.prepare_reads([self._location(path) for path, _ in some])
            transfer.for_files(partial(fetch, path, target) for path, target in some)

    def _there(self, paths: Sequence[str]) -> dict[str, StoredFile]:
        """Return those of some paths at which there is a file, with what is known of it."""
        locations = {path: self._location(path) for path in paths}
        if len(paths) <= _ASKED_ONE_BY_ONE:
            found = self._calls.find([{"location": each} for each in locations.values()])
            return {
                path: each.known
                for path, each in zip(locations, found, strict=True)
                if each.known is not None
            }
        above = PurePosixPath(os.path.commonpath(list(locations.values())))
        if str(above) in locations.values():
            above = above.parent
        known = {f"{above}/{each.path}": each for each in self._below(above)}
        return {path: known[each] for path, each in locations.items() if each in known}

    def _below(self, place: PurePosixPath) -> Iterator[StoredFile]:
        """Yield all files below a place, by the path from there; or the one at it, by none."""
        return (StoredFile(**each) for each in self._calls.files(place, deep=True))

    def _download_folder(self, path: str, target: Path) -> bool:
        found = [each for each in self.files(path) if each.path != path]
        check_no_folder_is_a_file({each.path for each in found})
        todo = [(each.path, local_place(each.path, target)) for each in found]
        transfer = self.transfer
        size = sum(each.size or 0 for each in found)
        with self._bar(f"Downloading {len(found)} files", size) as bar:
            self._fetch_all(
                todo,
                lambda path, place: transfer.fetch(self._location(path), place, bar.update),
            )
        return bool(found) or not path

    @contextmanager
    def _asked_for(self, path: str) -> Iterator[None]:
        """Raise an error that names the file, if it is not there."""
        try:
            yield
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
        else:
            return
        raise MlflowException(
            f"No such artifact: {path!r} in {self.artifact_uri!r}.", RESOURCE_DOES_NOT_EXIST
        )

    @property
    def transfer(self) -> Transfer:
        """The way of their bytes (ours)."""
        return PresentTransfer(self._http, self._calls, self._patience_s)

    def _bar(self, description: str, size: int | None) -> Any:
        return progress_bar(description, size, is_quiet=self._is_quiet)

    def _location(self, path: str | None, base: str = "") -> str:
        """Return where a file is below the hub's root, below a folder if a base name is given."""
        check_path(path)
        if base:
            verify_artifact_path(path)
            check_path(base)
        below = PurePosixPath(path or "", base)
        self.check_storable(str(below))
        return str(self._base / below)
