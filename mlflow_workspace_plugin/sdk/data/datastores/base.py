"""SDK v1's base classes of datastores."""

import json
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.data.storages.find import row_of, storage_of
from mlflow_workspace_plugin.data.storages.storage import Storage
from mlflow_workspace_plugin.sdk.data.datastores import transfer
from mlflow_workspace_plugin.sdk.data.datastores.references import DataReference
from mlflow_workspace_plugin.sdk.wanted import in_workspace
from mlflow_workspace_plugin.stores.data.datastore_row import OWN_SHARE

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.workspace import Workspace


class AbstractDatastore:
    """A datastore of a workspace (SDK v1).

    Args:
        workspace: the workspace.
        name: of the datastore.
        datastore_type: of storage.
    """

    @in_workspace
    def __init__(self, workspace: "Workspace", name: str, datastore_type: str) -> None:
        self.workspace = workspace
        self.name = name
        self.datastore_type = datastore_type

    def set_as_default(self) -> None:
        """Make it the default datastore of its workspace."""
        set_default(self.workspace, self.name)

    def unregister(self) -> None:
        """Forget it; none of its files is touched.

        The one that a workspace has from the start stays.
        """
        self.workspace.tracking_store.drop_datastore(self.name)

    def _as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "datastore_type": self.datastore_type}


class FilesOfDatastore(AbstractDatastore):
    """What datastores do that hold files."""

    @property
    def _storage(self) -> Storage:
        return storage_of(self.workspace.tracking_store, self.name)

    @property
    def _data_reference(self) -> DataReference:
        return DataReference(self)

    def path(
        self, path: str | None = None, data_reference_name: str | None = None
    ) -> DataReference:
        """Return a reference to a path of it.

        Args:
            path: below its root; None is all of it.
            data_reference_name: of the reference.
        """
        return self._data_reference.path(path, data_reference_name)

    def as_download(self, path_on_compute: str | None = None) -> DataReference:
        """Return a reference to all of it, which a script gets as a copy.

        Args:
            path_on_compute: where.
        """
        return self._data_reference.as_download(path_on_compute)

    def as_upload(self, path_on_compute: str | None = None) -> DataReference:
        """Return a reference to its root, to which is uploaded what a script made.

        Args:
            path_on_compute: where it makes it.
        """
        return self._data_reference.as_upload(path_on_compute)

    def as_mount(self) -> DataReference:
        """Return a reference to all of it, which a script finds in a folder."""
        return self._data_reference.as_mount()

    def download(
        self,
        target_path: str,
        prefix: str | None = None,
        overwrite: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        show_progress: bool = True,  # noqa: FBT001, FBT002
    ) -> int:
        """Copy files to a local folder, below which they have their paths.

        Args:
            target_path: the folder, which is made.
            prefix: what their paths begin with; None is all of them.
            overwrite: copy them over files that are there.
            show_progress: print a line for each.

        Returns:
            How many were copied.
        """
        return transfer.download(
            self._storage, target_path, prefix, overwrite=overwrite, are_shown=show_progress
        )

    def upload(
        self,
        src_dir: str,
        target_path: str | None = None,
        overwrite: bool = False,  # noqa: FBT001, FBT002
        show_progress: bool = True,  # noqa: FBT001, FBT002
    ) -> DataReference:
        """Store the files of a local folder, each whole or not at all.

        Unlike SDK v1, which logged it, a file that cannot be stored is an error.

        Args:
            src_dir: the folder.
            target_path: the folder that they get into; None is the root.
            overwrite: store them over files that are there.
            show_progress: print a line for each.

        Returns:
            A reference to where they are.

        Raises:
            UserErrorException: ``src_dir`` is no folder, or a path leads out of the datastore.
        """
        folder = transfer.target_folder(target_path)
        files = transfer.files_of_folder(src_dir)
        transfer.upload(self._storage, files, folder, overwrite=overwrite, are_shown=show_progress)
        return DataReference(self, path_on_datastore=folder)

    def upload_files(
        self,
        files: list[str],
        relative_root: str | None = None,
        target_path: str | None = None,
        overwrite: bool = False,  # noqa: FBT001, FBT002
        show_progress: bool = True,  # noqa: FBT001, FBT002
    ) -> DataReference:
        """Store local files, each whole or not at all; raises as :meth:`upload`.

        Args:
            files: their paths.
            relative_root: the folder below which their paths are kept; by default the deepest that
                all of them are in.
            target_path: the folder that they get into; None is the root.
            overwrite: store them over files that are there.
            show_progress: print a line for each.

        Returns:
            A reference to where they are.
        """
        folder = transfer.target_folder(target_path)
        found = transfer.files_given(files, relative_root)
        transfer.upload(self._storage, found, folder, overwrite=overwrite, are_shown=show_progress)
        return DataReference(self, path_on_datastore=folder)


def set_default(workspace: "Workspace", name: str) -> None:
    """Make a datastore the default one of a workspace.

    Raises:
        DatastoreNotFoundError: the workspace has none of that name.
    """
    store = workspace.tracking_store
    if name.lower() == OWN_SHARE and store.datastore(name) is None:
        # Which is there without a row, until something is to be said of it.
        store.put_datastore(row_of(store, name))
    store.set_default_datastore(name)


def shown(facts: dict[str, Any]) -> str:
    """Return facts as SDK v1 showed those of a datastore."""
    return json.dumps(facts, indent=2)
