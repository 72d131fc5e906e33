"""The logs of a run: which there are, and the most telling one, read while it grows."""

import codecs
import io
import re
from collections.abc import Iterator

from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository

_FOLDERS = ("azureml-logs", "logs", "system_logs", "user_logs")
# What a job prints, and what `with run:` keeps; the first one is the most telling.
_STREAMED = (
    ("user_logs", re.compile(r"user_logs/std_log.*\.txt")),
    ("azureml-logs", re.compile(r"azureml-logs/\d{2}.+\.txt")),
    ("logs", re.compile(r"logs/user_log\.txt")),
)
_FIRST_PROCESS = re.compile(r"(rank|worker|process|std_log)_0+(?!\d)")
_PIECE = 2**20
_LONGEST_LINE = 2**20


def log_names(repository: HubRepository) -> list[str]:
    """Return the paths of the logs among a run's files, sorted."""
    return sorted(name for folder in _FOLDERS for name in _files_below(repository, folder))


def streamed_log(repository: HubRepository) -> str | None:
    """Return the path of the log that is shown of a run (SDK v1's choice); None if there is none.

    Of several processes it is that of the first.
    """
    for folder, pattern in _STREAMED:
        matching = sorted(
            name for name in _files_below(repository, folder) if pattern.fullmatch(name)
        )
        if matching:
            first = [name for name in matching if _FIRST_PROCESS.search(name)]
            return (first or matching)[-1]
    return None


class GrowingLog:
    """A log that is read while it grows; nothing of it is read twice.

    Args:
        repository: the run's files.
        name: its path among them.
    """

    def __init__(self, repository: HubRepository, name: str) -> None:
        self.name = name
        self._repository = repository
        self._read = 0
        self._unfinished = ""
        # The carriage returns of progress bars end lines, too.
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._decoder = io.IncrementalNewlineDecoder(decoder, translate=True)

    def new_lines(self) -> Iterator[list[str]]:
        """Yield the lines that are new, in pieces; one that has no end yet is not among them."""
        while piece := self._repository.read_from(self.name, self._read, _PIECE):
            self._read += len(piece)
            lines = (self._unfinished + self._decoder.decode(piece)).split("\n")
            self._unfinished = lines.pop()
            if len(self._unfinished) > _LONGEST_LINE:
                lines.append(self._unfinished)
                self._unfinished = ""
            if lines:
                yield lines

    def rest(self) -> Iterator[list[str]]:
        """Yield the lines that are new, in pieces, and what has no end: nothing comes after it."""
        yield from self.new_lines()
        lines = (self._unfinished + self._decoder.decode(b"", final=True)).split("\n")
        self._unfinished = ""
        if lines := [*lines[:-1], *filter(None, lines[-1:])]:
            yield lines


class LogStream:
    """What is shown of a run while it goes on: its most telling log, line by line.

    A more telling one takes over when it is there.

    Args:
        repository: the run's files.
    """

    def __init__(self, repository: HubRepository) -> None:
        self._repository = repository
        self._log: GrowingLog | None = None

    def new_lines(self, *, is_over: bool = False) -> Iterator[tuple[str, list[str]]]:
        """Yield the lines that are new, in pieces, each behind the name of the log it is from.

        Args:
            is_over: nothing is written any more; so what has no end of line is a line, too.
        """
        name = streamed_log(self._repository)
        if name is not None and (self._log is None or name != self._log.name):
            if self._log is not None:
                yield from ((self._log.name, lines) for lines in self._log.rest())
            self._log = GrowingLog(self._repository, name)
            yield name, []
        if self._log is not None:
            pieces = self._log.rest() if is_over else self._log.new_lines()
            yield from ((self._log.name, lines) for lines in pieces)


def _files_below(repository: HubRepository, folder: str) -> Iterator[str]:
    left = [folder]
    while left:
        for entry in repository.list_artifacts(left.pop()):
            if entry.is_dir:
                left.append(entry.path)
            else:
                yield entry.path
