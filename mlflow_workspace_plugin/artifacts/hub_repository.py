"""What every artifact repository of a hub does, wherever its bytes are.

MLflow's own interface, with its ``log_artifact_from_stream``, is the seam: tracking store, registry
and ``Run`` call it and do not know whether the bytes are in a folder or in a storage account. What
they need beyond it stands here.
"""

import tempfile
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from mlflow.entities import FileInfo
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.utils.async_logging.run_operations import RunOperations

from mlflow_workspace_plugin.artifacts.paths import check_path
from mlflow_workspace_plugin.bounded import too_long

_PIECE = 1 << 23


def stored_files(repository: ArtifactRepository, left_out: str | None = None) -> Iterator[FileInfo]:
    """Yield all files of a repository, however deep they are.

    Args:
        repository: where they are.
        left_out: the path of a folder whose files are not wanted.
    """
    left = list(reversed(repository.list_artifacts(None)))
    while left:
        entry = left.pop()
        if not entry.is_dir:
            yield entry
        elif entry.path != left_out:
            left += reversed(repository.list_artifacts(entry.path))


class HubRepository(ArtifactRepository):
    """Files of one run or model of a hub."""

    def __bool__(self) -> bool:
        """Whether MLflow may hand this repository out again from its cache.

        MLflow caches repositories by run id alone, for all tracking URIs of a process, so a
        cached one would be given to a client of another workspace; a false one is looked up anew.
        """
        return False

    @abstractmethod
    def append(self, path: str, lines: bytes, *, goes_on: bool = False) -> None:
        """Append lines to a file that nobody else appends to; it is made if it is not there (ours).

        A line that was cut by the end of a process stays a line of its own. Lines may be there
        twice after an error, and in files of the same folder whose names begin with this one's.

        Args:
            path: the file.
            lines: each with its end.
            goes_on: the bytes go on where the file ends, though it be within a line.
        """

    def append_at(self, path: str, piece: bytes, at: int) -> bool:
        """Append to a file of a known size, where no more is stored for that (ours).

        What an earlier call has written, whose answer was lost, is not written again.

        Args:
            path: the stored file.
            piece: what is to be at its end.
            at: behind how many bytes.

        Returns:
            Whether it is; else the file was left as it is: it has another size, other bytes there,
            or cannot be appended to.
        """
        return False

    def grow(self, path: str, source: BinaryIO) -> int | None:
        """Store what a local file has got since it was stored, where less than all will do (ours).

        Args:
            path: the stored file, which nobody else writes to.
            source: the local one.

        Returns:
            How many bytes were stored for that; None if it is to be stored as a whole: it cannot be
            appended to, or is not what the local one begins with, as far as its end tells.
        """
        return None

    @abstractmethod
    def local(self, path: str) -> AbstractContextManager[Path]:
        """Yield where a file or folder is on this machine, to be read within the block (ours).

        Raises:
            MlflowException: ``RESOURCE_DOES_NOT_EXIST``, there is no such file or folder.
        """

    @abstractmethod
    def fetch(self, path: str, target: Path, *, compare: bool = False) -> None:
        """Copy a file to a local path, whole or not at all (ours). Its folder is there.

        Args:
            path: the stored file.
            target: the file to write, over one that is there.
            compare: compare the copy with what is stored, where that is not done anyway.

        Raises:
            MlflowException: ``RESOURCE_DOES_NOT_EXIST``, there is no such file.
            AzureMLException: the copy is not what is stored.
            OSError: the local file cannot be written.
        """

    @abstractmethod
    def read_from(self, path: str, start: int, size: int) -> bytes:
        """Return a piece of a file that may be growing; nothing where it ends before (ours).

        Args:
            path: the stored file.
            start: of how many bytes the piece comes behind.
            size: of how many bytes it is, at most.

        Raises:
            MlflowException: ``RESOURCE_DOES_NOT_EXIST``, there is no such file.
        """

    def pieces(self, path: str, most: int) -> Iterator[bytes]:
        """Yield what a file holds that anybody may have stored, piece by piece (ours).

        It is not copied to this machine first, however large it is.

        Args:
            path: the stored file.
            most: how many bytes that may be.

        Raises:
            MlflowException: ``RESOURCE_DOES_NOT_EXIST``, there is no such file.
            TooMuchError: there are more.
        """
        size = 0
        piece: bytes | None = None
        while piece is None or len(piece) == _PIECE:
            piece = self.read_from(path, size, _PIECE)
            size += len(piece)
            if size > most:
                raise too_long(most)
            yield piece

    @property
    def has_waiting(self) -> bool:
        """Whether files for it wait on this machine, as they could not be stored (ours)."""
        return False

    def check_storable(self, path: str) -> None:
        """Check that there may be a file of that name; asks nobody (ours).

        Raises:
            UnsafeArtifactPathError: there may not.
        """
        check_path(path)
        # Each of them may be asked for by itself, of the folder that it is in.
        for name in path.split("/"):
            check_path(name)

    def _log_artifact_async(
        self, filename: str, artifact_path: str | None = None, artifact: Any = None
    ) -> RunOperations:
        # At once: MLflow flushes only the queues of repositories that it has cached.
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / filename
            artifact.save(local)
            self.log_artifact(str(local), artifact_path)
        return RunOperations([])
