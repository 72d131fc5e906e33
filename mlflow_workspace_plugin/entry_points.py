"""One builder for each MLflow hook that this package registers with.

MLflow loads most of these while ``import mlflow`` runs and survives only ``ImportError`` and
``AttributeError`` there. So this module imports nothing but the standard library, each builder
imports what it needs when it is called, and constructors do nothing.
"""

from __future__ import annotations

import atexit
import os
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository
    from mlflow.store.model_registry.abstract_store import AbstractStore as RegistryStore
    from mlflow.store.tracking.abstract_store import AbstractStore as TrackingStore
    from mlflow.store.workspace.abstract_store import AbstractStore as WorkspaceStore

_OUR_SCHEMES = frozenset({"workspace", "workspace-hub"})

# What MLflow's server tells its workers of --backend-store-uri and --artifacts-destination. The
# module with the names imports the whole server.
_SERVER_STORE = "_MLFLOW_SERVER_FILE_STORE"
_SERVER_DESTINATION = "_MLFLOW_SERVER_ARTIFACT_DESTINATION"

# A token is for the server that is named beside it. What a script sets later names others.
STARTED_WITH = os.environ.get("MLFLOW_TRACKING_TOKEN"), os.environ.get("MLFLOW_TRACKING_URI")


def _is_ours(uri: str | None) -> bool:
    return uri is not None and urlsplit(uri).scheme in _OUR_SCHEMES


@atexit.register
def _end_process() -> None:
    """Store what was logged, when the process ends.

    This module is loaded before MLflow registers what ends its active run, and so comes after it,
    and after whatever the program registered.
    """
    of_process = sys.modules.get("mlflow_workspace_plugin.journal.of_process")
    if of_process is not None:
        of_process.end()


def tracking_store(store_uri: str, artifact_uri: str | None = None) -> TrackingStore:
    """Build the tracking store of a workspace or hub URI (``mlflow.tracking_store``).

    Args:
        store_uri: ``workspace:///dir/name``, ``workspace://HOST/name`` or ``workspace-hub:///dir``.
        artifact_uri: the artifact root MLflow was started with; a hub has its own.

    Raises:
        mlflow.exceptions.MlflowException: the URI is malformed, or the hub cannot be opened.
    """
    from mlflow_workspace_plugin.late_imports import late_imports

    with late_imports():
        from mlflow_workspace_plugin.remote.build import build_tracking_store

    return build_tracking_store(store_uri, artifact_uri)


def model_registry_store(store_uri: str, tracking_uri: str | None = None) -> RegistryStore:
    """Build the model registry of a workspace or hub URI (``mlflow.model_registry_store``).

    Args:
        store_uri: ``workspace:///dir/name``, ``workspace://HOST/name`` or ``workspace-hub:///dir``.
        tracking_uri: where MLflow tracks; logged models are looked up there if it is ours.

    Raises:
        mlflow.exceptions.MlflowException: the URI is malformed, or the hub cannot be opened.
    """
    from mlflow_workspace_plugin.late_imports import late_imports

    with late_imports():
        from mlflow_workspace_plugin.remote.build import build_registry_store

    models_uri = tracking_uri if tracking_uri and _is_ours(tracking_uri) else store_uri
    return build_registry_store(store_uri, models_uri)


def workspace_provider(workspace_uri: str) -> WorkspaceStore:
    """Build the store of workspaces (``mlflow.workspace_provider``).

    Args:
        workspace_uri: ``workspace-hub:///dir`` for all workspaces of a hub, ``workspace:///dir/name``
            for a view of that one.

    Raises:
        mlflow.exceptions.MlflowException: the URI is malformed, or the hub cannot be opened.
    """
    from mlflow_workspace_plugin.late_imports import late_imports

    with late_imports():
        from mlflow_workspace_plugin.stores.build import build_workspace_store

    return build_workspace_store(workspace_uri)


def artifact_repository(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> ArtifactRepository:
    """Resolve an ``mlflow-artifacts:`` URI (``mlflow.artifact_repository``).

    Args:
        artifact_uri: what MLflow stored with the run or model.
        tracking_uri: where the caller tracks; None means MLflow's current tracking URI.
        registry_uri: the caller's model registry, handed on.

    Returns:
        The repository in the hub when the tracking URI is ours and the artifact URI names no host
        of its own; in a server of a hub that of all its files, where they are asked for; MLflow's
        own repository for everything else.

    Raises:
        mlflow.exceptions.MlflowException: the location is outside the caller's workspace.
    """
    from mlflow.tracking import get_tracking_uri

    served = os.environ.get(_SERVER_STORE)
    if artifact_uri == os.environ.get(_SERVER_DESTINATION) and served and _is_ours(served):
        from mlflow_workspace_plugin.artifacts.repository import open_served

        return open_served(served)
    effective = tracking_uri or (served if _is_ours(served) else None) or get_tracking_uri()
    if not _is_ours(effective) or urlsplit(artifact_uri).netloc:
        from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

        return MlflowArtifactsRepository(artifact_uri, tracking_uri, registry_uri)

    from mlflow_workspace_plugin.late_imports import late_imports

    with late_imports():
        from mlflow_workspace_plugin.remote.files.open import open_repository

    return open_repository(artifact_uri, effective)


def runs_repository(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> ArtifactRepository:
    """Resolve a ``runs:`` URI (``mlflow.artifact_repository``).

    Args:
        artifact_uri: ``runs:/RUN_ID/path``.
        tracking_uri: where the caller tracks; None means MLflow's current tracking URI.
        registry_uri: the caller's model registry, handed on.

    Returns:
        One that finds files of any name when the tracking URI is ours; else MLflow's own.

    Raises:
        mlflow.exceptions.MlflowException: there is no such run in the caller's workspace.
    """
    from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository
    from mlflow.tracking import get_tracking_uri

    if not _is_ours(tracking_uri or get_tracking_uri()):
        return RunsArtifactRepository(artifact_uri, tracking_uri, registry_uri)

    from mlflow_workspace_plugin.artifacts.runs_repository import RunsRepository

    return RunsRepository(artifact_uri, tracking_uri, registry_uri)


class DefaultExperimentProvider:
    """Name the experiment of runs that name none (``mlflow.default_experiment_provider``).

    MLflow would use experiment 0, which exists only in the workspace ``default``.
    """

    def in_context(self) -> bool:
        """Whether MLflow's current tracking URI is a workspace of ours."""
        from mlflow.tracking import get_tracking_uri

        return bool(urlsplit(get_tracking_uri()).scheme == "workspace")

    def get_experiment_id(self) -> str:
        """Return the id of the workspace's own ``Default`` experiment, created when missing."""
        from mlflow import MlflowClient

        return str(MlflowClient().get_experiment("0").experiment_id)


class NotebookContext:
    """Name the notebook as what a run comes from (``mlflow.run_context_provider``).

    MLflow asks the Jupyter servers of the machine; their kernels are told, too, and it is here that
    this is heeded.
    """

    def in_context(self) -> bool:
        """Whether this is the kernel of a notebook, and MLflow tracks in a workspace of ours."""
        from mlflow.tracking import get_tracking_uri

        return "ipykernel" in sys.modules and urlsplit(get_tracking_uri()).scheme == "workspace"

    def tags(self) -> dict[str, str]:
        """Return MLflow's tags of the source; none if nobody said which notebook it is."""
        from mlflow_workspace_plugin.stores.process.notebook import source_tags

        return source_tags()
