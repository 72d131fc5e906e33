"""The body of a request that is looked at before it is answered."""

from typing import Any

from starlette.types import Message, Receive

from mlflow_workspace_plugin.bounded import json_of

_MOST_BYTES = 8 * 2**20
_MOST_VALUES = 200_000
"""In JSON: while more is read, a server does nothing else, in whatever thread."""


class OddBodyError(Exception):
    """What was sent is no JSON object, or more than is looked at."""


async def read_body(receive: Receive) -> tuple[bytes, Receive]:
    """Return what was sent, and what gives it once more to whoever answers.

    Args:
        receive: of the request.

    Raises:
        OddBodyError: it is longer than any that has to be looked at.
    """
    pieces, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"", _again(message, receive)
        piece = message.get("body", b"")
        size += len(piece)
        if size > _MOST_BYTES:
            raise OddBodyError
        pieces.append(piece)
        if not message.get("more_body", False):
            break
    body = b"".join(pieces)
    return body, _again({"type": "http.request", "body": body}, receive)


def object_of(body: bytes) -> dict[str, Any]:
    """Return what was sent, a JSON object, nothing being an empty one; called from a thread.

    Args:
        body: what was sent.

    Raises:
        OddBodyError: it is none, or has more in it than any that has to be looked at.
    """
    try:
        found = json_of(body, _MOST_VALUES) if body else {}
        if isinstance(found, str):
            # As MLflow reads what old clients send.
            found = json_of(found.encode(), _MOST_VALUES)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise OddBodyError
    return found


def _again(message: Message, receive: Receive) -> Receive:
    left = [message]

    async def call() -> Message:
        return left.pop() if left else await receive()

    return call
