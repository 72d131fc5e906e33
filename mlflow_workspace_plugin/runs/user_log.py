"""What is printed inside ``with run:``, kept in a file as well (SDK v1)."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

USER_LOG = "./logs/user_log.txt"
"""SDK v1's name of the file, among those of the run."""


@contextmanager
def user_log(path: "str | os.PathLike[str]" = USER_LOG) -> Iterator[None]:
    """Append to a file what Python prints and logs to the terminal inside ``with``.

    Handlers of Python's ``logging`` that write to the terminal are led through it. What is printed
    past ``sys.stdout`` and ``sys.stderr``, as by other processes, is not seen.

    Args:
        path: the file; its folder is made.

    Raises:
        OSError: the file cannot be written.
    """
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8", errors="backslashreplace", buffering=1) as log:
        out, err = _Tee(sys.stdout, log), _Tee(sys.stderr, log)
        moved = _move_handlers({id(sys.stdout): out, id(sys.stderr): err})
        try:
            with redirect_stdout(out), redirect_stderr(err):
                yield
        finally:
            for handler, stream in moved:
                handler.setStream(stream)
            out.end()
            err.end()


class _Tee:
    """A stream whose text goes to a file, too, until it is ended.

    It may be held on to after that, as by a handler that was made inside ``with``.
    """

    def __init__(self, stream: TextIO, log: TextIO) -> None:
        self._stream = stream
        self._log: TextIO | None = log

    def write(self, text: str) -> int:
        written = self._stream.write(text)
        if self._log is not None:
            self._log.write(text)
        return written

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def end(self) -> None:
        self._log = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _move_handlers(
    tees: dict[int, _Tee],
) -> "list[tuple[logging.StreamHandler[Any], TextIO]]":
    """Lead handlers that write to these streams through the tees; return where they wrote."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    moved = []
    for logger in loggers:
        for handler in getattr(logger, "handlers", ()):  # a placeholder has none
            if isinstance(handler, logging.StreamHandler) and id(handler.stream) in tees:
                moved.append((handler, handler.stream))
                handler.setStream(tees[id(handler.stream)])
    return moved
