"""The artifact repository of a hub whose bytes are in its folder."""

import asyncio
import errno
import itertools
import os
import posixpath
import shutil
import stat
import tempfile
import uuid
from collections.abc import AsyncIterable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote

from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from mlflow.store.artifact.artifact_repo import StreamUploadMixin, verify_artifact_path
from mlflow.utils.file_utils import create_tmp_dir
from mlflow.utils.workspace_context import get_request_workspace

from mlflow_workspace_plugin.artifacts.file_space import FileSpace, StoredFile, Told, in_order
from mlflow_workspace_plugin.artifacts.growing import append_rest
from mlflow_workspace_plugin.artifacts.local_files import folders_in, open_file
from mlflow_workspace_plugin.artifacts.named_by_content import named_by_content
from mlflow_workspace_plugin.artifacts.paths import (
    ARTIFACT_ROOT,
    check_path,
    location_of,
    workspace_root,
)
from mlflow_workspace_plugin.artifacts.uri_names import stored_path
from mlflow_workspace_plugin.errors import (
    ArtifactRefusedError,
    AzureMLException,
    ForeignFileError,
    HubError,
    UnsafeArtifactPathError,
    WorkspaceException,
    WrittenOnceError,
    clause,
)
from mlflow_workspace_plugin.hub.databases.database import translated_errors
from mlflow_workspace_plugin.hub.files import linked_folders
from mlflow_workspace_plugin.hub.files.folder import HubFolder
from mlflow_workspace_plugin.hub.files.tree import UNFINISHED, OpenFolder, Tree

_CHUNK = 2**20
# A path that is too long leads nowhere.
_NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
# What disks say that move no file from one folder to the other.
_NOT_MOVED = (errno.EXDEV, errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP)


