"""Files of this machine, which are no hub's: the user's own."""

import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from mlflow_workspace_plugin.artifacts.file_space import StoredFile, in_order
from mlflow_workspace_plugin.artifacts.local_files import files_in, open_file
from mlflow_workspace_plugin.data.storages.storage import (
    Said,
    Storage,
    Uploaded,
    checked,
    silent,
    sources_of,
    watched,
)

_CHUNK = 2**20


class LocalStorage(Storage):
    """A folder of this machine. Links in it are the user's own, and are followed.

    Args:
        folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def files(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yield every file below a path, by path; or the one at it."""
        prefix = checked(prefix)
        place = self._folder / prefix
        if place.is_file():
            return iter([self._stored(prefix)])
        if not place.is_dir():
            return iter(())
        below = f"{prefix}/" if prefix else ""
        return in_order([self._stored(f"{below}{path}") for path in files_in(place)])

    def upload(
        self, sources: Iterable[tuple[Path, str]], *, overwrite: bool = False, say: Said = silent
    ) -> Uploaded:
        """Copy files to the folder, each whole or not at all."""
        files = sources_of(sources)
        with watched(files) as skipped:
            for source, path in files:
                place = self._folder / path
                if not overwrite and place.exists():
                    skipped.add(path)
                    say("skipped", path)
                else:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    _copy(source, place)
                    say("uploaded", path)
        return Uploaded(len(files) - len(skipped), len(skipped))

    def fetch(self, files: Sequence[tuple[StoredFile, Path]], *, say: Said = silent) -> None:
        """Copy files to local paths, each whole or not at all."""
        for file, place in files:
            place.parent.mkdir(parents=True, exist_ok=True)
            with _missing(file.path):
                _copy(self._folder / checked(file.path), place)
            say("downloaded", file.path)

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading."""
        with _missing(path):
            return open_file(self._folder / checked(path))

    def uri(self, path: str = "") -> str:
        """Return the path of a file or folder."""
        return str(self._folder / checked(path))

    def local(self, path: str) -> Path | None:
        """Return the path of a file, if it is there."""
        place = self._folder / checked(path)
        return place if place.is_file() else None

    def root(self) -> Path | None:
        """Return the folder."""
        return self._folder

    def _stored(self, path: str) -> StoredFile:
        status = (self._folder / path).stat()
        return StoredFile(path, status.st_size, status.st_mtime_ns // 1_000_000)


@contextmanager
def _missing(path: str) -> Iterator[None]:
    """Raise MLflow's error for a file that is not there."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise MlflowException(f"No such file: {path!r}", RESOURCE_DOES_NOT_EXIST) from error


def _copy(source: Path, place: Path) -> None:
    unfinished = place.with_name(f".download-{uuid.uuid4().hex}")
    try:
        with open_file(source) as content, unfinished.open("xb") as target:
            shutil.copyfileobj(content, target, _CHUNK)
        unfinished.replace(place)
    finally:
        unfinished.unlink(missing_ok=True)
