"""What is sent to MLflow's own routes says what it is about once, so that nobody reads two things.

MLflow's rules of roles look at a request by themselves, before the route does. Where one of them
takes a field from the address and the other from the body, or one field and the other another, who
may change one thing would change the other.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from mlflow_workspace_plugin.app.own_threads import OwnThreads
from mlflow_workspace_plugin.app.served.asking.addresses import is_odd
from mlflow_workspace_plugin.app.served.asking.kept_body import (
    MOST_BYTES,
    OddBodyError,
    object_of,
    read_body,
)
from mlflow_workspace_plugin.app.served.asking.refusals import Refusal, odd_body
from mlflow_workspace_plugin.app.served.routes.table import SAFE, Found, Line

_AT_ONCE = 4
"""So many bodies are read at a time, each of which is in memory several times over."""
_JSON = "application/json"
_MOST_OF_A_QUERY = 64 * 2**10
"""GraphQL is read as a whole before MLflow looks how much it asks for."""
_GRAPHQL = "/graphql"
_LISTING = "/mlflow-artifacts/artifacts"
_UPLOAD = "/mlflow/upload-artifact"
_NO_JSON = ("/mlflow-artifacts/artifacts/{artifact_path:path}", _UPLOAD, "/v1/traces")
"""What is sent to these is the content of files, or of traces."""
_ROLES = "/mlflow/roles/"
_RUN = ("run_id", "run_uuid")
_ROLE = ("role_id", "role_permission_id", "workspace")
_SHOWN = 100


class OneMeaning:
    """Refuses requests to MLflow's routes that can be read in two ways.

    MLflow 3.17 reads them in two ways itself, which is mended in 3.18 for most of them.

    Args:
        app: MLflow's, behind the gate.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._threads = OwnThreads(_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        found = scope["state"]["found"] if scope["type"] == "http" else None
        refusal = None
        if found is not None and not found.line.is_ours:
            headers = Headers(scope=scope)
            if scope["method"] in SAFE:
                refusal = _refused_read(found.line, headers, scope["query_string"])
            elif found.line.path.endswith(_NO_JSON) and scope["method"] != "DELETE":
                refusal = _refused_upload(found.line, scope["query_string"])
            else:
                scope = _of_a_browser(scope, headers)
                headers = Headers(scope=scope)
                refusal, receive = await self._refused_change(found, headers, scope, receive)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await refusal.response()(scope, receive, send)

    async def _refused_change(
        self, found: Found, headers: Headers, scope: Scope, receive: Receive
    ) -> tuple[Refusal | None, Receive]:
        most = _MOST_OF_A_QUERY if found.line.path.endswith(_GRAPHQL) else MOST_BYTES
        try:
            sent, receive = await read_body(receive, most)
            if not sent:
                return None, receive
            if (refusal := _refused_form(headers, scope["query_string"])) is not None:
                return refusal, receive
            body = await self._threads.run(object_of, sent)
        except OddBodyError as error:
            return odd_body(error), receive
        return _refused_body(found, body), receive


def _of_a_browser(scope: Scope, headers: Headers) -> Scope:
    """Return a request to delete as JSON: MLflow's UI does not always say what its text is.

    No page of another site can send such a request without asking first.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if scope["method"] != "DELETE" or kind not in ("", "text/plain"):
        return scope
    changed = MutableHeaders(raw=list(scope["headers"]))
    changed["content-type"] = _JSON
    return {**scope, "headers": changed.raw}


def _refused_read(line: Line, headers: Headers, query_string: bytes) -> Refusal | None:
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        return Refusal(400, "A body was sent with what only reads. Name all in the address.")
    if line.path.endswith(_LISTING):
        asked = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
        if any(is_odd(value) for name, value in asked if name == "path"):
            return Refusal(400, "The path has parts that lead elsewhere. Ask without.")
    return None


def _refused_upload(line: Line, query_string: bytes) -> Refusal | None:
    if not line.path.endswith(_UPLOAD):
        return None
    asked = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
    return _refused_runs(value for name, value in asked if name in _RUN)


def _refused_form(headers: Headers, query_string: bytes) -> Refusal | None:
    kinds = [each.partition(";")[0].strip().lower() for each in headers.getlist("content-type")]
    if kinds != [_JSON]:
        return Refusal(400, f"A body is not said to be JSON. Send it as Content-Type: {_JSON}")
    if query_string:
        return Refusal(
            400, "Something is asked in the address, and in the body. Send all of it in the body."
        )
    return None


def _refused_body(found: Found, body: Mapping[str, Any]) -> Refusal | None:
    path = found.line.path
    if path.endswith(_GRAPHQL):
        return None
    for name in body:
        # MLflow's routes take fields in both ways of writing them, and its rules in this one.
        if name != name.lower():
            return Refusal(
                400,
                f"Field {name[:_SHOWN]!r} is not written as MLflow's clients do. Write it in lower "
                "case, its words joined by _.",
            )
    for name, value in found.parameters.items():
        if body.get(name, value) != value:
            return Refusal(400, f"The address and the body name another {name}. Name one.")
    if _ROLES in path and len(named := [each for each in _ROLE if each in body]) > 1:
        return Refusal(400, f"What is asked is named by {' and '.join(named)}. Name it by one.")
    return _refused_runs(body[each] for each in _RUN if each in body)


def _refused_runs(runs: Iterable[Any]) -> Refusal | None:
    first, *others = [*runs] or [None]
    if any(each != first for each in others):
        return Refusal(400, "Several runs are named. Name one, as run_id.")
    return None
