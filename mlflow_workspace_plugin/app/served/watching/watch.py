"""The outermost layer: health, readiness, metrics, the access log, and what every answer carries.

What is answered here is answered to everybody, whatever host they name, so it says little.
"""

import hmac
import time
from pathlib import Path

from anyio import to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlflow_workspace_plugin.app.served.configuration import Served
from mlflow_workspace_plugin.app.served.watching import metrics
from mlflow_workspace_plugin.app.served.watching.access_log import AccessLog
from mlflow_workspace_plugin.app.served.watching.readiness import Readiness
from mlflow_workspace_plugin.hub.hub import Hub

# Never such that they begin with /health or /static, which MLflow opens to everybody.
HEALTH, READY, METRICS = "/hub/health", "/hub/ready", "/hub/metrics"
_HTTPS_ONLY = "max-age=31536000"


class Watch:
    """Answers what supervises the server, and notes all other requests.

    Args:
        app: answers them.
        hub: the hub.
        served: how it is served.
    """

    def __init__(self, app: ASGIApp, hub: Hub, served: Served) -> None:
        self._app = app
        self._readiness = Readiness(hub)
        self._served = served
        self._log = AccessLog() if served.access_log else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = await self._own(scope)
        if answer is not None:
            await answer(scope, receive, send)
            return
        await self._noted(scope, receive, send)

    async def _own(self, scope: Scope) -> Response | None:
        path = scope["path"]
        if path not in (HEALTH, READY, METRICS):
            return None
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("Ask by GET.\n", 405, {"Allow": "GET, HEAD"})
        if path == HEALTH:
            return PlainTextResponse("OK\n")
        if path == READY:
            parts = await self._readiness.parts()
            is_ready = all(each == "ok" for each in parts.values())
            return JSONResponse({"ready": is_ready, **parts}, 200 if is_ready else 503)
        if not await to_thread.run_sync(_may_read, self._served.metrics_token_file, scope):
            said = f"Metrics need the token that is in {self._served.metrics_token_file.name}.\n"
            return PlainTextResponse(said, 401, {"WWW-Authenticate": "Bearer"})
        text = await to_thread.run_sync(metrics.as_text)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _noted(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = time.perf_counter()
        status, size = 499, 0
        state = scope.setdefault("state", {})

        async def pass_on(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "same-origin")
                if self._served.is_https:
                    headers.setdefault("Strict-Transport-Security", _HTTPS_ONLY)
            else:
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, pass_on)
        except Exception:
            status = 500
            raise
        finally:
            seconds = time.perf_counter() - start
            path, method = scope["path"], scope["method"]
            metrics.note(path, method, state.get("route_class", ""), status, seconds)
            if self._log is not None:
                client = scope.get("client")
                self._log.note(
                    path,
                    method=method,
                    status=status,
                    user=state.get("principal"),
                    client=client[0] if client else None,
                    bytes=size,
                    ms=round(seconds * 1000, 1),
                )


def _may_read(token_file: Path, scope: Scope) -> bool:
    scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
    try:
        token = token_file.read_bytes().strip()
    except OSError:
        return False
    is_bearer = scheme.lower() == "bearer" and bool(token)
    return is_bearer and hmac.compare_digest(given.strip().encode(), token)
