"""What our pages are told of who looks at them: the name, and what is seen."""

from functools import partial
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mlflow_workspace_plugin.app.served.asking.identity import current_principal
from mlflow_workspace_plugin.overview.viewer import Viewer, viewer

if TYPE_CHECKING:
    from mlflow_workspace_plugin.accounts.access import Access


class Asker:
    """Tells our pages who looks at them.

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
        if principal is None:
            await self._app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "")
        access = self._access
        told = Viewer(
            principal.name,
            host,
            partial(access.workspaces, principal),
            partial(access.may_runs, principal),
            partial(access.may_models, principal),
            partial(access.reads_registered, principal),
            partial(access.reads_shared, principal),
        )
        reset = viewer.set(told)
        try:
            await self._app(scope, receive, send)
        finally:
            viewer.reset(reset)
