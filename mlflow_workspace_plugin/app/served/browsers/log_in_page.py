"""The page where a browser's user logs in, and the cookie that says so from then on."""

import functools
import math
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mlflow_workspace_plugin.accounts.tokens import SESSION_SECONDS, Tokens
from mlflow_workspace_plugin.app.served.asking.gate import LOG_IN, NEXT
from mlflow_workspace_plugin.app.served.asking.refusals import Refusal
from mlflow_workspace_plugin.app.served.asking.who import is_from_another_site
from mlflow_workspace_plugin.app.served.browsers.log_in_form import (
    LOG_OUT,
    LogInForm,
    local,
    place,
)
from mlflow_workspace_plugin.errors import TooManyAttemptsError

if TYPE_CHECKING:
    from mlflow_workspace_plugin.accounts.access import Access
    from mlflow_workspace_plugin.hub.hub import Hub

_MOST_BYTES = 16 * 1024
_WRONG = "No account has this name and password."


class LogInPage:
    """Answers the page for logging in, and ends sessions.

    Args:
        app: answers all other requests.
        hub: that is served.
        access: knows passwords.
        form: that is shown.
        public_url: under which browsers reach the hub, beside the host that they name.
    """

    def __init__(
        self,
        app: ASGIApp,
        hub: "Hub",
        access: "Access",
        form: LogInForm,
        *,
        public_url: str | None = None,
    ) -> None:
        self._app = app
        self._access = access
        self._tokens = Tokens(hub)
        self._form = form
        self._public_url = public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path", "")
        if scope["type"] != "http" or path not in (LOG_IN, LOG_OUT):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        if path == LOG_OUT:
            answer = await self._log_out(scope)
        elif scope["method"] == "POST":
            answer = await self._log_in(request)
        else:
            there = local(request.query_params.get(NEXT, ""))
            answer = self._form.page(there, is_logged_in=scope["state"].get("cookie") is not None)
        await answer(scope, receive, send)

    async def _log_in(self, request: Request) -> Response:
        if is_from_another_site(Headers(scope=request.scope), self._public_url):
            # It would log its visitors in under a name of its own.
            return Refusal(403, "A page of another site may not log in here.").response()
        sent = b""
        async for piece in request.stream():
            sent += piece
            if len(sent) > _MOST_BYTES:
                return self._form.page("/", _WRONG, 401)
        given = {
            name: values[0]
            for name, values in parse_qs(sent.decode("latin-1"), encoding="utf-8").items()
        }
        there = local(given.get("next", "")) + place(given.get("place", ""))
        client = request.client.host if request.client else ""
        opening = functools.partial(
            self._opened, given.get("name", ""), given.get("password", ""), client
        )
        try:
            text = await to_thread.run_sync(opening)
        except TooManyAttemptsError as error:
            answer = self._form.page(there, error.message, 429)
            answer.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
            return answer
        if text is None:
            return self._form.page(there, _WRONG, 401)
        return self._form.let_in(there, text)

    async def _log_out(self, scope: Scope) -> Response:
        text = scope["state"].get("cookie")
        if text is not None:
            await to_thread.run_sync(self._tokens.end, text)
        return self._form.let_out()

    def _opened(self, name: str, password: str, client: str) -> str | None:
        principal = self._access.by_password(name, password, client)
        if principal is None:
            return None
        issued = self._tokens.issue(principal.name, kind="session", seconds=SESSION_SECONDS)
        return issued.access
