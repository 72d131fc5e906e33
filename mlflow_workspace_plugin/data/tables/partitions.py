"""Columns that the path of a file says: ``partition_format``."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from mlflow_workspace_plugin.errors import DatasetExecutionError, DatasetValidationError

_PARTS = {"yyyy": 4, "MM": 2, "dd": 2, "HH": 2, "mm": 2, "ss": 2}
_TOKENS = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|.", re.DOTALL)
_ANY = "(?:.*?)"
_DATE_TOKENS = re.compile(rf"{'|'.join(_PARTS)}|.", re.DOTALL)


@dataclass(frozen=True)
class Partitions:
    """What of paths becomes columns.

    Attributes:
        written: the format.
        columns: the names of the columns; that of the time comes last.
        time_column: that one, if there is one.
    """

    written: str
    columns: tuple[str, ...]
    time_column: str | None
    _pattern: re.Pattern[str]
    _groups: tuple[str, ...]

    def values(self, path: str) -> dict[str, str | datetime]:
        """Return what the path of a file says, by the names of the columns.

        Raises:
            DatasetExecutionError: the path is none of the format.
        """
        match = self._pattern.search(path)
        if match is None:
            raise DatasetExecutionError(
                f"The path {path!r} is not of the partition_format {self.written!r}, which says "
                "how paths go on from their first part that is a column to their end. Correct the "
                "format, or leave the file out of the dataset's path."
            )
        found = dict(zip(self._groups, match.groups(), strict=True))
        said: dict[str, str | datetime] = dict(found)
        if self.time_column is not None:
            said[self.time_column] = self._time(path, found)
        return {name: said[name] for name in self.columns}

    def _time(self, path: str, found: dict[str, str]) -> datetime:
        year, month, day, hour, minute, second = (
            int(found.get(part, 1 if part in ("MM", "dd") else 0)) for part in _PARTS
        )
        try:
            return datetime(year, month, day, hour, minute, second)
        except ValueError as error:
            raise DatasetExecutionError(
                f"The path {path!r} names no time as its partition_format {self.written!r} says: "
                f"{error}. Correct the format, or leave the file out of the dataset's path."
            ) from error


def partitions_of(written: str) -> Partitions:
    """Return what a partition format says.

    Args:
        written: such as ``{country}/{day:yyyy/MM/dd}/data.csv``; ``*`` is any text.

    Raises:
        DatasetValidationError: it is no such format.
    """
    parsed = _Parsed(written)
    columns = [name for name in parsed.groups if name not in _PARTS]
    if parsed.time_column is not None:
        columns.append(parsed.time_column)
    if not columns:
        raise parsed.refusal("it names no column, such as {name}")
    if parsed.time_column is not None and "yyyy" not in parsed.groups:
        raise parsed.refusal("the year, yyyy, is missing")
    pattern = re.compile(f"{parsed.pattern}$", re.DOTALL)
    return Partitions(written, tuple(columns), parsed.time_column, pattern, tuple(parsed.groups))


class _Parsed:
    """A format as an expression, whose groups are in the order of :attr:`groups`."""

    def __init__(self, written: str) -> None:
        self._written = written
        self.groups: list[str] = []
        self.time_column: str | None = None
        self.pattern = "".join(self._expressions())

    def refusal(self, reason: str) -> DatasetValidationError:
        """Return the error for a format that is none."""
        return DatasetValidationError(
            f"partition_format {self._written!r} cannot be used: {reason}. It is such as "
            "'/{country}/{day:yyyy/MM/dd}/data.csv'."
        )

    def _expressions(self) -> Iterator[str]:
        for match in _TOKENS.finditer(self._written):
            each = match[0]
            if match[1] is not None:
                yield from self._column(match[1])
            elif each in ("{{", "}}"):
                yield re.escape(each[0])
            elif each in ("{", "}"):
                raise self.refusal("a brace stands alone, or within another one")
            else:
                yield _ANY if each == "*" else re.escape(each)

    def _column(self, named: str) -> Iterator[str]:
        name, colon, how = named.partition(":")
        if not name:
            raise self.refusal("a column has no name")
        if not colon:
            yield self._group(name, r"[^/\\]+")
            return
        if not how:
            raise self.refusal(f"how the time {name!r} is written is missing")
        if self.time_column is not None:
            raise self.refusal("it names two times")
        self.time_column = name
        for match in _DATE_TOKENS.finditer(how):
            part = match[0]
            yield self._group(part, rf"\d{{{_PARTS[part]}}}") if part in _PARTS else re.escape(part)

    def _group(self, name: str, expression: str) -> str:
        if name in self.groups:
            return f"(?:{expression})"
        self.groups.append(name)
        return f"({expression})"
