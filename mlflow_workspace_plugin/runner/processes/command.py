"""Commands that are run to their end, with all that they start, and whose output is read."""

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from mlflow_workspace_plugin.runner.processes import guardian
from mlflow_workspace_plugin.runner.processes.stop import Request, Stop
from mlflow_workspace_plugin.terminal import get_logger

_LEFT_GRACE_S = 3.0
"""For how long processes that the command left behind may take to end when asked to."""
_LAST_OUTPUT_S = 3.0
"""For how long output is waited for when no process is left that could print."""
_GUARDIAN_S = 20.0
"""For how long the guardian may take to say that all has ended that it was to kill."""
_LONGEST_PAUSE_MS = 60_000
_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = getattr(fcntl, "F_SETPIPE_SZ", None)

_logger = get_logger(__name__)


class Sink(Protocol):
    """Takes what a process prints, piece by piece, from two threads."""

    def standard_output(self, piece: bytes) -> None:
        """Take a piece of standard output."""

    def standard_error(self, piece: bytes) -> None:
        """Take a piece of standard error."""


class Process(NamedTuple):
    """A process to start.

    Attributes:
        arguments: the program and its arguments.
        environment: its environment variables.
        sink: takes what it prints.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    sink: Sink


class Ended(NamedTuple):
    """How processes ended.

    Attributes:
        returncode: of the first that failed, else 0; minus the signal where one died by it.
        rank: which it was.
        stopped: the request that had asked to stop them, if one had.
    """

    returncode: int
    rank: int
    stopped: Request | None

    @property
    def exit_code(self) -> int:
        """The return code as a shell says it: 128 and the signal for a process that died by one."""
        return 128 - self.returncode if self.returncode < 0 else self.returncode


def run_processes(
    processes: Sequence[Process],
    stop: Stop,
    *,
    folder: Path,
    limit: Request | None = None,
    limit_s: float | None = None,
    held: Sequence[int] = (),
    merged: bool = False,
    reads_terminal: bool = False,
    on_start: Callable[[], None] = lambda: None,
) -> Ended:
    """Run processes to the end of all, or of the first that fails, and end what they leave.

    Each is in a session of its own: a Ctrl-C comes from us only, and reading the terminal goes on.

    Args:
        processes: of one job, which know each other by their environment.
        stop: asks to stop them.
        folder: in which they are started.
        limit: the request that is made when they have run for too long.
        limit_s: after how many seconds that is.
        held: files with locks, which stay locked until none of the processes is left.
        merged: whether what they print is taken as one stream, in its order, which is then that of
            standard error; else as two, in the order of each.
        reads_terminal: whether they read what this process does.
        on_start: called once they have started.

    Raises:
        OSError: one cannot be started; none runs then.
    """
    running = _Running(processes, stop, folder, held)
    running.merged = merged
    try:
        running.start(None if reads_terminal else subprocess.DEVNULL)
        on_start()
        if limit is not None and limit_s is not None:
            running.limit = time.monotonic() + limit_s, limit
        return running.wait()
    finally:
        running.close()


class _Running:
    """Processes below a guardian."""

    def __init__(
        self, processes: Sequence[Process], stop: Stop, folder: Path, held: Sequence[int]
    ) -> None:
        self._processes = processes
        self._stop = stop
        self._folder = folder
        self._held = held
        self._received = b""
        self._ended: dict[int, int] = {}
        self._first_failed: int | None = None
        self._kills_at: float | None = None
        self._gives_up_at: float | None = None
        self._is_ending = False
        self._is_over = False
        self._pids: list[int] = []
        self._not_ours = set(guardian.descendants(os.getpid()))
        self.merged = False
        self.limit: tuple[float, Request] | None = None

    def start(self, stdin: int | None) -> None:
        """Start the guardian, and have it start the processes."""
        # What it leaves, should it be killed.
        guardian.adopt_orphans()
        self._socket, theirs = socket.socketpair()
        with contextlib.ExitStack() as opened:
            opened.callback(theirs.close)
            commands, readers, given = [], [], list(self._held)
            for each in self._processes:
                takes = [each.sink.standard_output, each.sink.standard_error]
                streams: list[int] = []
                for take in takes[1:] if self.merged else takes:
                    source, target = os.pipe()
                    opened.callback(os.close, target)
                    _enlarge(source)
                    streams.append(target)
                    given.append(target)
                    readers.append((source, take))
                commands.append(
                    {
                        "arguments": [os.fspath(argument) for argument in each.arguments],
                        "environment": dict(each.environment),
                        "streams": [streams[0], streams[-1]],
                    }
                )
            self._readers = [_reading(*each) for each in readers]
            script = Path(guardian.__file__)
            self._guardian = subprocess.Popen(
                [sys.executable, "-I", "-S", str(script), str(theirs.fileno())],
                stdin=stdin,
                pass_fds=[theirs.fileno(), *given],
                start_new_session=True,
            )
        heeded = [
            each
            for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            if signal.getsignal(each) is not signal.SIG_IGN
        ]
        self._tell(
            commands=commands,
            folder=str(self._folder),
            held=list(self._held),
            heeded=[int(each) for each in heeded],
        )
        error: OSError | None = None
        while not self._pids and error is None:
            said = self._next_word()
            if said is None:
                raise ChildProcessError("The process between the runner and its command has died.")
            if "error" in said:
                number, text, file = said["error"]
                error = OSError(number, os.strerror(number), file) if number else OSError(text)
            self._pids = said.get("started", [])
        if error is not None:
            self._wait_until_over()
            raise error

    def wait(self) -> Ended:
        """Wait until all is over."""
        ready = select.poll()
        ready.register(self._socket, select.POLLIN)
        ready.register(self._stop, select.POLLIN)
        while not self._is_over:
            self._heed()
            found = [] if b"\n" in self._received else ready.poll(self._pause_ms())
            if any(descriptor == self._stop.fileno() for descriptor, _ in found):
                os.read(self._stop.fileno(), 4096)
            if b"\n" in self._received or any(fd == self._socket.fileno() for fd, _ in found):
                self._listen()
        return self._how_they_ended()

    def close(self) -> None:
        """End the guardian and the readers."""
        self._socket.close()
        self._guardian.wait()
        until = time.monotonic() + _LAST_OUTPUT_S
        for reader in self._readers:
            reader.join(max(0.0, until - time.monotonic()))
        guardian.adopt_orphans(on=False)

    def _heed(self) -> None:
        """Do what was asked for, and what is due."""
        now = time.monotonic()
        if self.limit is not None and now >= self.limit[0]:
            # Not while what a command left behind is ended.
            if self._first_failed is None and not self._is_ending:
                self._stop.ask(self.limit[1])
            self.limit = None
        for request in self._stop.new():
            self._tell(signal=int(request.signal), all=request.signal == signal.SIGKILL)
            if request.grace_s is not None:
                at = now + request.grace_s
                self._kills_at = at if self._kills_at is None else min(at, self._kills_at)
        if self._kills_at is not None and now >= self._kills_at:
            self._kills_at = None
            self._tell(signal=int(signal.SIGKILL), all=True)
            self._gives_up_at = self._gives_up_at or now + _GUARDIAN_S
        if self._gives_up_at is not None and now >= self._gives_up_at:
            # It was stopped, say. The kernel kills the commands with it, and this process the rest.
            self._gives_up_at = None
            self._guardian.kill()
        if not self._is_ending and len(self._ended) == len(self._processes):
            self._is_ending = True
            self._tell(end=_LEFT_GRACE_S)
            self._gives_up_at = now + _LEFT_GRACE_S + _GUARDIAN_S

    def _pause_ms(self) -> int | None:
        awaited = (self._kills_at, self._gives_up_at, self.limit and self.limit[0])
        times = [each for each in awaited if each]
        if not times:
            return None
        # What can be waited for at once is less than a month.
        return min(_LONGEST_PAUSE_MS, max(0, int(1000 * (min(times) - time.monotonic())) + 1))

    def _listen(self) -> None:
        said = self._next_word()
        if said is None:
            self._is_over = True
            self._end_orphans()
        elif "asked" in said:
            self._stop.ask_by(said["asked"])
        elif "left" in said:
            self._is_over = True
            if said["left"]:
                _logger.warning("Processes cannot be ended: %s", said["left"])
        elif "ended" in said:
            rank, returncode = said["ended"]
            self._ended[rank] = returncode
            if returncode != 0 and self._first_failed is None:
                self._first_failed = rank
                if len(self._ended) < len(self._processes):
                    # The others wait for it, for ever.
                    self._tell(signal=int(signal.SIGTERM), all=False)
                    self._kills_at = self._kills_at or time.monotonic() + _LEFT_GRACE_S

    def _how_they_ended(self) -> Ended:
        rank = self._first_failed
        if rank is None:
            # Of those that the guardian's death took along nobody knows more.
            unknown = [each for each in range(len(self._processes)) if each not in self._ended]
            rank = unknown[0] if unknown else 0
        return Ended(self._ended.get(rank, -signal.SIGKILL), rank, self._stop.first)

    def _end_orphans(self) -> None:
        """End what the guardian left, as it was killed: the commands died with it."""
        for pid in self._pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        until = time.monotonic() + _LEFT_GRACE_S
        while time.monotonic() < until:
            left = set(guardian.descendants(os.getpid())) - self._not_ours
            left.discard(self._guardian.pid)
            if not left:
                return
            for pid in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            time.sleep(0.05)

    def _wait_until_over(self) -> None:
        while (said := self._next_word()) is not None and "left" not in said:
            pass

    def _tell(self, **said: Any) -> None:
        # Where it has died that is seen as its words are read.
        with contextlib.suppress(OSError):
            self._socket.sendall(json.dumps(said).encode() + b"\n")

    def _next_word(self) -> Any:
        """Return what the guardian says next; None if it has died."""
        while b"\n" not in self._received:
            try:
                piece = self._socket.recv(1 << 16)
            except OSError:
                return None
            if not piece:
                return None
            self._received += piece
        line, _, self._received = self._received.partition(b"\n")
        return json.loads(line)


def _reading(source: int, take: Callable[[bytes], None]) -> threading.Thread:
    def read() -> None:
        with contextlib.closing(os.fdopen(source, "rb", buffering=0)) as file:
            while piece := file.read(1 << 16):
                take(piece)

    thread = threading.Thread(target=read, name="mlflow-workspace-output", daemon=True)
    thread.start()
    return thread


def _enlarge(pipe: int) -> None:
    """Let a script print on while what it printed is dealt with."""
    if _F_SETPIPE_SZ is not None:
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, _F_SETPIPE_SZ, _PIPE_BYTES)
