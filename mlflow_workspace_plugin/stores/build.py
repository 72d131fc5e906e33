"""From a URI to a store, but for the registry: what the entry points call."""

import functools
import os
import shlex

from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.store.tracking.abstract_store import AbstractStore as TrackingStore
from mlflow.store.workspace.abstract_store import AbstractStore as WorkspaceStore
from mlflow.tracking._model_registry.utils import _get_store_registry
from mlflow.utils.workspace_context import get_request_workspace

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.artifacts.paths import ARTIFACT_ROOT
from mlflow_workspace_plugin.artifacts.repository import server_destination
from mlflow_workspace_plugin.errors import HubSettingsError, InvalidUriError, ServedHubError
from mlflow_workspace_plugin.hub.files.folder import HubFolder
from mlflow_workspace_plugin.hub.hub import Hub, open_hub
from mlflow_workspace_plugin.journal.use import writes_through
from mlflow_workspace_plugin.stores.journalled import JournalledTrackingStore
from mlflow_workspace_plugin.stores.journalling.patience import until_answered
from mlflow_workspace_plugin.stores.tracking import HubTrackingStore, WorkspaceTrackingStore
from mlflow_workspace_plugin.stores.workspaces import PinnedWorkspaceStore, ServedWorkspaceStore
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

# Where MLflow's server tells its workers what --artifacts-destination was. The constant's module
# imports the whole server.
_SERVER_DESTINATION = "_MLFLOW_SERVER_ARTIFACT_DESTINATION"


def build_tracking_store(store_uri: str, artifact_uri: str | None = None) -> TrackingStore:
    """Build the tracking store of a URI.

    Args:
        store_uri: a URI of ours.
        artifact_uri: the artifact root MLflow was started with. A hub stores host-less locations
            only, so another root is refused rather than passed over.

    Raises:
        InvalidUriError: the URI is malformed or not usable here, or the artifact root is another.
        HubError, WorkspaceNotFoundError: the hub or the workspace cannot be opened.
    """
    if artifact_uri is not None and artifact_uri.rstrip("/") != ARTIFACT_ROOT.rstrip("/"):
        raise InvalidUriError(
            f"Artifact root {uris.redact(artifact_uri)!r} cannot be used with a hub, which keeps "
            "its files in its own folder. Leave the root out, or give mlflow-artifacts:/"
        )
    # While MLflow makes this list in one thread, another one finds none of our schemes in it.
    _get_store_registry()
    hub, workspace = open_patiently(store_uri)
    _check_server_destination(hub)
    if workspace is None:
        return HubTrackingStore(hub)
    if writes_through():
        return WorkspaceTrackingStore(hub, workspace)
    return JournalledTrackingStore(hub, workspace)


def open_workspace_store(uri: str) -> WorkspaceTrackingStore:
    """Return the tracking store of a workspace's URI, without a journal; it is kept, and shared.

    Raises:
        InvalidUriError: the URI names no workspace.
        HubError, WorkspaceNotFoundError: the hub or the workspace cannot be opened.
    """
    hub, workspace = _open(uri)
    if workspace is None:
        raise InvalidUriError(f"{uri!r} names a hub, and no workspace in it. Add /NAME.")
    return workspace_store(hub, workspace)


@functools.lru_cache(maxsize=64)
def workspace_store(hub: Hub, workspace: str) -> WorkspaceTrackingStore:
    """Return the tracking store of a workspace, without a journal; it is kept, and shared.

    Args:
        hub: the hub.
        workspace: the name MLflow knows.
    """
    # MLflow compares the schema with all of its migrations, which takes longer than most of what
    # is asked of a store.
    return WorkspaceTrackingStore(hub, workspace)


def build_workspace_store(workspace_uri: str) -> WorkspaceStore:
    """Build the store of workspaces of a URI.

    Args:
        workspace_uri: a URI of ours.

    Raises:
        InvalidUriError: the URI is malformed or not usable here.
        HubError, WorkspaceNotFoundError: the hub or the workspace cannot be opened.
    """
    hub, workspace = _open(workspace_uri)
    return PinnedWorkspaceStore(hub, workspace) if workspace else ServedWorkspaceStore(hub)


def open_patiently(uri: str) -> tuple[Hub, str | None]:
    """Open the hub of a URI; a script that starts while the database is away waits for it."""
    return until_answered(lambda _: _open(uri))


def _open(uri: str) -> tuple[Hub, str | None]:
    """Open the hub of a URI; None stands for all of its workspaces."""
    parsed = uris.parse(uri)
    if isinstance(parsed, uris.ServedWorkspaceUri):
        raise ServedHubError.of(str(parsed))
    if isinstance(parsed, uris.HubUri):
        if not MLFLOW_ENABLE_WORKSPACES.get():
            raise InvalidUriError(
                f"{str(parsed)!r} is for servers, which follow the workspace of each request: "
                "mlflow server --enable-workspaces, or mlflow-workspace ui. "
                f"In a script name one workspace: workspace://{str(parsed).partition('://')[2]}/NAME"
            )
        return open_hub(parsed.hub), None
    if HubFolder(parsed.hub / parsed.name).identity() is not None:
        raise InvalidUriError(
            f"{str(parsed)!r} names a hub, and no workspace in it. Write {parsed!s}/NAME; "
            f"mlflow-workspace list --hub {shlex.quote(str(parsed.hub / parsed.name))} shows names."
        )
    hub = open_hub(parsed.hub)
    workspace = hub.catalog.get(parsed.name).name
    _warn_of_another_workspace(parsed)
    return hub, workspace


def _warn_of_another_workspace(uri: uris.WorkspaceUri) -> None:
    active = get_request_workspace()
    if active and active != uri.name:
        _logger.warning(
            "MLflow's active workspace is %r, but the tracking URI names workspace %r, which is "
            "used. Unset MLFLOW_WORKSPACE, or use the URI of the workspace you mean.",
            active,
            uri.name,
        )


def _check_server_destination(hub: Hub) -> None:
    """Refuse to be served with files in another place than the hub's, where nobody would look."""
    destination = os.environ.get(_SERVER_DESTINATION)
    if destination is None:
        return
    expected, _ = server_destination(hub)
    if destination.rstrip("/") != expected.rstrip("/"):
        raise HubSettingsError(
            f"The server keeps files in {_without_secret(destination)!r}, but those of hub "
            f"{str(hub.path)!r} are in {hub.place_of()!r}. "
            f"Add --artifacts-destination {expected}, or use mlflow-workspace ui."
        )


def _without_secret(destination: str) -> str:
    # In MLflow's form for Azure the container stands where others have a user.
    return destination if destination.startswith("wasbs:") else uris.redact(destination)
