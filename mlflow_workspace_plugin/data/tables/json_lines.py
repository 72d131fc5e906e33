"""JSON lines: an object in each line of a file, read in batches."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pyarrow as pa

from mlflow_workspace_plugin.data.tables.column_types import (
    LENIENT,
    Strictness,
    converted,
    types_of,
)
from mlflow_workspace_plugin.data.tables.delimited import ENCODINGS, Wanted
from mlflow_workspace_plugin.data.tables.sources import Source
from mlflow_workspace_plugin.errors import DatasetExecutionError, clause

_LINES = 16384
_SHOWN = 80


@dataclass
class JsonLinesReader:
    """Reads files of JSON lines, one after the other.

    A column is of the kind of its first value; whole numbers and others are both numbers. What is
    of another kind becomes missing, as in SDK v1.

    Args:
        options: the ``reader`` of a definition.
        wanted: which columns are.
        strictness: what becomes of values of another kind.
    """

    options: Mapping[str, Any]
    wanted: Wanted = list
    strictness: Strictness = LENIENT
    _kinds: dict[str, type] = field(default_factory=dict, init=False)

    def batches(self, source: Source) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a file.

        Raises:
            DatasetExecutionError: a line is no object, or a value is of another kind than others
                and that is to be an error.
        """
        types = types_of(self.options)
        encoding = ENCODINGS[self.options.get("encoding", "utf8")]
        with source.text(encoding) as text:
            try:
                rows = self._rows(source, text)
                while chunk := list(islice(rows, _LINES)):
                    names = self.wanted(list(dict.fromkeys(name for row in chunk for name in row)))
                    columns = {"": pa.nulls(len(chunk))}
                    for name in names:
                        column = self._column(name, chunk)
                        if name in types:
                            column = converted(column, types[name], name, self.strictness)
                        columns[name] = column
                    # Without columns it still has its rows.
                    yield pa.RecordBatch.from_pydict(columns).select(names)
            except UnicodeError as error:
                raise DatasetExecutionError(
                    f"File {source.name!r} is no text in the encoding "
                    f"{self.options.get('encoding')!r}: {clause(error)}. Name its encoding by "
                    f"encoding=: {', '.join(ENCODINGS)}."
                ) from error

    def _rows(self, source: Source, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except RecursionError:
                reason = "its lists or objects are nested too deep"
            except ValueError as error:
                reason = clause(error)
            else:
                if isinstance(row, dict):
                    yield row
                    continue
                reason = "it is no object"
            if self.options.get("invalid_lines") != "drop":
                raise DatasetExecutionError(
                    f"Line {number} of file {source.name!r} cannot be read, {line[:_SHOWN]!r}: "
                    f"{reason}. Correct the file, or leave such lines out by invalid_lines='drop'."
                )

    def _column(self, name: str, rows: list[dict[str, Any]]) -> pa.Array:
        values = [row.get(name) for row in rows]
        kind = self._kinds.get(name)
        if kind is None:
            kind = next((_kind(value) for value in values if value is not None), None)
            if kind is None:
                return pa.nulls(len(values))
            self._kinds[name] = kind
        fitting = [self._fitting(name, value, kind) for value in values]
        try:
            return pa.array(fitting)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            # Numbers too large for 64 bits, and whole ones beyond 2**53 beside others. Of lists
            # and records whose values are of different kinds, it is their text.
            if kind is float:
                return pa.array([None if each is None else float(each) for each in fitting])
            return pa.array([None if each is None else json.dumps(each) for each in fitting])

    def _fitting(self, name: str, value: Any, kind: type) -> Any:
        if value is None or _kind(value) is kind:
            return value
        if self.strictness.misfits_fail:
            raise DatasetExecutionError(
                f"{value!r} in column {name!r} is of another kind than the values before it. Read "
                "it with on_error='null', as missing, or correct the file."
            )
        return None


def _kind(value: Any) -> type:
    return float if type(value) is int else type(value)
