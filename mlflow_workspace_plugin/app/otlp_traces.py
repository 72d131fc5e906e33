"""What is sent to MLflow's route for spans of OpenTelemetry, bounded before MLflow reads it.

MLflow unpacks it without a limit, and makes Python objects of it, in its event loop: a few bytes
may become gigabytes, and no other request is answered meanwhile.
"""

import asyncio
import zlib

from anyio import sleep_forever, to_thread
from mlflow.tracing.utils.otlp import MLFLOW_RUN_ID_HEADER, OTLP_TRACES_PATH
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlflow_workspace_plugin.app.own_threads import OwnThreads
from mlflow_workspace_plugin.app.usual_requests import WORKSPACE_HEADER, MayRun, everybody_may
from mlflow_workspace_plugin.bounded import GZIP, TooMuchError, too_long, unpacked

MOST_BYTES = 16 * 2**20
"""Of spans in one request, unpacked; OpenTelemetry's clients send 512 spans at a time."""
_FEW_BYTES = 2**17
"""So many are read by MLflow within some 0.1 s."""
_AT_ONCE = 2
"""So many longer requests are read at a time: what is made of one may be 50 times as long."""


_MOST_WAITING = 16
"""So many of them, or of packed ones, wait for that; others have to come again."""


class _OddSpansError(Exception):
    """Spans cannot be unpacked; its text says why."""


class OtlpTraces:
    """Hands spans on to MLflow's app, unpacked; what is long is read in a thread.

    Args:
        app: MLflow's, which answers all requests.
        may_write: who may link traces to a run; everybody may where nobody has to log in.
    """

    def __init__(self, app: ASGIApp, may_write: MayRun = everybody_may) -> None:
        self._app = app
        self._may_write = may_write
        self._threads = OwnThreads(_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if (
            scope["type"] != "http"
            or scope["method"] != "POST"
            or scope["path"].rstrip("/") != OTLP_TRACES_PATH
        ):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = await self._unlinkable(headers)
        if refused is not None:
            await refused(scope, receive, send)
            return
        try:
            sent = await _sent(headers, receive)
            if sent is None:
                # Nobody waits for an answer.
                return
            body = sent
            encoding = ", ".join(headers.getlist("content-encoding")).strip().lower()
            answer: list[Message] | None = None
            if encoding or len(body) > _FEW_BYTES:
                if self._threads.waiting >= _MOST_WAITING:
                    await _busy()(scope, receive, send)
                    return
                body, answer = await self._threads.run(_in_thread, self._app, scope, body, encoding)
        except TooMuchError:
            most = f"{MOST_BYTES >> 20} MiB"
            message = f"More than {most} of spans were sent at once. Send fewer at a time."
            await _refusal(413, "REQUEST_LIMIT_EXCEEDED", message)(scope, receive, send)
            return
        except _OddSpansError as error:
            message = f"The spans that were sent cannot be read: {error}."
            await _refusal(400, "INVALID_PARAMETER_VALUE", message)(scope, receive, send)
            return
        if answer is None:
            await self._app(_with_plain_body(scope, body), _giving(body), send)
            return
        for each in answer:
            await send(each)

    async def _unlinkable(self, headers: Headers) -> Response | None:
        """Return the refusal of a run that the traces are to be linked to; MLflow asks nobody."""
        workspace = headers.get(WORKSPACE_HEADER, "").strip()
        for run_id in filter(None, headers.getlist(MLFLOW_RUN_ID_HEADER)):
            if not await to_thread.run_sync(self._may_write, workspace, run_id):
                return _refusal(
                    403,
                    "PERMISSION_DENIED",
                    f"You may not link traces to run {run_id[:100]!r}, or there is none. Send them "
                    f"without the header {MLFLOW_RUN_ID_HEADER}.",
                )
        return None


async def _sent(headers: Headers, receive: Receive) -> bytes | None:
    """Return what was sent; None if it broke off.

    Raises:
        TooMuchError: it is longer than it may be.
    """
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > MOST_BYTES:
        raise too_long(MOST_BYTES)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            raise too_long(MOST_BYTES)
        if not message.get("more_body", False):
            return bytes(body)


def _plain(body: bytes, encoding: str) -> bytes:
    """Return what a client packed; called from a thread.

    Raises:
        TooMuchError: there is more of it than there may be.
        ValueError: it is damaged, or packed otherwise.
    """
    if encoding == "identity":
        return body
    if encoding == "gzip":
        return unpacked(body, MOST_BYTES, GZIP)
    if encoding != "deflate":
        raise ValueError(f"the encoding is {encoding[:100]!r}, and neither gzip nor deflate")
    try:
        return unpacked(body, MOST_BYTES)
    except TooMuchError:
        raise
    except ValueError:
        # Some clients send it without its head.
        return unpacked(body, MOST_BYTES, -zlib.MAX_WBITS)


def _with_plain_body(scope: Scope, body: bytes) -> Scope:
    headers = MutableHeaders(raw=list(scope["headers"]))
    for name in ("content-encoding", "transfer-encoding"):
        del headers[name]
    headers["content-length"] = str(len(body))
    return {**scope, "headers": headers.raw}


def _in_thread(
    app: ASGIApp, scope: Scope, body: bytes, encoding: str
) -> tuple[bytes, list[Message] | None]:
    """Return a body unpacked, and what an app answers to it; None where it is short.

    The app runs in an event loop of its own: what it does holds up no other.

    Raises:
        TooMuchError: there is more of it than there may be.
        _OddSpansError: it is damaged, or packed otherwise.
    """
    try:
        plain = _plain(body, encoding) if encoding else body
    except TooMuchError:
        raise
    except ValueError as error:
        raise _OddSpansError(str(error)) from error
    if len(plain) <= _FEW_BYTES:
        return plain, None
    return b"", asyncio.run(_answered(app, _with_plain_body(scope, plain), plain))


async def _answered(app: ASGIApp, scope: Scope, body: bytes) -> list[Message]:
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, _giving(body), keep)
    return messages


def _giving(body: bytes) -> Receive:
    """Return what gives a body, and then nothing more."""
    left = [body]

    async def receive() -> Message:
        if not left:
            await sleep_forever()
        return {"type": "http.request", "body": left.pop()}

    return receive


def _busy() -> Response:
    message = "This server has too many spans to store just now. Send them again."
    return JSONResponse(
        {"error_code": "RESOURCE_EXHAUSTED", "message": message}, 429, {"Retry-After": "1"}
    )


def _refusal(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error_code": code, "message": message}, status_code=status)
