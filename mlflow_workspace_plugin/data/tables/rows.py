"""The rows of a dataset: from its definition to batches, tables and DataFrames."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd
import pyarrow as pa

from mlflow_workspace_plugin.data.definition import DatasetDefinition, of_later_version
from mlflow_workspace_plugin.data.tables import inference, steps
from mlflow_workspace_plugin.data.tables.column_types import (
    LENIENT,
    TEXT,
    ColumnType,
    Strictness,
    converted,
    types_of,
)
from mlflow_workspace_plugin.data.tables.delimited import BLOCK, DelimitedReader
from mlflow_workspace_plugin.data.tables.inference import inferred
from mlflow_workspace_plugin.data.tables.json_lines import JsonLinesReader
from mlflow_workspace_plugin.data.tables.parquet import ParquetReader
from mlflow_workspace_plugin.data.tables.partitions import Partitions, partitions_of
from mlflow_workspace_plugin.data.tables.sources import Source
from mlflow_workspace_plugin.errors import DatasetExecutionError, UserErrorException, clause

if TYPE_CHECKING:
    from mlflow_workspace_plugin.data.files.found import FoundFile

PATH = "Path"
"""The column of paths."""
_MANY_COLUMNS = 100


class _Reader(Protocol):
    def batches(self, source: Source) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a file."""


_READERS: Mapping[str, Callable[..., _Reader]] = {
    "delimited": DelimitedReader,
    "parquet": ParquetReader,
    "json_lines": JsonLinesReader,
}


@dataclass(frozen=True)
class Rows:
    """The rows of a dataset.

    Args:
        definition: of the dataset.
        files: what it resolves to.
        strictness: what becomes of values that are none of their column's type.
        block: what of a delimited file is read at once, in bytes.
    """

    definition: DatasetDefinition
    files: "Sequence[FoundFile]"
    strictness: Strictness = LENIENT
    block: int = BLOCK

    def frame(self) -> pd.DataFrame:
        """Return all rows.

        Raises:
            DatasetExecutionError: they cannot be read.
        """
        table = self.table()
        # Columns of many pieces are copied one by one, and each is freed when it is. A frame of
        # so many blocks that pandas warns of it is not wanted, nor one that cannot be written.
        is_split = table.num_columns <= _MANY_COLUMNS and all(
            column.num_chunks > 1 for column in table.columns
        )
        frame = table.to_pandas(
            split_blocks=is_split, self_destruct=True, coerce_temporal_nanoseconds=True
        )
        timestamp = self.definition.timestamp
        if timestamp is None or frame.empty:
            return frame
        if timestamp not in frame.columns:
            raise DatasetExecutionError(
                f"Column {timestamp!r}, which with_timestamp_columns() names, is not among the "
                f"columns of the dataset: {', '.join(map(str, frame.columns))}. Name one of them."
            )
        return frame.set_index(timestamp, drop=False).rename_axis(index=None)

    def table(self) -> pa.Table:
        """Return all rows as pyarrow has them.

        Raises:
            DatasetExecutionError: they cannot be read.
        """
        return joined(self.batches())

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in batches, with at least one batch for each file.

        Raises:
            DatasetExecutionError: they cannot be read.
        """
        for _, batch in self.pieces():
            yield batch

    def pieces(self) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield the rows in batches, each with the position of the file that it is of."""
        definition = self.definition
        if needs_types(definition):
            definition, _ = with_types(definition, first_rows(definition, self.files))
        reading = _Reading(definition, self.strictness, self.block)
        is_known = len(self.files) == 1 and (definition.reader or {})["format"] != "json_lines"
        for batch in steps.applied(definition.steps, reading.batches(self.files)):
            if is_known:
                reading.check_columns()
                is_known = False
            yield reading.position, batch
        reading.check_columns()


def needs_types(definition: DatasetDefinition) -> bool:
    """Whether types of columns have to be found from the first rows."""
    reader = definition.reader or {}
    return bool(reader.get("infer")) or any(map(_lacks_formats, reader.get("types", {}).values()))


def first_rows(definition: DatasetDefinition, files: "Sequence[FoundFile]") -> pa.Table:
    """Return the rows that decide on the types of columns; of delimited files, as texts.

    Args:
        definition: of the dataset, of whose steps none is done.
        files: what it resolves to.

    Raises:
        DatasetExecutionError: they cannot be read.
    """
    reader = {**(definition.reader or {}), "types": {}, "infer": False}
    plain = replace(
        definition, reader=reader, steps=({"do": "take", "count": inference.ROWS},), timestamp=None
    )
    return Rows(plain, files).table()


