"""Requests to stop a command: of signals, of people, of a time limit."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NamedTuple

_HEEDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Request(NamedTuple):
    """A request to stop.

    Attributes:
        why: in the words of the run's cause, such as ``Stopped by SIGTERM (15).``.
        signal: that the command is sent first.
        grace_s: after how many seconds it is killed; None is never.
    """

    why: str
    signal: signal.Signals
    grace_s: float | None


class Stop:
    """What asks a command to stop, from any thread and at any time. The first request counts.

    Args:
        grace_s: for how long a command may go on that a signal to this process has asked to stop;
            None is until a third signal.
    """

    def __init__(self, grace_s: float | None = None) -> None:
        self._grace_s = grace_s
        self._requests: list[Request] = []
        self._seen = 0
        self._signals = 0
        self._woken, self._wakes = os.pipe()
        os.set_blocking(self._wakes, False)
        self._asked = threading.Event()

    @property
    def first(self) -> Request | None:
        """The first request, if there was one."""
        return self._requests[0] if self._requests else None

    def ask(self, request: Request) -> None:
        """Ask."""
        self._requests.append(request)
        self._asked.set()
        # It has been woken often enough, or nobody waits any more.
        with suppress(OSError):
            os.write(self._wakes, b"\0")

    def ask_by(self, number: int) -> None:
        """Ask by a signal: the second one as SIGTERM, and each further one as SIGKILL."""
        self._signals += 1
        harder = {1: number, 2: signal.SIGTERM}
        handed_on = harder.get(self._signals, signal.SIGKILL)
        grace_s = self._grace_s if self._signals == 1 else None
        self.ask(Request(f"Stopped by {name_of(number)}.", signal.Signals(handed_on), grace_s))

    def new(self) -> Iterator[Request]:
        """Yield the requests since this was asked last."""
        while self._seen < len(self._requests):
            self._seen += 1
            yield self._requests[self._seen - 1]

    def wait(self, seconds: float) -> bool:
        """Wait for a request; return whether there is one."""
        return self._asked.wait(seconds)

    def fileno(self) -> int:
        """Return what can be read as soon as there is something new."""
        return self._woken

    def close(self) -> None:
        """Wake nobody any more."""
        for end in (self._woken, self._wakes):
            os.close(end)
        self._wakes = -1

    @contextmanager
    def by_signals(self) -> Iterator[list[int]]:
        """Take SIGINT, SIGTERM and SIGHUP to this process as requests; yield those that are.

        That is so in the main thread only: Python delivers signals to no other. What is ignored, as
        by nohup, stays ignored.
        """
        if threading.current_thread() is not threading.main_thread():
            yield list(_HEEDED)
            return
        heeded = [each for each in _HEEDED if signal.getsignal(each) is not signal.SIG_IGN]
        before = {each: signal.signal(each, self._take) for each in heeded}
        try:
            yield [int(each) for each in heeded]
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self.ask_by(number)


def name_of(number: int) -> str:
    """Return the name of a signal, for people; those that have none are real-time signals."""
    if number == signal.SIGINT:
        return "Ctrl-C (SIGINT)"
    try:
        return f"{signal.Signals(number).name} ({int(number)})"
    except ValueError:
        return f"signal {int(number)} (SIGRTMIN+{number - signal.SIGRTMIN})"
