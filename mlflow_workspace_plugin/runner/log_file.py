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
    said where it is. So is what the disk had no space for; the last megabyte of it is held back
    until it has, or to be stored elsewhere.

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
        self._unwritten = b""
        self._lost = 0
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
            if self._unwritten:
                self._keep(b"")
            if self._held and self._room >= _LEAST_BYTES:
                self._put_newest(int(self._room))

    def close(self) -> None:
        """Put the end of the log into the file, and close that."""
        with self._lock:
            if self._held:
                self._put_newest(_END_BYTES)
            self._is_closed = True
            self._file.close()

    @property
    def unwritten(self) -> bytes:
        """What the closed file lacks at its end, as the disk was full."""
        with self._lock:
            return self._note_of_lost() + self._unwritten if self._is_closed else b""

    def _make_room(self) -> None:
        now = self._now()
        self._room = min(self._limit, self._room + (now - self._room_at) * _BYTES_PER_S)
        self._room_at = now

    def _put_newest(self, room: int) -> None:
        held = b"".join(self._held)
        self._held.clear()
        self._held_bytes = 0
        if len(held) > room:
            begins = _line_from(held, len(held) - room)
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
        kept = self._unwritten + lines
        left = self._note_of_lost() + kept
        is_news = not self._unwritten
        # A thread that ended here would stop the process, which waits for what it prints.
        try:
            while left:
                left = left[self._file.write(left) :]
            self._unwritten, self._lost = b"", 0
        except (OSError, ValueError) as error:  # no space; closed while something still prints
            if not self._is_closed:
                self._hold(kept, left)
            if is_news:
                _logger.warning("%s lacks some of what was printed: %s", self.path.name, error)

    def _hold(self, kept: bytes, left: bytes) -> None:
        """Hold the end of what cannot be written now: what is left, if that is without the note."""
        if len(left) <= len(kept):
            kept, self._lost = left, 0
        if len(kept) > _END_BYTES:
            begins = _line_from(kept, len(kept) - _END_BYTES)
            self._lost += begins
            kept = kept[begins:]
        self._unwritten = kept

    def _note_of_lost(self) -> bytes:
        if not self._lost:
            return b""
        missing = f"{self._lost / 1e6:.3f} MB are missing here"
        return f"\n[{missing}: the disk of the machine was full.]\n".encode()


def _line_from(text: bytes, cut: int) -> int:
    """Return where the first line behind a place begins, unless that is in one without an end."""
    return text.find(b"\n", cut) + 1 or cut
