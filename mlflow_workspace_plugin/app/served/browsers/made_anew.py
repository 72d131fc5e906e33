"""Accounts that MLflow's own routes make: nobody is logged in as one by what an earlier one had."""

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from mlflow_workspace_plugin.accounts.database import accounts_of
from mlflow_workspace_plugin.accounts.tokens import Tokens
from mlflow_workspace_plugin.app.rewritten import answer_rewritten

if TYPE_CHECKING:
    from mlflow_workspace_plugin.hub.hub import Hub

_ROUTES = ("/api/2.0/mlflow/users/create", "/ajax-api/2.0/mlflow/users/create")


class MadeAnew:
    """Ends the log-ins of earlier accounts of a name when MLflow makes one.

    On SQLite the new account may get the number of a removed one, by which log-ins know theirs.

    Args:
        app: MLflow's, which makes the account.
        hub: that is served.
    """

    def __init__(self, app: ASGIApp, hub: "Hub") -> None:
        self._app = app
        self._hub = hub
        self._tokens = Tokens(hub)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in _ROUTES:
            await answer_rewritten(self._app, scope, receive, send, self._ended)
        else:
            await self._app(scope, receive, send)

    def _ended(self, body: bytes) -> bytes:
        name = str(json.loads(body)["user"]["username"])
        try:
            self._tokens.revoke_all(name)
        except BaseException:
            # Whoever asks again, once the hub can be written, finds the name free.
            with suppress(Exception):
                accounts_of(self._hub).store.delete_user(name)
            raise
        return body
