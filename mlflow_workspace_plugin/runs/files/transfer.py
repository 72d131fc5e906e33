"""How one file gets into a run's artifacts, and out of them."""

import os
import posixpath
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import BinaryIO

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository, stored_files
from mlflow_workspace_plugin.artifacts.paths import INTERNAL_FOLDER
from mlflow_workspace_plugin.artifacts.quiet import quietly
from mlflow_workspace_plugin.errors import (
    ArtifactRefusedError,
    AzureMLException,
    UserErrorException,
)


class TimeLimit:
    """Ends the transfer of several files that takes longer than it may.

    Args:
        seconds: how long it may take; no limit when None.
        files: how many there are, to say how far it came.
    """

    def __init__(self, seconds: float | None, files: int) -> None:
        self._seconds = seconds
        self._end = inf if seconds is None else time.monotonic() + seconds
        self._done = 0
        self._files = files

    def check(self, verb: str) -> None:
        """Go on to the next file.

        Args:
            verb: what was done to those before.

        Raises:
            AzureMLException: time is up.
        """
        if time.monotonic() >= self._end:
            raise AzureMLException(
                f"{self._done} of {self._files} files were {verb} within {self._seconds} seconds. "
                "Give a larger timeout_seconds, or none."
            )
        self._done += 1


def store(
    repository: HubRepository,
    path: str,
    source: "str | os.PathLike[str] | BinaryIO",
) -> None:
    """Store a local file or a stream under a path; whole or not at all.

    Raises:
        UserErrorException: a part of the path is a file already, or the path a folder, or too long.
    """
    folder, base = posixpath.split(path)
    try:
        if isinstance(source, (str, os.PathLike)):
            with _under_name(base, Path(source)) as local, quietly():
                repository.log_artifact(str(local), folder or None)
        else:
            with quietly():
                repository.log_artifact_from_stream(source, base, folder or None)
    except (ArtifactRefusedError, IsADirectoryError, NotADirectoryError) as error:
        if isinstance(error, ArtifactRefusedError) and not isinstance(
            error.__cause__, IsADirectoryError | NotADirectoryError
        ):
            raise UserErrorException(error.message) from error
        raise UserErrorException(
            f"Cannot store a file as {path!r}: the run has a folder of that name, or a file where "
            "it needs a folder. Choose another name."
        ) from error


def fetch(repository: HubRepository, path: str, target: Path, *, compare: bool = False) -> None:
    """Copy a stored file to a local path, whole or not at all; the folders between are made.

    Raises:
        FileNotFoundError: there is no such stored file.
        AzureMLException: the copy was to be compared, and is not what is stored.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with quietly():
            repository.fetch(path, target, compare=compare)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise
        raise FileNotFoundError(path) from error


def files_of(repository: HubRepository) -> Iterator[str]:
    """Yield the paths of the stored files, without those in our own folder."""
    for file in stored_files(repository, left_out=INTERNAL_FOLDER):
        yield file.path


def check_source(name: str, source: object) -> None:
    """Check that something can be uploaded, before anything is.

    Raises:
        FileNotFoundError: it is a path, and there is no such file.
        OSError: the file cannot be read.
        UserErrorException: it is neither a path nor a binary stream.
    """
    if isinstance(source, (str, os.PathLike)):
        if not Path(source).is_file():
            hint = " It is a folder: use upload_folder." if Path(source).is_dir() else ""
            raise FileNotFoundError(f"There is no file {str(source)!r} to upload.{hint}")
        # Here an error of reading is the file's; later it would be taken for the hub's.
        Path(source).open("rb").close()
    # A stream of text reads text, even if it is asked for nothing.
    elif not hasattr(source, "read") or not isinstance(source.read(0), bytes):
        raise UserErrorException(
            f"Cannot upload an object of type {type(source).__name__} as {name!r}. "
            "Pass the path of a file, or a stream opened in binary mode."
        )


@contextmanager
def _under_name(base: str, source: Path) -> Iterator[Path]:
    """Yield the file under the wanted name: MLflow stores files under their own."""
    if source.name == base:
        yield source
        return
    with tempfile.TemporaryDirectory() as folder:
        named = Path(folder) / base
        named.symlink_to(source.resolve())
        yield named
