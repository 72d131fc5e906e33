"""How the bytes of files get to a served hub and back: what every way does."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from mlflow_workspace_plugin.artifacts.azure_blob.transfer.progress import Progress
from mlflow_workspace_plugin.artifacts.file_space import StoredFile

Kind = Literal["artifact", "data", "new"]
"""An artifact; a file of data, which nobody is to write to; and one that replaces none."""


@dataclass(frozen=True)
class Todo:
    """A file that is to be stored.

    Attributes:
        location: where, below the hub's root.
        file: on this machine.
        known: what is there, if ``is_listed``.
        is_listed: whether the hub was asked.
    """

    location: str
    file: Path
    known: StoredFile | None = None
    is_listed: bool = False


class Transfer(ABC):
    """A way for bytes."""

    @abstractmethod
    def prepare(self, todo: Sequence[Todo]) -> set[str]:
        """Get ready to store files; return the locations of those that are there as they are."""

    @abstractmethod
    def put(self, todo: Todo, progress: Progress, kind: Kind = "artifact") -> bool:
        """Store a file, whole or not at all; return whether it is there."""

    @abstractmethod
    def put_stream(self, location: str, stream: BinaryIO, progress: Progress) -> None:
        """Store what a stream yields."""

    @abstractmethod
    def append(self, location: str, lines: bytes, *, goes_on: bool) -> None:
        """Append lines to a file."""

    @abstractmethod
    def grow(self, location: str, source: BinaryIO) -> int | None:
        """Store what a local file has got since it was stored, as :meth:`HubRepository.grow`."""

    @abstractmethod
    def prepare_reads(self, locations: Sequence[str]) -> None:
        """Get ready to read files."""

    @abstractmethod
    def fetch(self, location: str, target: Path, progress: Progress) -> None:
        """Copy a file to a local path, whole or not at all."""

    @abstractmethod
    def read_from(self, location: str, start: int, size: int) -> bytes:
        """Return a piece of a file that may be growing; nothing where it ends before."""

    @abstractmethod
    def open_file(self, location: str) -> BinaryIO:
        """Open a file for reading, at any place of it."""

    @abstractmethod
    def for_files(self, calls: Iterable[Callable[[], object]]) -> None:
        """Do something about each of many files, several at once."""
