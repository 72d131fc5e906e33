"""What every request passes before anything answers it: who asks, which route, which workspace.

Whatever is not said to be open is closed: a route that no table has, a workspace without a role.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import mlflow
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mlflow_workspace_plugin.accounts.principal import LEVELS, Principal
from mlflow_workspace_plugin.app.own_threads import OwnThreads
from mlflow_workspace_plugin.app.served.asking import job_tokens, sources, workspace
from mlflow_workspace_plugin.app.served.asking.addresses import is_odd
from mlflow_workspace_plugin.app.served.asking.identity import current_principal
from mlflow_workspace_plugin.app.served.asking.kept_body import OddBodyError, object_of, read_body
from mlflow_workspace_plugin.app.served.asking.refusals import (
    Refusal,
    not_logged_in,
    odd_body,
)
from mlflow_workspace_plugin.app.served.asking.who import (
    Credentials,
    begun_cookie,
    credentials_of,
    is_from_another_site,
    principal_of,
    session_cookies,
)
from mlflow_workspace_plugin.app.served.browsers import pages_rights
from mlflow_workspace_plugin.app.served.routes.table import (
    SAFE,
    Found,
    Table,
    mlflow_lines,
    our_lines,
)
from mlflow_workspace_plugin.errors import HubError, HubProtocolError
from mlflow_workspace_plugin.protocol.headers import HAND_SHAKE, PREFIX, VERSION
from mlflow_workspace_plugin.protocol.version import flaw_of

if TYPE_CHECKING:
    from mlflow_workspace_plugin.accounts.access import Access
    from mlflow_workspace_plugin.hub.hub import Hub

LOG_IN = "/log-in"
"""The page where a browser's user logs in."""
NEXT = "next"
"""The parameter of that page which says where to go then."""

_AT_ONCE = 16
_LONGEST_PATH = 4096
"""Longer ones lead to no file, and looking for their route takes time."""
# No database takes it, and a storage account may be asked for it again and again.
_NUL = b"%00"
_SECRETS = (b"authorization", b"cookie")
_OPEN = ("public", "operator")
_OF_WORKSPACE = ("read", "edit", "manage")


@dataclass(frozen=True)
class Passed:
    """A request that may be answered.

    Attributes:
        principal: who asks.
        found: the route.
        workspace: of which it is asked; None of what is of none.
    """

    principal: Principal
    found: Found
    workspace: str | None


def gate(app: ASGIApp, hub: "Hub", access: "Access", public_url: str | None = None) -> ASGIApp:
    """Return an app behind a gate, with the routes of the MLflow that is installed.

    Args:
        app: answers what may be asked.
        hub: that is served.
        access: knows who people are and what they may.
        public_url: under which browsers reach the hub, beside the host that they name.

    Raises:
        HubError: nobody has looked at the routes of this version of MLflow.
    """
    lines = mlflow_lines(mlflow.__version__)
    if lines is None:
        raise HubError(
            f"MLflow {mlflow.__version__} cannot be served to a team: which of its routes may be "
            "open is known of 3.17 and 3.18. Install one of them."
        )
    return Gate(app, hub, access, Table([*lines, *our_lines()]), public_url)


