"""What a repository does with many files at a time, by their paths: for data, of no run."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository

Told = Callable[[Path, str], None]
"""Is called, by any thread, with each file that is stored, and its path."""


@dataclass(frozen=True)
class StoredFile:
    """A file that is stored somewhere, as a listing has it.

    Attributes:
        path: relative to where it was listed.
        size: in bytes; None where nobody was asked yet.
        modified_ms: when it was stored, in milliseconds.
        etag: what the storage calls this content.
        sha256: of the content, where who stored it kept that.
    """

    path: str
    size: int | None
    modified_ms: int | None = None
    etag: str | None = None
    sha256: str | None = None


class FileSpace(HubRepository):
    """A repository that takes and gives many files at a time."""

    @abstractmethod
    def files(self, path: str = "") -> Iterator[StoredFile]:
        """Yield all files below a path, or the one at it, by path (ours)."""

    @abstractmethod
    def file_at(self, path: str) -> StoredFile | None:
        """Return the file at a path; None if there is none (ours)."""

    @abstractmethod
    def present(self, paths: Sequence[str]) -> set[str]:
        """Return those of some paths at which there is a file (ours)."""

    @abstractmethod
    def put_files(
        self, files: Sequence[tuple[Path, str]], told: Told, *, overwrite: bool = True
    ) -> list[str]:
        """Store files of this machine at paths (ours).

        Each is there whole, or not at all.

        Args:
            files: each with the path it is to have.
            told: is called when a file is stored.
            overwrite: whether over one that is there; else it is not stored, and not told of. What
                is kept on this machine goes over what comes there meanwhile.

        Returns:
            The paths of the files that are kept on this machine until they can be stored.

        Raises:
            OSError: a file cannot be read.
            HubError: one cannot be stored; those that ``told`` heard of are.
        """

    @abstractmethod
    def fetch_files(
        self, files: Sequence[tuple[str, Path]], told: Callable[[str, Path], None]
    ) -> None:
        """Copy files to local paths, each whole or not at all, over what is there (ours).

        Args:
            files: the path of each, with the file that is to be written; its folder is there.
            told: is called when a file is there.

        Raises:
            MlflowException: ``RESOURCE_DOES_NOT_EXIST``, there is no such file.
        """

    @abstractmethod
    def open_file(self, path: str) -> BinaryIO:
        """Open a file for reading, at any place of it (ours).

        What is replaced meanwhile is not mixed with what comes.

        Raises:
            MlflowException: ``RESOURCE_DOES_NOT_EXIST``, there is no such file.
        """

    @abstractmethod
    def in_place(self, path: str = "") -> Path | None:
        """Return where a file or folder is on this machine, to be read by its path (ours).

        None where it is elsewhere, or not there, or where others could put links in its place.
        """


def in_order(files: list[StoredFile]) -> Iterator[StoredFile]:
    """Yield files by path, as a listing of blobs has them."""
    yield from sorted(files, key=lambda file: file.path)
