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
        end: where the next one begins. Nobody can tell it from the text, which has another length
            where the log is not in UTF-8.
        text: read as UTF-8, with its carriage returns and escapes; what is no UTF-8 is U+FFFD.
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
    is_cut = start is None or found < start or found - start > size
    if start is None or is_cut:
        start = max(found - size, 0)
    start, read = _read(repository, name, start, size, is_cut=is_cut)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(read)
    unfinished, _ = decoder.getstate()
    end = start + len(read) - len(unfinished)
    return LogPiece(name, start, end, text) if is_cut or end > start else None


def piece_before(
    repository: "HubRepository", name: str, end: int, size: int = TAIL_BYTES
) -> LogPiece:
    """Return the piece of a log that comes before another one.

    Args:
        repository: of the run's files.
        name: of the log.
        end: where the other one starts, as it says.
        size: of how many bytes it is, at most.

    Raises:
        MlflowException: there is no such file.
    """
    start = max(end - size, 0)
    start, read = _read(repository, name, start, end - start, is_cut=True)
    return LogPiece(name, start, start + len(read), read.decode("utf-8", "replace"))


def _read(
    repository: "HubRepository", name: str, start: int, size: int, *, is_cut: bool
) -> tuple[int, bytes]:
    """Return a piece and where it starts; where a log is cut, that is a whole character."""
    read = repository.read_from(name, start, max(1, min(size, MOST_BYTES)))
    if not is_cut or start == 0:
        return start, read
    # The rest of a character is none.
    rest = next((i for i, byte in enumerate(read[:_LONGEST_CHARACTER]) if byte & 0xC0 != 0x80), 0)
    return start + rest, read[rest:]


def _size_of(repository: "HubRepository", name: str) -> int | None:
    """Return how many bytes a file has; None if there is none."""
    try:
        entries = repository.list_artifacts(posixpath.dirname(name))
    except MlflowException as error:
        if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            return None
        raise
    return next((each.file_size for each in entries if each.path == name), None)
