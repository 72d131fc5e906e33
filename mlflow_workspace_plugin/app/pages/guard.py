"""Which requests for our pages are answered at all, and what browsers are told of every answer.

A page of another site can make a browser send requests here. Its host's name may lead here, too
(DNS rebinding), and what a browser reads then is that site's. So the host has to be one of ours,
and what is sent by a script has to come from a page of ours.
"""

from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from mlflow.environment_variables import MLFLOW_SERVER_ALLOWED_HOSTS
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.uris import is_loopback

POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
"""What a page of ours may load: nothing but what is served here."""
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_SAFE = ("GET", "HEAD")
_FROM_US = ("same-origin", "none")
_JSON = "application/json"


class Guard:
    """Refuses what no page of ours asked for, and adds the headers of safety to each answer.

    An answer that has such a header of its own keeps it.

    Args:
        app: answers what may be asked.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = self._app
        if (refusal := _refusal(scope)) is not None:
            content = {"code": "PERMISSION_DENIED", "message": refusal}
            answer = JSONResponse(content, status_code=403)
        await answer(scope, receive, _with_headers(send))


def _refusal(scope: Scope) -> str | None:
    """Return why a request is refused; None if it is not."""
    headers = Headers(scope=scope)
    host = headers.get("host", "")
    if not _is_ours(host):
        return (
            f"Host {host!r} is not one that this hub is served under. Open it as 127.0.0.1 or "
            f"localhost, or name the host in {MLFLOW_SERVER_ALLOWED_HOSTS.name}."
        )
    if scope["method"] in _SAFE:
        return None
    origin = headers.get("origin")
    if origin is not None and _place(origin) != host:
        return f"A page of {origin!r} may not ask for this: it is another site."
    if origin is None and headers.get("sec-fetch-site", "none") not in _FROM_US:
        return "A page of another site may not ask for this."
    # What a form sends without asking first is never this.
    if headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
        return f"What is sent here has to be {_JSON}."
    return None


def _is_ours(host: str) -> bool:
    """Whether a request's ``Host`` is this machine's, or was named by who serves the hub."""
    name = _name(host)
    if name is None:
        return False
    if is_loopback(name):
        return True
    if settings.UI_URL.is_set() and name == _name(urlsplit(settings.UI_URL.get()).netloc):
        return True
    named = (MLFLOW_SERVER_ALLOWED_HOSTS.get() or "").split(",")
    return any(fnmatchcase(each, pattern.strip()) for pattern in named for each in (host, name))


def _place(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _with_headers(send: Send) -> Send:
    async def call(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return call