class FolderRepository(FileSpace, StreamUploadMixin):
    """Files of one run or model, in the hub's folder.

    As MLflow's own local repository, with checked paths on every way in, on none of which a link is
    followed, the hub's permissions, and errors that name the hub.
    """

    def __init__(self, folder: HubFolder, location: PurePosixPath) -> None:
        self._folder = folder
        self._tree = folder.files
        self._location = location
        super().__init__((folder.artifacts / location).as_uri())

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Store a file; whole or not at all."""
        with (
            open_file(Path(local_file)) as source,
            self._storing(Path(local_file).name, artifact_path, source) as target,
        ):
            shutil.copyfileobj(source, target, _CHUNK)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Store the files of a folder, each whole or not at all.

        Raises:
            OSError: the folder, or something in it, cannot be read.
        """
        with self._checked(artifact_path):
            verify_artifact_path(artifact_path)
            self.check_storable(artifact_path or "")
            folders = list(folders_in(Path(local_dir)))
            for below, names in folders:
                for name in names:
                    _check_name(name)
                    self.check_storable(str(PurePosixPath(artifact_path or "", below, name)))
            for below, names in folders:
                with self._tree.folder(self._place(artifact_path) / below, make=True) as folder:
                    for name in names:
                        with (
                            open_file(Path(local_dir, below, name)) as source,
                            folder.writing(name, executable=_may_run(source)) as target,
                        ):
                            shutil.copyfileobj(source, target, _CHUNK)
                            _keep_time(source, target)

    def log_artifact_from_stream(
        self, stream: BinaryIO, artifact_file_name: str, artifact_path: str | None = None
    ) -> None:
        """Store what a stream yields as a file; whole or not at all."""
        with self._storing(artifact_file_name, artifact_path) as target:
            shutil.copyfileobj(stream, target, _CHUNK)

    async def log_artifact_from_async_stream(
        self,
        chunks: AsyncIterable[bytes],
        artifact_file_name: str,
        artifact_path: str | None = None,
    ) -> None:
        """Store what a server receives as a file; whole or not at all."""
        with self._storing(artifact_file_name, artifact_path) as target:
            async for chunk in chunks:
                await asyncio.to_thread(target.write, chunk)

    def append(self, path: str, lines: bytes, *, goes_on: bool = False) -> None:
        """Append lines to a file, which is made if it is not there (ours).

        Raises:
            ForeignFileError: a link is in the way. Without it they can be appended.
            ArtifactRefusedError: the path leads through a file, is that of a folder, or too long.
        """
        place = self._place(path)
        with (
            self._checked(path),
            refused_as_names(place.parent),
            self._tree.above(place, make=True) as (folder, name),
        ):
            folder.append(name, lines, goes_on=goes_on)

    def append_at(self, path: str, piece: bytes, at: int) -> bool:
        """Append to a file of a known size (ours).

        Raises:
            ForeignFileError: a link is in the way.
        """
        with self._checked(path):
            try:
                with self._tree.above(self._place(path)) as (folder, name):
                    return folder.append_at(name, piece, at)
            except OSError as error:
                if error.errno not in (*_NOTHING_THERE, errno.EISDIR):
                    raise
                return False

    def grow(self, path: str, source: BinaryIO) -> int | None:
        """Append to a file what a local one has behind it (ours)."""
        with self._checked(path):
            try:
                stored = self._tree.open(self._place(path))
            except OSError:
                return None
        with stored:

            def read(start: int, size: int) -> bytes:
                stored.seek(start)
                return stored.read(size)

            size = stored.seek(0, os.SEEK_END)
            return append_rest(source, size, read, partial(self.append_at, path))

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """List the files and folders directly under a path; links are neither."""
        with self._checked(path):
            try:
                with self._tree.folder(self._place(path)) as folder:
                    entries = folder.entries()
            except OSError as error:
                if error.errno not in _NOTHING_THERE:
                    raise
                return []
        above = PurePosixPath(path or "")
        return [
            FileInfo(str(above / entry.name), entry.size is None, entry.size)
            for entry in entries
            if not entry.name.startswith(UNFINISHED)
        ]

    def download_artifacts(self, artifact_path: str, dst_path: str | None = None) -> str:
        """Copy a file or folder to ``dst_path``, without the links in it; return the copy's path.

        Without ``dst_path`` it is the path of what is stored, unless others could put links there:
        then it is that of a new temporary copy.
        """
        with self._checked(artifact_path):
            path = self._meant(artifact_path)
            in_place = None if dst_path else self._in_place(path)
            if in_place is not None and unquote(str(in_place)) != str(in_place):
                # MLflow would decode this path, too, when it loads a model from it.
                in_place = None if in_place.is_dir() else in_place
            if in_place is not None:
                return str(in_place)
            try:
                return str(super().download_artifacts(path, dst_path or create_tmp_dir()))
            except RecursionError:
                raise HubError(
                    f"Artifact {path!r} holds folders that are nested too deep to be copied. Copy "
                    "the files that you need one by one, or remove those folders."
                ) from None

    def get_local_path(self, artifact_path: str) -> str | None:
        """Return where a file or folder is stored, for a server; None if it has to be copied."""
        with self._checked(artifact_path):
            in_place = self._in_place(artifact_path)
            return None if in_place is None else str(in_place)

    @contextmanager
    def local(self, path: str) -> Iterator[Path]:
        """Yield where a file or folder is stored, or a copy of it (ours)."""
        with self._checked(path):
            in_place = self._in_place(path)
        if in_place is not None:
            yield in_place
            return
        with tempfile.TemporaryDirectory() as folder:
            yield Path(self.download_artifacts(path, folder))

    def fetch(self, path: str, target: Path, *, compare: bool = False) -> None:
        """Copy a file to a local path, whole or not at all (ours)."""
        copy = target.with_name(f".download-{uuid.uuid4().hex}")
        try:
            with self._checked(path):
                known = self.file_at(path) if compare else None
                self._download_file(path, str(copy))
                if compare and not self._is_copy(path, copy, known):
                    raise AzureMLException(
                        f"The copy of {path!r} is not what is stored: the disk of {str(target)!r} "
                        "or of the hub is faulty, or the file was replaced just now. "
                        "Download it again."
                    )
            copy.replace(target)
        finally:
            copy.unlink(missing_ok=True)

    def read_from(self, path: str, start: int, size: int) -> bytes:
        """Return a piece of a file that may be growing (ours)."""
        with self._checked(path):
            try:
                source = self._tree.open(self._place(path))
            except OSError as error:
                if error.errno not in (*_NOTHING_THERE, errno.EISDIR):
                    raise
                raise _missing(path) from error
            with source:
                source.seek(start)
                return source.read(size)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Delete a file, a folder, a link, or everything."""
        with self._checked(artifact_path):
            with _nothing_if_missing():
                self._tree.remove(self._place(artifact_path))
            if not artifact_path:
                # A run's files lie in RUN/artifacts; with them gone the folder of the run is empty.
                self._tree.remove_if_empty(self._location.parent)

    def files(self, path: str = "") -> Iterator[StoredFile]:
        """Yield all files below a path, or the one at it, by path; links are none (ours)."""
        with self._checked(path):
            yield from in_order(list(self._files(path)))

    def file_at(self, path: str) -> StoredFile | None:
        """Return the file at a path; None if there is none (ours)."""
        with self._checked(path):
            status = self._status(path)
        return _stored_file(path, status) if status and stat.S_ISREG(status.st_mode) else None

    def _files(self, path: str) -> Iterator[StoredFile]:
        status = self._status(path)
        if status is not None and stat.S_ISREG(status.st_mode):
            yield _stored_file(path, status)
        left = [path] if status is not None and stat.S_ISDIR(status.st_mode) else []
        while left:
            below = left.pop()
            # It may be removed just now.
            with suppress(FileNotFoundError, NotADirectoryError):
                with self._tree.folder(self._place(below)) as folder:
                    found = folder.statuses()
                for name, status in found:
                    at = f"{below}/{name}" if below else name
                    if stat.S_ISDIR(status.st_mode):
                        left.append(at)
                    elif not name.startswith(UNFINISHED):
                        yield _stored_file(at, status)

    def _status(self, path: str) -> os.stat_result | None:
        """Return the status of a file, a folder or a link; None if there is no such thing."""
        try:
            with self._tree.above(self._place(path)) as (folder, name):
                return None if name.startswith(UNFINISHED) else folder.status(name)
        except OSError as error:
            if error.errno not in _NOTHING_THERE:
                raise
            return None

    def present(self, paths: Sequence[str]) -> set[str]:
        """Return those of some paths at which there is a file (ours)."""
        found: set[str] = set()
        for path in paths:
            check_path(path, is_only_here=True)
        for above, some in itertools.groupby(paths, posixpath.dirname):
            # A path that is too long, or leads through a file, is nobody's.
            with (
                self._checked(above),
                _nothing_if_missing(),
                self._tree.folder(self._place(above)) as folder,
            ):
                found.update(path for path in some if _is_file(folder, posixpath.basename(path)))
        return found

    def put_files(
        self, files: Sequence[tuple[Path, str]], told: Told, *, overwrite: bool = True
    ) -> list[str]:
        """Store files at paths, each whole or not at all, for nobody to write to (ours).

        Raises:
            ArtifactRefusedError: a path leads through a file, or is that of a folder.
        """
        for _, path in files:
            self.check_storable(path)
            _check_name(PurePosixPath(path).name)
        for above, some in itertools.groupby(files, lambda each: PurePosixPath(each[1]).parent):
            place = self._place(str(above))
            with (
                self._checked(str(above)),
                refused_as_names(place),
                self._tree.folder(place, make=True) as folder,
            ):
                for source, path in some:
                    name = PurePosixPath(path).name
                    try:
                        with (
                            open_file(source) as content,
                            folder.writing(name, read_only=True, replace=overwrite) as target,
                        ):
                            shutil.copyfileobj(content, target, _CHUNK)
                    except FileExistsError:
                        continue
                    told(source, path)
        return []

    def take(
        self,
        file: BinaryIO,
        source: OpenFolder,
        path: str,
        *,
        old: str,
        read_only: bool = False,
        replace: bool = True,
    ) -> bool | None:
        """Store a file by moving it from another folder of the hub, whatever its size (ours).

        Args:
            file: it, open.
            source: the folder that it is in.
            path: where it is stored.
            old: its name in that folder.
            read_only: whether it is for nobody to write to.
            replace: whether it may replace a file.

        Returns:
            Whether it is stored, for another may be there; None where it has to be copied, as the
            place is on another disk.

        Raises:
            ArtifactRefusedError: the path leads through a file, or is that of a folder.
        """
        self.check_storable(path)
        place = self._place(path)
        _check_name(place.name)
        with (
            self._checked(path),
            refused_as_names(place.parent),
            self._tree.above(place, make=True) as (folder, name),
        ):
            try:
                folder.take(file, source, old, name, read_only=read_only, replace=replace)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in _NOT_MOVED:
                    raise
                return None
        return True

    def fetch_files(
        self, files: Sequence[tuple[str, Path]], told: Callable[[str, Path], None]
    ) -> None:
        """Copy files to local paths, each whole or not at all, over what is there (ours)."""
        for path, target in files:
            self.fetch(path, target)
            told(path, target)

    def open_file(self, path: str) -> BinaryIO:
        """Open a file for reading (ours)."""
        with self._checked(path):
            try:
                return self._tree.open(self._place(path))
            except OSError as error:
                if error.errno not in (*_NOTHING_THERE, errno.EISDIR):
                    raise
                raise _missing(path) from error

    def in_place(self, path: str = "") -> Path | None:
        """Return where a file or folder is, to be read by its path (ours)."""
        with self._checked(path):
            try:
                return self._tree.steady(self._place(path))
            except OSError as error:
                if error.errno not in _NOTHING_THERE:
                    raise
                return None

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        try:
            source = self._tree.open(self._place(remote_file_path))
        except OSError as error:
            if error.errno not in (*_NOTHING_THERE, errno.EISDIR):
                raise
            raise _missing(remote_file_path) from error
        with source, Path(local_path).open("wb") as target:
            shutil.copyfileobj(source, target, _CHUNK)
            _keep_time(source, target)

    def _is_directory(self, artifact_path: str) -> bool:
        return self._tree.is_folder(self._place(artifact_path))

    def _meant(self, path: str) -> str:
        """Return the path of what is stored, where MLflow's reading of a URI has changed it."""
        if not path or self._status(path) is not None:
            return path
        return stored_path(self, path) or path

    def _in_place(self, path: str | None) -> Path | None:
        try:
            return self._tree.steady(self._place(path))
        except OSError as error:
            if error.errno not in _NOTHING_THERE:
                raise
            raise _missing(path) from error

    def _is_copy(self, path: str, copy: Path, known: StoredFile | None) -> bool:
        """Whether a file is, or begins with, a copy of all that was there before."""
        if known is not None and copy.stat().st_size < (known.size or 0):
            return False
        with self._tree.open(self._place(path)) as stored, copy.open("rb") as copied:
            while chunk := copied.read(_CHUNK):
                if stored.read(len(chunk)) != chunk:
                    return False
            return True

    @contextmanager
    def _storing(
        self, name: str, artifact_path: str | None, source: BinaryIO | None = None
    ) -> Iterator[BinaryIO]:
        """Yield a file that is stored under a name when the block ends without an error.

        Args:
            name: of the file; folders before it are left out, as MLflow does.
            artifact_path: the folder that it is stored in.
            source: the local file, whose time it keeps, and whether it may be run.

        Raises:
            ArtifactRefusedError: a path leads through a file, is that of a folder, or too long.
        """
        self.check_storable(posixpath.join(artifact_path or "", name))
        base = PurePosixPath(name).name
        _check_name(base)
        with self._checked(artifact_path):
            verify_artifact_path(artifact_path)
            place = self._place(artifact_path)
            may_run = source is not None and _may_run(source)
            with (
                refused_as_names(place),
                self._tree.folder(place, make=True) as folder,
                folder.writing(base, executable=may_run) as target,
            ):
                yield target
                if source is not None:
                    _keep_time(source, target)

    def _place(self, path: str | None) -> PurePosixPath:
        return self._location / (path or "")

    def check_storable(self, path: str) -> None:
        """Check that there may be a file of that name (ours)."""
        for each in (path, *path.split("/")):
            check_path(each, is_only_here=True)

    @contextmanager
    def _checked(self, path: str | None) -> Iterator[None]:
        check_path(path, is_only_here=True)
        with translated_errors(self._folder.path):
            yield


