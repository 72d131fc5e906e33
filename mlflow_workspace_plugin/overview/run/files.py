"""The files of a run, as they are listed and looked into."""

import posixpath
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from mlflow_workspace_plugin.artifacts.paths import INTERNAL_FOLDER
from mlflow_workspace_plugin.runs.metrics.descriptors import read_descriptors
from mlflow_workspace_plugin.runs.metrics.image_copies import FOLDER as COPIES
from mlflow_workspace_plugin.runs.metrics.image_copies import copies_of

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

    from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
    from mlflow_workspace_plugin.overview.source import Source

_SHOWN_OF_FOLDER = 2_000
_SHOWN_OF_TEXT = 200_000
_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".svg")


def files_of_run(source: "Source", run_id: str, path: str = "") -> dict[str, Any]:
    """Return what is in a folder of a run's files, folders first.

    Args:
        source: the workspace.
        run_id: the run.
        path: of the folder; nothing stands for the uppermost.

    Returns:
        ``entries``: ``path``, ``name``, ``is_folder`` and ``size`` of each; ``total``, of which
        those are the first. What this package keeps beside the files of the run is left out.

    Raises:
        MlflowException: there is no such run in the workspace, or the path leads out of its files.
    """
    run = source.store.get_run(run_id)
    repository = source.repository_at(run.info.artifact_uri)
    found = repository.list_artifacts(path or None)
    if not path:
        hidden = _hidden(run, repository)
        found = [each for each in found if each.path not in hidden]
    found = sorted(found, key=lambda each: (not each.is_dir, each.path))
    return {
        "entries": [
            {
                "path": each.path,
                "name": posixpath.basename(each.path),
                "is_folder": each.is_dir,
                "size": each.file_size,
            }
            for each in found[:_SHOWN_OF_FOLDER]
        ],
        "total": len(found),
    }


def preview_of_file(source: "Source", run_id: str, path: str) -> dict[str, Any]:
    """Return what is shown of a file: an image, the beginning of a text, or that it is neither.

    Returns:
        ``kind``: ``image``, ``text`` or ``binary``; ``size``, and of a text ``text`` and whether
        that is ``cut``.

    Raises:
        MlflowException: there is no such run or file.
    """
    repository = source.repository(run_id)
    size = size_of_file(repository, path)
    if is_image(path):
        return {"kind": "image", "size": size}
    read = repository.read_from(path, 0, _SHOWN_OF_TEXT)
    return {**shown_text(read), "size": size}


def shown_text(read: bytes) -> dict[str, Any]:
    """Return the beginning of a file as text, or that it is none."""
    cut = len(read) >= _SHOWN_OF_TEXT
    if b"\0" in read:
        return {"kind": "binary"}
    try:
        text = read.decode("utf-8")
    except UnicodeDecodeError as error:
        # The last character may be cut.
        if not cut or error.start < len(read) - 4:
            return {"kind": "binary"}
        text = read[: error.start].decode("utf-8")
    return {"kind": "text", "text": text, "cut": cut}


def size_of_file(repository: "HubRepository", path: str) -> int:
    """Return how many bytes a file has.

    Raises:
        MlflowException: there is no such file.
    """
    folder = posixpath.dirname(path)
    listed = repository.list_artifacts(folder or None)
    # As it is listed: "a//b" and "./a/b" name the same file.
    meant = str(PurePosixPath(path))
    size = next((each.file_size for each in listed if each.path == meant and not each.is_dir), None)
    if size is None:
        raise MlflowException(f"No such artifact: {path!r}.", RESOURCE_DOES_NOT_EXIST)
    return int(size)


def is_image(path: str) -> bool:
    """Whether browsers draw a file of that name."""
    return path.lower().endswith(_IMAGES)


def _hidden(run: "MlflowRun", repository: "HubRepository") -> set[str]:
    """Return what is not listed of the uppermost folder: copies of other files, too."""
    copies = copies_of(read_descriptors(run.data.tags))
    if copies and all(each.path.startswith(copies) for each in repository.list_artifacts(COPIES)):
        return {INTERNAL_FOLDER, COPIES}
    return {INTERNAL_FOLDER}
