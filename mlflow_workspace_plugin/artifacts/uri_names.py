"""Names that MLflow's reading of a URI has changed, and the files that were meant.

MLflow asks for an artifact by a URI, ``runs:/RUN/all/q?.txt``, even where its caller gave a run and
a path. It reads that as a URI is read: what stands behind ``?`` or ``#`` is no part of the path and
stays with the folder, as in ``runs:/RUN/all?.txt`` and ``q``; tabs and line ends are dropped, and
so is a ``?`` or ``#`` at the end.
"""

import re
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit, urlunsplit

from mlflow.entities import FileInfo
from mlflow.store.artifact.artifact_repo import ArtifactRepository

from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository

_TAIL = re.compile(r"[?#].*", re.DOTALL)


def split_tail(uri: str) -> tuple[str, str]:
    """Return a URI up to its first ``?`` or ``#``, and the rest."""
    found = _TAIL.search(uri)
    return (uri, "") if found is None else (uri[: found.start()], found.group())


def stored_path(repository: ArtifactRepository, path: str) -> str | None:
    """Return the path of the file or folder that was asked for.

    Args:
        repository: where it is.
        path: what MLflow made of the path.

    Returns:
        The path itself where it is there, else the only one that MLflow would have turned into it;
        None if there is no such one, or several.
    """
    folder, _, name = path.strip("/").rpartition("/")
    parent = stored_path(repository, folder) if folder else ""
    if parent is None:
        return None
    listed = [info.path for info in repository.list_artifacts(parent or None)]
    same = f"{parent}/{name}" if parent else name
    if same in listed:
        return same
    alike = [each for each in listed if _as_read(each.rpartition("/")[2]) == name]
    return alike[0] if len(alike) == 1 else None


def _as_read(name: str) -> str:
    """Return what MLflow makes of a name at the end of a URI."""
    return urlunsplit(urlsplit(f"x:/{name}"))[len("x:/") :]


class SplitUriRepository(HubRepository):
    """The files behind a URI that holds a ``?`` or ``#``.

    It may be a folder of that very name, or what MLflow made of the URI of something whose name
    holds one. What is stored tells which.

    Args:
        whole: the files of a folder of that name.
        before: the files of the folder that is named before the ``?`` or ``#``.
        tail: the rest of the URI.
    """

    def __init__(self, whole: HubRepository, before: HubRepository, tail: str) -> None:
        super().__init__(whole.artifact_uri)
        self._whole = whole
        self._before = before
        self._tail = tail

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Store a file in the folder of that name."""
        self._whole.log_artifact(local_file, artifact_path)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Store the files of a folder in the folder of that name."""
        self._whole.log_artifacts(local_dir, artifact_path)

    def log_artifact_from_stream(
        self, stream: BinaryIO, artifact_file_name: str, artifact_path: str | None = None
    ) -> None:
        """Store what a stream yields in the folder of that name."""
        self._whole.log_artifact_from_stream(stream, artifact_file_name, artifact_path)

    def append(self, path: str, lines: bytes, *, goes_on: bool = False) -> None:
        """Append lines to a file in the folder of that name (ours)."""
        self._whole.append(path, lines, goes_on=goes_on)

    def append_at(self, path: str, piece: bytes, at: int) -> bool:
        """Append to a file of a known size in the folder of that name (ours)."""
        return self._whole.append_at(path, piece, at)

    def grow(self, path: str, source: BinaryIO) -> int | None:
        """Store what a local file has got since it was stored in the folder of that name (ours)."""
        return self._whole.grow(path, source)

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """List the files and folders directly under what was meant."""
        repository, meant = self._meant(path)
        return list(repository.list_artifacts(meant))

    def download_artifacts(self, artifact_path: str, dst_path: str | None = None) -> str:
        """Return the local path of what was meant, copied to ``dst_path`` if that is given."""
        repository, meant = self._meant(artifact_path)
        return str(repository.download_artifacts(meant or "", dst_path))

    def local(self, path: str) -> AbstractContextManager[Path]:
        """Yield where what was meant is on this machine (ours)."""
        repository, meant = self._meant(path)
        return repository.local(meant or "")

    def fetch(self, path: str, target: Path, *, compare: bool = False) -> None:
        """Copy what was meant to a local path (ours)."""
        repository, meant = self._meant(path)
        repository.fetch(meant or "", target, compare=compare)

    def read_from(self, path: str, start: int, size: int) -> bytes:
        """Return a piece of what was meant (ours)."""
        repository, meant = self._meant(path)
        return repository.read_from(meant or "", start, size)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Delete something in the folder of that name, or all of it."""
        self._whole.delete_artifacts(artifact_path)

    def check_storable(self, path: str) -> None:
        """Check that there may be a file of that name (ours)."""
        self._whole.check_storable(path)

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        self.fetch(remote_file_path, Path(local_path))

    def _meant(self, path: str | None) -> tuple[HubRepository, str | None]:
        found = stored_path(self._before, f"{path}{self._tail}") if path else None
        return (self._whole, path) if found is None else (self._before, found)
