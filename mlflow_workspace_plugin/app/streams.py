"""Answers that are made while they are sent."""

from collections.abc import Generator
from typing import Any

from anyio import CancelScope, to_thread
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class GeneratedResponse(StreamingResponse):
    """An answer that a generator makes, which is closed with it: also where the client has left.

    Args:
        pieces: the generator, of which a thread takes the next piece once the last one is sent.
        options: as Starlette has them.
    """

    def __init__(self, pieces: Generator[bytes, None, None], **options: Any) -> None:
        super().__init__(pieces, **options)
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and close the generator."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            with CancelScope(shield=True):
                await to_thread.run_sync(self._pieces.close)
