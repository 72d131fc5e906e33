"""How files become the next version of a registered model."""

import os
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

from mlflow_workspace_plugin.errors import WebserviceException
from mlflow_workspace_plugin.sdk.models import files as model_files
from mlflow_workspace_plugin.sdk.models.facts import ModelFacts


def local_files(model_path: "str | os.PathLike[str]") -> Path:
    """Return what ``Model.register`` may register: a file or folder below the working directory.

    Raises:
        FileNotFoundError: there is nothing of that name.
        PermissionError: it is outside (SDK v1's rule).
    """
    # Without following links, so that data on another disk may be linked to.
    local = Path(os.path.normpath(Path(model_path).absolute()))
    if not local.exists():
        raise FileNotFoundError(f"There is no file or folder {str(model_path)!r} to register.")
    if not local.is_relative_to(Path.cwd()):
        raise PermissionError(
            f"{str(model_path)!r} is outside of the working directory, from where SDK v1 registers "
            "no model. Copy it here, or change the working directory."
        )
    return local


def register_local(
    client: MlflowClient, facts: ModelFacts, local: Path, child_paths: Sequence[str] | None
) -> ModelVersion:
    """Register a local file or folder, of no run.

    Args:
        client: of the workspace.
        facts: what is registered with it.
        local: the file or folder.
        child_paths: only these of a folder.

    Raises:
        WebserviceException: a child path is not there, or there are no files.
    """
    # MLflow keeps what belongs to no experiment in the workspace's own ``Default``.
    experiment_id = client.get_experiment("0").experiment_id
    chosen = model_files.only(local, child_paths) if child_paths else nullcontext(local)
    with chosen as files:
        if files.is_dir() and not model_files.files_in(files):
            raise WebserviceException(f"Folder {str(local)!r} holds no files to register.")
        model_id = model_files.store(client, files, facts.name, experiment_id, None)
    return register_logged_model(client, facts, model_id, local.name if local.is_dir() else "")


def register_logged_model(
    client: MlflowClient, facts: ModelFacts, model_id: str, folder: str
) -> ModelVersion:
    """Register a logged model of MLflow as the next version, from the run that it is of, if any.

    Args:
        client: of the workspace.
        facts: what is registered with it.
        model_id: MLflow's id of the logged model.
        folder: the folder that the files are in for SDK v1; empty for a single file.
    """
    _make_sure_of(client, facts.name)
    version = client.create_model_version(
        facts.name,
        f"models:/{model_id}",
        client.get_logged_model(model_id).source_run_id,
        facts.version_tags(folder),
        description=facts.description,
        model_id=model_id,
    )
    model_files.note_version(client, model_id, version)
    return version


def _make_sure_of(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
        # A version of it is what is wanted; but a prompt of that name is no model.
        client.get_registered_model(name)
