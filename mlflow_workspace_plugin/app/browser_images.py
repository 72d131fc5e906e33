"""Images in MLflow's UI: the browser asks for them without saying which workspace they are of.

The UI's own requests name the workspace in a header, which an ``<img>`` cannot. MLflow looks in the
workspace ``default`` then, and finds nothing. A run is in one workspace, so it says which.
"""

import re
from urllib.parse import parse_qs

from anyio import to_thread
from mlflow.server.workspace_helpers import WORKSPACE_HEADER_NAME
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mlflow_workspace_plugin.hub.databases.database import connected
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.stores.reads.run_lookup import Kind, workspace_of

_AJAX = ("/ajax-api/2.0/mlflow", "/ajax-api/3.0/mlflow")
_OF_MODEL = re.compile(r"/ajax-api/2\.0/mlflow/logged-models/([^/]+)/artifacts/files")
# By what a file is of: the paths, and the parameters that hold the id.
_BY_QUERY: dict[Kind, tuple[list[str], list[str]]] = {
    "run": (["/get-artifact", *(f"{each}/get-artifact" for each in _AJAX)], ["run_id", "run_uuid"]),
    "trace": ([f"{each}/get-trace-artifact" for each in _AJAX], ["request_id"]),
}
_HEADER = WORKSPACE_HEADER_NAME.lower().encode()


class BrowserImages:
    """Adds the header with the workspace to requests for files that lack it.

    Args:
        app: answers all requests.
        hub: knows in which workspace a run is.
    """

    def __init__(self, app: ASGIApp, hub: Hub) -> None:
        self._app = app
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and WORKSPACE_HEADER_NAME not in Headers(scope=scope):
            asked = asked_for(scope)
            if asked is not None:
                added = await to_thread.run_sync(self._header, *asked)
                scope = {**scope, "headers": [*scope["headers"], *added]}
        await self._app(scope, receive, send)

    def _header(self, kind: Kind, identifier: str) -> list[tuple[bytes, bytes]]:
        with connected(self._hub.engine) as connection:
            found = workspace_of(connection, kind, identifier)
        return [] if found is None else [(_HEADER, found.encode())]


def asked_for(scope: Scope) -> tuple[Kind, str] | None:
    """Return what a file is asked of, and its id; None of other requests.

    Args:
        scope: of the request.
    """
    path = scope["path"]
    if found := _OF_MODEL.fullmatch(path):
        return "model", found[1]
    query = parse_qs(scope["query_string"].decode("latin-1"))
    for kind, (paths, names) in _BY_QUERY.items():
        for name in names:
            if path in paths and name in query:
                return kind, query[name][0]
    return None
