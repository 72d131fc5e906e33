"""SDK v1's ``OutputFileDatasetConfig``, and its kin: what a script makes for a datastore."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from mlflow_workspace_plugin.data.delivery import placeholders
from mlflow_workspace_plugin.data.delivery.outputs import DESTINATION, DataOutput
from mlflow_workspace_plugin.errors import NotServedError, UserErrorException
from mlflow_workspace_plugin.sdk.data.consumption.consumption_config import (
    DatasetConsumptionConfig,
)
from mlflow_workspace_plugin.sdk.data.consumption.names import checked_name, new_name
from mlflow_workspace_plugin.sdk.data.datasets.tabular.enumerations import PromoteHeadersBehavior

_Config = TypeVar("_Config", bound="OutputDatasetConfig")


class OutputDatasetConfig:
    """What a script makes, and what becomes of it (SDK v1). Use ``OutputFileDatasetConfig``.

    Args:
        mode: how it is stored.
        name: of the output; of letters, digits and underscores. None makes one.
        kwargs: accepted and ignored.

    Attributes:
        mode: how it is stored.
        arg_val: the text that stands for it in a command.

    Raises:
        UserErrorException: the name is none.
    """

    def __init__(self, mode: str, name: str | None = None, **kwargs: Any) -> None:
        self.mode = mode
        self._name = checked_name(name, "output") if name else new_name("output")
        self.arg_val = placeholders.of_output(self._name)
        self._how = DataOutput(self._name)

    @property
    def name(self) -> str:
        """The name of the output."""
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self._name = checked_name(value, "output")
        self.arg_val = placeholders.of_output(self._name)

    def register_on_complete(
        self: _Config,
        name: str,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> _Config:
        """Return it so that it becomes a new version of a dataset when the run has ended (SDK v1).

        Args:
            name: of the dataset.
            description: of the version.
            tags: of the version.

        Raises:
            ValueError: the name is empty.
        """
        if not name:
            raise ValueError("The registration name of the dataset must not be empty.")
        return self._with(
            register_as=name, description=description, tags=None if tags is None else dict(tags)
        )

    def as_input(self, name: str | None = None) -> DatasetConsumptionConfig:
        """Return it as what another script reads (SDK v1).

        Args:
            name: of that input; None makes one.
        """
        return DatasetConsumptionConfig(name or new_name("input"), self, self._mode_of_input)

    _mode_of_input = "mount"

    def _with(self: _Config, mode: str | None = None, **changes: Any) -> _Config:
        changed = copy.copy(self)
        changed.mode = mode or self.mode
        changed._how = replace(self._how, **changes)
        return changed

    def _output(self, name: str) -> DataOutput:
        """Return what is made, for the definition of a job."""
        return replace(self._how, name=name, mode=self.mode)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self._name!r}, mode={self.mode!r})"


class TransformationMixin:
    """What makes rows of the files that a script makes (SDK v1)."""

    def read_delimited_files(
        self,
        include_path: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        separator: str = ",",
        header: Any = PromoteHeadersBehavior.ALL_FILES_HAVE_SAME_HEADERS,
        partition_format: str | None = None,
        path_glob: str | None = None,
        set_column_types: Mapping[str, Any] | None = None,
    ) -> "OutputTabularDatasetConfig":
        """Return it so that its files are read as delimited ones (SDK v1).

        Args:
            include_path: whether each row says of which file it is.
            separator: what stands between two values.
            header: which files have a header, a ``PromoteHeadersBehavior``.
            partition_format: what of a file's path becomes columns.
            path_glob: a regular expression that the paths of the files match that are read.
            set_column_types: types of columns; the others are texts.
        """
        from mlflow_workspace_plugin.sdk.data.datasets.tabular.readers import delimited

        reader = delimited(
            include_path=include_path,
            infer_column_types=False,
            set_column_types=set_column_types,
            separator=separator,
            header=header,
        )
        return self._tabular(reader, partition_format, path_glob)

    def read_parquet_files(
        self,
        include_path: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        partition_format: str | None = None,
        path_glob: str | None = None,
        set_column_types: Mapping[str, Any] | None = None,
    ) -> "OutputTabularDatasetConfig":
        """Return it so that its files are read as Parquet files (SDK v1).

        Args:
            include_path: whether each row says of which file it is.
            partition_format: what of a file's path becomes columns.
            path_glob: a regular expression that the paths of the files match that are read.
            set_column_types: types of columns.
        """
        from mlflow_workspace_plugin.sdk.data.datasets.tabular.readers import parquet

        reader = parquet(include_path=include_path, set_column_types=set_column_types)
        return self._tabular(reader, partition_format, path_glob)

    def _tabular(
        self, reader: Mapping[str, Any], partition_format: str | None, path_glob: str | None
    ) -> "OutputTabularDatasetConfig":
        if path_glob is not None:
            raise NotServedError(
                "path_glob of Azure ML's SDK v1 is not served here. Let the script write what is "
                "read into an output of its own, or name it by source_globs of as_upload()."
            )
        assert isinstance(self, OutputDatasetConfig)  # noqa: S101  what it is mixed into
        return OutputTabularDatasetConfig(
            output_file_dataset_config=self._with(
                reader=reader, partition_format=partition_format or self._how.partition_format
            )
        )


class _Stored(OutputDatasetConfig):
    """A folder of files that are stored."""

    def as_mount(self: _Config, disable_metadata_cache: bool = False) -> _Config:  # noqa: FBT001, FBT002
        """Return it so that its files are stored however the script ends (SDK v1).

        Args:
            disable_metadata_cache: accepted and ignored.
        """
        return self._with("mount", overwrite=False, globs=())

    def as_upload(
        self: _Config,
        overwrite: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        source_globs: "str | Sequence[str] | None" = None,
    ) -> _Config:
        """Return it so that its files are stored when the script has completed (SDK v1).

        Args:
            overwrite: whether files that are there may be replaced; else the run fails.
            source_globs: patterns of those that are stored; all when None.
        """
        globs = [source_globs] if isinstance(source_globs, str) else source_globs or ()
        return self._with("upload", overwrite=overwrite, globs=tuple(globs))


class OutputFileDatasetConfig(_Stored, TransformationMixin):
    """A folder that a script makes, whose files go to a datastore (SDK v1).

    The script finds it in ``Run.get_context().output_datasets``, in the variable of its name, and
    where this object stands among its arguments.

    Args:
        name: of the output; of letters, digits and underscores. None makes one.
        destination: ``(datastore, path)``, where ``{run-id}`` and ``{output-name}`` stand for
            themselves; by default ``dataset/{run-id}/{output-name}`` of the workspace's own.
        source: the folder: an absolute path, or one in the folder that the script runs in; None is
            one of its own.
        partition_format: what of a file's path becomes columns.

    Attributes:
        destination: where it goes.
        source: the folder.

    Raises:
        UserErrorException: the name is none, or the destination.
    """

    def __init__(
        self,
        name: str | None = None,
        destination: Any = None,
        source: str | None = None,
        partition_format: str | None = None,
    ) -> None:
        super().__init__("mount", name)
        self.destination = destination
        self.source = source
        self._how = replace(self._how, partition_format=partition_format)
        _place(destination)

    def _output(self, name: str) -> DataOutput:
        # As they are now: they are attributes, which scripts set.
        datastore, path = _place(self.destination)
        return replace(super()._output(name), datastore=datastore, path=path, source=self.source)


class OutputTabularDatasetConfig(_Stored):
    """A folder of files that a script makes, as rows (SDK v1).

    ``OutputFileDatasetConfig`` makes it by ``read_delimited_files()``.

    Args:
        kwargs: ``output_file_dataset_config``, the folder.

    Raises:
        ValueError: there is none.
    """

    _mode_of_input = "direct"

    def __init__(self, **kwargs: Any) -> None:
        files = kwargs.get("output_file_dataset_config")
        if files is None:
            raise ValueError(
                "This class is not made directly. Please create "
                "an OutputFileDatasetConfig and call read_delimited_files() of it."
            )
        super().__init__(files.mode, files.name)
        self._files: OutputDatasetConfig = files
        self._how = files._how

    def as_mount(self) -> "OutputTabularDatasetConfig":  # type: ignore[override]  # SDK v1's
        """Return it so that its files are stored however the script ends (SDK v1)."""
        return super().as_mount()

    def keep_columns(self, columns: "str | Sequence[str]") -> "OutputTabularDatasetConfig":
        """Return it with some columns only (SDK v1).

        Args:
            columns: their names.
        """
        return self._and_then({"do": "keep_columns", "columns": _names(columns)})

    def drop_columns(self, columns: "str | Sequence[str]") -> "OutputTabularDatasetConfig":
        """Return it without some columns (SDK v1).

        Args:
            columns: their names.
        """
        return self._and_then({"do": "drop_columns", "columns": _names(columns)})

    def random_split(self, percentage: float, seed: int | None = None) -> Any:
        """Raise ``NotServedError``: a dataset is split by who reads it."""
        raise NotServedError(
            "random_split() of an output of Azure ML's SDK v1 is not served here. Register the "
            "output, and split the dataset: Dataset.get_by_name(ws, name).random_split(0.8)."
        )

    def _and_then(self, step: Mapping[str, Any]) -> "OutputTabularDatasetConfig":
        return self._with(steps=(*self._how.steps, step))

    def _output(self, name: str) -> DataOutput:
        how, files = super()._output(name), self._files._output(name)
        return replace(how, datastore=files.datastore, path=files.path, source=files.source)


class HDFSOutputDatasetConfig(OutputDatasetConfig, TransformationMixin):
    """What a script on Azure's Spark makes (SDK v1). A job with such is not submitted.

    Args:
        name: of the output; None makes one.
        destination: ``(datastore, path)``.

    Attributes:
        destination: where it goes.
        source: None.
    """

    def __init__(self, name: str | None = None, destination: Any = None) -> None:
        super().__init__("hdfs", name)
        self.destination = destination
        self.source = None

    def _output(self, name: str) -> DataOutput:
        raise NotServedError(
            "HDFSOutputDatasetConfig of Azure ML's SDK v1 is not served here: no script runs on "
            "Azure's Spark. Use OutputFileDatasetConfig."
        )


class LinkFileOutputDatasetConfig(OutputDatasetConfig):
    """An output of which the script says which dataset of files it is (SDK v1).

    Args:
        name: of the output; None makes one.
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__("link", name)


class LinkTabularOutputDatasetConfig(OutputDatasetConfig):
    """An output of which the script says which dataset of rows it is (SDK v1).

    Args:
        name: of the output; None makes one.
    """

    _mode_of_input = "direct"

    def __init__(self, name: str | None = None) -> None:
        super().__init__("link", name)


def _names(columns: "str | Sequence[str]") -> list[str]:
    return [columns] if isinstance(columns, str) else list(columns)


def _place(destination: Any) -> tuple[str | None, str]:
    """Return a datastore's name and a path.

    Raises:
        UserErrorException: the destination is none.
    """
    if not destination:
        return None, DESTINATION
    if isinstance(destination, tuple) and len(destination) in (1, 2):
        datastore, path = destination[0], (*destination, None)[1]
    else:
        datastore, path = destination, None
    name = datastore if isinstance(datastore, str) else getattr(datastore, "name", None)
    if not isinstance(name, str) or not (path is None or isinstance(path, str)):
        raise UserErrorException(
            "destination is (datastore, 'path/on/it'), such as "
            "(workspace.get_default_datastore(), 'results/{run-id}')."
        )
    # Of a datastore alone the default path, lest runs write over each other.
    return name, path or DESTINATION
