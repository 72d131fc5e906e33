"""The files of a model version.

SDK v1 never let a registered model change. A file of a run can be replaced here, as everywhere in
MLflow; so what is registered is copied into a logged model of MLflow, which is what MLflow itself
makes of a model, and which its clients load from as they load any registered model.
"""

import json
import os
import posixpath
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from mlflow_workspace_plugin.artifacts.hub_repository import stored_files
from mlflow_workspace_plugin.artifacts.paths import check_path
from mlflow_workspace_plugin.artifacts.quiet import quietly
from mlflow_workspace_plugin.errors import WebserviceException
from mlflow_workspace_plugin.runs.files import transfer
from mlflow_workspace_plugin.runs.tag_text import OURS
from mlflow_workspace_plugin.sdk.models import facts as model_facts

_STORED_FOR = f"{OURS}registered_model"
"""On a logged model: it was made to register its files, under this name."""


def store(
    client: MlflowClient, local: Path, name: str, experiment_id: str, run_id: str | None
) -> str:
    """Copy a local file or folder into a logged model; return its id.

    Args:
        client: of the workspace.
        local: the file, or the folder whose content is copied.
        name: of the registered model.
        experiment_id: where the logged model belongs.
        run_id: the run that the files come from, if any.
    """
    # MLflow allows no dot in the name of a logged model.
    model_id: str = client.create_logged_model(
        experiment_id, name.replace(".", "_"), run_id, tags={_STORED_FOR: name}
    ).model_id
    try:
        with quietly():
            if local.is_dir():
                client.log_model_artifacts(model_id, str(local))
            else:
                client.log_model_artifact(model_id, str(local))
    except BaseException:
        client.finalize_logged_model(model_id, LoggedModelStatus.FAILED)
        raise
    client.finalize_logged_model(model_id, LoggedModelStatus.READY)
    return model_id


def is_stored(model: LoggedModel) -> bool:
    """Whether :func:`store` made a logged model."""
    return _STORED_FOR in model.tags


def note_version(client: MlflowClient, model_id: str, version: ModelVersion) -> None:
    """Note on a logged model that it was registered, as MLflow's UI shows it."""
    known = client.get_logged_model(model_id).tags.get(MLFLOW_MODEL_VERSIONS, "[]")
    noted = [*json.loads(known), {"name": version.name, "version": version.version}]
    client.set_logged_model_tags(model_id, {MLFLOW_MODEL_VERSIONS: json.dumps(noted)})


def discard(client: MlflowClient, version: ModelVersion) -> None:
    """Delete the files that were stored for a deleted version, unless another one uses them.

    Until ``mlflow gc`` they can be restored, as all that MLflow deletes.
    """
    model_id = _logged_model_id(version)
    if model_id is None:
        return
    try:
        model = client.get_logged_model(model_id)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise
        return  # deleted already
    sources = (version.source, f"models:/{version.name}/{version.version}")
    if is_stored(model) and not any(
        client.search_model_versions(f"source_path = '{each}'") for each in sources
    ):
        client.delete_logged_model(model_id)


def download(
    client: MlflowClient,
    tracking_uri: str,
    version: ModelVersion,
    target: "str | os.PathLike[str]",
    *,
    replace: bool,
) -> str:
    """Copy the files of a model version to a local folder.

    Args:
        client: of the workspace.
        tracking_uri: of the workspace.
        version: whose files are meant.
        target: the folder; made if there is none.
        replace: replace local files. Otherwise, if there is one, none is written.

    Returns:
        The file, or the deepest folder that all files are in.

    Raises:
        WebserviceException: a local file is in the way, or the version holds no files.
    """
    uri = client.get_model_version_download_uri(version.name, version.version)
    repository = get_artifact_repository(uri, tracking_uri=tracking_uri, registry_uri=tracking_uri)
    paths = [each.path for each in stored_files(repository)]
    if not paths:
        raise WebserviceException(
            f"Model {version.name!r} version {version.version} holds no files at {uri!r}. "
            "Register it again from where its files are."
        )
    folder = Path(target, _folder_of(client, version))
    places = {path: folder / path for path in paths}
    in_the_way = [str(place) for place in places.values() if place.exists()]
    if in_the_way and not replace:
        raise WebserviceException(
            f"File {in_the_way[0]!r} exists already. "
            "Pass exist_ok=True to replace it, or another target_dir."
        )
    folder.mkdir(parents=True, exist_ok=True)
    # What resolves a URI of MLflow's adds a file of its own to the root of a model.
    stored = getattr(repository, "repo", repository)
    from mlflow_workspace_plugin.artifacts.folder_repository import FolderRepository

    if isinstance(stored, FolderRepository):
        # MLflow shows its progress, which SDK v1 did not.
        for path, place in places.items():
            transfer.fetch(stored, path, place)
    else:
        with quietly():
            stored.download_artifacts("", str(folder))
    return os.path.commonpath(list(map(str, places.values())))


@contextmanager
def only(folder: Path, child_paths: Sequence[str]) -> Iterator[Path]:
    """Yield a folder with only some of the files of another, by links.

    Args:
        folder: the other one.
        child_paths: files and folders below it.

    Raises:
        WebserviceException: one of them is not there.
        UnsafeArtifactPathError: one leads out of the folder.
    """
    with tempfile.TemporaryDirectory() as made:
        for child in child_paths:
            check_path(child)
            source = folder / child
            if not source.exists():
                raise WebserviceException(
                    f"There is no {child!r} in {str(folder)!r}. Correct child_paths."
                )
            for file in [source] if source.is_file() else files_in(source):
                link = Path(made) / file.relative_to(folder)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(file.resolve())
        yield Path(made)


def files_in(folder: Path) -> list[Path]:
    """Return all files below a local folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def _folder_of(client: MlflowClient, version: ModelVersion) -> str:
    """Return the folder that the files are in for SDK v1; MLflow knows only what is in it."""
    known: str | None = version.tags.get(model_facts.FOLDER)
    if known is not None:
        return known
    model_id = _logged_model_id(version)
    if model_id is not None:
        return str(client.get_logged_model(model_id).name)
    return posixpath.basename(urlsplit(str(version.source)).path.rstrip("/"))


def _logged_model_id(version: ModelVersion) -> str | None:
    source: str = version.source
    scheme, _, name = source.partition(":/")
    return name if scheme == "models" and name.startswith("m-") and "/" not in name else None