def with_types(
    definition: DatasetDefinition, first: pa.Table
) -> tuple[DatasetDefinition, tuple[str, ...]]:
    """Return a definition that says the types of its columns; those it sets already stay.

    Args:
        definition: of the dataset.
        first: its first rows.

    Returns:
        the definition, and the columns of dates whose day and month could be either.

    Raises:
        UserErrorException: the format of times cannot be found.
    """
    found = inferred(first)
    reader = dict(definition.reader or {})
    given = dict(reader.get("types", {}))
    for name, stored in given.items():
        if _lacks_formats(stored) and name in found.types:
            if found.types[name].kind != "datetime" or name in found.ambiguous:
                raise UserErrorException(
                    f"Cannot infer conversion format for datetime of column {name!r}: its first "
                    "values are of none, or day and month could be either. Please provide the "
                    "desired formats, as in DataType.to_datetime('%d/%m/%Y')."
                )
            given[name] = found.types[name].to_json()
    is_inferred = bool(reader.get("infer"))
    types = {name: each.to_json() for name, each in found.types.items() if each != TEXT}
    reader["types"] = {**(types if is_inferred else {}), **given}
    reader["infer"] = False
    ambiguous = tuple(name for name in found.ambiguous if name not in given)
    return replace(definition, reader=reader), ambiguous if is_inferred else ()


def _lacks_formats(stored: Mapping[str, Any]) -> bool:
    return stored["type"] == "datetime" and not stored.get("formats")


class _Reading:
    """Reads one file after the other."""

    def __init__(self, definition: DatasetDefinition, strictness: Strictness, block: int) -> None:
        self.position = 0
        self._options = definition.reader or {}
        self._types = types_of(self._options)
        self._has_path = bool(self._options.get("include_path"))
        self._partitions: Partitions | None = (
            None
            if definition.partition_format is None
            else partitions_of(definition.partition_format)
        )
        self._strictness = strictness
        self._steps = definition.steps
        self._seen: dict[str, None] = {}
        if self._options["format"] not in _READERS:
            raise of_later_version(f"files of the format {self._options['format']!r}")
        make = _READERS[self._options["format"]]
        how = {"block": block} if make is DelimitedReader else {}
        self._reader = make(
            self._options,
            wanted=self._wanted,
            strictness=strictness,
            **how,
        )

    def batches(self, files: "Sequence[FoundFile]") -> Iterator[pa.RecordBatch]:
        """Yield the rows of the files, in their order."""
        for self.position, file in enumerate(files):
            with Source(file) as source:
                said = self._said(source)
                for batch in self._reader.batches(source):
                    yield self._with_said(batch, said, source)

    def check_columns(self) -> None:
        """Check that of the columns that were there some are left.

        Raises:
            DatasetExecutionError: none is.
        """
        if self._seen and not steps.columns_left(self._steps, self._seen):
            raise DatasetExecutionError(
                "The dataset contains no columns: of those that are there, "
                f"{list(self._seen)}, none is left by keep_columns and drop_columns of "
                f"{steps.columns_named(self._steps)}. Name columns as they are there; capitals "
                "matter."
            )

    def _wanted(self, names: Sequence[str]) -> list[str]:
        self._seen.update(dict.fromkeys(names))
        return steps.columns_left(steps.leading_columns(self._steps), names)

    def _said(self, source: Source) -> dict[str, pa.Array]:
        """Return what the path of a file says, by the names of the columns: one value each."""
        said: dict[str, str | datetime] = {PATH: source.name} if self._has_path else {}
        if self._partitions is not None:
            said |= self._partitions.values(source.name)
        self._seen.update(dict.fromkeys(said))
        wanted = {name: self._type(name) for name in said}
        return {
            name: converted(pa.array([value]), wanted[name], name, self._strictness)
            for name, value in said.items()
        }

    def _type(self, name: str) -> ColumnType:
        if self._partitions is not None and name == self._partitions.time_column:
            return ColumnType("datetime")
        return self._types.get(name, TEXT)

    def _with_said(
        self, batch: pa.RecordBatch, said: Mapping[str, pa.Array], source: Source
    ) -> pa.RecordBatch:
        if not said:
            return batch
        both = next((name for name in said if name in batch.schema.names), None)
        if both is not None:
            raise DatasetExecutionError(
                f"File {source.name!r} has a column {both!r}, and so has what its path says. Name "
                "it otherwise in partition_format, or leave include_path away."
            )
        columns = {name: pa.repeat(value[0], batch.num_rows) for name, value in said.items()}
        columns |= dict(zip(batch.schema.names, batch.columns, strict=True))
        return pa.RecordBatch.from_pydict(columns, metadata=batch.schema.metadata)


def joined(batches: Iterable[pa.RecordBatch]) -> pa.Table:
    """Return batches as one table. What a column has not in a batch is missing there.

    Raises:
        DatasetExecutionError: a column is of another type in some batches.
    """
    tables: list[pa.Table] = []
    for schema, same in groupby(batches, key=lambda batch: batch.schema):
        tables.append(pa.Table.from_batches(same, schema))
    if not tables:
        return pa.table({})
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DatasetExecutionError(
            f"The files of the dataset differ in the type of a column: {clause(error)}. Set one "
            "type for it by set_column_types."
        ) from error
