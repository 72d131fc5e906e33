"""What a run prints, read from its end, and from there on while it grows."""

import codecs
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from mlflow_workspace_plugin.runs.files.logs import log_names, streamed_log

if TYPE_CHECKING:
    from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository

TAIL_BYTES = 16_384
MOST_BYTES = 2**20
_LONGEST_CHARACTER = 4


@dataclass(frozen=True)
class LogPiece:
    """A piece of a log.

    Attributes:
        name: the path of the log among the run's files.
        start: of how many bytes the piece comes behind; where that is not where the piece before
            ended, or it is of another log, it takes the place of all that was shown.
        end: where the next one begins.
        text: in the encoding UTF-8, with its carriage returns and escapes.
    """

    name: str
    start: int
    end: int
    text: str


def logs_of_run(repository: "HubRepository") -> list[str]:
    """Return the paths of all logs of a run, the one that is shown of it first."""
    shown, names = streamed_log(repository), log_names(repository)
    return names if shown is None else [shown, *(each for each in names if each != shown)]


def tail_of_log(
    repository: "HubRepository",
    name: str | None = None,
    size: int = TAIL_BYTES,
    seen: tuple[str, int] | None = None,
) -> LogPiece | None:
    """Return what came to a log since somebody looked, or its end.

    Args:
        repository: of the run's files.
        name: of the log; the most telling one of the run when None.
        size: how many bytes at most; what lies before the last of them is passed over.
        seen: the log that was looked at, and how far.

    Returns:
        None where there is nothing new.
    """
    if name is None:
        name = streamed_log(repository)
    if name is None:
        return None
    start = seen[1] if seen is not None and seen[0] == name else None
    found = _size_of(repository, name)
    if found is None or found == start:
        return None
    # A log that has become shorter is another one by now.
    if start is None or found < start or found - start > size:
        start = max(found - size, 0)
    piece = piece_of_log(repository, name, start, size)
    return piece if piece.end > piece.start or seen is None or seen[0] != name else None


def piece_of_log(
    repository: "HubRepository", name: str, start: int, size: int = TAIL_BYTES
) -> LogPiece:
    """Return a piece of a log, in whole characters.

    Args:
        repository: of the run's files.
        name: of the log.
        start: of how many bytes it comes behind.
        size: of how many bytes it is, at most.

    Raises:
        MlflowException: there is no such file.
    """
    read = repository.read_from(name, start, max(1, min(size, MOST_BYTES)))
    if start > 0:
        # The rest of a character is none.
        rest = next(
            (i for i, byte in enumerate(read[:_LONGEST_CHARACTER]) if byte & 0xC0 != 0x80), 0
        )
        start, read = start + rest, read[rest:]
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(read)
    unfinished, _ = decoder.getstate()
    return LogPiece(name, start, start + len(read) - len(unfinished), text)


def _size_of(repository: "HubRepository", name: str) -> int | None:
    """Return how many bytes a file has; None if there is none."""
    try:
        entries = repository.list_artifacts(posixpath.dirname(name))
    except MlflowException as error:
        if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            return None
        raise
    return next((each.file_size for each in entries if each.path == name), None)
