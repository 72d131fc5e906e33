"""Routes of MLflow's server that nobody may use through ours."""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

# In MLflow 3.17 and 3.18 ``demo`` creates an experiment in anybody's workspace, the assistant runs
# tools on the server's machine, and ``ui-telemetry`` sends to MLflow what is clicked on.
_CLOSED = ("demo", "assistant", "ui-telemetry")
_PREFIXES = tuple(
    f"/{api}/{version}/mlflow/{name}"
    for api in ("api", "ajax-api")
    for version in ("2.0", "3.0")
    for name in _CLOSED
)


class ClosedRoutes:
    """Answers 403 on routes that are closed.

    Args:
        app: answers the others.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path", "")
        if any(path == each or path.startswith(f"{each}/") for each in _PREFIXES):
            refusal = {
                "error_code": "PERMISSION_DENIED",
                "message": f"{path} is closed on a hub. Nothing of a workspace needs it.",
            }
            await JSONResponse(refusal, status_code=403)(scope, receive, send)
            return
        await self._app(scope, receive, send)
