"""Threads to whose end the interpreter does not wait."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from typing import Any, TypeVar

Result = TypeVar("Result")

_IDLE_S = 10.0


class DaemonThreads:
    """Does calls in threads, so many at once; a thread that has had nothing to do ends.

    Before it ends, the interpreter joins the threads of ``concurrent.futures``, however long the
    network keeps them. What waits on disk is to be sent another time instead.

    Args:
        most: how many there are at once.
        name: of the threads.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._calls: deque[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = deque()
        self._changed = threading.Condition()
        self._threads = 0
        self._idle = 0

    def submit(self, call: Callable[..., Result], *args: Any) -> "Future[Result]":
        """Do a call as soon as a thread is free."""
        future: Future[Result] = Future()
        with self._changed:
            self._calls.append((future, call, args))
            self._changed.notify()
            if self._idle >= len(self._calls) or self._threads == self._most:
                return future
            self._threads += 1
        try:
            threading.Thread(target=self._work, name=self._name, daemon=True).start()
        except RuntimeError:
            # The interpreter is ending and starts no threads any more; what is logged then counts,
            # too.
            self._work(idle_s=0)
        return future

    def do_all(self, calls: Iterable[Callable[[], object]]) -> None:
        """Do many calls, and wait for them.

        Raises:
            Exception: what one of the calls raised; those that had not begun are left out.
        """
        running = [self.submit(call) for call in calls]
        try:
            wait(running, return_when=FIRST_EXCEPTION)
        finally:
            for each in running:
                each.cancel()
            wait(running)
        for each in running:
            if not each.cancelled():
                each.result()

    def _work(self, idle_s: float = _IDLE_S) -> None:
        while (todo := self._next(idle_s)) is not None:
            _do(*todo)
            del todo  # and what it holds, while the next is waited for

    def _next(
        self, idle_s: float
    ) -> tuple["Future[Any]", Callable[..., Any], tuple[Any, ...]] | None:
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._calls, idle_s)
            self._idle -= 1
            if self._calls:
                return self._calls.popleft()
            self._threads -= 1
            return None


def _do(future: "Future[Any]", call: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call(*args)
    except BaseException as error:  # noqa: BLE001  who asks for the result gets it
        future.set_exception(error)
    else:
        future.set_result(result)
