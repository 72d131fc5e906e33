"""Times, durations and sizes, as people say them, and how statuses are coloured."""

import time
from datetime import datetime, timedelta, timezone
from typing import Any

COLOURS = {
    "Queued": "cyan",
    "Running": "green",
    "CancelRequested": "yellow",
    "Canceled": "yellow",
    "NotResponding": "red",
    "Failed": "red",
}
"""Of statuses, in a table; the others have none."""

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_WEEK = 7


def ago(milliseconds: int | None, now: float | None = None) -> str:
    """Return when something was, such as ``3 min ago`` or ``yesterday``; a date, if long ago.

    Args:
        milliseconds: since 1970; None is an empty text.
        now: in seconds since 1970; the clock's when None.
    """
    if milliseconds is None:
        return ""
    now = time.time() if now is None else now
    passed = now - milliseconds / 1000
    there, today = _local(milliseconds / 1000), _local(now)
    if there is None or today is None:
        return "unknown"
    if -_MINUTE < passed < _MINUTE:
        return "just now" if passed < 1 else f"{passed:.0f} s ago"
    if _MINUTE <= passed < _HOUR:
        return f"{passed // _MINUTE:.0f} min ago"
    days = (today.date() - there.date()).days
    if passed > 0 and (days == 0 or passed < _HOUR * 6):
        return f"{passed // _HOUR:.0f} h ago"
    if days == 1:
        return "yesterday"
    return f"{days} days ago" if 1 < days < _WEEK else there.date().isoformat()


def took(start_ms: int | None, end_ms: int | None) -> str:
    """Return how long something took, such as ``12 s`` or ``1.5 h``; empty where it is unknown."""
    if start_ms is None or end_ms is None or end_ms < start_ms:
        return ""
    seconds = (end_ms - start_ms) / 1000
    if seconds < _MINUTE:
        return f"{seconds:.1f} s" if 0.05 <= seconds < 9.95 else f"{seconds:.0f} s"
    for unit, name in ((_DAY, "days"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return ""


def iso(milliseconds: int | None) -> str | None:
    """Return a time for programs, in UTC, with its milliseconds; None of what no calendar has."""
    if milliseconds is None:
        return None
    try:
        time_ = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None
    return time_.isoformat(timespec="milliseconds")


def size(number: float) -> str:
    """Return a number of bytes, such as ``3.4 MB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def value(of_metric: Any) -> str:
    """Return a value of a metric, with as many digits as one reads."""
    return f"{of_metric:.6g}" if isinstance(of_metric, float) else str(of_metric)


def count(number: int, noun: str) -> str:
    """Return such as ``1 file`` or ``2,000 files``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _local(seconds: float) -> datetime | None:
    """Return a time in the user's zone; None of what no calendar has."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).astimezone()
    except (OverflowError, ValueError, OSError):
        return None
