"""Parquet files: their rows in batches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from mlflow_workspace_plugin.data.tables.column_types import (
    LENIENT,
    ColumnType,
    Strictness,
    converted,
    times,
    types_of,
)
from mlflow_workspace_plugin.data.tables.delimited import Wanted
from mlflow_workspace_plugin.data.tables.sources import Source
from mlflow_workspace_plugin.errors import DatasetExecutionError, clause


@dataclass
class ParquetReader:
    """Reads Parquet files, one after the other.

    Args:
        options: the ``reader`` of a definition.
        wanted: which columns are.
        strictness: what becomes of values that are none of the type that is set for their column.
    """

    options: Mapping[str, Any]
    wanted: Wanted = list
    strictness: Strictness = LENIENT

    def batches(self, source: Source) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a file.

        Raises:
            DatasetExecutionError: the file is no such file, or a value is none of its column's
                type and that is to be an error.
        """
        types = types_of(self.options)
        try:
            with source.seekable() as opened, parquet.ParquetFile(opened) as file:
                names = self.wanted(_distinct(file.schema_arrow.names, source))
                for batch in _batches(file, names):
                    yield self._finished(batch, types)
        except (pa.ArrowException, OSError) as error:
            raise DatasetExecutionError(
                f"File {source.name!r} cannot be read as Parquet: {clause(error)}. Correct the "
                "file, or leave it out of the dataset's path."
            ) from error

    def _finished(self, batch: pa.RecordBatch, types: Mapping[str, ColumnType]) -> pa.RecordBatch:
        columns = {}
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name in types:
                columns[name] = converted(column, types[name], name, self.strictness)
            elif pa.types.is_timestamp(column.type):
                columns[name] = times(column, name, self.strictness, keep_zone=True)
            else:
                columns[name] = column
        if not columns:
            return batch
        # What pandas noted of its columns and index is so of those that are as they were.
        metadata = None if types else batch.schema.metadata
        return pa.RecordBatch.from_pydict(columns, metadata=metadata)


def _distinct(names: list[str], source: Source) -> list[str]:
    """Return the names of columns, which have to be different ones.

    Raises:
        DatasetExecutionError: two columns have the same.
    """
    both = next((name for name in names if names.count(name) > 1), None)
    if both is not None:
        raise DatasetExecutionError(
            f"File {source.name!r} has two columns {both!r}, and a dataset tells columns by their "
            "names. Write it with other names."
        )
    return names


def _batches(file: parquet.ParquetFile, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    if not file.metadata.num_rows:
        fields = [file.schema_arrow.field(name) for name in names]
        yield pa.RecordBatch.from_pylist([], pa.schema(fields, file.schema_arrow.metadata))
    yield from file.iter_batches(columns=list(names))
