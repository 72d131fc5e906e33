"""Who may come in: the user who started the server, by a link that is good for one browser.

A port of the loopback interface is open to every user of the machine, while a hub's folder is not.
So a link holds a token that is taken once, for a cookie, as a notebook server's does.
"""

import hashlib
import hmac
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN = "token"  # noqa: S105  a name
"""The parameter of a link that holds its token."""
_PUBLIC = "/health"
_REFUSED = (
    "This hub is open to the user who serves it. Open the link that mlflow-workspace ui printed, "
    "or a new one: mlflow-workspace open\n"
)


def new_secret() -> str:
    """Return a secret for one server."""
    return secrets.token_urlsafe(32)


def link_token(secret: str) -> str:
    """Return a token for a link, which is taken once."""
    return _signed(secret, "link", secrets.token_urlsafe(16))


class Entrance:
    """Lets requests with the cookie pass, and gives it for a link's token.

    Args:
        app: answers those that may come in.
        secret: of this server; see :func:`new_secret`.
    """

    def __init__(self, app: ASGIApp, secret: str) -> None:
        self._app = app
        self._secret = secret
        self._used: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan" or scope.get("path") == _PUBLIC:
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        name = _cookie_name(scope)
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        token = dict(query).get(TOKEN)
        answer: ASGIApp
        if self._is_signed("cookie", _cookie(scope, name)):
            # A link that is opened again: its token is taken off the address.
            answer = self._app if token is None else _without_token(scope, query)
        elif token is not None and self._takes(token):
            redirect = _without_token(scope, query)
            value = _signed(self._secret, "cookie", secrets.token_urlsafe(16))
            redirect.set_cookie(name, value, httponly=True, samesite="lax")
            answer = redirect
        else:
            answer = PlainTextResponse(_REFUSED, status_code=403)
        await answer(scope, receive, _without_referrer(send) if token is not None else send)

    def _takes(self, token: str) -> bool:
        if token in self._used or not self._is_signed("link", token):
            return False
        self._used.add(token)
        return True

    def _is_signed(self, purpose: str, value: str) -> bool:
        nonce = value.partition(".")[0]
        expected = _signed(self._secret, purpose, nonce)
        return hmac.compare_digest(expected.encode(), value.encode())


def _signed(secret: str, purpose: str, nonce: str) -> str:
    text = f"{purpose} {nonce}".encode()
    return f"{nonce}.{hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()[:32]}"


def _cookie_name(scope: Scope) -> str:
    # Browsers keep the cookies of a host together, whatever the port.
    server = scope.get("server") or ("", 0)
    return f"mlflow-workspace-{server[1]}"


def _cookie(scope: Scope, name: str) -> str:
    try:
        cookies = SimpleCookie(Headers(scope=scope).get("cookie", ""))
    except CookieError:
        return ""
    return cookies[name].value if name in cookies else ""


def _without_token(scope: Scope, query: list[tuple[str, str]]) -> Response:
    """Return a redirect to the same page; the browser keeps what stands behind ``#``."""
    rest = urlencode([(name, value) for name, value in query if name != TOKEN])
    # Relative to the host: two slashes at the start would name another one.
    path = "/" + scope["path"].lstrip("/\\")
    return RedirectResponse(f"{path}?{rest}" if rest else path, status_code=303)


def _without_referrer(send: Send) -> Send:
    async def call(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Referrer-Policy"] = "no-referrer"
            headers["Cache-Control"] = "no-store"
        await send(message)

    return call
