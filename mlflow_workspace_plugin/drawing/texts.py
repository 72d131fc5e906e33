"""Numbers, times and cells as they are written in pictures; in no locale."""

import math
from datetime import datetime, timezone
from typing import Any
from unicodedata import east_asian_width

from mlflow_workspace_plugin.terminal import shown

_LONGEST = 200
_SECOND = 1000
_MINUTE = 60 * _SECOND
_TOO_LARGE = 1e15
_TOO_SMALL = 1e-4


def number_of(value: Any) -> float:
    """Return what a figure's JSON has for a number: NaN for what is none, or not known."""
    if isinstance(value, dict):
        value = value.get("number")
    if value is None:
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        return math.nan


def number_text(number: float, digits: int = 5) -> str:
    """Return a number: a whole one in full, others with so many digits that say something."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0:
        return "0"
    if not _TOO_SMALL <= abs(number) < _TOO_LARGE:
        mantissa, _, exponent = f"{number:.{digits - 1}e}".partition("e")
        return f"{trimmed(mantissa)}e{int(exponent)}"
    if number == int(number):
        return f"{int(number):,}"
    places = max(1, digits - 1 - math.floor(math.log10(abs(number))))
    return trimmed(f"{number:,.{places}f}")


def cell_text(cell: Any) -> str:
    """Return the text of a table's cell.

    Args:
        cell: as a figure's JSON has it.
    """
    if isinstance(cell, dict):
        told = shown(cell.get("number"))
        return f"{int(told):,}" if told.lstrip("-").isdigit() else told
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return number_text(cell) if isinstance(cell, int | float) else shown(cell)


def time_text(milliseconds: float) -> str:
    """Return a time of day and its date, in UTC."""
    return moment(milliseconds).strftime("%Y-%m-%d %H:%M:%S UTC")


def moment(milliseconds: float) -> datetime:
    """Return a time; the nearest that there is, where it is beyond what a date can say."""
    least, greatest = -62135596800.0, 253402300799.0
    return datetime.fromtimestamp(max(least, min(greatest, milliseconds / 1000)), timezone.utc)


def duration_text(milliseconds: float) -> str:
    """Return a length of time in its two largest units: 1 h 02 min."""
    if milliseconds < 0:
        return f"-{duration_text(-milliseconds)}"
    if milliseconds < _SECOND:
        return f"{round(milliseconds)} ms"
    if milliseconds < _MINUTE - 50:
        return f"{trimmed(f'{milliseconds / _SECOND:.1f}')} s"
    seconds = round(milliseconds / _SECOND)
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days:,} d {hours:02} h"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds % 60:02} s"


def one_line(text: object, longest: int = _LONGEST) -> str:
    """Return text in one line that is shown as itself, with an ellipsis where it is cut."""
    line = shown(" ".join(str(text).split()))
    return f"{line[: longest - 1]}…" if len(line) > longest else line


def width_of(text: str, size: float) -> float:
    """Return about how wide a line of text is, in letters of some height."""
    wide = sum(east_asian_width(each) in "FW" for each in text)
    return size * (0.56 * (len(text) - wide) + wide)


def fitting(text: object, width: float, size: float) -> str:
    """Return text in one line, cut where it would be wider than there is room for."""
    line = one_line(text)
    if width_of(line, size) <= width:
        return line
    while line and width_of(f"{line}…", size) > width:
        line = line[:-1]
    return f"{line}…"


def trimmed(digits: str) -> str:
    """Return the digits of a number without the noughts that say nothing."""
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
