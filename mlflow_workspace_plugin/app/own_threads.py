"""Threads of one layer's: what waits takes no more of them, and leaves the others' alone."""

from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from anyio import CapacityLimiter, fail_after, to_thread

_T = TypeVar("_T")


class OwnThreads:
    """Runs calls that wait beside the event loop.

    Args:
        at_once: so many run at a time; those that come meanwhile wait.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._made: CapacityLimiter | None = None
        # Of those who ask just now; whoever waits or is answered holds it.
        self._shares: WeakValueDictionary[str, CapacityLimiter] = WeakValueDictionary()

    async def run(self, call: Callable[..., _T], *arguments: Any) -> _T:
        """Return what a call returns, however long that takes.

        Raises:
            Exception: what the call raises.
        """
        return await to_thread.run_sync(call, *arguments, limiter=self._limiter)

    async def run_for(
        self,
        who: str | None,
        call: Callable[..., _T],
        *arguments: Any,
        turn_s: float | None = None,
    ) -> _T:
        """Return what a call returns; of one account no more run at a time than half of all.

        Args:
            who: the account that asks; None where nobody has to be known, who has no share.
            call: the call.
            arguments: its arguments.
            turn_s: how long to wait until the account's other calls leave room for it.

        Raises:
            TimeoutError: they did not. Nothing was called.
            Exception: what the call raises.
        """
        if who is None:
            return await self.run(call, *arguments)
        share = self._shares.get(who)
        if share is None:
            share = self._shares[who] = CapacityLimiter(max(self._at_once // 2, 1))
        with fail_after(turn_s):
            await share.acquire()
        try:
            return await self.run(call, *arguments)
        finally:
            share.release()

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
