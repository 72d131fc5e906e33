"""The part of SDK v1's ``Run`` that is about its files."""

import io
import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from mlflow_workspace_plugin.artifacts.paths import check_path
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.sdk.run_base import RunBase


class RunFiles(RunBase):
    """The files of a run."""

    def upload_file(
        self,
        name: str,
        path_or_stream: "str | os.PathLike[str] | BinaryIO",
        datastore_name: str | None = None,
    ) -> None:
        """Store a file among the run's artifacts (SDK v1); one of that name is replaced.

        Args:
            name: the path below the run's artifacts, such as ``outputs/model.pkl``.
            path_or_stream: a local file, or an open binary stream, read from where it stands.
            datastore_name: accepted and ignored.

        Raises:
            UserErrorException: the name leads out of the artifacts, or the source is neither.
            FileNotFoundError: there is no such local file.
        """
        check_path(name)
        folder, base = posixpath.split(posixpath.normpath(name))
        if name.endswith("/") or base in ("", "."):
            raise UserErrorException(
                f"File name {name!r} names no file. Give a path such as outputs/model.pkl."
            )
        with _under_name(base, path_or_stream) as local:
            self._client.log_artifact(self.id, str(local), folder or None)

    def get_file_names(self) -> list[str]:
        """Return the paths of all files of the run, sorted."""
        return sorted(self._files_below(None))

    def _files_below(self, folder: str | None) -> Iterator[str]:
        for entry in self._client.list_artifacts(self.id, folder):
            if entry.is_dir:
                yield from self._files_below(entry.path)
            else:
                yield entry.path


@contextmanager
def _under_name(base: str, path_or_stream: object) -> Iterator[Path]:
    """Yield a local file that has the wanted name: MLflow stores files under their own."""
    if not isinstance(path_or_stream, (str, os.PathLike)):
        with _copied(path_or_stream, base) as copy:
            yield copy
        return
    source = Path(path_or_stream)
    if not source.is_file():
        raise FileNotFoundError(f"There is no file {str(source)!r} to upload.")
    if source.name == base:
        yield source
        return
    with tempfile.TemporaryDirectory() as folder:
        named = Path(folder) / base
        named.symlink_to(source.resolve())
        yield named


@contextmanager
def _copied(stream: Any, base: str) -> Iterator[Path]:
    if not hasattr(stream, "read") or isinstance(stream, io.TextIOBase):
        raise UserErrorException(
            f"Cannot upload an object of type {type(stream).__name__} as {base!r}. "
            "Pass the path of a file, or a stream opened in binary mode."
        )
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / base
        with copy.open("wb") as target:
            shutil.copyfileobj(stream, target)
        yield copy
