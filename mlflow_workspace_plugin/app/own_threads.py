"""Threads of one layer's: what waits takes no more of them, and leaves the others' alone."""

from collections.abc import Callable
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread

_T = TypeVar("_T")


class OwnThreads:
    """Runs calls that wait beside the event loop.

    Args:
        at_once: so many run at a time; those that come meanwhile wait.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._made: CapacityLimiter | None = None

    async def run(self, call: Callable[..., _T], *arguments: Any) -> _T:
        """Return what a call returns, however long that takes.

        Raises:
            Exception: what the call raises.
        """
        return await to_thread.run_sync(call, *arguments, limiter=self._limiter)

    async def run_or_abandon(self, call: Callable[[], _T]) -> _T:
        """Return what a call returns; where that is cancelled, the thread goes on by itself.

        It counts no longer then: whoever calls sees to it that such threads end, or are few.

        Raises:
            Exception: what the call raises.
        """
        return await to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._limiter)

    @property
    def waiting(self) -> int:
        """How many calls wait for a thread."""
        return self._limiter.statistics().tasks_waiting

    @property
    def _limiter(self) -> CapacityLimiter:
        # It is of the loop that it is made in, which runs by now.
        if self._made is None:
            self._made = CapacityLimiter(self._at_once)
        return self._made
