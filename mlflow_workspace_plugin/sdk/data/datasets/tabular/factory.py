"""SDK v1's ``Dataset.Tabular``."""

import datetime
import tempfile
import uuid
from pathlib import Path
from typing import Any

import pandas as pd

from mlflow_workspace_plugin.data.definition import DatasetDefinition, InDatastore
from mlflow_workspace_plugin.data.storages.find import storage_of
from mlflow_workspace_plugin.data.tables.partitions import partitions_of
from mlflow_workspace_plugin.data.tables.rows import first_rows, needs_types, with_types
from mlflow_workspace_plugin.errors import (
    DatasetExecutionError,
    DatasetValidationError,
    DatastoreError,
    UserErrorException,
)
from mlflow_workspace_plugin.sdk.data.datasets.paths import datastore_and_path, paths_of
from mlflow_workspace_plugin.sdk.data.datasets.tabular import readers
from mlflow_workspace_plugin.sdk.data.datasets.tabular.dataset import TabularDataset
from mlflow_workspace_plugin.sdk.not_served import NotServedOfTabularDatasetFactory
from mlflow_workspace_plugin.short_traceback import warn_user
from mlflow_workspace_plugin.terminal import shown


class TabularDatasetFactory(NotServedOfTabularDatasetFactory):
    """Makes datasets of rows (SDK v1)."""

    @staticmethod
    def from_delimited_files(
        path: Any,
        validate: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
        include_path: bool = False,  # noqa: FBT001, FBT002
        infer_column_types: bool = True,  # noqa: FBT001, FBT002
        set_column_types: readers.ColumnTypes = None,
        separator: str = ",",
        header: Any = True,  # noqa: FBT002
        partition_format: str | None = None,
        support_multi_line: bool = False,  # noqa: FBT001, FBT002
        empty_as_string: bool = False,  # noqa: FBT001, FBT002
        encoding: str = "utf8",
    ) -> TabularDataset:
        """Return the dataset of the rows of delimited files, such as CSV (SDK v1).

        The types of columns are found from the first 200 rows, and belong to the dataset.

        Args:
            path: a tuple of a datastore and a path below it, a ``DataPath``, a URL, a local path
                (ours), or a list of such. ``*`` stays within a folder, ``**`` goes through all
                below it.
            validate: look now whether there are rows.
            include_path: have the path of its file in each row, in the column ``Path``.
            infer_column_types: find the types of columns; else they are texts.
            set_column_types: the types of columns, by name, as ``DataType``.
            separator: between values; one character.
            header: whether files start with the names of their columns, or a
                ``PromoteHeadersBehavior``.
            partition_format: what of the paths becomes columns, such as
                ``/{country}/{day:yyyy/MM/dd}/data.csv``.
            support_multi_line: say that values in quotation marks may have line breaks.
            empty_as_string: take empty values as empty texts; else they are missing.
            encoding: of the files: utf8, iso88591, latin1, ascii, utf16, utf32, utf8bom or
                windows1252.

        Raises:
            UserErrorException: an argument cannot be used.
            DatasetValidationError: there are no files or no rows, or they cannot be read.
            AzureMLException: a storage cannot be reached or used.
        """
        reader = readers.delimited(
            include_path=include_path,
            infer_column_types=infer_column_types,
            set_column_types=set_column_types,
            separator=separator,
            header=header,
            support_multi_line=support_multi_line,
            empty_as_string=empty_as_string,
            encoding=encoding,
        )
        return _made(path, reader, partition_format, is_validated=validate)

    @staticmethod
    def from_parquet_files(
        path: Any,
        validate: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
        include_path: bool = False,  # noqa: FBT001, FBT002
        set_column_types: readers.ColumnTypes = None,
        partition_format: str | None = None,
    ) -> TabularDataset:
        """Return the dataset of the rows of Parquet files (SDK v1).

        Args:
            path: as for :meth:`from_delimited_files`.
            validate: look now whether there are rows.
            include_path: have the path of its file in each row, in the column ``Path``.
            set_column_types: the types of columns, by name; else they are those of the files.
            partition_format: what of the paths becomes columns.

        Raises:
            UserErrorException: an argument cannot be used.
            DatasetValidationError: there are no files or no rows, or they cannot be read.
            AzureMLException: a storage cannot be reached or used.
        """
        reader = readers.parquet(include_path=include_path, set_column_types=set_column_types)
        return _made(path, reader, partition_format, is_validated=validate)

    @staticmethod
    def from_json_lines_files(
        path: Any,
        validate: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
        include_path: bool = False,  # noqa: FBT001, FBT002
        set_column_types: readers.ColumnTypes = None,
        partition_format: str | None = None,
        invalid_lines: str = "error",
        encoding: str = "utf8",
    ) -> TabularDataset:
        """Return the dataset of the rows of files with a JSON object in each line (SDK v1).

        Args:
            path: as for :meth:`from_delimited_files`.
            validate: look now whether there are rows.
            include_path: have the path of its file in each row, in the column ``Path``.
            set_column_types: the types of columns, by name; else they are those of the values.
            partition_format: what of the paths becomes columns.
            invalid_lines: ``error``, or ``drop``: lines that are no object are left out.
            encoding: of the files.

        Raises:
            UserErrorException: an argument cannot be used.
            DatasetValidationError: there are no files or no rows, or they cannot be read.
            AzureMLException: a storage cannot be reached or used.
        """
        reader = readers.json_lines(
            include_path=include_path,
            set_column_types=set_column_types,
            invalid_lines=invalid_lines,
            encoding=encoding,
        )
        return _made(path, reader, partition_format, is_validated=validate)

    @staticmethod
    def register_pandas_dataframe(
        dataframe: pd.DataFrame,
        target: Any,
        name: str,
        description: str | None = None,
        tags: dict[str, str] | None = None,
        show_progress: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
        row_group_size: int | None = None,
        make_target_path_unique: bool = True,  # noqa: FBT001, FBT002
    ) -> TabularDataset:
        """Upload a ``DataFrame`` as a Parquet file, and register the dataset of it (SDK v1).

        Its index is left out.

        Args:
            dataframe: the rows.
            target: where to: a tuple of a datastore and a path below it, a ``DataPath``, or a
                datastore.
            name: what the dataset is to be found by; if it is taken, it gets a new version.
            description: in words.
            tags: texts by name.
            show_progress: print what is done.
            row_group_size: of the Parquet file, in rows.
            make_target_path_unique: upload into a new folder there.

        Raises:
            ValueError: an argument is of another type (SDK v1).
            UserErrorException: a column holds lists.
            AzureMLException: the datastore cannot be reached or used.
        """
        for what, value, wanted in (("dataframe", dataframe, pd.DataFrame), ("name", name, str)):
            if not isinstance(value, wanted):
                raise ValueError(f"Expected {what} of type {wanted} but received {type(value)}.")
        datastore, below = datastore_and_path(target)
        parts = [below or "managed-dataset", str(uuid.uuid4()) if make_target_path_unique else ""]
        folder = "/".join(part for part in parts if part)
        path = f"{folder}/dataframe.parquet".lstrip("/")
        with tempfile.TemporaryDirectory() as temporary:
            file = Path(temporary, "dataframe.parquet")
            _storable(dataframe).to_parquet(
                file, engine="pyarrow", index=False, row_group_size=row_group_size
            )
            storage = storage_of(datastore.workspace.tracking_store, datastore.name)
            storage.upload([(file, path)], overwrite=True)
        if show_progress:
            print(  # noqa: T201  what show_progress asks for
                shown(f"Uploaded {len(dataframe):,} rows to {path!r} of {datastore.name!r}.")
            )
        definition = DatasetDefinition(
            "tabular",
            (InDatastore(datastore.name, folder if make_target_path_unique else path),),
            readers.parquet(),
        )
        dataset = TabularDataset._of(definition, datastore.workspace)
        return dataset.register(
            datastore.workspace, name, description=description, tags=tags, create_new_version=True
        )