class Gate:
    """Lets requests pass that somebody may make, and says who that is.

    Args:
        app: answers them.
        hub: that is served.
        access: knows who people are and what they may.
        table: of all routes.
        public_url: under which browsers reach the hub, beside the host that they name.
    """

    def __init__(
        self, app: ASGIApp, hub: "Hub", access: "Access", table: Table, public_url: str | None
    ) -> None:
        self._app = app
        self._hub = hub
        self._access = access
        self._table = table
        self._public_url = public_url
        self._is_https = public_url is not None and public_url.startswith("https://")
        self._threads = OwnThreads(_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        is_long = len(scope["path"]) > _LONGEST_PATH
        found = None if is_long else self._table.find(scope["method"], scope["path"])
        headers = _plain_headers(scope)
        state = scope.get("state", {})
        scope = {**scope, "headers": headers.raw, "state": state}
        state["route_class"] = "unknown" if found is None else found.line.kind
        state["found"] = found
        state["cookie"] = next(iter(session_cookies(headers, is_https=self._is_https)), None)
        state["begun"] = begun_cookie(headers, is_https=self._is_https)
        outcome = await self._looked_at(scope, headers, found)
        if isinstance(outcome, Passed) and _has_to_be_read(outcome):
            try:
                sent, receive = await read_body(receive)
                body = await self._threads.run(object_of, sent)
            except OddBodyError as error:
                outcome = odd_body(error)
            else:
                refused = await self._threads.run(self._refused, outcome, scope, body)
                outcome = refused or outcome
        if isinstance(outcome, Passed):
            await self._answer(outcome, scope, receive, send)
        elif outcome is None:
            await self._app(_passed_on(scope, None), receive, send)
        elif isinstance(outcome, Refusal):
            await outcome.response()(scope, receive, send)
        else:
            await outcome(scope, receive, send)

    async def _answer(self, passed: Passed, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["workspace"] = passed.workspace
        changed: Mapping[str, object] = {}
        if passed.workspace is not None:
            changed = workspace.path_in(scope, passed.found, passed.workspace)
        reset = current_principal.set(passed.principal)
        try:
            await self._app(_passed_on({**scope, **changed}, passed.workspace), receive, send)
        finally:
            current_principal.reset(reset)

    async def _looked_at(
        self, scope: Scope, headers: Headers, found: Found | None
    ) -> Passed | Refusal | Response | None:
        """Return what becomes of a request; None if it passes, whoever asks."""
        if (refusal := _refused_of_all(scope, headers)) is not None:
            return refusal
        if found is not None and found.line.kind in _OPEN:
            return None
        credentials = credentials_of(headers, is_https=self._is_https)
        if isinstance(credentials, Refusal):
            return credentials
        if credentials is None:
            return _to_log_in(scope, headers) or not_logged_in(is_token=False)
        if (
            credentials.kind == "cookie"
            and scope["method"] not in SAFE
            and is_from_another_site(headers, self._public_url)
        ):
            return Refusal(403, "A page of another site may not ask for this.")
        decided = await self._threads.run(self._decided, credentials, found, scope)
        if decided is not None:
            return decided
        if credentials.kind == "cookie" and (page := _to_log_in(scope, headers)) is not None:
            return page
        return not_logged_in(is_token=True)

    def _decided(
        self, credentials: Credentials, found: Found | None, scope: Scope
    ) -> Passed | Refusal | None:
        """Return whether somebody may ask this; None if nobody is known by what was sent."""
        client = (scope.get("client") or ("",))[0]
        principal = principal_of(self._access, credentials, client)
        if principal is None or isinstance(principal, Refusal):
            return principal
        # For the access log, whatever the answer is.
        scope["state"]["principal"] = principal.name
        path = scope["path"][:200]
        if found is None and path.startswith(f"{PREFIX}/"):
            return Refusal(404, HubProtocolError.of_route(path).message, error=HubProtocolError)
        if found is None or found.line.kind == "denied":
            # Clients of ours look for these words of servers that have no route of theirs.
            return Refusal(
                403,
                f"{path} is closed on a hub, or is no route of it. Nothing of a "
                "workspace needs it.",
            )
        kind = found.line.kind
        if kind == "admin" and not principal.is_admin:
            return Refusal(403, "Only an administrator of the hub may do this.")
        if kind in ("admin", "accounts") and principal.is_scoped:
            return Refusal(403, "This token is for workspaces. Do this with a log-in of your own.")
        if kind in _OF_WORKSPACE:
            return self._in_workspace(principal, found, scope)
        # MLflow's rules of roles speak of the workspace that is open. Of others nothing is told.
        name = workspace.asked_of(scope, found, self._hub)
        is_open = isinstance(name, str) and self._access.level(principal, name) != "none"
        return Passed(principal, found, name if isinstance(name, str) and is_open else None)

    def _in_workspace(self, principal: Principal, found: Found, scope: Scope) -> Passed | Refusal:
        name = workspace.asked_of(scope, found, self._hub)
        if isinstance(name, Refusal):
            return name
        level = self._access.level(principal, name)
        if level == "none":
            return workspace.no_role()
        passed, kind = Passed(principal, found, name), found.line.kind
        # A role in one experiment only is looked at by who knows which one is meant.
        is_by_level = found.line.is_ours and found.line.job != "handler"
        if is_by_level and LEVELS.index(level) < LEVELS.index(kind):
            return Refusal(403, f"Your role in workspace {name!r} does not allow this.")
        cap = principal.cap
        if cap is not None and LEVELS.index(cap) < LEVELS.index(kind):
            return Refusal(403, f"This token may {cap} in a workspace, and no more.")
        if cap == "edit" and found.line.is_ours and scope["method"] == "DELETE":
            return Refusal(403, "This token deletes nothing. Do it with a log-in of your own.")
        if not _has_to_be_read(passed):
            refused = self._refused(passed, scope, {})
            if refused is not None:
                return refused
        return passed

    def _refused(self, passed: Passed, scope: Scope, body: Mapping[str, Any]) -> Refusal | None:
        """Return the refusal of what is asked within a workspace."""
        line, principal, name = passed.found.line, passed.principal, passed.workspace
        if name is None or line.kind not in _OF_WORKSPACE:
            return None
        query = scope["query_string"]
        asked: dict[str, Any] = {"principal": principal, "workspace": name, "access": self._access}
        if sources.is_asked(line) and (refusal := sources.refused(body)) is not None:
            return refusal
        if principal.run_id is not None and line.kind != "read":
            return job_tokens.refused(passed.found, query, body, hub=self._hub, **asked)
        return pages_rights.refused(passed.found, query, **asked)


def _has_to_be_read(passed: Passed) -> bool:
    line = passed.found.line
    return sources.is_asked(line) or job_tokens.is_asked(line, passed.principal)


def _plain_headers(scope: Scope) -> Headers:
    """Return the headers that mean one thing only: WSGI takes ``_`` and ``-`` for the same."""
    return Headers(raw=[each for each in scope["headers"] if b"_" not in each[0]])


def _passed_on(scope: Scope, name: str | None) -> Scope:
    """Return a request without what is only for the gate, and with its workspace."""
    headers = [each for each in workspace.pinned(scope, name) if each[0] not in _SECRETS]
    return {**scope, "headers": headers}


def _refused_of_all(scope: Scope, headers: Headers) -> Refusal | None:
    """Return the refusal of what nobody may ask so, whoever it is and whatever answers."""
    if len(scope["path"]) > _LONGEST_PATH:
        return Refusal(400, "The address is too long. Ask with a shorter one.")
    if is_odd(scope["path"]):
        return Refusal(400, "The address has parts that lead elsewhere. Ask without.")
    if _NUL in scope["query_string"]:
        return Refusal(400, "The address has a NUL character in it. Ask without.")
    # Also where MLflow answers: what it does would be half of what such a client asks.
    flaw = None if scope["path"] == HAND_SHAKE else flaw_of(headers.get(VERSION))
    return None if flaw is None else Refusal(426, flaw)


def _to_log_in(scope: Scope, headers: Headers) -> Response | None:
    """Return the way to the page for logging in; None where it is no page that is asked for."""
    if scope["method"] not in SAFE or "text/html" not in headers.get("accept", ""):
        return None
    path = scope["path"]
    if query := scope["query_string"].decode("latin-1"):
        path = f"{path}?{query}"
    address = f"{LOG_IN}?{NEXT}={quote(path, safe='/')}"
    return RedirectResponse(address, 303, headers={"Cache-Control": "no-store"})
