"""SDK v1's paths of datastores, and how they are bound to where a script runs."""

import uuid
from typing import Any

from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.sdk.data.datastores.base import AbstractDatastore
from mlflow_workspace_plugin.sdk.data.datastores.references import DataReference


class DataPath:
    """A path of a datastore (SDK v1).

    Args:
        datastore: the datastore.
        path_on_datastore: below its root.
        name: by default one is made.
    """

    def __init__(
        self,
        datastore: Any = None,
        path_on_datastore: str | None = None,
        name: str | None = None,
    ) -> None:
        if datastore is None:
            raise ValueError("datastore parameter is required.")
        if not isinstance(datastore, AbstractDatastore):
            raise UserErrorException(
                f"A DataPath is of a datastore, and was given a {type(datastore).__name__}. Get "
                "one by Datastore.get(workspace, name)."
            )
        self._datastore = datastore
        self._path_on_datastore = path_on_datastore
        self._name = name or f"{datastore.name}_{uuid.uuid4().hex[:8]}"

    @property
    def datastore_name(self) -> str:
        """The name of the datastore."""
        return str(self._datastore.name)

    @property
    def path_on_datastore(self) -> str | None:
        """The path below its root."""
        return self._path_on_datastore

    def create_data_reference(
        self,
        data_reference_name: str | None = None,
        datapath_compute_binding: "DataPathComputeBinding | None" = None,
    ) -> DataReference:
        """Return a reference to the path, as a binding says."""
        if not datapath_compute_binding:
            raise ValueError("datapath_compute_binding is a required parameter")
        _check("datapath_compute_binding", datapath_compute_binding, DataPathComputeBinding)
        return DataReference.create(data_reference_name, self, datapath_compute_binding)

    @staticmethod
    def create_from_data_reference(data_reference: DataReference) -> "DataPath":
        """Return the path of a reference."""
        _check_reference(data_reference)
        return DataPath(data_reference.datastore, data_reference.path_on_datastore)


class DataPathComputeBinding:
    """How a script gets the data at a path (SDK v1).

    Args:
        mode: ``mount``, ``download`` or ``upload``.
        path_on_compute: where it finds it.
        overwrite: whether files that are there may be replaced.
    """

    def __init__(
        self,
        mode: str = "mount",
        path_on_compute: str | None = None,
        overwrite: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
    ) -> None:
        self._mode = mode
        self._path_on_compute = path_on_compute
        self._overwrite = overwrite

    def create_data_reference(
        self, data_reference_name: str | None = None, datapath: DataPath | None = None
    ) -> DataReference:
        """Return a reference to a path."""
        if not datapath:
            raise ValueError("datapath is a required parameter")
        _check("DataPath", datapath, DataPath)
        return DataReference.create(data_reference_name, datapath, self)

    @staticmethod
    def create_from_data_reference(data_reference: DataReference) -> "DataPathComputeBinding":
        """Return what a reference says of how a script gets it."""
        _check_reference(data_reference)
        return DataPathComputeBinding(
            data_reference.mode, data_reference.path_on_compute, data_reference.overwrite
        )


def _check_reference(given: object) -> None:
    if not given:
        raise ValueError("data_reference is a required parameter")
    _check("DataReference", given, DataReference)


def _check(name: str, given: object, expected: type) -> None:
    if not isinstance(given, expected):
        raise ValueError(f"Invalid type. Expected {name}, but type is {type(given).__name__}")
