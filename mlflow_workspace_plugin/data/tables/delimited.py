"""Delimited files, such as CSV: their rows in batches.

pyarrow's streaming reader reads them, each column as what it is. Where a value is none of its
column's type, the file is read on as texts, which are converted by our rules; where a row is
shorter or longer than others, pandas reads on, which fills such rows up.
"""

import csv
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from mlflow_workspace_plugin.data.tables.column_types import (
    FALSE,
    LENIENT,
    TEXT,
    TRUE,
    Strictness,
    converted,
    times,
    types_of,
)
from mlflow_workspace_plugin.data.tables.sources import Source
from mlflow_workspace_plugin.errors import DatasetExecutionError, clause
from mlflow_workspace_plugin.short_traceback import warn_user

BLOCK = 8 << 20
"""What is read at once. A row must fit in."""
_ROWS_OF_PANDAS = 65536
_one_limit = threading.Lock()

ENCODINGS = {
    "utf8": "utf-8",
    "utf8bom": "utf-8",
    # SDK v1 reads what is beyond ASCII, too.
    "ascii": "utf-8",
    "iso88591": "latin-1",
    "latin1": "latin-1",
    "utf16": "utf-16",
    "utf32": "utf-32",
    "windows1252": "cp1252",
}
"""SDK v1's names of encodings, and Python's."""

NO_HEADERS = "NO_HEADERS"
ONLY_FIRST = "ONLY_FIRST_FILE_HAS_HEADERS"
COMBINED = "COMBINE_ALL_FILES_HEADERS"
SAME = "ALL_FILES_HAVE_SAME_HEADERS"

Wanted = Callable[[Sequence[str]], list[str]]
"""Of the names of columns those that are wanted."""


class _UnevenRowError(Exception):
    """A row is shorter or longer than the others."""


class _MisfitError(Exception):
    """A value is none of its column's type."""


@dataclass
class DelimitedReader:
    """Reads delimited files, one after the other.

    Args:
        options: the ``reader`` of a definition.
        wanted: which columns are.
        strictness: what becomes of values that are none of their column's type.
        block: what is read at once, in bytes.
    """

    options: Mapping[str, Any]
    wanted: Wanted = list
    strictness: Strictness = LENIENT
    block: int = BLOCK
    _names: list[str] | None = field(default=None, init=False)

    def batches(self, source: Source) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a file.

        Raises:
            DatasetExecutionError: the file is no such file, or a value is none of its column's
                type and that is to be an error.
        """
        try:
            shape = self._shape(source)
            if shape is None:
                return
            yield from _File(self, source, shape).batches()
        except UnicodeError as error:
            self.refuse_encoding(source, error)
        except csv.Error as error:
            is_long = "field limit" in str(error)
            raise DatasetExecutionError(
                _too_long(source, BLOCK) if is_long else _broken(source, error)
            ) from error

    @property
    def encoding(self) -> str:
        """The encoding, as Python names it."""
        return ENCODINGS[self.options.get("encoding", "utf8")]

    @property
    def separator(self) -> str:
        """What is between the values of a row."""
        return str(self.options.get("separator", ","))

    @property
    def is_multi_line(self) -> bool:
        """Whether values with line breaks are expected."""
        return bool(self.options.get("support_multi_line", False))

    def refuse_encoding(self, source: Source, error: Exception) -> NoReturn:
        """Raise the error for bytes that are no text in the encoding."""
        raise DatasetExecutionError(
            f"File {source.name!r} is no text in the encoding {self.options.get('encoding')!r}: "
            f"{clause(error)}. Name its encoding by encoding=: {', '.join(ENCODINGS)}."
        ) from error

    def _shape(self, source: Source) -> "_Shape | None":
        """Return what the columns of a file are; None if there is nothing in it."""
        records = _first_records(source, self.encoding, self.separator)
        if not records:
            return None
        header = self.options.get("header", SAME)
        is_first = self._names is None
        has_header = header in (SAME, COMBINED) or (header == ONLY_FIRST and is_first)
        if has_header and (is_first or header == COMBINED):
            names = list(records[0].values)
        else:
            names = list(self._names or ())
        width = max(len(each.values) for each in records)
        if header == COMBINED or len(names) < width:
            names = [*names, *[""] * (width - len(names))]
        names = _unique(names)
        if is_first:
            self._names = names
        return _Shape(
            names[:width], records[0].lines if has_header else 0, len(records) > has_header
        )


@dataclass(frozen=True)
class _Record:
    values: list[str]
    lines: int
    """So many lines of the file are read with it."""


@dataclass(frozen=True)
class _Shape:
    names: list[str]
    lines_of_header: int
    has_rows: bool


def _first_records(source: Source, encoding: str, separator: str) -> list[_Record]:
    """Return the first two rows that are not blank."""
    found: list[_Record] = []
    with source.text(encoding) as text, _long_fields():
        reader = csv.reader(text, delimiter=separator)
        for values in reader:
            if values:
                found.append(_Record(values, reader.line_num))
            if len(found) == 2:
                break
    return found


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let fields be as long as a block. The limit is the process's, and comes back."""
    with _one_limit:
        before = csv.field_size_limit(BLOCK)
        try:
            yield
        finally:
            csv.field_size_limit(before)


