"""Dates as they are written: which formats a column has, and its values as times."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

_DAY = r"(?P<first>\d{1,4})(?P<sign>[-/])(?P<second>\d{1,2}|[A-Za-z]{3})(?P=sign)(?P<third>\d{1,4})"
_TIME = (
    r"(?P<hour>\d{1,2}):\d{2}(?P<second_of>:\d{2})?(?P<fraction>\.\d{1,9})?(?P<half> [AaPp][Mm])?"
)
_ZONE = r"(?P<zone> ?(?:Z|UTC|[+-]\d{2}:?\d{2}))"
_AT_END = re.compile(rf"{_ZONE}$")
_WRITTEN = re.compile(rf"{_DAY}(?:(?P<between>[T ]){_TIME}{_ZONE}?)?", re.ASCII)
_FRACTION = re.compile(r"\.\d+")
_UTC = re.compile(r" ?(Z|UTC)$")
_MONTH_FIRST = "%m{0}%d"
_DAY_FIRST = "%d{0}%m"
_ZONED = "%z"

ISO_DAY = "%Y-%m-%d"
"""The format that pyarrow reads as a day."""
_ISO_TIME = re.compile(r"%Y-%m-%d[T ]%H:%M:%S(\.%f)?(%z)?")

EARLIEST = pd.Timestamp.min.to_datetime64()
LATEST = pd.Timestamp.max.to_datetime64()


def is_iso(formats: Sequence[str]) -> bool:
    """Whether pyarrow itself reads all of these formats as times, with a zone or without."""
    zoned = {each.endswith(_ZONED) for each in formats}
    return len(zoned) == 1 and all(each == ISO_DAY or _ISO_TIME.fullmatch(each) for each in formats)


def formats_of(values: Iterable[str]) -> tuple[tuple[str, ...], bool] | None:
    """Return the formats that a column's values are written in.

    Where day and month could be either in all values of a format, the month is taken to be first.

    Args:
        values: those that are there.

    Returns:
        the formats, and whether day and month could be either; None: a value is no date.
    """
    found: dict[str, tuple[bool, bool]] = {}
    for value in values:
        written = _format_of(value)
        if written is None:
            return None
        month_first, day_first = found.get(written, (True, True))
        found[written] = (
            month_first and _is_date(value, written.format(md=_MONTH_FIRST)),
            day_first and _is_date(value, written.format(md=_DAY_FIRST)),
        )
    if not found or any(not any(either) for either in found.values()):
        return None
    formats = tuple(
        _with_order(written, _MONTH_FIRST if month_first else _DAY_FIRST)
        for written, (month_first, _) in found.items()
    )
    is_ambiguous = any("{md}" in written and all(either) for written, either in found.items())
    return formats, is_ambiguous


def _format_of(value: str) -> str | None:
    """Return the format of a value, with ``{md}`` for a day and a month in either order."""
    match = _WRITTEN.fullmatch(value)
    if match is None:
        return None
    day, kind = _day_format(match)
    if day is None:
        return None
    if match["hour"] is None:
        return day
    time = _time_format(match, kind)
    return None if time is None else f"{day}{match['between']}{time}"


def _day_format(match: re.Match[str]) -> tuple[str | None, str]:
    first, sign, second, third = match.group("first", "sign", "second", "third")
    if len(first) == 4:
        is_iso_like = second.isdigit() and len(third) <= 2
        return (f"%Y{sign}%m{sign}%d" if is_iso_like else None), "iso"
    year = {2: "%y", 4: "%Y"}.get(len(third))
    if len(first) > 2 or year is None:
        return None, ""
    if second.isalpha():
        return f"%d{sign}%b{sign}{year}", "named"
    return f"{{md}}{sign}{year}", "numbers"


def _time_format(match: re.Match[str], kind: str) -> str | None:
    """Return the format of the time; None for what SDK v1 took for text behind such a day."""
    seconds, fraction, half, zone = match.group("second_of", "fraction", "half", "zone")
    if kind == "iso":
        if seconds is None or half:
            return None
        return f"%H:%M:%S{'.%f' if fraction else ''}{_ZONED if zone else ''}"
    if match["between"] == "T" or zone or (fraction and (kind == "numbers" or not seconds)):
        return None
    if half:
        return f"%I:%M{':%S' if seconds else ''} %p" if kind == "numbers" else None
    return f"%H:%M{':%S' if seconds else ''}{'.%f' if fraction else ''}"


def _with_order(written: str, order: str) -> str:
    sign = "/" if "{md}/" in written else "-"
    return written.replace("{md}", order.format(sign))


def _is_date(value: str, written: str) -> bool:
    """Whether there is such a day: not the 30th of February."""
    # A fraction has more digits than Python reads, and a zone more forms; both are as the
    # pattern says.
    plain = _FRACTION.sub("", value)
    if written.endswith(_ZONED):
        plain = _AT_END.sub("", plain)
    sign = "/" if "/" in value else "-"
    try:
        datetime.strptime(plain, written.format(sign).replace(".%f", "").replace(_ZONED, ""))
    except ValueError:
        return False
    return True


def times(text: pa.Array, formats: Sequence[str]) -> pa.Array:
    """Return texts as times in UTC, without a zone; null where none of the formats fits.

    Args:
        text: of strings.
        formats: as ``strptime`` knows them.
    """
    values = text.to_pandas().astype(object)
    is_missing = values.isna()
    result = pd.Series(pd.NaT, index=values.index, dtype="datetime64[ns]")
    wanted = ["ISO8601", *formats] if is_iso(formats) else list(formats)
    for each in wanted:
        left = values[result.isna() & ~is_missing]
        if left.empty:
            break
        if each == "ISO8601" or each.endswith(_ZONED):
            left = left.str.replace(_UTC, "+00:00", regex=True).str.replace(
                r" (?=[+-]\d{2}:?\d{2}$)", "", regex=True
            )
        read = pd.to_datetime(left, format=each, errors="coerce", utc=True).dt.tz_localize(None)
        within = read.where((read >= EARLIEST) & (read <= LATEST))
        result[left.index] = within.astype("datetime64[ns]")
    return pa.Array.from_pandas(result, type=pa.timestamp("ns"))


def is_out_of_range(value: str, formats: Sequence[str]) -> bool:
    """Whether a text is a time that pandas cannot hold, and not none at all."""
    for each in formats:
        try:
            datetime.strptime(_UTC.sub("+0000", value), each)
        except ValueError:
            continue
        return True
    return False


def nanoseconds(column: pa.Array, *, keep_zone: bool = False) -> pa.Array:
    """Return days or times as times in nanoseconds. Those that pandas cannot hold become null.

    Args:
        column: of days or times.
        keep_zone: keep their zone. Else they are in UTC and without one.
    """
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("s"))
    wanted = pa.timestamp("ns", column.type.tz if keep_zone else None)
    try:
        return column.cast(wanted)
    except pa.ArrowInvalid:
        seconds = column.cast(pa.timestamp("s"), safe=False)
        limit = 2**63 // 10**9
        low, high = (pa.scalar(each, seconds.type) for each in (-limit, limit))
        within = pc.and_(pc.greater(seconds, low), pc.less(seconds, high))
        return pc.if_else(within, column, None).cast(wanted)
