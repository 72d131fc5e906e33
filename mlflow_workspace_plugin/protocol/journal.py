"""What a client sends of its journal to a served hub, and what it is told: values and bytes.

A batch is one text, compressed: a line of JSON that says whose it is, and behind it lines as they
stand in journals. The answer is JSON.
"""

import json
import re
import zlib
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from mlflow_workspace_plugin.bounded import TooMuchError, check_values, unpacked

CONTENT_TYPE = "application/vnd.mlflow-workspace.journal"
SECRET_HEADER = "X-Workspace-Journal-Secret"  # noqa: S105  only what it is called
"""Holds the secret of the journal: who has it goes on with what its writers began."""

MAX_BODY_BYTES = 16 << 20
"""Of a request."""
MAX_TEXT_BYTES = 64 << 20
"""Of the text that it holds, compressed."""
MAX_RECORDS = 20_000
"""In a batch."""

MAX_VALUES = 4_000_000
"""In the JSON of a batch: what lists hold, and names; a value of a metric is five of them, and that
of a logged model eight."""

_MAX_SEQUENCE = (1 << 63) - 1
_MAX_HEADER_BYTES = 1 << 20
# Fast: of what a journal holds the best compression takes off a tenth more, in five times the time.
_LEVEL = 1

# What is sent in a writer's place has an id that begins with its own: see journal.sending.replay.
_WRITER = re.compile(
    r"([0-9a-f]{8}-[0-9a-f]{32})(\.[0-9]{6,9}(\.lost)?|\.reserve|\.memory|\.dropped|\.again\.[0-9a-f]{8})?"
)
_SECRET = re.compile(r"[0-9a-f]{64}")


class InvalidBatchError(ValueError):
    """A request is no batch.

    Args:
        message: what is wrong.
        line: which line of the journal's it is, from 0; None if it is none of them.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class TooLargeError(ValueError):
    """A batch holds more than is taken at once."""


@dataclass(frozen=True)
class Batch:
    """What a client sends at once."""

    writer: str
    """The id of the writer, or one that is used in its place."""
    follows: int
    """Up to which record all was dealt with before, as the client was told."""
    lines: list[bytes]
    """Lines of a journal, with their ends, in the order of their sequences."""
    acknowledged: int = 0
    """Up to which record the client knows what was refused; 0 if it was told of nothing."""
    unheard: tuple[int, ...] = ()
    """The sequences, among the refused ones that it acknowledges, for which no call waited."""


@dataclass(frozen=True)
class Refused:
    """Why records were refused."""

    code: str
    """MLflow's name of the error, such as ``INVALID_PARAMETER_VALUE``."""
    message: str
    sequences: tuple[int, ...]
    """Of the records."""
    error: str = ""
    """The name of the error's class, if it is one of this package's."""


@dataclass(frozen=True)
class Reply:
    """What the hub says of a writer."""

    sequence: int
    """Of the last record that was dealt with; 0 if none was."""
    refused: list[Refused] = field(default_factory=list)
    """What is refused and not acknowledged."""


def is_writer(text: object) -> bool:
    """Whether a text has the form of a writer's id."""
    return isinstance(text, str) and _WRITER.fullmatch(text) is not None


def is_secret(text: object) -> TypeGuard[str]:
    """Whether a text has the form of a journal's secret."""
    return isinstance(text, str) and _SECRET.fullmatch(text) is not None


def journal_of(writer: str) -> str:
    """Return the id of the writer in whose place one sends, which is itself most often."""
    return writer.partition(".")[0]


def to_bytes(batch: Batch) -> bytes:
    """Return the body of the request that sends a batch."""
    head: dict[str, Any] = {"writer": batch.writer, "follows": batch.follows}
    if batch.acknowledged:
        head |= {"acknowledged": batch.acknowledged, "unheard": list(batch.unheard)}
    text = b"".join((json.dumps(head).encode(), b"\n", *batch.lines))
    return zlib.compress(text, _LEVEL)


def from_bytes(body: bytes) -> Batch:
    """Return the batch that a body is. What its lines say is not looked at.

    Raises:
        InvalidBatchError: it is none.
        TooLargeError: it holds more than :data:`MAX_TEXT_BYTES`, :data:`MAX_RECORDS` or
            :data:`MAX_VALUES`.
    """
    head, _, text = _decompressed(body).partition(b"\n")
    if len(head) > _MAX_HEADER_BYTES:
        raise InvalidBatchError("The first line is too long.")
    try:
        # In UTF-8, in which its values were counted.
        said = json.loads(head.decode())
    except (ValueError, RecursionError):
        raise InvalidBatchError("The first line is not JSON.") from None
    if not isinstance(said, dict) or not is_writer(said.get("writer")):
        raise InvalidBatchError("The first line does not name a writer.")
    if text.count(b"\n") > MAX_RECORDS:
        raise TooLargeError(f"A batch holds {MAX_RECORDS:,} records at most.")
    *lines, rest = text.split(b"\n")
    if rest:
        raise InvalidBatchError("The last line has no end.", len(lines))
    unheard = said.get("unheard", [])
    if not isinstance(unheard, list) or len(unheard) > MAX_RECORDS:
        raise InvalidBatchError("What was unheard is no list.")
    return Batch(
        said["writer"],
        _sequence(said.get("follows", 0)),
        [line + b"\n" for line in lines],
        _sequence(said.get("acknowledged", 0)),
        tuple(map(_sequence, unheard)),
    )


def reply_to_json(reply: Reply) -> dict[str, Any]:
    """Return a reply as JSON has it."""
    found: dict[str, Any] = {"sequence": reply.sequence}
    if reply.refused:
        found["refused"] = [
            {
                "error_code": each.code,
                "message": each.message,
                "sequences": list(each.sequences),
                "error": each.error,
            }
            for each in reply.refused
        ]
    return found


def reply_from_json(text: bytes) -> Reply:
    """Return the reply that an answer is.

    Raises:
        ValueError: it is none.
    """
    try:
        said = json.loads(text)
        sequence = _sequence(said["sequence"])
        refused = [
            Refused(
                str(each["error_code"]),
                str(each["message"]),
                tuple(map(_sequence, each["sequences"])),
                str(each.get("error", "")),
            )
            for each in said.get("refused", [])
        ]
        return Reply(sequence, refused)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("The answer is not that of a served hub.") from error


def _decompressed(body: bytes) -> bytes:
    try:
        text = unpacked(body, MAX_TEXT_BYTES)
        # Before anything is made of it.
        check_values(text, MAX_VALUES)
    except TooMuchError:
        raise TooLargeError(
            f"A batch holds {MAX_TEXT_BYTES >> 20} MiB of text and {MAX_VALUES:,} values at most."
        ) from None
    except ValueError as error:
        raise InvalidBatchError(f"The body is no text that was compressed: {error}.") from None
    return text


def _sequence(given: object) -> int:
    if type(given) is not int or not 0 <= given <= _MAX_SEQUENCE:
        raise InvalidBatchError("A sequence is a whole number from 0 to 2^63 - 1.")
    return given
