"""Logging in at a served hub, staying so, and logging out: of terminals, scripts and jobs.

A browser logs in by a page, and holds a cookie; everybody else holds what is given here.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from mlflow_workspace_plugin.accounts.attempts import Attempts
from mlflow_workspace_plugin.accounts.codes import ASK_EACH_S, Codes
from mlflow_workspace_plugin.accounts.tokens import Issued, Tokens
from mlflow_workspace_plugin.app.hub_api.answers import PREFIX, Asked, error_response, get, post
from mlflow_workspace_plugin.app.hub_api.sent import text_of
from mlflow_workspace_plugin.errors import LogInEndedError, TooManyAttemptsError

_MAX_BODY = 16 * 1024
CODE_PAGE = "/hub/code"
"""Where somebody says yes to a code; see ``code_page``."""
_LABEL = 200


def said_of(issued: Issued) -> dict[str, Any]:
    """Return what is answered to who logs in."""
    return {**issued._asdict()}


def plain(answer: Callable[[Asked], Any]) -> Callable[[Asked], Any]:
    """Let an answer say that a log-in has ended, or that somebody has to wait, by its status."""

    @functools.wraps(answer)
    def call(asked: Asked) -> Any:
        try:
            return answer(asked)
        except LogInEndedError as error:
            refused = error_response(error)
            refused.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
        except TooManyAttemptsError as error:
            refused = error_response(error)
            refused.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
        return refused

    return call


def _ways(asked: Asked) -> Any:
    """Say how people log in; to everybody, as the page for it does."""
    oidc = asked.served.oidc
    return {
        "password": asked.served.takes_passwords,
        "provider": None if oidc is None else oidc.name,
    }


@plain
def _log_in(asked: Asked) -> Any:
    said, oidc = asked.json(), asked.served.oidc
    if oidc is not None and oidc.only:
        raise LogInEndedError(
            f"This hub takes no passwords: people log in with {oidc.name}, in a browser. Log in "
            "here with: mlflow-workspace login HOST --code"
        )
    name, password = text_of(said, "name"), text_of(said, "password", 10_000)
    principal = asked.access.by_password(name, password, asked.client)
    if principal is None:
        raise LogInEndedError("No account has this name and password.")
    label = text_of(said, "label", _LABEL, default="")
    return said_of(Tokens(asked.hub).issue(principal.name, label=label))


@plain
def _refresh(asked: Asked) -> Any:
    return said_of(Tokens(asked.hub).refresh(text_of(asked.json(), "refresh")))


def _log_out(asked: Asked) -> Any:
    return {"ended": Tokens(asked.hub).end(text_of(asked.json(), "token"))}


@plain
def _new_code(asked: Asked) -> Any:
    label = text_of(asked.json(), "label", _LABEL, default="")
    # Anybody may ask, and all wait in one list.
    Attempts(asked.hub).count_code(asked.client)
    code = Codes(asked.hub).new(label)
    return {
        "code": code.secret,
        "shown": code.shown,
        "page": CODE_PAGE,
        "seconds": code.seconds,
        "ask_each": ASK_EACH_S,
    }


@plain
def _redeem(asked: Asked) -> Any:
    issued = Codes(asked.hub).redeem(text_of(asked.json(), "code"))
    return {"waiting": True} if issued is None else said_of(issued)


def _me(asked: Asked) -> Any:
    principal = asked.principal
    if principal is None:
        return Response(status_code=401)
    access = asked.access
    return {
        "name": principal.name,
        "is_admin": principal.is_admin,
        "workspaces": {
            each: access.level(principal, each) for each in access.workspaces(principal)
        },
    }


ROUTES = [
    get(f"{PREFIX}/log-in", _ways),
    post(f"{PREFIX}/log-in", _log_in, _MAX_BODY),
    post(f"{PREFIX}/refresh", _refresh, _MAX_BODY),
    post(f"{PREFIX}/log-out", _log_out, _MAX_BODY),
    post(f"{PREFIX}/codes", _new_code, _MAX_BODY),
    post(f"{PREFIX}/codes/redeem", _redeem, _MAX_BODY),
    get(f"{PREFIX}/me", _me),
]
