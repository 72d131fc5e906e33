"""From a URI to a store, wherever its workspace is."""

import functools
from typing import TYPE_CHECKING, cast

from mlflow.store.model_registry.abstract_store import AbstractStore as RegistryStore
from mlflow.store.tracking.abstract_store import AbstractStore as TrackingStore

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.journal.use import writes_through
from mlflow_workspace_plugin.stores import build
from mlflow_workspace_plugin.stores.journalling.patience import until_answered

if TYPE_CHECKING:
    from mlflow_workspace_plugin.remote.http import HubHttp
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore


def build_tracking_store(store_uri: str, artifact_uri: str | None = None) -> TrackingStore:
    """Build the tracking store of a URI.

    Args:
        store_uri: a URI of ours.
        artifact_uri: the artifact root MLflow was started with.

    Raises:
        InvalidUriError: the URI is malformed or not usable here, or the artifact root is another.
        HubError, WorkspaceNotFoundError: the hub or the workspace cannot be opened.
    """
    http = _http_of(store_uri)
    if http is None:
        return build.build_tracking_store(store_uri, artifact_uri)
    from mlflow_workspace_plugin.remote.tracking import RemoteTrackingStore, ServedTrackingStore

    return RemoteTrackingStore(http) if writes_through() else ServedTrackingStore(http)


def build_registry_store(store_uri: str, tracking_uri: str) -> RegistryStore:
    """Build the model registry of a URI.

    Args:
        store_uri: a URI of ours.
        tracking_uri: where the logged models are that become model versions.

    Raises:
        InvalidUriError: the URI is malformed or not usable here.
        HubError, WorkspaceNotFoundError: the hub or the workspace cannot be opened.
    """
    http = _http_of(store_uri)
    if http is None:
        from mlflow_workspace_plugin.stores import build_registry

        return build_registry.build_registry_store(store_uri, tracking_uri)
    from mlflow_workspace_plugin.remote.registry import RemoteRegistryStore, ServedRegistryStore

    return RemoteRegistryStore(http) if writes_through() else ServedRegistryStore(http)


def open_workspace_store(uri: str) -> "WorkspaceTrackingStore":
    """Return the tracking store of a workspace's URI, without a journal; it is kept, and shared.

    That of a served hub has the methods that can be called over the network.

    Raises:
        InvalidUriError: the URI names no workspace.
        HubError, WorkspaceNotFoundError: the hub or the workspace cannot be opened.
    """
    http = _http_of(uri)
    if http is None:
        return build.open_workspace_store(uri)
    return cast("WorkspaceTrackingStore", _remote_store(http))


def open_patiently(uri: str) -> None:
    """Open the workspace of a URI; who starts while its hub is away waits for it.

    Raises:
        InvalidUriError: the URI names no workspace.
        HubError, WorkspaceNotFoundError: the hub or the workspace cannot be opened.
    """
    if _http_of(uri) is None:
        build.open_patiently(uri)
    else:
        until_answered(lambda _: open_workspace_store(uri).workspace_record())


@functools.lru_cache(maxsize=64)
def _remote_store(http: "HubHttp") -> TrackingStore:
    from mlflow_workspace_plugin.remote.tracking import RemoteTrackingStore

    return RemoteTrackingStore(http)


def _http_of(uri: str) -> "HubHttp | None":
    """Return what asks the served hub of a URI; None if the URI names a folder."""
    parsed = uris.parse(uri)
    if not isinstance(parsed, uris.ServedWorkspaceUri):
        return None
    from mlflow_workspace_plugin.remote.http import http_of

    return http_of(parsed)
