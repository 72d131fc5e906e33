"""Looks a request's workspace up in a thread, where MLflow's server does in its event loop."""

from anyio import to_thread
from mlflow.exceptions import MlflowException
from mlflow.store.workspace.abstract_store import AbstractStore
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mlflow_workspace_plugin.app.usual_requests import WORKSPACE_HEADER
from mlflow_workspace_plugin.hub.catalog import DEFAULT_WORKSPACE
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.stores.workspaces import Found, found_already


class KnownWorkspace:
    """Hands requests on with their workspace.

    Args:
        app: MLflow's app.
        hub: whose workspaces they are.
    """

    def __init__(self, app: ASGIApp, hub: Hub) -> None:
        self._app = app
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = Headers(scope=scope).get(WORKSPACE_HEADER, "").strip() or DEFAULT_WORKSPACE
        found = await to_thread.run_sync(_find, self._hub.catalog.store, name)
        with found_already(name, found):
            await self._app(scope, receive, send)


def _find(store: AbstractStore, name: str) -> Found:
    try:
        return store.get_workspace(name)
    except MlflowException as error:
        return error
