"""A command in a process group of its own, whose output is read and which can be stopped."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import IO, NamedTuple, Protocol

_ASK_TO_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_GRACE_S = 3
"""For how long processes that the command left behind may take to end when asked to."""


class Sink(Protocol):
    """Takes what a process prints, piece by piece, from two threads."""

    def standard_output(self, piece: bytes) -> None:
        """Take a piece of standard output."""

    def standard_error(self, piece: bytes) -> None:
        """Take a piece of standard error."""


class Ended(NamedTuple):
    """How a process ended: its return code, and the signal that had asked us to stop it."""

    returncode: int
    stopped_by: signal.Signals | None

    @property
    def exit_code(self) -> int:
        """The return code as a shell says it: 128 and the signal for a process that died by one."""
        return 128 - self.returncode if self.returncode < 0 else self.returncode


def run_process(command: Sequence[str], environment: Mapping[str, str], sink: Sink) -> Ended:
    """Run a command to its end, and end what it has left running.

    A Ctrl-C, SIGTERM or SIGHUP to this process is handed on to all processes of the command; the
    second one as SIGTERM, and each further one as SIGKILL. That is so in the main thread only:
    Python delivers signals to no other.

    Args:
        command: the program and its arguments.
        environment: its environment variables.
        sink: takes what it prints.

    Raises:
        OSError: the program cannot be started.
    """
    with _stop_requests() as requests:
        # In a session of its own a Ctrl-C comes from us only, and reading the terminal goes on.
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        requests.process = process
        assert process.stdout is not None  # noqa: S101  piped above
        assert process.stderr is not None  # noqa: S101
        readers = [
            _reading(process.stdout, sink.standard_output),
            _reading(process.stderr, sink.standard_error),
        ]
        returncode = process.wait()
        _end_the_rest(process.pid, readers)
    return Ended(returncode, requests.first)


class _StopRequests:
    def __init__(self) -> None:
        self.first: signal.Signals | None = None
        self._number = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> "subprocess.Popen[bytes] | None":
        return self._process

    @process.setter
    def process(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        if self.first is not None:
            _send(process.pid, self.first)

    def ask(self, number: int, _frame: FrameType | None) -> None:
        self.first = self.first or signal.Signals(number)
        self._number += 1
        if self._process is not None:
            harder = {1: self.first, 2: signal.SIGTERM}
            _send(self._process.pid, harder.get(self._number, signal.SIGKILL))


@contextmanager
def _stop_requests() -> Iterator[_StopRequests]:
    requests = _StopRequests()
    if threading.current_thread() is not threading.main_thread():
        yield requests
        return
    # What is ignored, as by nohup, stays ignored.
    heeded = [each for each in _ASK_TO_STOP if signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, requests.ask) for each in heeded}
    try:
        yield requests
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _reading(source: IO[bytes], take: Callable[[bytes], None]) -> threading.Thread:
    def read() -> None:
        while piece := os.read(source.fileno(), 1 << 16):
            take(piece)

    thread = threading.Thread(target=read, name="mlflow-workspace-output", daemon=True)
    thread.start()
    return thread


def _end_the_rest(group: int, readers: list[threading.Thread]) -> None:
    """End what the command started and did not wait for: it may hold the output open."""
    for harder in (signal.SIGTERM, signal.SIGKILL):
        _send(group, harder)
        for reader in readers:
            reader.join(_GRACE_S)
        if not any(reader.is_alive() for reader in readers):
            return


def _send(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
