"""The body of a request that is looked at before it is answered."""

from typing import Any

from starlette.types import Message, Receive

from mlflow_workspace_plugin.bounded import TooMuchError, json_of

MOST_BYTES = 16 * 2**20
"""What is sent as JSON in one request: MLflow's clients stop at 1 MB of a batch."""
_MOST_VALUES = 200_000
"""In JSON: while more is read, a server does nothing else, in whatever thread."""


class OddBodyError(Exception):
    """What was sent is no JSON object that means one thing; its text says why."""

    status = 400


class LongBodyError(OddBodyError):
    """What was sent is longer than what is looked at."""

    status = 413


async def read_body(receive: Receive, most: int = MOST_BYTES) -> tuple[bytes, Receive]:
    """Return what was sent, and what gives it once more to whoever answers.

    Args:
        receive: of the request.
        most: how many bytes are looked at.

    Raises:
        LongBodyError: it is longer.
    """
    pieces, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"", _again(message, receive)
        piece = message.get("body", b"")
        size += len(piece)
        if size > most:
            raise LongBodyError(f"it is longer than {most >> 10:,} KiB")
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
        LongBodyError: it has more in it than what is looked at.
        OddBodyError: it is none, or has a name in an object twice.
    """
    try:
        found = json_of(body, _MOST_VALUES, names_once=True) if body else {}
    except TooMuchError as error:
        raise LongBodyError(str(error)) from None
    except ValueError as error:
        raise OddBodyError(f"it cannot be read as JSON: {error}") from None
    if not isinstance(found, dict):
        raise OddBodyError("it is no JSON object")
    return found


def _again(message: Message, receive: Receive) -> Receive:
    left = [message]

    async def call() -> Message:
        return left.pop() if left else await receive()

    return call
