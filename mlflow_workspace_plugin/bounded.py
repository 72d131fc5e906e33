"""Reading what anybody may have stored or sent: a few bytes may become gigabytes in memory.

What is read is refused once there is more of it than honest writers have, before it is in memory.
"""

import json
import zlib
from typing import Any

GZIP = zlib.MAX_WBITS | 16
"""What :func:`unpacked` takes for what gzip has packed."""

# Each stands before a value, or a name, of what is written as JSON.
_MARKS = (b",", b"[", b"{", b":")
_PIECE = 1 << 20


class TooMuchError(ValueError):
    """There is more of something than is read."""


def unpacked(packed: bytes, most: int, wbits: int = zlib.MAX_WBITS) -> bytes:
    """Return what was packed.

    Args:
        packed: by zlib.
        most: how many bytes it may unpack to.
        wbits: as :func:`zlib.decompressobj` takes them.

    Raises:
        TooMuchError: there are more.
        ValueError: it is damaged.
    """
    unpacking = zlib.decompressobj(wbits)
    try:
        text = unpacking.decompress(packed, most + 1)
    except zlib.error as error:
        raise ValueError(f"it cannot be unpacked: {error}") from None
    if len(text) > most:
        raise too_long(most)
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("it is cut, or goes on behind its end")
    return text


def check_values(text: bytes, most: int) -> None:
    """Refuse text whose JSON has more values than may be read.

    An empty list is two bytes of text, and 64 in memory.

    Args:
        text: JSON in UTF-8, or several lines of it.
        most: how many values, lists, and names of values there may be.

    Raises:
        TooMuchError: there are more.
    """
    if sum(map(text.count, _MARKS)) <= most:
        return
    # They may stand within texts, where they are no marks. Without what is escaped each quotation
    # mark begins a text, or ends it.
    plain = text.replace(rb"\\", b"").replace(rb"\"", b"")
    found = is_within = 0
    for start in range(0, len(plain), _PIECE):
        parts = plain[start : start + _PIECE].split(b'"')
        outside = b"".join(parts[is_within::2])
        found += sum(map(outside.count, _MARKS))
        if found > most:
            raise TooMuchError(f"it holds more than {most:,} values")
        is_within = (is_within + len(parts) - 1) % 2


def json_of(text: bytes, most: int, *, names_once: bool = False) -> Any:
    """Return what JSON says.

    Args:
        text: in UTF-8.
        most: as for :func:`check_values`.
        names_once: refuse objects that have a name twice, of which readers take one or the other.

    Raises:
        TooMuchError: it has more values.
        ValueError: it is no JSON.
    """
    check_values(text, most)
    try:
        return json.loads(text.decode(), object_pairs_hook=_named_once if names_once else None)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def too_long(most: int) -> TooMuchError:
    """Return the error of what holds more than so many bytes."""
    return TooMuchError(f"it holds more than {most >> 20:,} MiB")


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name is in it twice")
    return made
