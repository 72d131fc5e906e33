"""Images in MLflow's UI: the browser asks for them without saying which workspace they are of.

The UI's own requests name the workspace in a header, which an ``<img>`` cannot. MLflow looks in the
workspace ``default`` then, and finds nothing. A run is in one workspace, so it says which.
"""

import re
from urllib.parse import parse_qs

from anyio import to_thread
from mlflow.server.workspace_helpers import WORKSPACE_HEADER_NAME
from sqlalchemy import text
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mlflow_workspace_plugin.hub.database import connected
from mlflow_workspace_plugin.hub.hub import Hub

_AJAX = ("/ajax-api/2.0/mlflow", "/ajax-api/3.0/mlflow")
_OF_MODEL = re.compile(r"/ajax-api/2\.0/mlflow/logged-models/([^/]+)/artifacts/files")
# By what a file is of: the paths, and the parameters that hold the id.
_BY_QUERY = {
    "run": (["/get-artifact", *(f"{each}/get-artifact" for each in _AJAX)], ["run_id", "run_uuid"]),
    "trace": ([f"{each}/get-trace-artifact" for each in _AJAX], ["request_id"]),
}
_WORKSPACES = {
    "run": text(
        "SELECT experiments.workspace FROM runs JOIN experiments "
        "ON experiments.experiment_id = runs.experiment_id WHERE runs.run_uuid = :id"
    ),
    "model": text(
        "SELECT experiments.workspace FROM logged_models JOIN experiments "
        "ON experiments.experiment_id = logged_models.experiment_id "
        "WHERE logged_models.model_id = :id"
    ),
    "trace": text(
        "SELECT experiments.workspace FROM trace_info JOIN experiments "
        "ON experiments.experiment_id = trace_info.experiment_id "
        "WHERE trace_info.request_id = :id"
    ),
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
            asked_for = _asked_for(scope)
            if asked_for is not None:
                added = await to_thread.run_sync(self._header, *asked_for)
                scope = {**scope, "headers": [*scope["headers"], *added]}
        await self._app(scope, receive, send)

    def _header(self, kind: str, identifier: str) -> list[tuple[bytes, bytes]]:
        with connected(self._hub.engine) as connection:
            found = connection.execute(_WORKSPACES[kind], {"id": identifier}).scalar_one_or_none()
        return [] if found is None else [(_HEADER, found.encode())]


def _asked_for(scope: Scope) -> tuple[str, str] | None:
    """Return what a file is asked of, and its id; None of other requests."""
    path = scope["path"]
    if found := _OF_MODEL.fullmatch(path):
        return "model", found[1]
    query = parse_qs(scope["query_string"].decode("latin-1"))
    for kind, (paths, names) in _BY_QUERY.items():
        for name in names:
            if path in paths and name in query:
                return kind, query[name][0]
    return None