class ServedFiles(FolderRepository):
    """All files of a hub, for MLflow's own server, which names them from the artifact root.

    Args:
        folder: the hub's.
        workspace: whose files they are; None is that of the request being served.
    """

    def __init__(self, folder: HubFolder, workspace: str | None) -> None:
        self._workspace = workspace
        super().__init__(folder, PurePosixPath())

    def check_storable(self, path: str) -> None:
        """Check that there may be a file of that name, and that it may be written to (ours).

        Raises:
            WrittenOnceError: what is there is named by its content, and is no file of MLflow's.
        """
        super().check_storable(path)
        if named_by_content(PurePosixPath(path)) is not None:
            raise WrittenOnceError(
                f"{path!r} is a place of snapshots or datasets, which are written once. Choose "
                "another one."
            )

    @contextmanager
    def _checked(self, path: str | None) -> Iterator[None]:
        workspace = self._workspace or get_request_workspace()
        location_of(f"{ARTIFACT_ROOT}{path or ''}", workspace or "")
        with super()._checked(path):
            yield


def link_workspace_files(folder: HubFolder, name: str, elsewhere: Path) -> None:
    """Keep the files of a workspace in another folder, such as one on another disk, by a link.

    Args:
        folder: the hub's.
        name: the name MLflow knows.
        elsewhere: the other folder, which has to be there.

    Raises:
        WorkspaceException: there is no such folder, or files of the workspace are in the hub's.
        HubError: the user's record of such folders cannot be written.
    """
    location = workspace_root(name)
    here = folder.files.top / location
    try:
        target = elsewhere.resolve(strict=True)
        with Tree(target).folder(), folder.files.above(location, make=True) as (above, base):
            above.link(base, target)
    except OSError as error:
        raise WorkspaceException(
            f"The files of workspace {name!r} cannot be kept in {str(elsewhere)!r}: {error}. Make "
            f"that folder, move there what is in {str(here)!r}, and link it again."
        ) from error
    linked_folders.register(here, target)


