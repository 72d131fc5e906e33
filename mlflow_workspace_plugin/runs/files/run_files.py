"""The files of a run, by SDK v1's methods."""

import os
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.remote.files.open import open_repository
from mlflow_workspace_plugin.runs.base import RunBase
from mlflow_workspace_plugin.runs.files.artifact_names import artifact_id, path_in_run, path_of
from mlflow_workspace_plugin.runs.files.local import files_below
from mlflow_workspace_plugin.runs.files.transfer import (
    TimeLimit,
    check_source,
    fetch,
    files_of,
    store,
)
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

_NAMED_IN_ERRORS = 100


@dataclass(frozen=True)
class Artifact:
    """A stored file, with the attributes of SDK v1's that mean something outside of Azure."""

    container: str
    path: str
    artifact_id: str
    origin: str = "ExperimentRun"


@dataclass(frozen=True)
class UploadedFiles:
    """What an upload returns: ``.artifacts[name]``, by the names that the caller gave."""

    artifacts: dict[str, Artifact]


class RunFiles(RunBase):
    """The files of a run."""

    def upload_file(
        self,
        name: str,
        path_or_stream: "str | os.PathLike[str] | BinaryIO",
        datastore_name: str | None = None,
    ) -> UploadedFiles:
        """Store a file among the run's artifacts (SDK v1); one of that name is replaced (MLflow).

        Args:
            name: the path below the run's artifacts, such as ``outputs/model.pkl``; ``./``, ``/``
                and ``../`` in front are dropped.
            path_or_stream: a local file, or an open binary stream, read from where it stands.
            datastore_name: accepted and ignored.

        Raises:
            UserErrorException: the name is no file's or leads out of the artifacts, or the source
                is neither.
            FileNotFoundError: there is no such local file.
        """
        return UploadedFiles(self._upload([(name, path_or_stream)]))

    def upload_files(
        self,
        names: Sequence[str],
        paths: "Sequence[str | os.PathLike[str] | BinaryIO]",
        return_artifacts: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        timeout_seconds: float | None = None,
        datastore_name: str | None = None,
    ) -> "list[Artifact] | tuple[dict[str, Artifact], list[Artifact]]":
        """Store several files among the run's artifacts (SDK v1).

        All names and sources are looked at before the first file is stored.

        Args:
            names: a name for each file, as for :meth:`upload_file`.
            paths: the local files, in the order of their names.
            return_artifacts: return the stored files by name, too.
            timeout_seconds: how long it may take; no limit when None.
            datastore_name: accepted and ignored.

        Returns:
            The stored files, in order; with ``return_artifacts`` a pair of them by name, and in
            order.

        Raises:
            TypeError: there are not as many names as paths.
            AzureMLException: time was up; what had been stored stays.
            UserErrorException: as for :meth:`upload_file`.
            FileNotFoundError: as for :meth:`upload_file`.
        """
        if len(names) != len(paths):
            raise TypeError(
                f"upload_files was given {len(names)} names and {len(paths)} paths. "
                "Give a name for each path."
            )
        if len(set(names)) < len(names):
            _logger.warning("upload_files was given a name twice; the last file of a name is kept.")
        stored = self._upload(list(zip(names, paths, strict=True)), timeout_seconds)
        in_order = [stored[name] for name in names]
        return (stored, in_order) if return_artifacts else in_order

    def upload_folder(
        self,
        name: str,
        path: "str | os.PathLike[str]",
        datastore_name: str | None = None,
    ) -> UploadedFiles:
        """Store all files of a local folder, hidden ones too, below a name (SDK v1).

        Args:
            name: the folder below the run's artifacts.
            path: the local folder, with or without a slash at its end.
            datastore_name: accepted and ignored.

        Raises:
            UserErrorException: there is no such folder, or the name leads out of the artifacts.
            OSError: a folder or file in it cannot be read.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise UserErrorException(
                f"There is no folder {str(path)!r} to upload. For a file use upload_file."
            )
        files = [
            (posixpath.join(name, file), folder / file)
            for file in files_below(folder, on_error=_raise)
        ]
        return UploadedFiles(self._upload(files))

    def get_file_names(self) -> list[str]:
        """Return the paths of all files of the run, sorted."""
        return sorted(files_of(self._repository()))

    def download_file(
        self,
        name: str,
        output_file_path: "str | os.PathLike[str] | None" = None,
        _validate_checksum: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
    ) -> None:
        """Copy a file of the run to a local path, whole or not at all (SDK v1).

        Args:
            name: its path, or its ``aml://artifactId/ExperimentRun/dcid.RUN/PATH`` form.
            output_file_path: the file to write, over one that is there; into an existing folder,
                or one named with a slash at its end, under its own name. None is the working
                directory.
            _validate_checksum: compare the copy with what is stored.

        Raises:
            UserErrorException: the run has no such file.
            AzureMLException: the copy is not what is stored.
            OSError: the local file cannot be written.
        """
        repository = self._repository()
        path = path_in_run(name, self.id)
        target = Path(output_file_path or ".")
        if target.is_dir() or os.fspath(output_file_path or "").endswith("/"):
            target /= posixpath.basename(path)
        try:
            fetch(repository, path, target, compare=_validate_checksum)
        except FileNotFoundError as error:
            raise UserErrorException(
                f"File with path {path} was not found in run {self.id}, "
                f"available files include: {_listed(self.get_file_names())}"
            ) from error

    def download_files(
        self,
        prefix: str | None = None,
        output_directory: "str | os.PathLike[str] | None" = None,
        output_paths: "Sequence[str | os.PathLike[str]] | None" = None,
        batch_size: int = 100,
        append_prefix: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
        timeout_seconds: float | None = None,
    ) -> None:
        """Copy the files of the run, or of a folder of it, to a local folder (SDK v1).

        Args:
            prefix: the folder; all files when None.
            output_directory: where to write; the working directory when None, and then
                ``append_prefix`` means nothing.
            output_paths: a path below it for each file, in the order of :meth:`get_file_names`.
                If there are not as many, or one twice, a warning says so and the files keep
                theirs.
            batch_size: accepted and ignored.
            append_prefix: whether a file keeps the prefix in its path.
            timeout_seconds: how long it may take; no limit when None.

        Raises:
            UserErrorException: the run has no file below the prefix.
            AzureMLException: time was up; what had been copied stays.
            OSError: a local file cannot be written.
        """
        names = self.get_file_names()
        below = path_of(prefix.replace("\\", "/").rstrip("/")) + "/" if prefix else ""
        wanted = [name for name in names if name.startswith(below)]
        if below and not wanted:
            raise UserErrorException(
                f"Run {self.id} has no file below {prefix!r}, "
                f"available files include: {_listed(names)}"
            )
        targets: Sequence[str | os.PathLike[str]] = wanted
        if output_paths is not None:
            targets = _checked_paths(output_paths, wanted)
        elif output_directory is not None and not append_prefix:
            targets = [name[len(below) :] for name in wanted]
        folder = Path(output_directory or ".")
        repository = self._repository()
        limit = TimeLimit(timeout_seconds, len(wanted))
        for name, target in zip(wanted, targets, strict=True):
            limit.check("downloaded")
            fetch(repository, name, folder / target)

    def _upload(
        self, files: Sequence[tuple[str, Any]], timeout_seconds: float | None = None
    ) -> dict[str, Artifact]:
        paths = [path_of(name) for name, _ in files]
        for name, source in files:
            check_source(name, source)
        repository = self._repository()
        limit = TimeLimit(timeout_seconds, len(files))
        for path, (_, source) in zip(paths, files, strict=True):
            limit.check("uploaded")
            store(repository, path, source)
        return {
            name: Artifact(f"dcid.{self.id}", path, artifact_id(self.id, path))
            for path, (name, _) in zip(paths, files, strict=True)
        }

    def _repository(self) -> HubRepository:
        return open_repository(self._artifact_uri, self._store.tracking_uri)

    @cached_property
    def _artifact_uri(self) -> str:
        return str(self._mlflow_run().info.artifact_uri)


def _checked_paths(
    output_paths: "Sequence[str | os.PathLike[str]]", names: list[str]
) -> "Sequence[str | os.PathLike[str]]":
    different = len(set(output_paths))
    if different == len(output_paths) == len(names):
        return output_paths
    _logger.warning(
        "output_paths has %d paths, %d of them different, for %d files; the files keep their own.",
        len(output_paths),
        different,
        len(names),
    )
    return names


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED_IN_ERRORS
    return ",".join(names[:_NAMED_IN_ERRORS]) + (f" and {more} more" if more > 0 else "")


def _raise(error: OSError) -> None:
    raise error