def _made(
    path: Any, reader: dict[str, Any], partition_format: str | None, *, is_validated: bool
) -> TabularDataset:
    paths, workspace = paths_of(path)
    if partition_format:
        partitions_of(partition_format)
    definition = DatasetDefinition(
        "tabular", paths, reader, partition_format=partition_format or None
    )
    dataset = TabularDataset._of(definition, workspace)
    if not is_validated and not needs_types(definition):
        return dataset
    try:
        first = first_rows(definition, dataset._found())
        typed, ambiguous = with_types(definition, first)
    except (DatasetExecutionError, DatastoreError) as error:
        raise DatasetValidationError(
            f"Failed to validate the data. {error.message} If the data cannot be read here and "
            "now, set validate and infer_column_types to False.",
            error,
        ) from error
    if is_validated and not first.num_rows:
        raise DatasetValidationError(
            "Failed to validate the data. The files hold no rows. Correct the path, or set "
            "validate to False."
        )
    if ambiguous:
        warn_user(
            f"Ambiguous datetime formats inferred for columns {list(ambiguous)} are resolved as "
            '"month-day". Desired format can be specified by `set_column_types`.'
        )
    return dataset._with(typed)


def _storable(dataframe: pd.DataFrame) -> pd.DataFrame:
    """Return what can be stored as Parquet: texts as names without a point, days as times."""
    frame = dataframe.reset_index(drop=True)
    for column in list(frame.columns):
        values = frame[column]
        if len(values) and isinstance(first := values.iloc[0], datetime.date | list):
            if isinstance(first, list):
                raise UserErrorException(
                    f"Column {column!r} holds lists, and a DataFrame with such columns cannot be "
                    "registered. Make a column of each element, or write the file yourself."
                )
            frame[column] = pd.to_datetime(values)
    names = {column: str(column).replace(".", "_") for column in frame.columns}
    changed = {old: new for old, new in names.items() if "." in str(old)}
    if changed:
        warn_user(f"Points in the names of columns become underscores, as in SDK v1: {changed}.")
    return frame.rename(columns=names)
