"""Routes of our own that clients of this package ask: each is answered in a thread.

A route is made by :func:`get` or :func:`post` from a function that is given what was asked, and
returns what JSON can say, or a response of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_STATE, ErrorCode
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mlflow_workspace_plugin.accounts.access import Access
from mlflow_workspace_plugin.accounts.principal import Principal
from mlflow_workspace_plugin.app.own_threads import OwnThreads
from mlflow_workspace_plugin.app.served.asking.identity import current_principal
from mlflow_workspace_plugin.app.served.configuration import Served
from mlflow_workspace_plugin.app.served.faults import is_away, unavailable
from mlflow_workspace_plugin.bounded import TooMuchError, json_of
from mlflow_workspace_plugin.errors import AzureMLException, HubError, UserErrorException
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

PREFIX = "/hub/v1"
_MAX_BODY = 4 * 2**20
_CONFLICT = 409
_MOST_VALUES = 200_000
AT_ONCE = 16
"""How many requests a process answers at a time, at most half of them of one account; the others
wait."""
_TURN_S = 1.0
"""For so long, if what keeps them waiting is their own account's."""
_TOO_MANY = "Your account asks this hub for too much at once. Nothing was done; ask again."


@dataclass(frozen=True)
class Asked:
    """What a request asks.

    Attributes:
        principal: who asks; None on public routes.
        hub: of which it is asked.
        access: what who may.
        served: how the hub is served.
        path: the parts of the route, such as ``workspace``.
        query: the parameters behind ``?``.
        headers: of the request, without what logs in.
        body: what was sent.
        client: the address that it came from.
        state: of the request, as the layers before left it.
    """

    principal: Principal | None
    hub: Hub
    access: Access
    served: Served
    path: Mapping[str, Any]
    query: Mapping[str, str]
    headers: Headers
    body: bytes
    client: str | None
    state: Mapping[str, Any]

    def json(self) -> dict[str, Any]:
        """Return what was sent, a JSON object; nothing is an empty one.

        Raises:
            UserErrorException: it is none, or too large.
        """
        try:
            found = json_of(self.body or b"{}", _MOST_VALUES)
        except TooMuchError as error:
            raise UserErrorException(
                f"What was sent is too large: {error}. Send less at a time."
            ) from None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise UserErrorException("What was sent is no JSON object. Send one.")
        return found


Answer = Callable[[Asked], Any]


def get(path: str, answer: Answer) -> Route:
    """Return a route that is asked by GET.

    Args:
        path: the whole of it, such as ``/hub/v1/workspaces/{workspace}/charts``.
        answer: what answers it.
    """
    return _route("GET", path, answer, 0)


def post(path: str, answer: Answer, max_body: int = _MAX_BODY) -> Route:
    """Return a route that is sent something by POST.

    Args:
        path: the whole of it.
        answer: what answers it.
        max_body: the most bytes that may be sent; more is answered 413.
    """
    return _route("POST", path, answer, max_body)


def refusal(status: int, code: str, message: str, **more: Any) -> Response:
    """Return an answer that says no, in MLflow's form.

    Args:
        status: of HTTP.
        code: MLflow's name for the reason.
        message: the thing, the reason, the remedy.
        more: what else the client is told.
    """
    content = {"error_code": code, "message": message, **more}
    return JSONResponse(content, status_code=status)


def busy(message: str) -> Response:
    """Return the answer to who has to come again soon.

    Args:
        message: the reason, and that it may be asked again.
    """
    answer = refusal(429, "REQUEST_LIMIT_EXCEEDED", message)
    answer.headers["Retry-After"] = "1"
    return answer


def error_response(error: MlflowException) -> Response:
    """Return the answer that an error is to a client, in MLflow's form.

    Of an error of ours the class is told, too.
    """
    more = {"error": type(error).__name__} if isinstance(error, AzureMLException) else {}
    return refusal(_status_of(error), error.error_code, error.message, **more)


def _status_of(error: MlflowException) -> int:
    # That a job has ended, say, is no fault of the server's, as MLflow's table has it.
    is_state = error.error_code == ErrorCode.Name(INVALID_STATE)
    if is_state and not isinstance(error, HubError):
        return _CONFLICT
    return int(error.get_http_status_code())


def _route(method: str, path: str, answer: Answer, max_body: int) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            body = await _body(request, max_body)
        except ClientDisconnect:
            # Nobody reads it.
            return Response(status_code=400)
        if body is None:
            return refusal(
                413,
                "REQUEST_LIMIT_EXCEEDED",
                f"More than {max_body} bytes were sent to {path}. Send less at a time.",
            )
        threads: OwnThreads = request.app.state.threads
        who = current_principal.get()
        try:
            return await threads.run_for(
                who and who.name, _answered, request, answer, body, turn_s=_TURN_S
            )
        except TimeoutError:
            return busy(_TOO_MANY)

    return Route(path, endpoint, methods=[method])


def _answered(request: Request, answer: Answer, body: bytes) -> Response:
    state = request.app.state
    asked = Asked(
        current_principal.get(),
        state.hub,
        state.access,
        state.served,
        request.path_params,
        dict(request.query_params),
        request.headers,
        body,
        request.client.host if request.client else None,
        request.scope.get("state", {}),
    )
    try:
        values = (*asked.query.values(), *asked.path.values())
        if any("\0" in str(each) for each in values):
            # Not every database may be asked for that.
            raise UserErrorException("The address has a NUL character in it. Ask without.")
        found = answer(asked)
        return found if isinstance(found, Response) else JSONResponse(found)
    except Exception as error:
        if is_away(error):
            _logger.warning("%s was answered 503: %s", request.url.path, type(error).__name__)
            # Whether anything was stored, an error of ours may know.
            return error_response(error) if _is_503(error) else unavailable()
        if isinstance(error, MlflowException):
            return error_response(error)
        _logger.exception("%s could not be answered.", request.url.path)
        message = "The server could not answer. What went wrong stands in its log."
        return refusal(500, "INTERNAL_ERROR", message)


def _is_503(error: Exception) -> TypeGuard[MlflowException]:
    return isinstance(error, AzureMLException) and error.get_http_status_code() == 503


async def _body(request: Request, max_body: int) -> bytes | None:
    """Return what was sent; None if it is too long."""
    received = bytearray()
    async for piece in request.stream():
        received += piece
        if len(received) > max_body:
            return None
    return bytes(received)
