"""A log on this machine's disk that takes whatever is printed, and grows slowly beyond a limit."""

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.terminal import get_logger

_BYTES_PER_S = 512
"""By which a log may grow on and on: what a script prints that says how it goes, in general."""
_LEAST_BYTES = 1000
"""Of what is shown of a flood; less is not worth the line that says what is missing."""
_END_BYTES = 1_000_000

_logger = get_logger(__name__)


class LogFile:
    """A log, of which the first megabytes are kept, its end, and in between what there is room for.

    The room is as large as ``MLFLOW_WORKSPACE_LOG_MB`` says at first, and grows by 512 bytes a
    second. While there is none, the newest lines are put into it as it grows, so that who reads
    along sees how it goes; the end of the log, a megabyte, is kept in any case. What is left out is
    said where it is.

    Args:
        path: the file, which is appended to.
        now: the time, in seconds.
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._file = path.open("ab", buffering=0)
        self._now = now
        self._lock = threading.RLock()
        self._limit = settings.LOG_MB.number() * 1e6
        self._room = self._limit
        self._room_at = now()
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._left_out = 0
        self._is_explained = False
        self._is_closed = False

    @property
    def size(self) -> int:
        """How many bytes are in the file."""
        return self.path.stat().st_size

    def write(self, lines: bytes) -> None:
        """Take what was printed; it never waits for anything but the disk's cache."""
        with self._lock:
            self._make_room()
            if not self._held and len(lines) <= self._room:
                self._keep(lines)
                return
            self._held.append(lines)
            self._held_bytes += len(lines)
            while self._held_bytes - len(self._held[0]) >= _END_BYTES:
                self._leave_out(self._held.popleft())

    def tick(self) -> None:
        """Put the newest of what is held back into the file, if there is room for something."""
        with self._lock:
            self._make_room()
            if self._held and self._room >= _LEAST_BYTES:
                self._put_newest(int(self._room))

    def close(self) -> None:
        """Put the end of the log into the file, and close that."""
        with self._lock:
            if self._held:
                self._put_newest(_END_BYTES)
            self._is_closed = True
            self._file.close()

    def _make_room(self) -> None:
        now = self._now()
        self._room = min(self._limit, self._room + (now - self._room_at) * _BYTES_PER_S)
        self._room_at = now

    def _put_newest(self, room: int) -> None:
        held = b"".join(self._held)
        self._held.clear()
        self._held_bytes = 0
        if len(held) > room:
            cut = len(held) - room
            # Where a line begins, unless it is a line without an end.
            begins = held.find(b"\n", cut) + 1 or cut
            self._leave_out(held[:begins])
            held = held[begins:]
        if self._left_out:
            self._keep(self._note())
            self._left_out = 0
        self._keep(held)

    def _leave_out(self, lines: bytes) -> None:
        self._left_out += len(lines)
        self._held_bytes = max(0, self._held_bytes - len(lines))

    def _note(self) -> bytes:
        left_out = f"{self._left_out / 1e6:.3f} MB are left out here"
        if self._is_explained:
            return f"\n[{left_out}.]\n".encode()
        self._is_explained = True
        return (
            f"\n[{left_out}: of a log the first {self._limit / 1e6:g} MB are kept "
            f"({settings.LOG_MB.name}), then {_BYTES_PER_S} bytes a second, and its end.]\n"
        ).encode()

    def _keep(self, lines: bytes) -> None:
        self._room -= len(lines)
        # A thread that ended here would stop the process, which waits for what it prints.
        try:
            while lines:
                lines = lines[self._file.write(lines) :]
        except (OSError, ValueError) as error:  # no space; closed while something still prints
            _logger.warning("%s lacks some of what was printed: %s", self.path.name, error)
