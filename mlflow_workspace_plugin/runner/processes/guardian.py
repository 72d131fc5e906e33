"""A small process between the runner and its command, which leaves nothing of the command behind.

What the command starts and leaves, though in a session of its own, becomes this process's child, so
that it is found and ended. If the runner dies, however it does, its socket to this process closes,
and all is ended, too. If this process is killed, the kernel kills the command.

What the command submitted to this machine's queue is not the command's: the process that starts
jobs, if it was started from here, and the jobs go on.

It is a script of the standard library's alone, run by its path: ``guardian.py FD``, the descriptor
being that of the socket. By it come lines of JSON: first what to start, then ``signal``, for the
groups of the commands or for all processes, and ``end`` with the seconds after which what still
runs is killed. A line each goes back: ``started`` or ``error``, then ``ended`` for each command,
``asked`` for a signal that was sent to this process, and at last ``left``.
"""

import ctypes
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

_PROCESSES = "/proc"
_OF_THE_QUEUE = b"_MLFLOW_WORKSPACE_KEEP_FDS="
"""Is in the environment of the process that starts this machine's jobs, and of their runners; what
those run does not have it."""
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_ORPHANED_GRACE_S = 5.0
"""For how long the command may take to end when the runner has died."""
_KILLING_S = 10.0
"""For how long what was killed is waited for: it may hang in the kernel."""
_LOOK_S = 0.1


def adopt_orphans(*, on: bool = True) -> None:
    """Have what descendants of this process leave become its children, where Linux does that."""
    _prctl(_PR_SET_CHILD_SUBREAPER, int(on))


def descendants(root: int) -> list[int]:
    """Return the processes below one that have not ended, as far as ``/proc`` shows them.

    Those of this machine's queue, and what is below them, are left out.
    """
    children: dict[int, list[int]] = {}
    ended = set()
    try:
        names = os.listdir(_PROCESSES)  # noqa: PTH208  pathlib is slow to load
    except OSError:
        return []
    for name in filter(str.isdigit, names):
        try:
            with open(f"{_PROCESSES}/{name}/stat", "rb") as file:  # noqa: PTH123
                # The name of the program before it may hold anything.
                state, parent = file.read().rpartition(b")")[2].split()[:2]
        except (OSError, ValueError):
            continue  # it has ended meanwhile
        children.setdefault(int(parent), []).append(int(name))
        if state in (b"Z", b"X"):
            ended.add(int(name))
    found: list[int] = []
    left = [root]
    while left:
        below = [each for each in children.get(left.pop(), []) if not _is_of_queue(each)]
        found += [each for each in below if each not in ended]
        left += below
    return found


def _is_of_queue(pid: int) -> bool:
    try:
        with open(f"{_PROCESSES}/{pid}/environ", "rb") as file:  # noqa: PTH123
            return any(each.startswith(_OF_THE_QUEUE) for each in file.read().split(b"\0"))
    except OSError:
        return False  # it has ended meanwhile, or is another user's


