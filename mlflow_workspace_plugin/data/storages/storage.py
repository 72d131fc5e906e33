"""What is done with the files of a place, whatever kind of place it is."""

import posixpath
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from mlflow_workspace_plugin.artifacts.file_space import StoredFile
from mlflow_workspace_plugin.artifacts.paths import check_path
from mlflow_workspace_plugin.errors import UnsafeArtifactPathError, UserErrorException
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

__all__ = ["Said", "Storage", "StoredFile", "Uploaded", "silent"]

Said = Callable[[str, str], None]
"""Is called, by any thread, with what became of a file, and with its path on the storage.

That is ``uploaded``, ``skipped`` (it was there already), ``kept`` (on this machine, until the
storage answers) or ``downloaded``.
"""


def silent(what: str, path: str) -> None:
    """Say nothing."""
    del what, path


@dataclass(frozen=True)
class Uploaded:
    """What became of the files of an upload.

    Attributes:
        count: how many are stored.
        skipped: how many were there already.
        waiting: how many are kept on this machine until the storage answers.
    """

    count: int
    skipped: int
    waiting: int = 0


class Storage(ABC):
    """A place where files are, by paths relative to it, separated by ``/``."""

    @abstractmethod
    def files(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yield every file below a path, by path; or the one at it.

        Args:
            prefix: the path of a folder or a file.

        Raises:
            UnsafeArtifactPathError: it leads out of the storage.
        """

    @abstractmethod
    def upload(
        self, sources: Iterable[tuple[Path, str]], *, overwrite: bool = False, say: Said = silent
    ) -> Uploaded:
        """Store files of this machine, each whole or not at all.

        Args:
            sources: each with the path that it is to have.
            overwrite: store it over one that is there, which is skipped otherwise.
            say: is told of each.

        Raises:
            UserErrorException: a path is given twice, leads out of the storage, or is none that it
                takes.
            OSError: a file cannot be read.
            HubError: one cannot be stored; those that were told of are.
        """

    @abstractmethod
    def fetch(self, files: Sequence[tuple[StoredFile, Path]], *, say: Said = silent) -> None:
        """Copy files to local paths, each whole or not at all, over what is there.

        Args:
            files: each with the local file that is written; the folders that lead to it are made.
            say: is told of each.

        Raises:
            MlflowException: ``RESOURCE_DOES_NOT_EXIST``, a file is gone.
        """

    @abstractmethod
    def open(self, path: str) -> BinaryIO:
        """Open a file for reading, at any place of it.

        Raises:
            MlflowException: ``RESOURCE_DOES_NOT_EXIST``, there is no such file.
        """

    @abstractmethod
    def uri(self, path: str = "") -> str:
        """Return the URI of a file or folder, to be shown and kept. No secret is in it."""

    def make(self) -> None:  # noqa: B027  most are there
        """Make the place itself, such as a container, if it is not there and can be made."""

    def local(self, path: str) -> Path | None:
        """Return where a file is on this machine; None if it has to be copied, or is not there."""
        del path
        return None

    def root(self) -> Path | None:
        """Return the folder of this machine that the files are in; None if they are elsewhere."""
        return None

    def download(
        self,
        paths: Iterable[StoredFile | str],
        target: Path,
        *,
        overwrite: bool = False,
        say: Said = silent,
    ) -> list[Path]:
        """Copy files to a local folder, below which they get their paths.

        Args:
            paths: the files.
            target: the folder, which is made.
            overwrite: write over a file that is there, which is left as it is otherwise.
            say: is told of each that is copied, or ``skipped``.

        Returns:
            Where those are that were copied, in the order of ``paths``.

        Raises:
            UserErrorException: a path leads out of the folder, or is a file's and a folder's.
        """
        wanted = [
            each if isinstance(each, StoredFile) else StoredFile(each, None) for each in paths
        ]
        check_names([each.path for each in wanted])
        target.mkdir(parents=True, exist_ok=True)
        copied: list[tuple[StoredFile, Path]] = []
        for file in wanted:
            place = target / file.path
            if not overwrite and place.exists():
                say("skipped", file.path)
            else:
                copied.append((file, place))
        self.fetch(copied, say=say)
        return [place for _, place in copied]


def checked(path: str) -> str:
    """Return a path of a storage in the one form that it has: without a slash at its ends.

    Raises:
        UnsafeArtifactPathError: it leads out of the storage, or is no text that can be stored.
    """
    check_path(path)
    if not _is_text(path):
        raise UnsafeArtifactPathError(
            f"{path!r} is no path of a storage: it is no valid text. Rename the file."
        )
    normal = posixpath.normpath(path) if path else ""
    return "" if normal == "." else normal


def check_names(paths: Sequence[str]) -> None:
    """Check that there may be files of all these paths below one folder of a disk.

    Raises:
        UserErrorException: one leads out of the folder, or is a file's and a folder's.
    """
    files = set(paths)
    for path in paths:
        check_path(path)
        for above in PurePosixPath(path).parents:
            if str(above) in files:
                raise UserErrorException(
                    f"{str(above)!r} is a file, and the folder that {path!r} is in. No disk takes "
                    "both. Take one of them only, or rename it."
                )


def sources_of(sources: Iterable[tuple[Path, str]]) -> list[tuple[Path, str]]:
    """Return the files of an upload, by path, so that those of a folder come together.

    Raises:
        UserErrorException: a path is given twice, or is none that a storage takes.
    """
    found: dict[str, Path] = {}
    for source, path in sources:
        normal = checked(path)
        if not normal:
            raise UserErrorException(f"{str(source)!r} is to be stored without a name. Give one.")
        if found.setdefault(normal, source) != source:
            raise UserErrorException(
                f"{str(found[normal])!r} and {str(source)!r} are both to be stored as {normal!r}. "
                "Upload them to two folders, or rename one."
            )
    return [
        (found[path], path)
        for path in sorted(found, key=lambda path: (posixpath.dirname(path), path))
    ]


@contextmanager
def watched(files: Sequence[tuple[Path, str]]) -> Iterator[set[str]]:
    """Say which local files were changed while they were uploaded.

    Args:
        files: with the paths that they are stored at.

    Yields:
        A set for the paths of those that are skipped.
    """
    before = [_state(source) for source, _ in files]
    skipped: set[str] = set()
    yield skipped
    for (source, path), state in zip(files, before, strict=True):
        if path not in skipped and _state(source) != state:
            _logger.warning(
                "%r was changed while it was uploaded to %r, which holds what was read. Upload it "
                "again when its writer is done.",
                str(source),
                path,
            )


def _state(file: Path) -> tuple[int, int, int] | None:
    with suppress(OSError):
        status = file.stat()
        return status.st_ino, status.st_size, status.st_mtime_ns
    return None


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
