"""What repositories have in common whose files are not on this machine."""

import tempfile
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    INVALID_STATE,
    RESOURCE_DOES_NOT_EXIST,
)
from mlflow.utils.file_utils import create_tmp_dir
from mlflow.utils.uri import validate_path_within_directory

from mlflow_workspace_plugin.artifacts.file_space import FileSpace
from mlflow_workspace_plugin.artifacts.paths import check_path
from mlflow_workspace_plugin.artifacts.uri_names import stored_path


class DistantSpace(FileSpace):
    """Files that are copied to this machine before they can be read by a path."""

    def download_artifacts(self, artifact_path: str, dst_path: str | None = None) -> str:
        """Copy a file or folder to ``dst_path``, a new folder by default; return the copy's path.

        Raises:
            MlflowException: there is no such file or folder, here or there.
        """
        folder = Path(create_tmp_dir() if dst_path is None else dst_path).absolute()
        if not folder.is_dir():
            raise MlflowException(
                f"The destination {str(folder)!r} is no folder. Make it first.",
                INVALID_PARAMETER_VALUE if folder.exists() else RESOURCE_DOES_NOT_EXIST,
            )
        path = (artifact_path or "").strip("/")
        if path:
            target = local_place(path, folder)
            try:
                self.fetch(path, target)
            except MlflowException as error:
                # Most often a file is wanted. A folder shows by what is below it.
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
            else:
                return str(target)
        if not self._download_folder(path, folder):
            meant = stored_path(self, path)
            if meant is None or meant == path:
                raise MlflowException(
                    f"No such artifact: {path!r} in {self.artifact_uri!r}.", RESOURCE_DOES_NOT_EXIST
                )
            return self.download_artifacts(meant, str(folder))
        return str(folder / path)

    @abstractmethod
    def _download_folder(self, path: str, target: Path) -> bool:
        """Copy the files of a folder; return whether there is one."""

    @contextmanager
    def local(self, path: str) -> Iterator[Path]:
        """Yield a copy of a file or folder, which is removed afterwards (ours)."""
        with tempfile.TemporaryDirectory() as folder:
            yield Path(self.download_artifacts(path, folder))

    def in_place(self, path: str = "") -> Path | None:
        """Return None: the files are elsewhere (ours)."""
        del path
        return None

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        self.fetch(remote_file_path, Path(local_path))


def local_place(path: str, folder: Path) -> Path:
    """Return where the copy of a stored file is to be, below a local folder; that is made."""
    check_path(path)
    place = folder / path
    validate_path_within_directory(str(folder), str(place))
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def check_no_folder_is_a_file(paths: set[str]) -> None:
    """Check that there may be files of all these paths on a disk.

    Raises:
        MlflowException: ``INVALID_STATE``, one of them is a file and a folder, as blobs may be.
    """
    for path in paths:
        if taken := paths & {str(each) for each in PurePosixPath(path).parents}:
            raise MlflowException(
                f"Artifacts {taken.pop()!r} and {path!r} are both stored, and no disk takes a file "
                "and a folder of one name. Download them one by one, or delete one of them.",
                INVALID_STATE,
            )
