"""Rows as CSV (RFC 4180), each value as it was logged: what is drawn, for other programs."""

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

_AT_ONCE = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Sheet:
    """Rows that are read while they are written.

    Attributes:
        columns: their names.
        rows: as many values each.
    """

    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]


def csv_of(sheet: Sheet) -> Iterator[str]:
    """Return a sheet as text, in pieces.

    Args:
        sheet: what is written; the first line has the names of its columns.
    """
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(sheet.columns)
    for number, row in enumerate(sheet.rows, start=1):
        writer.writerow([_told(value) for value in row])
        if number % _AT_ONCE == 0:
            yield written.getvalue()
            written.seek(0)
            written.truncate()
    yield written.getvalue()


def moment_of(milliseconds: int) -> str | int:
    """Return a time as ISO 8601 has it, in UTC; as it is, where that has no word for it.

    Args:
        milliseconds: since 1970.
    """
    try:
        moment = _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return milliseconds
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _told(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, (int, float)):
        return repr(float(value)) if isinstance(value, float) else _digits(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # Python writes no more than some thousand digits
        return hex(value)
