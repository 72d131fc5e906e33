"""Answers whose body is changed on the way."""

from collections.abc import Callable

from anyio import to_thread
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# An answer that was kept from before may be that of another server, or of another version.
_OF_KEPT_ANSWERS = (b"if-none-match", b"if-modified-since", b"range")


async def answer_rewritten(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, rewrite: Callable[[bytes], bytes]
) -> None:
    """Answer one request by an app, with another body.

    Args:
        app: answers it; not with more than fits into memory.
        scope: of the request, as ``receive`` and ``send``.
        receive: of the request.
        send: of the request.
        rewrite: given the body of an answer 200, in a thread; returns the one to be sent.
    """
    start: Message = {}
    body = b""

    async def keep(message: Message) -> None:
        nonlocal start, body
        if message["type"] == "http.response.start":
            start = message
            return
        body += message.get("body", b"")
        if message.get("more_body", False):
            return
        if start["status"] == 200:
            body = await to_thread.run_sync(rewrite, body)
            headers = MutableHeaders(scope=start)
            headers["Content-Length"] = str(len(body))
            for name in ("ETag", "Last-Modified"):
                del headers[name]
        await send(start)
        await send({"type": "http.response.body", "body": body})

    headers = [each for each in scope["headers"] if each[0] not in _OF_KEPT_ANSWERS]
    await app({**scope, "headers": headers}, receive, keep)
