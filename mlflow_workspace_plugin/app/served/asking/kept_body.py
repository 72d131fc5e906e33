"""The body of a request that is looked at before it is answered."""

import json
from typing import Any

from starlette.types import Message, Receive

_MOST_BYTES = 8 * 2**20


class OddBodyError(Exception):
    """What was sent is no JSON object, or more than is looked at."""


async def read_body(receive: Receive) -> tuple[dict[str, Any], Receive]:
    """Return what was sent, and what gives it once more to whoever answers.

    Args:
        receive: of the request.

    Raises:
        OddBodyError: it is no JSON object, or longer than any that has to be looked at.
    """
    pieces, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return {}, _again(message, receive)
        piece = message.get("body", b"")
        size += len(piece)
        if size > _MOST_BYTES:
            raise OddBodyError
        pieces.append(piece)
        if not message.get("more_body", False):
            break
    body = b"".join(pieces)
    return _object(body), _again({"type": "http.request", "body": body}, receive)


def _again(message: Message, receive: Receive) -> Receive:
    left = [message]

    async def call() -> Message:
        return left.pop() if left else await receive()

    return call


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body) if body else {}
        if isinstance(found, str):
            # As MLflow reads what old clients send.
            found = json.loads(found)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise OddBodyError
    return found
