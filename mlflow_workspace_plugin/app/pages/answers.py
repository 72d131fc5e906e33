"""Routes of our pages: each is asked of one workspace, and answered in a thread, in JSON.

A route is made by :func:`reading`, :func:`posting` or :func:`writing` from a function that knows
nothing of HTTP. All it can see is the workspace of the request.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_STATE, ErrorCode
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from mlflow_workspace_plugin.app.own_threads import OwnThreads
from mlflow_workspace_plugin.app.pages.sources import Sources
from mlflow_workspace_plugin.app.served.asking.identity import current_principal
from mlflow_workspace_plugin.bounded import TooMuchError, json_of
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.figures.sheet import Sheet, csv_of
from mlflow_workspace_plugin.overview.numbers import number_of
from mlflow_workspace_plugin.overview.run.status import says_run_is_gone
from mlflow_workspace_plugin.overview.source import Source
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

API = "/pages/api"
_MAX_BODY = 4 * 2**20
_MOST_VALUES = 200_000
AT_ONCE = 8
"""How many requests a process answers at a time, at most half of them of one account; the others
wait."""
_GREATEST = 1 << 63
_SHOWN = 100
_NOT_IN_FILE_NAMES = re.compile(r"[^\w. -]+")
_LONGEST_NAME = 80


@dataclass(frozen=True)
class Asked:
    """What a request asks.

    Attributes:
        source: the workspace that it is asked of.
        path: the parts of the route, such as ``run_id``.
        query: the parameters behind ``?``.
        body: what was sent, read as JSON; None of what only reads.
    """

    source: Source
    path: Mapping[str, Any]
    query: Mapping[str, str]
    body: Any = None

    def number(self, name: str, default: int | None = None) -> int | None:
        """Return a parameter as a whole number.

        Args:
            name: of the parameter.
            default: what it is when it is missing or empty.

        Raises:
            UserErrorException: it is none.
        """
        text = self.query.get(name)
        if not text:
            return default
        number = number_of(text)
        if not isinstance(number, int):
            raise UserErrorException(f"{name}={text[:_SHOWN]!r} is no whole number. Give one.")
        if not -_GREATEST <= number < _GREATEST:
            raise UserErrorException(f"{name}={text[:_SHOWN]!r} has more than 64 bits. Give less.")
        return number

    def real(self, name: str) -> float | None:
        """Return a parameter as any finite number, a whole one as it is; None if it is missing.

        Args:
            name: of the parameter.

        Raises:
            UserErrorException: it is none.
        """
        text = self.query.get(name)
        if not text:
            return None
        number = number_of(text)
        if number is None or (isinstance(number, float) and not math.isfinite(number)):
            raise UserErrorException(f"{name}={text[:_SHOWN]!r} is no finite number. Give one.")
        return number


Answer = Callable[[Asked], Any]
"""Answers with what JSON can say (no NaN), or with a response of its own."""


def reading(path: str, answer: Answer) -> Route:
    """Return a route that is asked by GET and changes nothing.

    Args:
        path: below :data:`API`, such as ``/runs/{run_id}``.
        answer: what answers it.
    """
    return _route(path, answer, "GET")


def posting(path: str, answer: Answer) -> Route:
    """Return a route that is sent JSON by POST, and changes nothing or makes something anew."""
    return _route(path, answer, "POST")


def writing(path: str, answer: Answer, method: str) -> Route:
    """Return a route that changes something, by ``PUT``, ``PATCH`` or ``DELETE``."""
    return _route(path, answer, method)


def _route(path: str, answer: Answer, method: str) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            body = b"" if method == "GET" else await _body(request)
            threads: OwnThreads = request.app.state.threads
            who = current_principal.get()
            return await threads.run_for(who and who.name, _answered, request, answer, body)
        except MlflowException as error:
            content = {
                "code": error.error_code,
                "message": error.message,
                "is_run_gone": says_run_is_gone(error),
            }
            return json_response(content, _status_of(error))
        except Exception:
            _logger.exception("%s of our pages could not be answered.", request.url.path)
            message = "The server could not answer. What went wrong stands in its terminal."
            return json_response({"code": "INTERNAL_ERROR", "message": message}, 500)

    return Route(API + path, endpoint, methods=[method])


def _status_of(error: MlflowException) -> int:
    # That a run has no snapshot is no fault of the server's, as MLflow's table has it.
    is_state = error.error_code == ErrorCode.Name(INVALID_STATE)
    return 409 if is_state else int(error.get_http_status_code())


def _answered(request: Request, answer: Answer, body: bytes) -> Response:
    sources: Sources = request.app.state.sources
    query = dict(request.query_params)
    if any("\0" in str(each) for each in (*query.values(), *request.path_params.values())):
        # Not every database may be asked for that.
        raise UserErrorException("The address has a NUL character in it. Ask without.")
    source = sources.of(query.pop("workspace", None))
    found = answer(Asked(source, request.path_params, query, _said(body)))
    return found if isinstance(found, Response) else json_response(found)


def json_response(content: Any, status: int = 200) -> Response:
    """Return an answer in JSON, which has no word for NaN: in its place stands null."""
    try:
        text = _dumped(content)
    except ValueError:
        # A row may hold it, and is one of many that are shown.
        text = _dumped(_finite(content))
    # Text that came with data may hold what is no character.
    body = text.encode("utf-8", "backslashreplace")
    return Response(body, status_code=status, media_type="application/json")


def _dumped(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(each) for key, each in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(each) for each in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def disposition_of(name: str, *, is_saved: bool) -> str:
    """Return what tells a browser to save an answer, or to show it, and the name of its file.

    Args:
        name: any text.
        is_saved: whether it is saved.
    """
    quoted = quote(name.encode("utf-8", "backslashreplace"), safe="")
    return f"{'attachment' if is_saved else 'inline'}; filename*=UTF-8''{quoted}"


def file_name_of(name: str, ending: str, otherwise: str) -> str:
    """Return the name of a file that is saved.

    Args:
        name: any text that it is named for.
        ending: of its name.
        otherwise: what it is called where nothing of the text is left.
    """
    whole = _NOT_IN_FILE_NAMES.sub("-", name)[:_LONGEST_NAME].strip("-. ")
    return (whole or otherwise) + ending


def csv_response(sheet: Sheet, name: str) -> Response:
    """Return rows as a file to be saved; they are read while they are sent.

    Args:
        sheet: the rows.
        name: what they are called.
    """
    file = file_name_of(name, ".csv", "figure")
    return StreamingResponse(
        _encoded(csv_of(sheet)),
        media_type="text/csv",
        headers={"Content-Disposition": disposition_of(file, is_saved=True)},
    )


def _encoded(pieces: Iterator[str]) -> Iterator[bytes]:
    # Half of a pair of surrogates is no character.
    return (piece.encode("utf-8", "replace") for piece in pieces)


async def _body(request: Request) -> bytes:
    received = b""
    async for piece in request.stream():
        received += piece
        if len(received) > _MAX_BODY:
            raise UserErrorException(f"More than {_MAX_BODY} bytes were sent. Send less.")
    return received


def _said(body: bytes) -> Any:
    """Return what was sent; None is nothing."""
    if not body:
        return None
    try:
        return json_of(body, _MOST_VALUES)
    except TooMuchError as error:
        raise UserErrorException(f"What was sent is too large: {error}. Send less.") from None
    except ValueError:
        raise UserErrorException("What was sent is no JSON. Send an object.") from None
