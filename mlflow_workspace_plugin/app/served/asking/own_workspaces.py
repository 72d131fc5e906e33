"""The workspaces that a token is for: MLflow lists those of its owner."""

import functools
import json
from collections.abc import Collection
from typing import TYPE_CHECKING

from anyio import to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from mlflow_workspace_plugin.app.rewritten import answer_rewritten
from mlflow_workspace_plugin.app.served.asking.identity import current_principal

if TYPE_CHECKING:
    from mlflow_workspace_plugin.accounts.access import Access

_ROUTES = ("/api/3.0/mlflow/workspaces", "/ajax-api/3.0/mlflow/workspaces")


class OwnWorkspaces:
    """Takes the other workspaces off MLflow's list for tokens that are for some only.

    Args:
        app: answers all requests.
        access: knows which workspaces somebody sees.
    """

    def __init__(self, app: ASGIApp, access: "Access") -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        principal = current_principal.get()
        is_list = scope["type"] == "http" and scope["path"] in _ROUTES and scope["method"] == "GET"
        if principal is None or principal.workspaces is None or not is_list:
            await self._app(scope, receive, send)
            return
        seen = await to_thread.run_sync(self._access.workspaces, principal)
        rewrite = functools.partial(_only, frozenset(seen))
        await answer_rewritten(self._app, scope, receive, send, rewrite)


def _only(seen: Collection[str], body: bytes) -> bytes:
    answer = json.loads(body)
    listed = answer.get("workspaces", [])
    return json.dumps({**answer, "workspaces": [e for e in listed if e["name"] in seen]}).encode()
