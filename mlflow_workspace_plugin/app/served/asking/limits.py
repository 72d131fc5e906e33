"""Which requests a served hub looks at: for its own host, from its own pages, and not too long.

A page of another site can make a browser send requests here, and its host's name may be made to
lead here (DNS rebinding). Clients that are no browsers say nothing of where they come from.
"""

import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlflow_workspace_plugin.app.served.configuration import Served
from mlflow_workspace_plugin.app.served.watching import metrics
from mlflow_workspace_plugin.uris import is_loopback

LONGEST_BODY = 64 * 2**20
"""What MLflow's routes keep in memory as a whole; what clients send in one request is far less."""
# What is written to the storage as it arrives.
_STREAMED = re.compile(r"/(ajax-)?api/2\.0/mlflow-artifacts/artifacts/.*")
_SAFE = ("GET", "HEAD", "OPTIONS")
_FROM_US = ("same-origin", "none")


class Limits:
    """Refuses what is for another host, from another site, or too long.

    Args:
        app: answers the others.
        served: how the hub is served.
    """

    def __init__(self, app: ASGIApp, served: Served) -> None:
        self._app = app
        self._hosts = served.hosts
        self._origin = served.public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if not self._is_ours(host):
            message = (
                f"Host {host[:100]!r} is not one that this hub is served under. Use its own "
                "address, or serve it with another --public-url."
            )
            await _refused("host", 403, message)(scope, receive, send)
        elif scope["method"] not in _SAFE and not self._is_from_us(headers, host):
            message = "A page of another site may not ask for this. Use this hub's own pages."
            await _refused("origin", 403, message)(scope, receive, send)
        elif _STREAMED.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
        else:
            await self._within_size(headers, scope, receive, send)

    def _is_ours(self, host: str) -> bool:
        if host in self._hosts:
            return True
        try:
            # What is said to this machine by itself no other site can make a browser say.
            return is_loopback(urlsplit(f"//{host}").hostname or "")
        except ValueError:
            return False

    def _is_from_us(self, headers: Headers, host: str) -> bool:
        origin = headers.get("origin")
        if origin is None:
            return headers.get("sec-fetch-site", "none") in _FROM_US
        if origin.lower() == self._origin:
            return True
        return host not in self._hosts and origin.lower() in (f"http://{host}", f"https://{host}")

    async def _within_size(
        self, headers: Headers, scope: Scope, receive: Receive, send: Send
    ) -> None:
        too_long = _refused_later(
            413,
            "REQUEST_LIMIT_EXCEEDED",
            f"More than {LONGEST_BODY >> 20} MiB were sent at once. Send less at a time.",
        )
        announced = headers.get("content-length", "0")
        if not announced.isdecimal() or int(announced) > LONGEST_BODY:
            metrics.REFUSED.labels("size").inc()
            await too_long(scope, receive, send)
            return
        size, started = 0, False

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > LONGEST_BODY:
                # Half of a request must not be taken for a whole one.
                raise _TooLongError
            return message

        async def pass_on(message: Message) -> None:
            nonlocal started
            if size > LONGEST_BODY and not started:
                # What is within says that it failed.
                return
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, counted, pass_on)
        except Exception:
            if size <= LONGEST_BODY or started:
                raise
        if size > LONGEST_BODY and not started:
            metrics.REFUSED.labels("size").inc()
            await too_long(scope, receive, send)


class _TooLongError(Exception):
    """More was sent than a request may have."""


def _refused(reason: str, status: int, message: str) -> JSONResponse:
    metrics.REFUSED.labels(reason).inc()
    return _refused_later(status, "PERMISSION_DENIED", message)


def _refused_later(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"error_code": code, "message": message}, status_code=status)
