"""What a process prints: passed on to a terminal, and kept line by line in a log."""

import threading
import time
from pathlib import Path
from typing import BinaryIO

from mlflow_workspace_plugin.runner.log_file import LogFile

_LAST_WORDS = 4096
_LONGEST_LINE = 1 << 16
_BAR_S = 1.0
"""How often the state of a progress bar is kept."""


class Output:
    """Takes what a process prints, from two threads.

    Lines of the two streams stay whole. Of a line that a program writes anew again and again, as a
    progress bar, behind carriage returns, a state a second is kept, and the last one.

    Args:
        path: the local file that keeps it, line by line, of both streams.
        stdout: where standard output is passed on to; nowhere when None.
        stderr: where standard error is passed on to; nowhere when None.
    """

    def __init__(
        self, path: Path, stdout: BinaryIO | None = None, stderr: BinaryIO | None = None
    ) -> None:
        self.log = LogFile(path)
        self._lock = threading.Lock()
        self._out, self._err = _Stream(stdout), _Stream(stderr)
        self._has_open_line: _Stream | None = None

    def standard_output(self, piece: bytes) -> None:
        """Take a piece of standard output."""
        self._take(self._out, piece)

    def standard_error(self, piece: bytes) -> None:
        """Take a piece of standard error."""
        self._take(self._err, piece)

    def tick(self) -> None:
        """Let who reads along see what has no end of line yet, and was printed a while ago."""
        with self._lock:
            for stream in (self._out, self._err):
                self._keep(stream, stream.aged())
        self.log.tick()

    def close(self) -> None:
        """Keep what has no end of line yet, and close the file."""
        with self._lock:
            for stream in (self._out, self._err):
                self._keep(stream, stream.rest())
            self.log.close()

    def unwritten(self) -> bytes:
        """Return what the closed file lacks at its end, as the disk was full."""
        return self.log.unwritten

    @property
    def last_words(self) -> str:
        """The last line of standard error, which is what Python says of an exception."""
        lines = self._err.tail.decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _take(self, stream: "_Stream", piece: bytes) -> None:
        stream.pass_on(piece)
        with self._lock:
            self._keep(stream, stream.lines_with(piece))

    def _keep(self, stream: "_Stream", lines: bytes) -> None:
        if not lines:
            return
        if self._has_open_line not in (None, stream):
            lines = b"\n" + lines
        self._has_open_line = None if lines.endswith((b"\n", b"\r")) else stream
        self.log.write(lines)


class _Stream:
    """One of the two streams of a process."""

    def __init__(self, terminal: BinaryIO | None) -> None:
        self.tail = b""
        self._terminal = terminal
        self._unfinished = b""
        self._is_aged = False
        self._bar = b""
        self._bar_at = -_BAR_S

    def pass_on(self, piece: bytes) -> None:
        try:
            if self._terminal is not None:
                self._terminal.write(piece)
                self._terminal.flush()
        except OSError:  # closed, as by head
            self._terminal = None

    def lines_with(self, piece: bytes) -> bytes:
        """Return what is to be kept now, as a piece comes."""
        self.tail = (self.tail + piece)[-_LAST_WORDS:]
        self._is_aged = False
        text = self._unfinished + piece
        # A progress bar ends its lines with a carriage return.
        end = max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
        if len(text) - end > _LONGEST_LINE:
            end = len(text)
        lines, self._unfinished = text[:end], text[end:]
        return self._without_old_states(lines) if b"\r" in lines else self._with_bar(lines)

    def aged(self) -> bytes:
        """Return what has waited for the end of its line since this was asked last."""
        if self._unfinished and self._is_aged:
            return self.rest()
        self._is_aged = True
        return self._bar_if_due()

    def rest(self) -> bytes:
        """Return what still waits."""
        rest = self._bar + self._unfinished
        self._bar = self._unfinished = b""
        return rest

    def _with_bar(self, lines: bytes) -> bytes:
        """Return lines behind the last state of a bar, which they may come below of."""
        if lines:
            lines, self._bar = self._bar + lines, b""
        return lines

    def _without_old_states(self, lines: bytes) -> bytes:
        """Return lines without the states of a bar that are written over at once."""
        kept = []
        for line in lines.splitlines(keepends=True):
            if line.endswith(b"\r"):
                self._bar = line
                kept.append(self._bar_if_due())
            else:
                # What is in it is written over the last state, which an empty one ends.
                kept.append(line if line.strip() else self._bar + line)
                self._bar = b""
        return b"".join(kept)

    def _bar_if_due(self) -> bytes:
        now = time.monotonic()
        if not self._bar or now - self._bar_at < _BAR_S:
            return b""
        self._bar_at = now
        bar, self._bar = self._bar, b""
        return bar
