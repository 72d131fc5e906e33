"""Looks a request's workspace up in a thread, where MLflow's server does in its event loop."""

from mlflow.exceptions import MlflowException
from mlflow.server.workspace_helpers import resolve_workspace_for_request_if_enabled
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mlflow_workspace_plugin.app.own_threads import OwnThreads
from mlflow_workspace_plugin.app.usual_requests import WORKSPACE_HEADER
from mlflow_workspace_plugin.hub.catalog import DEFAULT_WORKSPACE
from mlflow_workspace_plugin.stores.workspaces import Found, found_already

_AT_ONCE = 8
"""So many are looked up at a time, lest those that wait for a database take all threads."""
_OF_NONE = "/mlflow/server-info"
"""MLflow answers it whatever workspace is named, and looks none up."""


class KnownWorkspace:
    """Hands requests on with their workspace.

    Args:
        app: MLflow's app.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._threads = OwnThreads(_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"].rstrip("/").endswith(_OF_NONE):
            await self._app(scope, receive, send)
            return
        name = Headers(scope=scope).get(WORKSPACE_HEADER, "").strip()
        found = await self._threads.run(_find, scope["path"], name)
        if found is None:
            await self._app(scope, receive, send)
            return
        with found_already(name or DEFAULT_WORKSPACE, found):
            await self._app(scope, receive, send)


def _find(path: str, name: str) -> Found | None:
    """Return what MLflow finds; the first time, it makes its store, for which it connects."""
    try:
        return resolve_workspace_for_request_if_enabled(path, name)
    except MlflowException as error:
        return error
