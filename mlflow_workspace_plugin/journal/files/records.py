"""What a journal holds: records, each one line of text with a checksum.

A line is ``CHECKSUM SEQUENCE BODY``: the CRC-32 of what follows it in hexadecimal digits, the
number of the record among those of its writer, and JSON. JSON keeps every float as it is (Python
writes the shortest text that reads back the same, and NaN and infinities by name), and a journal
can be read without this package.
"""

import json
import re
import zlib
from collections.abc import Iterable, Sequence
from enum import Enum
from json.encoder import encode_basestring_ascii as _quoted
from types import NoneType
from typing import Any, NamedTuple

MetricValue = tuple[str, float, int, int]
"""A metric's key, value, timestamp in milliseconds since 1970, and step."""

_encode = json.JSONEncoder(separators=(",", ":")).encode
# Half of the time of loads(), which looks for encodings and blanks.
_decode = json.JSONDecoder().raw_decode

_NUMBER = re.compile(rb"[1-9][0-9]{0,18}")
_MAX_SEQUENCE = (1 << 63) - 1
# Kind, run, time and content.
_FORM: tuple[Any, ...] = (str, str, (int, NoneType), object)


class Kind(str, Enum):
    """What a record does to its run."""

    METRICS = "metrics"
    PARAM = "param"
    PARAMS = "params"
    TAG = "tag"
    TAGS = "tags"
    INFO = "info"
    TYPED = "typed"
    DESCRIBED = "described"
    DROPPED = "dropped"
    LOGGED = "logged"


AWAITED = frozenset(
    kind.value for kind in (Kind.PARAM, Kind.PARAMS, Kind.TAG, Kind.TAGS, Kind.INFO)
)
"""What a call waits for, to raise what is wrong with it."""

VALUES = frozenset({Kind.METRICS.value, Kind.TYPED.value})
"""What holds values of metrics; see :func:`values_of` and :func:`keys_of`."""

NO_CALLS = frozenset({Kind.DROPPED.value, Kind.LOGGED.value})
"""What the journal itself notes between the calls."""


UNCOUNTED = "?"
"""In place of a metric's key, which it cannot be, of what was lost: nobody knows of which."""

OTHERS = ""
"""In place of a metric's key, of what was lost: params, tags and ends of runs."""


class Record(NamedTuple):
    """A record that was read from a journal."""

    sequence: int
    """Its number among the records of its writer, from 1."""
    kind: str
    """The value of a :class:`Kind`."""
    run_id: str
    called_at: int | None
    """When the logging call was made, in milliseconds since 1970; None for values of metrics that
    may have been sent before."""
    content: Any
    """METRICS: lists of key, value, timestamp, step, and for a model's metric model id, dataset
    name and dataset digest. TYPED: such lists; lists of a metric's key, timestamp, step, what was
    logged, which its number does not say, and whether it is a value without a number, as text is
    (absent: it is not); and the table whose rows they are, or None. PARAM, PARAMS, TAG, TAGS:
    values by key. INFO: status, end time and name, each None where it stays, and what LOGGED has.
    DESCRIBED: tags that stay as they are once they are set. DROPPED: how many values of each metric
    were lost. LOGGED: how many of each were logged, since that was noted last."""


def metric_body(
    run_id: str, called_at: int, key: str, value: float, timestamp: int, step: int
) -> str:
    """Return the body of a record of one finite value: what nearly every call logs."""
    # A third of the time that the encoder takes.
    return (
        f'["metrics",{_quoted(run_id)},{called_at},[[{_quoted(key)},{value!r},{timestamp},{step}]]]'
    )


def metrics_body(run_id: str, called_at: int | None, values: Sequence[Sequence[Any]]) -> str:
    """Return the body of a record of metrics.

    Args:
        run_id: the run.
        called_at: when the logging call was made, in milliseconds since 1970.
        values: a :data:`MetricValue` each, or one with model id, dataset name and dataset digest.
    """
    return _encode([Kind.METRICS.value, run_id, called_at, values])


def values_of(record: Record) -> list[list[Any]]:
    """Return the numbers of metrics that a record holds, as METRICS has them."""
    if record.kind == Kind.TYPED:
        values: list[list[Any]] = record.content[0]
        return values
    return record.content if record.kind == Kind.METRICS else []


def models_of(records: Iterable[Record]) -> set[str]:
    """Return the ids of the logged models whose metrics are among what records hold."""
    return {value[4] for record in records for value in values_of(record) if len(value) > 4}


def keys_of(record: Record) -> list[str]:
    """Return the keys of the metrics whose values a record holds, one for each value."""
    keys = [value[0] for value in values_of(record)]
    return keys + keys_of_texts(record.content[1]) if record.kind == Kind.TYPED else keys


def keys_of_texts(exact: Sequence[Sequence[Any]]) -> list[str]:
    """Return the keys of values that have no number, among those of a TYPED record."""
    return [key for key, _, _, _, *alone in exact if any(alone)]


def body(kind: Kind, run_id: str, called_at: int | None, content: Any) -> str:
    """Return the body of a record; see :class:`Record` for the content of each kind."""
    return _encode([kind.value, run_id, called_at, content])


def line(sequence: int, body: str) -> bytes:
    """Return the line of a record."""
    text = f"{sequence} {body}".encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def parse(line: bytes) -> Record | None:
    """Return the record of a line, without its end; None when the line is damaged."""
    text = line[9:]
    if line[:9] != b"%08x " % zlib.crc32(text):
        return None
    sequence, _, body = text.partition(b" ")
    return Record(int(sequence), *_decode(body.decode())[0])


def read(line: bytes) -> Record:
    """Return the record of a line that somebody else sent, with its end.

    What the record says is not looked at, but it has the form of one.

    Raises:
        ValueError: the line is damaged, or is no record's.
    """
    text = line[9:-1]
    if not line.endswith(b"\n") or line[:9] != b"%08x " % zlib.crc32(text):
        raise ValueError("It does not have the checksum that stands before it.")
    number, _, body = text.partition(b" ")
    if not _NUMBER.fullmatch(number) or int(number) > _MAX_SEQUENCE:
        raise ValueError("Its number is none.")
    try:
        said, end = _decode(given := body.decode())
    except (ValueError, RecursionError):
        raise ValueError("It is not JSON.") from None
    if end != len(given) or not isinstance(said, list) or len(said) != len(_FORM):
        raise ValueError("It is no record.")
    if not all(isinstance(each, kind) for each, kind in zip(said, _FORM, strict=True)):
        raise ValueError("It is no record.")
    return Record(int(number), *said)
