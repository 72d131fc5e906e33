"""SDK v1's words for the data that a script gets, in the sections of its configuration."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.data.delivery.inputs import DataInput
from mlflow_workspace_plugin.data.delivery.outputs import DataOutput
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.sdk.config_element import ConfigElement, holds

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.data.consumption.consumption_config import (
        DatasetConsumptionConfig,
    )

SUPPORTED_DATAREF_MODES = ["mount", "download", "upload"]
SUPPORTED_DELIVERY_MECHANISM = ["direct", "mount", "download", "upload"]


_DIGITS = re.compile("[0-9]+")


@dataclass(repr=False, slots=True)
class DataReferenceConfiguration(ConfigElement):
    """A path of a datastore, and how a script gets it, or stores what it made there (SDK v1).

    Args:
        datastore_name: of the datastore.
        mode: ``mount`` or ``download``, or ``upload``.
        path_on_datastore: below the datastore's root; None is all of it.
        path_on_compute: where the script finds it, or makes it: an absolute path, or one in the
            folder that it is run in.
        overwrite: whether files that are there may be replaced.

    Attributes:
        data_store_name: of the datastore.
        path_on_data_store: below the datastore's root.
        mode: how the script gets it.
        overwrite: whether files that are there may be replaced.
        path_on_compute: where the script finds it.
    """

    data_store_name: str | None = None
    path_on_data_store: str | None = None
    mode: str = "mount"
    overwrite: bool = False
    path_on_compute: str | None = None

    def __init__(
        self,
        datastore_name: str | None = None,
        mode: str = "mount",
        path_on_datastore: str | None = None,
        path_on_compute: str | None = None,
        overwrite: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
    ) -> None:
        self.data_store_name = datastore_name
        self.mode = mode
        self.path_on_data_store = path_on_datastore
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite

    def _input(self, name: str) -> DataInput:
        """Return what is read.

        Raises:
            UserErrorException: it names no datastore, or no such mode.
        """
        if self.mode not in ("mount", "download"):
            raise UserErrorException(
                f"Invalid mode {self.mode}. Only mount, download, upload are supported"
            )
        return DataInput(
            name,
            self.mode,  # type: ignore[arg-type]
            datastore=self._store_name(name),
            path=self.path_on_data_store or "",
            path_on_compute=self.path_on_compute,
            overwrite=self.overwrite,
            is_reference=True,
        )

    def _output(self, name: str) -> DataOutput:
        """Return what is made.

        Raises:
            UserErrorException: it names no datastore, or not what is stored.
        """
        if not self.path_on_compute:
            raise UserErrorException(
                f"DataReference {name} misses the relative path on the compute. Say which folder "
                "of the script's is stored: as_upload(path_on_compute='outputs/data')."
            )
        return DataOutput(
            name,
            "upload",
            datastore=self._store_name(name),
            path=self.path_on_data_store or "",
            source=self.path_on_compute,
            overwrite=self.overwrite,
            is_reference=True,
        )

    def _store_name(self, name: str) -> str:
        if not self.data_store_name:
            raise UserErrorException(
                f"DataReference {name} misses the datastore name. Make it by datastore.path()."
            )
        return self.data_store_name


@dataclass(repr=False, slots=True)
class Dataset(ConfigElement):
    """A dataset that is saved, by its id or by its name (SDK v1).

    Args:
        dataset_id: of the dataset.
        dataset_name: of a registered one.
        dataset_version: which version of it.
    """

    id: str | None = None
    name: str | None = None
    version: str | None = None

    def __init__(
        self,
        dataset_id: str | None = None,
        dataset_name: str | None = None,
        dataset_version: str | None = None,
    ) -> None:
        self.id = dataset_id
        self.name = dataset_name
        self.version = dataset_version


@dataclass(repr=False, slots=True)
class DataPath(ConfigElement):
    """A path of a datastore (SDK v1).

    Args:
        datastore_name: of the datastore.
        relative_path: below its root.
    """

    datastore_name: str | None = None
    relative_path: str | None = None


@dataclass(repr=False, slots=True)
class Uri(ConfigElement):
    """Where data is, by its URI (SDK v1).

    Args:
        path: the URI.
        is_file: whether it is a file.
    """

    path: str | None = None
    is_file: bool = False


@dataclass(repr=False, slots=True)
class DataLocation(ConfigElement):
    """Where data is (SDK v1).

    Args:
        dataset: a dataset that is saved.
        data_path: a path of a datastore.
        uri: kept.
    """

    dataset: Any = field(default=None, metadata=holds(Dataset.from_stored))
    data_path: Any = field(default=None, metadata=holds(DataPath.from_stored))
    uri: Any = field(default=None, metadata=holds(Uri.from_stored))


@dataclass(repr=False, slots=True)
class Data(ConfigElement):
    """How a script gets data (SDK v1).

    Args:
        data_location: where it is.
        create_output_directories: kept.
        mechanism: ``direct``, ``mount`` or ``download``.
        environment_variable_name: under which the script gets it.
        path_on_compute: where: an absolute path, or one in the folder that the script is run in.
        overwrite: whether files that are there may be replaced.
        options: kept.
    """

    data_location: Any = field(default=None, metadata=holds(DataLocation.from_stored))
    create_output_directories: bool | None = None
    mechanism: str = "direct"
    environment_variable_name: str | None = None
    path_on_compute: str | None = None
    overwrite: bool = False
    options: Any = None

    @staticmethod
    def create(data: "DatasetConsumptionConfig") -> "Data":
        """Return how a script gets a dataset (SDK v1).

        Args:
            data: the dataset, which is saved, and how the script gets it.

        Raises:
            UserErrorException: it is none, or was not saved.
        """
        from mlflow_workspace_plugin.sdk.data.consumption.consumption_config import (
            DatasetConsumptionConfig,
        )

        if not isinstance(data, DatasetConsumptionConfig):
            raise UserErrorException("Data must be an instance of DatasetConsumptionConfig.")
        dataset = data.dataset
        if dataset._consume_latest:
            location = Dataset(dataset_name=dataset.name, dataset_version="latest")
        elif dataset.id:
            location = Dataset(dataset.id, dataset.name, dataset.version)
        else:
            raise UserErrorException(
                f"The dataset of the input {data.name!r} was not saved. Register it, or pass the "
                "input among the arguments of the script."
            )
        return Data(
            DataLocation(location),
            create_output_directories=False,
            mechanism=data.mode,
            environment_variable_name=data.name,
            path_on_compute=data.path_on_compute,
        )

    def _input(self, name: str) -> DataInput:
        """Return what is read.

        Raises:
            UserErrorException: it names neither a dataset nor a path of a datastore.
        """
        mode = (self.mechanism or "direct").lower()
        if mode not in ("direct", "mount", "download"):
            raise UserErrorException(
                f"The input {name!r} has the mechanism {mode!r}. It is direct, mount or download."
            )
        location = self.data_location or DataLocation()
        where: dict[str, Any]
        if location.dataset is not None:
            where = _saved(location.dataset, name)
        elif location.data_path is not None:
            where = {
                "datastore": location.data_path.datastore_name,
                "path": location.data_path.relative_path or "",
            }
        else:
            raise UserErrorException(
                f"The input {name!r} says not where its data is. Name a dataset, or a path of a "
                "datastore, in data_location."
            )
        return DataInput(
            self.environment_variable_name or name,
            mode,  # type: ignore[arg-type]
            path_on_compute=self.path_on_compute,
            overwrite=self.overwrite,
            **where,
        )


def _saved(dataset: Dataset, name: str) -> dict[str, Any]:
    """Return how an input names a saved dataset."""
    if dataset.id:
        return {"dataset": dataset.id, "registered_as": dataset.name}
    version = str(dataset.version or "latest")
    if not dataset.name or not (version == "latest" or _DIGITS.fullmatch(version)):
        raise UserErrorException(
            f"The input {name!r} names no saved dataset: neither by an id, nor by a name and a "
            "version, which is a number or latest."
        )
    return {
        "registered_as": dataset.name,
        "version": None if version == "latest" else int(version),
    }
