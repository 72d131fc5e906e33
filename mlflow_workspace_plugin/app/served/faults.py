"""What a database that is away becomes on any route: 503, and when to come again.

A client tries such a request again, and takes 400 or 500 for an answer about what it asked. MLflow
says 400 where its pool of connections is exhausted, 500 where a check of an account fails, and 401
where it cannot look the account up.
"""

import json
import re
import sqlite3
from collections.abc import Iterator, MutableMapping
from contextvars import ContextVar
from typing import Any

from flask import got_request_exception
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import DBAPIError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlflow_workspace_plugin.app.served.asking.identity import current_principal
from mlflow_workspace_plugin.app.served.watching import metrics
from mlflow_workspace_plugin.errors import HubBusyError, HubUnreachableError, NoAnswerError
from mlflow_workspace_plugin.stores.retries.faults import may_come_back
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

RETRY_AFTER_S = 2
_AWAY = "TEMPORARILY_UNAVAILABLE"
_MESSAGE = (
    f"The hub's database does not answer now, or is busy. Ask again in {RETRY_AFTER_S} seconds."
)
# Of MLflow's answers that may be about its database and not about the request.
_LOOKED_AT = (400, 401, 500)
_LONGEST = 65_536
# At the beginning only: what comes later in a message may be a user's own text.
_SAID_OF_DATABASES = re.compile(
    r"QueuePool limit of size "
    r"|\((psycopg2?|sqlite3)\.(OperationalError|InterfaceError|errors\."
    r"(AdminShutdown|CrashShutdown|CannotConnectNow|ConnectionFailure|ConnectionException|"
    r"TooManyConnections|DeadlockDetected|SerializationFailure|LockNotAvailable|"
    r"IdleInTransactionSessionTimeout))\)"
    r"|Can't reconnect until invalid transaction is rolled back"
    r"|This Session's transaction has been rolled back"
)

# What Flask logs and answers 500, as it is in the request.
_raised: ContextVar[list[BaseException] | None] = ContextVar("raised", default=None)


def is_away(error: BaseException) -> bool:
    """Whether an error, or what it came of, says that a database cannot be used just now."""
    return any(_says_so(each) for each in _chain(error))


class Faults:
    """Answers 503 where what is within raises that a database is away, and counts all of those.

    Args:
        app: answers all requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def pass_on(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if message["status"] == 503:
                    metrics.AWAY.inc()
                    MutableHeaders(scope=message).setdefault("Retry-After", str(RETRY_AFTER_S))
            await send(message)

        try:
            await self._app(scope, receive, pass_on)
        except Exception as error:
            if started or not is_away(error):
                raise
            _say(scope, error)
            await unavailable()(scope, receive, pass_on)


class MlflowFaults:
    """Answers 503 where MLflow's app takes a database that is away for something else.

    Args:
        app: MLflow's, within which everybody is known already: it lets nobody in on its own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # Flask keeps no strong reference to who listens.
        got_request_exception.connect(_note)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        held: list[Message] = []
        size = 0
        raised: list[BaseException] = []
        _raised.set(raised)

        async def pass_on(message: Message) -> None:
            nonlocal size
            if message["type"] == "http.response.start" and message["status"] in _LOOKED_AT:
                held.append(message)
                return
            if not held:
                await send(message)
                return
            # Until it is known what was raised, which may come after the answer.
            held.append(message)
            size += len(message.get("body", b""))
            if size > _LONGEST:
                await _send_all(held, send)

        try:
            await self._app(scope, receive, pass_on)
        except Exception as error:
            if not held or not is_away(error):
                await _send_all(held, send)
                raise
            raised.append(error)
        if held and _is_about_database(held, raised):
            _say(scope, raised[0] if raised else None)
            await unavailable()(scope, receive, send)
        else:
            await _send_all(held, send)


def unavailable() -> JSONResponse:
    """Return the answer that a request may be made again, in MLflow's form."""
    return JSONResponse(
        {"error_code": _AWAY, "message": _MESSAGE},
        status_code=503,
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


async def _send_all(held: list[Message], send: Send) -> None:
    messages, held[:] = list(held), []
    for each in messages:
        await send(each)


def _is_about_database(held: list[Message], raised: list[BaseException]) -> bool:
    if any(map(is_away, raised)):
        return True
    status = held[0]["status"]
    if status == 401:
        # Who is known here is known to MLflow, too, as soon as it can look.
        return current_principal.get() is not None
    body = b"".join(each.get("body", b"") for each in held[1:])
    try:
        said = json.loads(body)
    except ValueError:
        return False
    message = said.get("message") if isinstance(said, dict) else None
    return isinstance(message, str) and _SAID_OF_DATABASES.match(message) is not None


def _note(_sender: Any, exception: BaseException, **_: Any) -> None:
    raised = _raised.get()
    if raised is not None:
        raised.append(exception)


def _say(scope: MutableMapping[str, Any], error: BaseException | None) -> None:
    _logger.warning(
        "%s %s was answered 503: %s",
        scope["method"],
        scope["path"],
        "MLflow could not ask its database" if error is None else type(error).__name__,
        exc_info=error if _logger.isEnabledFor(10) else None,
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        context = None if each.__suppress_context__ else each.__context__
        waiting += [each.__cause__, context, *getattr(each, "exceptions", ())]


def _says_so(error: BaseException) -> bool:
    if isinstance(error, (HubUnreachableError, HubBusyError, NoAnswerError, PoolTimeoutError)):
        return True
    if isinstance(error, MlflowException):
        return may_come_back(error)
    if isinstance(error, PendingRollbackError):
        return True
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _is_of_server(error.orig)
    return _is_of_server(error)


def _is_of_server(error: BaseException | None) -> bool:
    """Whether a driver's error says that its server, or file, cannot be used now."""
    if isinstance(error, sqlite3.OperationalError):
        # Of a statement that is wrong it says so, too.
        return any(each in str(error) for each in ("locked", "unable to open", "disk I/O"))
    names = {each.__name__ for each in type(error).__mro__}
    is_psycopg = type(error).__module__.partition(".")[0] in ("psycopg", "psycopg2")
    return is_psycopg and not names.isdisjoint(("OperationalError", "InterfaceError"))
