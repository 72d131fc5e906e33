"""MLflow's route for a new password, as our own: guesses count, and browsers are logged out."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from anyio import to_thread
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mlflow_workspace_plugin.accounts.people import People
from mlflow_workspace_plugin.app.served.asking.identity import current_principal
from mlflow_workspace_plugin.app.served.asking.kept_body import OddBodyError, object_of, read_body
from mlflow_workspace_plugin.app.served.asking.refusals import Refusal, odd_body
from mlflow_workspace_plugin.errors import AccountError, TooManyAttemptsError

if TYPE_CHECKING:
    from mlflow_workspace_plugin.accounts.access import Access
    from mlflow_workspace_plugin.accounts.principal import Principal
    from mlflow_workspace_plugin.hub.hub import Hub

_ROUTES = ("/api/2.0/mlflow/users/update-password", "/ajax-api/2.0/mlflow/users/update-password")
_MOST_BYTES = 64 * 2**10


class NewPassword:
    """Gives an account another password as the hub's own route does.

    MLflow's would let the password be guessed by whoever holds a token, as fast as it answers, and
    leave those logged in who log in by a browser with the one before.

    Args:
        app: MLflow's, which answers what else is asked.
        hub: that is served.
        access: knows passwords, and how many were wrong.
    """

    def __init__(self, app: ASGIApp, hub: "Hub", access: "Access") -> None:
        self._app = app
        self._hub = hub
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        principal = current_principal.get()
        is_asked = scope["type"] == "http" and scope["method"] == "PATCH"
        if principal is None or not is_asked or scope["path"] not in _ROUTES:
            await self._app(scope, receive, send)
            return
        client = (scope.get("client") or ("",))[0]
        try:
            sent, receive = await read_body(receive, _MOST_BYTES)
            answer = await to_thread.run_sync(self._answer, principal, sent, client)
        except OddBodyError as error:
            answer = odd_body(error).response()
        await answer(scope, receive, send)

    def _answer(self, principal: "Principal", sent: bytes, client: str) -> Response:
        said = object_of(sent)
        try:
            refusal = self._set(principal, said, client)
        except TooManyAttemptsError as error:
            after = {"Retry-After": str(math.ceil(error.retry_after_s))}
            refusal = Refusal(429, error.message, after)
        except AccountError as error:
            # There is none of the name, or the password is too short.
            content = {"error_code": error.error_code, "message": error.message}
            return JSONResponse(content, int(error.get_http_status_code()))
        return JSONResponse({}) if refusal is None else refusal.response()

    def _set(self, principal: "Principal", said: Mapping[str, Any], client: str) -> Refusal | None:
        name, password = said.get("username"), said.get("password")
        if not isinstance(name, str) or not isinstance(password, str):
            return Refusal(400, "'username' and 'password' have to be texts. Send both.")
        if name == principal.name:
            # A browser that somebody left logged in is not enough.
            before = said.get("current_password")
            if not isinstance(before, str) or not before:
                return Refusal(400, "One's own password is changed by the one before. Give it.")
            if self._access.by_password(name, before, client) is None:
                return Refusal(400, "The password before is another one. Give the right one.")
        elif not principal.is_admin:
            return Refusal(403, "Only an administrator sets the password of another account.")
        People(self._hub).set_password(name, password)
        return None
