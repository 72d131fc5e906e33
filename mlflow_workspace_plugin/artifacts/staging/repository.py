"""The artifact repository of a hub in a storage account, for a process that logs to it."""

import io
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from mlflow.entities import FileInfo
from mlflow.store.artifact.artifact_repo import verify_artifact_path

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.artifacts.file_space import FileSpace, StoredFile, Told
from mlflow_workspace_plugin.artifacts.local_files import files_in, open_file
from mlflow_workspace_plugin.artifacts.paths import check_path
from mlflow_workspace_plugin.artifacts.staging.sender import FileSender
from mlflow_workspace_plugin.errors import (
    HubError,
    HubFaultError,
    HubNotWritableError,
    HubProtocolError,
    HubSettingsError,
    HubUnreachableError,
    LogInNeededError,
    NoAnswerError,
    RoleNeededError,
)


class StagingRepository(FileSpace):
    """Files of one run or model, which wait on this machine while their place cannot be reached.

    A file is stored at once where that can be done within seconds. Otherwise a copy of it is kept,
    and sent when it can be, in the order of the calls. Reads come after what was kept. So it is
    when the place refuses this process, too, once it has taken something from it.

    Args:
        stored: the files where they are stored.
        soon: the same, for calls that give up within seconds.
        location: of the files, below the place of the hub's.
        sender: keeps and sends what waits.
    """

    def __init__(
        self,
        stored: FileSpace,
        soon: FileSpace,
        location: PurePosixPath,
        sender: FileSender,
    ) -> None:
        super().__init__(stored.artifact_uri)
        self._stored = stored
        self._soon = soon
        self._location = location
        self._sender = sender

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Store a file, now or later.

        Raises:
            StagingFullError: the place cannot be reached, and too much waits for it already.
            HubNotWritableError, HubSettingsError: it takes nothing of this process, and never did.
        """
        if not self._is_stored(lambda: self._soon.log_artifact(local_file, artifact_path)):
            self._stage_file(Path(local_file), artifact_path, Path(local_file).name)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Store the files of a folder, now or later; raises as :meth:`log_artifact`."""
        if self._is_stored(lambda: self._soon.log_artifacts(local_dir, artifact_path)):
            return
        for path in files_in(Path(local_dir)):
            folder, name = str(PurePosixPath(artifact_path or "", path).parent), Path(path).name
            self._stage_file(Path(local_dir, path), None if folder == "." else folder, name)

    def log_artifact_from_stream(
        self, stream: BinaryIO, artifact_file_name: str, artifact_path: str | None = None
    ) -> None:
        """Store what a stream yields, now or later; raises as :meth:`log_artifact`."""
        with _repeatable(stream) as repeatable:
            start = repeatable.tell()

            def store() -> None:
                self._soon.log_artifact_from_stream(repeatable, artifact_file_name, artifact_path)

            if not self._is_stored(store):
                repeatable.seek(start)
                self._stage(repeatable, artifact_path, artifact_file_name)

    def append(self, path: str, lines: bytes, *, goes_on: bool = False) -> None:
        """Append lines to a file, now, or later to one whose name begins with its (ours).

        Raises:
            StagingFullError: that is not possible now, and too much waits already.
        """
        try:
            is_stored = self._is_stored(lambda: self._soon.append(path, lines, goes_on=goes_on))
        except HubError:
            # They come from a journal. Nobody could be told at a call, and what is behind them in
            # it has nothing to do with files.
            is_stored = False
        if not is_stored:
            folder, _, name = path.rpartition("/")
            self._stage(io.BytesIO(lines), folder or None, f"{name}.{uuid.uuid4().hex}")

    def grow(self, path: str, source: BinaryIO) -> int | None:
        """Store what a local file has got since it was stored, now or not at all (ours)."""
        grown: list[int | None] = []

        def grow() -> None:
            grown.append(self._soon.grow(path, source))

        return grown[0] if self._is_stored(grow) else None

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """List the files and folders directly under a path."""
        self._settle()
        return list(self._stored.list_artifacts(path))

    def download_artifacts(self, artifact_path: str, dst_path: str | None = None) -> str:
        """Copy a file or folder to a local folder; return the copy's path."""
        self._settle()
        return str(self._stored.download_artifacts(artifact_path, dst_path))

    def local(self, path: str) -> AbstractContextManager[Path]:
        """Yield a copy of a file or folder (ours)."""
        self._settle()
        return self._stored.local(path)

    def fetch(self, path: str, target: Path, *, compare: bool = False) -> None:
        """Copy a file to a local path, whole or not at all (ours)."""
        self._settle()
        self._stored.fetch(path, target, compare=compare)

    def read_from(self, path: str, start: int, size: int) -> bytes:
        """Return a piece of a file that may be growing (ours)."""
        self._settle()
        return self._stored.read_from(path, start, size)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Delete a file, a folder, or everything."""
        self._settle()
        self._stored.delete_artifacts(artifact_path)

    def files(self, path: str = "") -> Iterator[StoredFile]:
        """Yield all files below a path, or the one at it, by path (ours)."""
        self._settle()
        return self._stored.files(path)

    def file_at(self, path: str) -> StoredFile | None:
        """Return the file at a path; None if there is none (ours)."""
        self._settle()
        return self._stored.file_at(path)

    def present(self, paths: Sequence[str]) -> set[str]:
        """Return those of some paths at which there is a file (ours)."""
        self._settle()
        return self._stored.present(paths)

    def put_files(
        self, files: Sequence[tuple[Path, str]], told: Told, *, overwrite: bool = True
    ) -> list[str]:
        """Store files at paths, now, or those later that cannot be stored now (ours).

        Raises:
            StagingFullError: the place cannot be reached, and too much waits for it already.
            HubNotWritableError, HubSettingsError: it takes nothing of this process, and never did.
        """
        left = {path: source for source, path in files}

        def note(source: Path, path: str) -> None:
            del left[path]
            told(source, path)

        if self._is_stored(lambda: self._put(files, note, overwrite)):
            return []
        for path, source in left.items():
            folder, name = str(PurePosixPath(path).parent), PurePosixPath(path).name
            self._stage_file(source, None if folder == "." else folder, name)
        return list(left)

    def _put(self, files: Sequence[tuple[Path, str]], told: Told, overwrite: bool) -> None:  # noqa: FBT001
        self._soon.put_files(files, told, overwrite=overwrite)

    def fetch_files(
        self, files: Sequence[tuple[str, Path]], told: Callable[[str, Path], None]
    ) -> None:
        """Copy files to local paths, each whole or not at all, over what is there (ours)."""
        self._settle()
        self._stored.fetch_files(files, told)

    def open_file(self, path: str) -> BinaryIO:
        """Open a file for reading (ours)."""
        self._settle()
        return self._stored.open_file(path)

    def in_place(self, path: str = "") -> Path | None:
        """Return where a file or folder is on this machine (ours)."""
        self._settle()
        return self._stored.in_place(path)

    @property
    def has_waiting(self) -> bool:
        """Whether files for it wait on this machine (ours)."""
        return bool(self._sender.files.names(self._location))

    def check_storable(self, path: str) -> None:
        """Check that there may be a file of that name (ours)."""
        self._stored.check_storable(path)

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        self.fetch(remote_file_path, Path(local_path))

    def _is_stored(self, store: Callable[[], None]) -> bool:
        """Store something now, unless that cannot be done or comes after what waits."""
        if self._sender.files.names(self._location):
            self._sender.start()
            return False
        # Of what waits for others the thread finds out whether the place answers again.
        if self._sender.away and self._sender.files.names():
            self._sender.start()
            return False
        try:
            store()
        except (
            HubUnreachableError,
            HubFaultError,
            LogInNeededError,
            RoleNeededError,
            HubProtocolError,
        ) as error:
            # As with values: whoever mends it, logs in again, gets a role, or upgrades, lets it go.
            self._sender.note_away(error)
            return False
        except (HubNotWritableError, HubSettingsError) as error:
            # At the first use it is a mistake. Later a secret has expired, say, or was changed.
            if not self._sender.was_accepted:
                raise
            self._sender.note_away(error)
            return False
        self._sender.note_accepted()
        return True

    def _stage_file(self, file: Path, artifact_path: str | None, name: str) -> None:
        with open_file(file) as stream:
            self._stage(stream, artifact_path, name)

    def _stage(self, stream: BinaryIO, artifact_path: str | None, name: str) -> None:
        check_path(artifact_path)
        check_path(name)
        verify_artifact_path(artifact_path)
        path = PurePosixPath(artifact_path or "", PurePosixPath(name).name)
        self._stored.check_storable(str(path))
        self._sender.add(self._location, str(path), stream)

    def _settle(self) -> None:
        """Wait until what this machine keeps for the location is stored.

        Raises:
            NoAnswerError: it cannot be, for the place does not answer.
            HubError: it is refused.
        """
        wait_s = settings.WAIT_S.number()
        if not self._sender.flush(self._location, wait_s):
            raise NoAnswerError(
                f"Files that were logged to {self.artifact_uri!r} could not be stored within "
                f"{settings.WAIT_S.get()} s, so what is there cannot be read. They are kept in "
                f"{str(self._sender.files.path)!r}; mlflow-workspace sync sends them. To wait "
                f"longer, set {settings.WAIT_S.name}."
            )


@contextmanager
def _repeatable(stream: BinaryIO) -> Iterator[BinaryIO]:
    """Yield a stream in a form that can be read twice."""
    try:
        is_repeatable = stream.seekable()
    except AttributeError:
        is_repeatable = False
    if is_repeatable:
        yield stream
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        yield copy
