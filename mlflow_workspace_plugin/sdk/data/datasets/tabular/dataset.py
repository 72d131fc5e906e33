"""SDK v1's ``TabularDataset``."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mlflow_workspace_plugin.data.definition import DatasetDefinition
from mlflow_workspace_plugin.data.tables.column_types import Strictness
from mlflow_workspace_plugin.data.tables.rows import Rows
from mlflow_workspace_plugin.data.tables.written import TO_CSV, TO_PARQUET
from mlflow_workspace_plugin.errors import (
    DatasetExecutionError,
    DatasetTimestampMissingError,
    DatasetValidationError,
    UserErrorException,
)
from mlflow_workspace_plugin.sdk.data.datasets.file_dataset import FileDataset
from mlflow_workspace_plugin.sdk.data.datasets.subsets import SubsetsOfDataset
from mlflow_workspace_plugin.sdk.data.datasets.tabular.expressions import Expression, col
from mlflow_workspace_plugin.sdk.not_served import NotServedOfTabularDataset

if TYPE_CHECKING:
    import pandas as pd

_OLD_NAMES = {
    "fine_grain_timestamp": "timestamp",
    "coarse_grain_timestamp": "partition_timestamp",
}
_HALF_A_SECOND = 500_000


class TabularDataset(SubsetsOfDataset, NotServedOfTabularDataset):
    """Rows of files in datastores, of the web, or of this machine (SDK v1).

    It is made by the methods of ``Dataset.Tabular``.
    """

    @property
    def timestamp_columns(self) -> tuple[str | None, str | None]:
        """The column that says of when a row is, and that of the path that says it of a file."""
        return self._definition.timestamp, self._definition.partition_timestamp

    def to_pandas_dataframe(
        self, on_error: str = "null", out_of_range_datetime: str = "null"
    ) -> "pd.DataFrame":
        """Read all rows into a pandas ``DataFrame`` (SDK v1).

        Args:
            on_error: ``null``: values that are none of their column's type become missing;
                ``fail``: they are an error.
            out_of_range_datetime: the same of times that pandas cannot hold.

        Raises:
            DatasetExecutionError: the rows cannot be read, or such a value is there.
            AzureMLException: a storage cannot be reached or used.
        """
        strictness = Strictness(on_error == "fail", out_of_range_datetime != "null")
        return Rows(self._definition, self._found(), strictness).frame()

    def keep_columns(
        self,
        columns: str | list[str],
        validate: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
    ) -> "TabularDataset":
        """Return it without other columns; their order stays (SDK v1).

        Args:
            columns: their names. Names that are not there are ignored.
            validate: look now whether there are rows with such columns.

        Raises:
            ValueError: they are no names.
            DatasetValidationError: there are no such rows.
        """
        names = _checked_names(columns)
        timestamp, partition_timestamp = self.timestamp_columns
        kept = self._with(
            _with_timestamps(
                self._definition.and_then("keep_columns", columns=names),
                timestamp if timestamp in names else None,
                partition_timestamp if partition_timestamp in names else None,
            )
        )
        if validate and not kept._first_rows(1).num_rows:
            raise DatasetValidationError(
                f"Cannot load any data from the dataset with only columns {names} kept. Make sure "
                "the specified columns exist in the current dataset."
            )
        return kept

    def drop_columns(self, columns: str | list[str]) -> "TabularDataset":
        """Return it without some columns (SDK v1).

        Args:
            columns: their names. Names that are not there are ignored.

        Raises:
            ValueError: they are no names.
        """
        names = _checked_names(columns)
        timestamp, partition_timestamp = self.timestamp_columns
        return self._with(
            _with_timestamps(
                self._definition.and_then("drop_columns", columns=names),
                None if timestamp in names else timestamp,
                None if partition_timestamp in names else partition_timestamp,
            )
        )

    def __getitem__(self, column: str) -> Expression:
        """Return what stands for a column in the conditions of :meth:`filter` (SDK v1).

        Args:
            column: its name.
        """
        return col(column)

    # With __getitem__ alone it would count as something to be gone through.
    __iter__ = None

    def filter(self, expression: Expression) -> "TabularDataset":
        """Return its rows that meet a condition (SDK v1).

        Args:
            expression: such as ``dataset['age'] > 3``. What is missing meets none.

        Raises:
            UserErrorException: it is no such condition.
        """
        if not isinstance(expression, Expression):
            raise UserErrorException(
                f"A filter is a condition such as dataset['age'] > 3, and not {expression!r}."
            )
        return self._and_then("filter", condition=expression._parts)

    def with_timestamp_columns(
        self,
        timestamp: str | None = None,
        partition_timestamp: str | None = None,
        validate: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        **kwargs: Any,
    ) -> "TabularDataset":
        """Return it with the columns named that say of when a row is (SDK v1).

        Args:
            timestamp: the column, which becomes the index of DataFrames, too; None is none.
            partition_timestamp: the column that the paths of files say.
            validate: look now whether they are there, and are times.
            kwargs: ``fine_grain_timestamp`` and ``coarse_grain_timestamp``, their older names.

        Raises:
            UserErrorException: they do not go together.
            DatasetValidationError: they are not there, or no times.
        """
        older = {_OLD_NAMES[name]: value for name, value in kwargs.items() if name in _OLD_NAMES}
        if any(older.values()):
            if timestamp or partition_timestamp:
                raise UserErrorException(
                    "fine_grain_timestamp and coarse_grain_timestamp have been replaced by "
                    "timestamp and partition_timestamp, and cannot be used together."
                )
            warnings.warn(
                "fine_grain_timestamp and coarse_grain_timestamp are deprecated, use timestamp "
                "and partition_timestamp.",
                DeprecationWarning,
                stacklevel=2,
            )
            timestamp = older.get("timestamp")
            partition_timestamp = older.get("partition_timestamp")
        if partition_timestamp and not timestamp:
            raise UserErrorException(
                "partition_timestamp can be assigned only if timestamp is assigned."
            )
        if timestamp and timestamp == partition_timestamp:
            raise UserErrorException("partition_timestamp cannot be the same as timestamp.")
        if validate:
            self._check_times([timestamp, partition_timestamp])
        return self._with(
            _with_timestamps(self._definition, timestamp or None, partition_timestamp or None)
        )

    def time_before(
        self,
        end_time: datetime,
        include_boundary: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
        validate: bool = True,  # noqa: FBT001, FBT002
    ) -> "TabularDataset":
        """Return its rows before a time (SDK v1).

        Args:
            end_time: without a zone.
            include_boundary: whether those of that very time are among them.
            validate: look now whether the timestamp columns are times.

        Raises:
            DatasetTimestampMissingError: no column was named by ``with_timestamp_columns``.
            DatasetValidationError: the column is not there, or holds no times.
        """
        return self._between("time_before", None, end_time, include_boundary, validate)

    def time_after(
        self,
        start_time: datetime,
        include_boundary: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
        validate: bool = True,  # noqa: FBT001, FBT002
    ) -> "TabularDataset":
        """Return its rows after a time (SDK v1).

        Args:
            start_time: without a zone.
            include_boundary: whether those of that very time are among them.
            validate: look now whether the timestamp columns are times.

        Raises:
            DatasetTimestampMissingError: no column was named by ``with_timestamp_columns``.
            DatasetValidationError: the column is not there, or holds no times.
        """
        return self._between("time_after", start_time, None, include_boundary, validate)

    def time_between(
        self,
        start_time: datetime,
        end_time: datetime,
        include_boundary: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
        validate: bool = True,  # noqa: FBT001, FBT002
    ) -> "TabularDataset":
        """Return its rows from one time to another (SDK v1).

        Args:
            start_time: without a zone.
            end_time: without a zone.
            include_boundary: whether those of these very times are among them.
            validate: look now whether the timestamp columns are times.

        Raises:
            DatasetTimestampMissingError: no column was named by ``with_timestamp_columns``.
            DatasetValidationError: the column is not there, or holds no times.
        """
        return self._between("time_between", start_time, end_time, include_boundary, validate)

    def time_recent(
        self,
        time_delta: timedelta,
        include_boundary: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
        validate: bool = True,  # noqa: FBT001, FBT002
    ) -> "TabularDataset":
        """Return its rows since a time ago, by this machine's clock (SDK v1).

        Args:
            time_delta: how long ago.
            include_boundary: whether those of that very time are among them.
            validate: look now whether the timestamp columns are times.

        Raises:
            DatasetTimestampMissingError: no column was named by ``with_timestamp_columns``.
            DatasetValidationError: the column is not there, or holds no times.
        """
        start_time = datetime.now() - time_delta
        return self._between("time_recent", start_time, None, include_boundary, validate)

    def to_csv_files(self, separator: str = ",") -> FileDataset:
        """Return the dataset of its rows as CSV files, which are written when they are read.

        Args:
            separator: between values.
        """
        return self._as_files(TO_CSV, separator=separator)

    def to_parquet_files(self) -> FileDataset:
        """Return the dataset of its rows as Parquet files, which are written when they are read."""
        return self._as_files(TO_PARQUET)

    def _as_files(self, do: str, **how: Any) -> FileDataset:
        plain = _with_timestamps(replace(self._definition, kind="file"), None, None)
        return FileDataset._of(plain.and_then(do, **how), self._workspace)

    def _between(
        self,
        method: str,
        start: datetime | None,
        end: datetime | None,
        include_boundary: bool,  # noqa: FBT001
        validate: bool,  # noqa: FBT001
    ) -> "TabularDataset":
        columns = [each for each in reversed(self.timestamp_columns) if each is not None]
        if not columns:
            raise DatasetTimestampMissingError(
                f"Cannot perform time-series filter `{method}` on dataset without timestamp "
                "columns defined.\nPlease use `with_timestamp_columns` to enable time-series "
                "capabilities"
            )
        if validate:
            self._check_times(columns)
        result = self
        for column in columns:
            if start is not None:
                low = _checked_time(start).replace(microsecond=0)
                result = result.filter(
                    col(column) >= low if include_boundary else col(column) > low
                )
            if end is not None:
                high = _rounded(_checked_time(end))
                result = result.filter(
                    col(column) <= high if include_boundary else col(column) < high
                )
        return result

    def _first_rows(self, count: int) -> pa.Table:
        try:
            return Rows(self._definition.and_then("take", count=count), self._found()).table()
        except DatasetExecutionError as error:
            raise DatasetValidationError(error.message, error) from error

    def _check_times(self, columns: Sequence[str | None]) -> None:
        wanted = [each for each in columns if each is not None]
        schema = self._first_rows(1).schema
        missing = [each for each in wanted if each not in schema.names]
        if missing:
            raise DatasetValidationError(
                f"The specified columns {missing} do not exist in the current dataset, which has "
                f"{schema.names}."
            )
        others = [each for each in wanted if not pa.types.is_timestamp(schema.field(each).type)]
        if others:
            raise DatasetValidationError(
                f"The specified columns {others} do not have the expected types "
                f"{['DATE'] * len(others)}. Set them by set_column_types, to "
                "DataType.to_datetime()."
            )


def _with_timestamps(
    definition: DatasetDefinition, timestamp: str | None, partition_timestamp: str | None
) -> DatasetDefinition:
    return replace(
        definition,
        timestamp=timestamp,
        partition_timestamp=partition_timestamp if timestamp else None,
    )


def _checked_names(columns: Any) -> list[str]:
    names = [columns] if isinstance(columns, str) else columns
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return list(names)
    raise ValueError(
        f"Unsupported value for column selection: {columns!r}. Give a name, or a list of names."
    )


def _checked_time(time: Any) -> datetime:
    if not isinstance(time, datetime) or time.tzinfo is not None:
        raise TypeError(f"A time is a datetime without a zone, in UTC, and not {time!r}.")
    return time


def _rounded(time: datetime) -> datetime:
    """Return a time without a part of a second, as SDK v1 does with an upper bound."""
    up = timedelta(seconds=1 if time.microsecond > _HALF_A_SECOND else 0)
    return (time + up).replace(microsecond=0)