class Guardian:
    """What this process does, until nothing of the commands is left."""

    def __init__(self, runner: socket.socket) -> None:
        self._runner = runner
        self._received = b""
        self._is_orphaned = False
        self._commands: dict[int, int] = {}
        self._asked: list[int] = []
        self._has_children = True
        self._kills_at: float | None = None
        self._gives_up_at: float | None = None

    def run(self) -> None:
        """Start the commands, and do what the runner says."""
        wake, woken = os.pipe()
        for end in (wake, woken):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        spec = self._first_line()
        if spec is None:
            return
        for number in spec["heeded"]:
            signal.signal(number, lambda number, _frame: self._asked.append(number))
        self._start(spec)
        ready = select.poll()
        ready.register(wake, select.POLLIN)
        ready.register(self._runner, select.POLLIN)
        while self._goes_on():
            ready.poll(None if self._kills_at is None else int(1000 * _LOOK_S))
            _drain(wake)
            while self._asked:
                self._tell(asked=self._asked.pop(0))
            self._reap()
            if not self._is_orphaned and not self._obey():
                self._is_orphaned = True
                ready.unregister(self._runner)
                self._end(_ORPHANED_GRACE_S)
            self._kill_when_due()
        self._tell(left=descendants(os.getpid()))

    def _first_line(self) -> Any:
        while b"\n" not in self._received:
            piece = self._runner.recv(1 << 16)
            if not piece:
                return None
            self._received += piece
        line, _, self._received = self._received.partition(b"\n")
        return json.loads(line)

    def _start(self, spec: Any) -> None:
        streams = {each for command in spec["commands"] for each in command["streams"]}
        for descriptor in [*streams, *spec["held"], self._runner.fileno()]:
            os.set_inheritable(descriptor, False)  # noqa: FBT003
        error = None
        for rank, command in enumerate(spec["commands"]):
            error = error or self._start_one(rank, command, spec["folder"])
        for descriptor in streams:
            os.close(descriptor)
        if error is None:
            self._tell(started=list(self._commands))
        else:
            self._tell(error=error)
            self._end(0)

    def _start_one(self, rank: int, command: Any, folder: str) -> Any:
        """Start a command; return the number and the text of the error, and of which file, if any.

        What Python offers for it says nothing of the death of this process to the new one.
        """
        said, says = os.pipe()
        guardian = os.getpid()
        pid = os.fork()
        if pid == 0:
            what = folder
            try:
                os.setsid()
                for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
                    signal.signal(ignored, signal.SIG_DFL)  # Python ignores them
                _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != guardian:
                    os._exit(1)
                for own, given in enumerate(command["streams"], start=1):
                    os.dup2(given, own)
                os.chdir(folder)
                what = command["arguments"][0]
                os.execvpe(what, command["arguments"], command["environment"])  # noqa: S606
            except BaseException as error:  # noqa: BLE001  the runner is told of it
                number = getattr(error, "errno", None) or 0
                os.write(says, json.dumps([number, str(error), what]).encode())
            os._exit(127)
        os.close(says)
        with open(said, "rb") as errors:  # noqa: PTH123
            text = errors.read()
        if text:
            os.waitpid(pid, 0)
            return json.loads(text)
        self._commands[pid] = rank
        return None

    def _obey(self) -> bool:
        """Do what the runner says; return whether it lives."""
        is_there = True
        try:
            while piece := self._runner.recv(1 << 16, socket.MSG_DONTWAIT):
                self._received += piece
            is_there = False
        except OSError as error:
            is_there = isinstance(error, BlockingIOError)
        *lines, self._received = self._received.split(b"\n")
        for line in lines:
            said = json.loads(line)
            if "signal" in said:
                self._send(said["signal"], of_all=said["all"])
            else:
                self._end(said["end"])
        return is_there

    def _end(self, grace_s: float) -> None:
        self._reap()
        if self._has_children:
            self._send(signal.SIGTERM, of_all=True)
        at = time.monotonic() + grace_s
        self._kills_at = at if self._kills_at is None else min(at, self._kills_at)

    def _kill_when_due(self) -> None:
        now = time.monotonic()
        if self._has_children and self._kills_at is not None and now >= self._kills_at:
            if self._gives_up_at is None:
                self._gives_up_at = now + _KILLING_S
            self._send(signal.SIGKILL, of_all=True)

    def _goes_on(self) -> bool:
        if self._kills_at is None:
            return True
        gives_up = self._gives_up_at is not None and time.monotonic() >= self._gives_up_at
        return self._has_children and not gives_up

    def _send(self, number: int, *, of_all: bool) -> None:
        for pid in self._commands:
            _signal(os.killpg, pid, number)
        if of_all:
            for pid in descendants(os.getpid()):
                _signal(os.kill, pid, number)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._has_children = False
                return
            if pid == 0:
                self._has_children = self._kills_at is None or self._has_own()
                return
            rank = self._commands.pop(pid, None)
            if rank is not None:
                self._tell(ended=[rank, os.waitstatus_to_exitcode(status)])

    def _has_own(self) -> bool:
        """Whether any of the processes that are left is not of this machine's queue."""
        # What was begun by one that ended while they were listed is in the next list.
        return any(descendants(os.getpid()) for _ in range(2))

    def _tell(self, **said: Any) -> None:
        try:  # noqa: SIM105  contextlib is slow to load
            self._runner.sendall(json.dumps(said).encode() + b"\n")
        except OSError:
            pass  # it has died, which is seen where its words are read


def _drain(pipe: int) -> None:
    try:
        while os.read(pipe, 4096):
            pass
    except BlockingIOError:
        pass


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _signal(send: Callable[[int, int], None], pid: int, number: int) -> None:
    try:  # noqa: SIM105  contextlib is slow to load
        send(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # it has ended, or is another user's


if __name__ == "__main__":
    adopt_orphans()
    Guardian(socket.socket(fileno=int(sys.argv[1]))).run()
