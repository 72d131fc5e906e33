"""SDK v1's words for the data of a script. They are kept; a script with such is not submitted."""

from dataclasses import dataclass
from typing import Any

from mlflow_workspace_plugin.sdk.config_element import ConfigElement

SUPPORTED_DATAREF_MODES = ["mount", "download", "upload"]
SUPPORTED_DELIVERY_MECHANISM = ["direct", "mount", "download", "upload"]


@dataclass(repr=False, slots=True)
class DataReferenceConfiguration(ConfigElement):
    """A path of a datastore (SDK v1).

    Attributes:
        data_store_name: kept.
        path_on_data_store: kept.
        mode: kept.
        overwrite: kept.
        path_on_compute: kept.
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


@dataclass(repr=False, slots=True)
class DataLocation(ConfigElement):
    """Where data is (SDK v1).

    Args:
        dataset: kept.
        data_path: kept.
        uri: kept.
    """

    dataset: Any = None
    data_path: Any = None
    uri: Any = None


@dataclass(repr=False, slots=True)
class Data(ConfigElement):
    """How a script gets data (SDK v1).

    Args:
        data_location: kept.
        create_output_directories: kept.
        mechanism: kept.
        environment_variable_name: kept.
        path_on_compute: kept.
        overwrite: kept.
        options: kept.
    """

    data_location: Any = None
    create_output_directories: bool | None = None
    mechanism: str = "direct"
    environment_variable_name: str | None = None
    path_on_compute: str | None = None
    overwrite: bool = False
    options: Any = None
