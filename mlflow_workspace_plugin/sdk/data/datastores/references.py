"""SDK v1's references to data: a path of a datastore, and how a script gets it."""

import uuid
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.errors import UserErrorException

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.data.datastores.data_path import (
        DataPath,
        DataPathComputeBinding,
    )
    from mlflow_workspace_plugin.sdk.jobs.configurations.data import DataReferenceConfiguration

_MODES = ("mount", "download", "upload")
_ALL_OF_IT = ("/", ".", "./")


class DataReference:
    """A path of a datastore, and how a script gets it, or stores what it made there (SDK v1).

    As text it stands for the local path, wherever the script runs.

    Args:
        datastore: the datastore.
        data_reference_name: names the variable that holds the local path. By default one is made;
            of all of a datastore it is the name of that.
        path_on_datastore: below the datastore's root; None is all of it.
        mode: ``mount`` or ``download``, or ``upload`` for what the script makes.
        path_on_compute: where the script finds it.
        overwrite: whether files that are there may be replaced.
    """

    def __init__(
        self,
        datastore: Any,
        data_reference_name: str | None = None,
        path_on_datastore: str | None = None,
        mode: str = "mount",
        path_on_compute: str | None = None,
        overwrite: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
    ) -> None:
        if mode not in _MODES:
            raise UserErrorException(
                f"Invalid mode {mode}. Only mount, download, upload are supported"
            )
        self.datastore = datastore
        self.path_on_datastore = path_on_datastore
        self.mode = mode
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite
        is_all = not path_on_datastore or path_on_datastore in _ALL_OF_IT
        default = datastore.name if is_all else uuid.uuid4().hex
        self.data_reference_name: str = data_reference_name or default

    def path(
        self, path: str | None = None, data_reference_name: str | None = None
    ) -> "DataReference":
        """Return a reference to a path below this one.

        Args:
            path: below this one; None is this one.
            data_reference_name: of the new reference.
        """
        if not path or path in _ALL_OF_IT:
            if not data_reference_name:
                return self
            return DataReference(self.datastore, data_reference_name)
        if self.path_on_datastore and self.path_on_datastore not in _ALL_OF_IT:
            path = f"{self.path_on_datastore}/{path}"
        return DataReference(self.datastore, data_reference_name, path)

    def as_download(
        self,
        path_on_compute: str | None = None,
        overwrite: bool = False,  # noqa: FBT001, FBT002
    ) -> "DataReference":
        """Return the same, which the script gets as a copy.

        Args:
            path_on_compute: where.
            overwrite: accepted and ignored, as SDK v1 did.
        """
        del overwrite
        return self._as("download", path_on_compute)

    def as_upload(
        self,
        path_on_compute: str | None = None,
        overwrite: bool = False,  # noqa: FBT001, FBT002
    ) -> "DataReference":
        """Return the same, to which is uploaded what the script made.

        Args:
            path_on_compute: where it makes it.
            overwrite: accepted and ignored, as SDK v1 did.
        """
        del overwrite
        return self._as("upload", path_on_compute)

    def as_mount(self) -> "DataReference":
        """Return the same, which the script finds in a folder."""
        return self._as("mount", self.path_on_compute)

    def to_config(self) -> "DataReferenceConfiguration":
        """Return what a run configuration holds of it."""
        from mlflow_workspace_plugin.sdk.jobs.configurations.data import (
            DataReferenceConfiguration,
        )

        return DataReferenceConfiguration(
            datastore_name=self.datastore.name,
            mode=self.mode,
            path_on_datastore=_unless_all(self.path_on_datastore),
            path_on_compute=_unless_all(self.path_on_compute),
            overwrite=self.overwrite,
        )

    @staticmethod
    def create(
        data_reference_name: str | None = None,
        datapath: "DataPath | None" = None,
        datapath_compute_binding: "DataPathComputeBinding | None" = None,
    ) -> "DataReference":
        """Return a reference to a path, as a binding says.

        Args:
            data_reference_name: of the reference.
            datapath: the path.
            datapath_compute_binding: how the script gets it.
        """
        if datapath is None or datapath_compute_binding is None:
            raise ValueError("datapath and datapath_compute_binding are expected parameters")
        return DataReference(
            datastore=datapath._datastore,
            data_reference_name=data_reference_name,
            path_on_datastore=datapath.path_on_datastore,
            mode=datapath_compute_binding._mode,
            path_on_compute=datapath_compute_binding._path_on_compute,
            overwrite=datapath_compute_binding._overwrite,
        )

    def __str__(self) -> str:
        return f"$AZUREML_DATAREFERENCE_{self.data_reference_name}"

    __repr__ = __str__

    def _as(self, mode: str, path_on_compute: str | None) -> "DataReference":
        return DataReference(
            self.datastore,
            self.data_reference_name,
            self.path_on_datastore,
            mode,
            path_on_compute,
            self.overwrite,
        )


def _unless_all(path: str | None) -> str | None:
    return None if path in _ALL_OF_IT else path
