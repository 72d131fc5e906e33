"""What a run's process prints: passed on, kept among the run's files, shipped while it grows."""

import threading
import time
from pathlib import Path
from typing import BinaryIO

from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin.sdk.runs.run import Run
from mlflow_workspace_plugin.terminal import get_logger

STANDARD_LOG = "user_logs/std_log.txt"
"""Where the run's files have it: standard output and error, merged (SDK v1)."""

_EVERY_S = 2.0
_SHARE = 20
"""Of the time, shipping takes at most one part in so many: a large log is shipped less often."""

_LAST_WORDS = 4096
_LONGEST_LINE = 1 << 16

_logger = get_logger(__name__)


class Output:
    """Takes what a process prints, from two threads.

    Args:
        path: the local file that keeps it, line by line, of both streams.
        stdout: where standard output is passed on to; nowhere when None.
        stderr: where standard error is passed on to; nowhere when None.
    """

    def __init__(self, path: Path, stdout: BinaryIO | None, stderr: BinaryIO | None) -> None:
        self._file = path.open("wb", buffering=0)
        self._lock = threading.Lock()
        self._streams = {"stdout": _Stream(stdout), "stderr": _Stream(stderr)}

    def standard_output(self, piece: bytes) -> None:
        """Take a piece of standard output."""
        self._take(self._streams["stdout"], piece)

    def standard_error(self, piece: bytes) -> None:
        """Take a piece of standard error."""
        self._take(self._streams["stderr"], piece)

    def close(self) -> None:
        """Keep what has no end of line yet, and close the file."""
        with self._lock:
            for stream in self._streams.values():
                self._keep(stream.unfinished)
            self._file.close()

    @property
    def last_words(self) -> str:
        """The last line of standard error, which is what Python says of an exception."""
        lines = self._streams["stderr"].tail.decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _take(self, stream: "_Stream", piece: bytes) -> None:
        stream.pass_on(piece)
        with self._lock:
            self._keep(stream.whole_lines(piece))

    def _keep(self, lines: bytes) -> None:
        # A thread that ended here would stop the process, which waits for what it prints.
        try:
            self._file.write(lines)
        except (OSError, ValueError) as error:  # no space; closed while something still prints
            _logger.warning("%s lacks some of what was printed: %s", STANDARD_LOG, error)


class _Stream:
    """One of the two streams of a process."""

    def __init__(self, terminal: BinaryIO | None) -> None:
        self.unfinished = b""
        self.tail = b""
        self._terminal = terminal

    def pass_on(self, piece: bytes) -> None:
        try:
            if self._terminal is not None:
                self._terminal.write(piece)
                self._terminal.flush()
        except OSError:  # closed, as by head
            self._terminal = None

    def whole_lines(self, piece: bytes) -> bytes:
        self.tail = (self.tail + piece)[-_LAST_WORDS:]
        text = self.unfinished + piece
        # A progress bar ends its lines with a carriage return.
        end = max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
        if len(text) - end > _LONGEST_LINE:
            end = len(text)
        self.unfinished = text[end:]
        return text[:end]


class Shipping:
    """Stores a growing file among a run's files, again and again until it is stopped.

    Args:
        run: the run.
        name: the name of the file among the run's files.
        path: the local file.
    """

    def __init__(self, run: Run, name: str, path: Path) -> None:
        self._run = run
        self._name = name
        self._path = path
        self._shipped = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._ship_until_ended, name="mlflow-workspace-shipping", daemon=True
        )

    def start(self) -> None:
        """Begin, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Store what is there now, and end.

        Raises:
            mlflow.exceptions.MlflowException: it could not be stored.
            OSError: it could not be stored.
        """
        self._ended.set()
        self._thread.join()
        self._ship()

    def _ship_until_ended(self) -> None:
        pause = _EVERY_S
        while not self._ended.wait(pause):
            began = time.monotonic()
            try:
                self._ship()
            except (MlflowException, OSError) as error:
                _logger.warning("%s is stored later: %s", self._name, error)
            pause = max(_EVERY_S, _SHARE * (time.monotonic() - began))

    def _ship(self) -> None:
        size = self._path.stat().st_size
        if size > self._shipped:
            self._run.upload_file(self._name, str(self._path))
            self._shipped = size
