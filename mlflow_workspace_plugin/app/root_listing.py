"""What MLflow's UI lists of a run's files, without what only this package reads.

Only the UI's own route, and only the first level: the API, the stores, and whoever names a folder
see all of it.
"""

import functools
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from mlflow_workspace_plugin.app.rewritten import answer_rewritten
from mlflow_workspace_plugin.artifacts.paths import INTERNAL_FOLDER
from mlflow_workspace_plugin.artifacts.repository import open_repository
from mlflow_workspace_plugin.hub.databases.database import connected
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.runs.metrics.descriptors import read_descriptors
from mlflow_workspace_plugin.runs.metrics.image_copies import FOLDER, copies_of
from mlflow_workspace_plugin.stores.reads.run_lookup import artifacts_of, workspace_of
from mlflow_workspace_plugin.stores.reads.run_reads import read_descriptor_tags
from mlflow_workspace_plugin.uris import WorkspaceUri

_ROUTE = "/ajax-api/2.0/mlflow/artifacts/list"


class RootListing:
    """Takes the package's own folder, and MLflow's copies of images, off the UI's listings.

    Args:
        app: answers all requests.
        hub: knows which images a run has.
    """

    def __init__(self, app: ASGIApp, hub: Hub) -> None:
        self._app = app
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] != _ROUTE:
            await self._app(scope, receive, send)
            return
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if query.get("path", [""])[0] not in ("", "/", "."):
            await self._app(scope, receive, send)
            return
        run_id = (query.get("run_id") or query.get("run_uuid") or [""])[0]
        await answer_rewritten(
            self._app, scope, receive, send, functools.partial(self._shown, run_id)
        )

    def _shown(self, run_id: str, body: bytes) -> bytes:
        answer: dict[str, Any] = json.loads(body)
        files: list[Mapping[str, Any]] = answer.get("files", [])
        hidden = {INTERNAL_FOLDER}
        if any(each["path"] == FOLDER for each in files) and self._holds_only_copies(run_id):
            hidden.add(FOLDER)
        shown = [each for each in files if each["path"] not in hidden]
        return body if len(shown) == len(files) else json.dumps(answer | {"files": shown}).encode()

    def _holds_only_copies(self, run_id: str) -> bool:
        """Whether the folder of images holds copies of what is listed under its own path."""
        with connected(self._hub.engine) as connection:
            tags = read_descriptor_tags(connection, [run_id]).get(run_id, {})
            workspace = workspace_of(connection, "run", run_id)
            location = artifacts_of(connection, run_id)
        copies = copies_of(read_descriptors(tags))
        if not copies or workspace is None or location is None:
            return False
        uri = str(WorkspaceUri(self._hub.path, workspace))
        found = open_repository(location, uri).list_artifacts(FOLDER)
        return all(each.path.startswith(copies) for each in found)