def _unique(names: Sequence[str]) -> list[str]:
    """Return the names as SDK v1 does: without blanks around, for each column another one."""
    found: dict[str, None] = {}
    for position, each in enumerate(names, start=1):
        plain = unique = each.strip() or f"Column{position}"
        count = 0
        while unique in found:
            count += 1
            unique = f"{plain}_{count}"
        found[unique] = None
    return list(found)


class _File:
    """The rows of one file, however they have to be read."""

    def __init__(self, reader: DelimitedReader, source: Source, shape: _Shape) -> None:
        self._reader = reader
        self._source = source
        self._names = shape.names
        self._lines_of_header = shape.lines_of_header
        self._has_rows = shape.has_rows
        types = types_of(reader.options)
        self._types = {name: types.get(name, TEXT) for name in self._names}
        self._told = reader.is_multi_line

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows. What was yielded before another way was needed is not yielded again."""
        done = 0
        way: Callable[[], Iterator[pa.RecordBatch]] | None = self._typed
        while way is not None:
            rows, way = way(), None
            try:
                for batch in _without_first(rows, done):
                    done += batch.num_rows
                    yield self._finished(batch)
            except _MisfitError:
                way = self._as_text
            except _UnevenRowError:
                way = self._uneven

    def _typed(self) -> Iterator[pa.RecordBatch]:
        kinds = {name: each.of_reader() for name, each in self._types.items()}
        yield from self._read(kinds)

    def _as_text(self) -> Iterator[pa.RecordBatch]:
        yield from self._read(dict.fromkeys(self._names, pa.string()))

    def _read(self, kinds: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        wanted = self._wanted()
        empty = pa.RecordBatch.from_pylist([], pa.schema([(name, kinds[name]) for name in wanted]))
        if not self._has_rows:
            yield empty
            return
        is_any = False
        # Not closed here: who stops early leaves a thread of pyarrow's that still reads, and which
        # would read what is opened next under the same number. It goes with the last who has it.
        file = self._source.stream()
        try:
            for batch in self._opened(file, self._conversion(kinds, wanted)):
                is_any = True
                yield batch
        except pa.ArrowInvalid as error:
            if "Empty CSV file" not in str(error):
                self._explain(error)
        if not is_any:
            yield empty

    def _opened(
        self, file: pa.NativeFile, conversion: arrow_csv.ConvertOptions, **parsing: Any
    ) -> arrow_csv.CSVStreamingReader:
        return arrow_csv.open_csv(
            file,
            read_options=arrow_csv.ReadOptions(
                column_names=self._names,
                skip_rows=self._lines_of_header,
                encoding=self._reader.encoding,
                block_size=self._reader.block,
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self._reader.separator, newlines_in_values=True, **parsing
            ),
            convert_options=conversion,
        )

    def _conversion(
        self, kinds: Mapping[str, pa.DataType], wanted: Sequence[str]
    ) -> arrow_csv.ConvertOptions:
        return arrow_csv.ConvertOptions(
            column_types=kinds,
            include_columns=wanted,
            null_values=[""],
            true_values=TRUE,
            false_values=FALSE,
            strings_can_be_null=not self._reader.options.get("empty_as_string", False),
            quoted_strings_can_be_null=False,
        )

    def _wanted(self) -> list[str]:
        # The number of the rows is known from one column at least.
        return self._reader.wanted(self._names) or self._names[:1]

    def _explain(self, error: pa.ArrowInvalid) -> NoReturn:
        said = str(error)
        if "UTF8" in said:
            self._reader.refuse_encoding(self._source, error)
        if "conversion error" in said:
            raise _MisfitError from error
        if "Expected" in said and "columns" in said:
            raise _UnevenRowError from error
        if "straddl" in said:
            raise DatasetExecutionError(_too_long(self._source, self._reader.block)) from error
        raise DatasetExecutionError(_broken(self._source, error)) from error

    def _uneven(self) -> Iterator[pa.RecordBatch]:
        """Yield texts by pandas, of which a row that is too short has missing ones at its end."""
        self._widen()
        wanted = self._wanted()
        schema = pa.schema([(name, pa.string()) for name in wanted])
        with self._source.text(self._reader.encoding) as text:
            try:
                chunks = pd.read_csv(
                    text,
                    sep=self._reader.separator,
                    header=None,
                    names=self._names,
                    index_col=False,
                    dtype=str,
                    keep_default_na=False,
                    na_values=[] if self._reader.options.get("empty_as_string", False) else [""],
                    skiprows=self._lines_of_header,
                    chunksize=_ROWS_OF_PANDAS,
                    engine="c",
                )
                for chunk in chunks:
                    yield pa.RecordBatch.from_pandas(chunk[wanted], schema, preserve_index=False)
            except pd.errors.ParserError as error:
                raise DatasetExecutionError(_broken(self._source, error)) from error

    def _widen(self) -> None:
        """Name the columns that only longer rows have, of which there may be any in the file."""
        width = len(self._names)

        def skip(row: arrow_csv.InvalidRow) -> str:
            nonlocal width
            width = max(width, row.actual_columns)
            return "skip"

        first = self._names[0]
        conversion = arrow_csv.ConvertOptions(
            include_columns=[first], column_types={first: pa.binary()}
        )
        try:
            for _ in self._opened(self._source.stream(), conversion, invalid_row_handler=skip):
                pass
        except pa.ArrowInvalid as error:
            self._explain(error)
        self._names = _unique([*self._names, *[""] * (width - len(self._names))])
        types = types_of(self._reader.options)
        self._types = {name: types.get(name, TEXT) for name in self._names}

    def _finished(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return a batch whose columns are of their types."""
        columns = {
            name: self._column(name, column)
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        }
        return pa.RecordBatch.from_pydict(columns)

    def _column(self, name: str, column: pa.Array) -> pa.Array:
        wanted = self._types[name]
        if pa.types.is_temporal(column.type):
            return times(column, name, self._reader.strictness)
        if not pa.types.is_string(column.type):
            return column
        if not self._told and pc.any(pc.match_substring(column, "\n")).as_py():
            self._tell_of_lines(name)
        return converted(column, wanted, name, self._reader.strictness)

    def _tell_of_lines(self, name: str) -> None:
        self._told = True
        warn_user(
            f"A value of column {name!r} in file {self._source.name!r} has a line break within "
            "quotation marks, which belongs to it here. SDK v1 ended the row there; say "
            "support_multi_line=True if it is meant so, and else correct the file."
        )


def _without_first(batches: Iterator[pa.RecordBatch], count: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if count < batch.num_rows or not batch.num_rows:
            yield batch.slice(count) if count else batch
        count = max(0, count - batch.num_rows)


def _too_long(source: Source, block: int) -> str:
    return (
        f"A row of file {source.name!r} has more than {block >> 20} MB. Mostly a quotation mark at "
        "the start of a value has no other one at its end. Correct the file."
    )


def _broken(source: Source, error: Exception) -> str:
    return (
        f"File {source.name!r} cannot be read: {clause(error)}. Correct the file, or name its "
        "separator by separator=."
    )