def remove_workspace_files(folder: HubFolder, name: str) -> None:
    """Remove all files of a workspace that was deleted.

    Of a link only the link goes, unless the user registered where it leads.

    Raises:
        WorkspaceException: some remain.
    """
    try:
        folder.files.remove(workspace_root(name))
    except (OSError, ForeignFileError) as error:
        where = str(folder.artifacts / workspace_root(name))
        raise WorkspaceException(
            f"Workspace {name!r} was deleted, but files of it remain in {where!r}: "
            f"{clause(error)}. Remove them by hand."
        ) from error


def _may_run(file: BinaryIO) -> bool:
    return bool(os.fstat(file.fileno()).st_mode & 0o100)


def _keep_time(source: BinaryIO, target: BinaryIO) -> None:
    target.flush()
    status = os.fstat(source.fileno())
    os.utime(target.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))


def _is_file(folder: OpenFolder, name: str) -> bool:
    try:
        return stat.S_ISREG(folder.status(name).st_mode)
    except OSError as error:
        if error.errno not in _NOTHING_THERE:
            raise
        return False


@contextmanager
def _nothing_if_missing() -> Iterator[None]:
    """Go on behind the block if there is no such file or folder."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NOTHING_THERE:
            raise


@contextmanager
def refused_as_names(place: PurePosixPath) -> Iterator[None]:
    """Raise an error of ours for a name that a disk does not take where it is to be.

    Raises:
        ArtifactRefusedError: it is that of a folder, leads through a file, or is too long.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG):
            raise
        raise ArtifactRefusedError(
            f"A file cannot be stored in {str(place)!r}: {clause(error)}. A folder has its name, a "
            "file the name of its folder, or the name is too long. Choose another one."
        ) from error


def _stored_file(path: str, status: os.stat_result) -> StoredFile:
    return StoredFile(path, status.st_size, status.st_mtime_ns // 1_000_000)


def _check_name(name: str) -> None:
    if not name or name.startswith(UNFINISHED):
        raise UnsafeArtifactPathError(
            f"No file can be stored as {name!r}: names that begin with {UNFINISHED!r} are for "
            "files that are not whole yet. Choose another name."
        )


def _missing(path: str | None) -> MlflowException:
    return MlflowException(f"No such artifact: {path!r}", RESOURCE_DOES_NOT_EXIST)
