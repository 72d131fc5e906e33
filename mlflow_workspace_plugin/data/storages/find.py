"""From the name of a datastore to its files."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.data.storages.hub import HubStorage
from mlflow_workspace_plugin.data.storages.own_files import OfFolder, OfServer
from mlflow_workspace_plugin.data.storages.secrets import secret_of
from mlflow_workspace_plugin.data.storages.storage import Storage
from mlflow_workspace_plugin.errors import DatastoreError, DatastoreNotFoundError
from mlflow_workspace_plugin.names import did_you_mean
from mlflow_workspace_plugin.stores.data.datastore_row import (
    OWN_DATASTORE,
    OWN_SHARE,
    DatastoreRow,
)

if TYPE_CHECKING:
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

OWN = OWN_DATASTORE
"""The name of the datastore that every workspace has from the start, in the hub's own storage."""

_FILE_SHARE = "AzureFile"


def storage_of(store: "WorkspaceTrackingStore", name: str, *, keeps: bool = True) -> Storage:
    """Return the files of a datastore.

    Args:
        store: of the workspace.
        name: of the datastore, in whatever capitals.
        keeps: keep on this machine what the hub's own storage does not take now; otherwise that is
            an error.

    Raises:
        DatastoreNotFoundError: the workspace has none of that name.
        DatastoreError: it cannot be opened.
    """
    row = row_of(store, name)
    if row.location is not None:
        return _storage_elsewhere(row, row.location)
    uri = uris.parse(store.tracking_uri)
    own = OfServer(uri) if isinstance(uri, uris.ServedWorkspaceUri) else OfFolder(*store.place)
    return HubStorage(own, _workspace_of(store), row.name, keeps=keeps)


def row_of(store: "WorkspaceTrackingStore", name: str) -> DatastoreRow:
    """Return the row of a datastore.

    Raises:
        DatastoreNotFoundError: the workspace has none of that name.
    """
    row = store.datastore(name)
    if row is None and name.lower() == OWN_SHARE:
        return DatastoreRow(OWN_SHARE, _FILE_SHARE)
    if row is None:
        known = {each.name for each in store.datastores()}
        raise DatastoreNotFoundError(
            f"Workspace {_workspace_of(store)!r} has no datastore {name!r}."
            f"{did_you_mean(name, known)} Register it with "
            "Datastore.register_azure_blob_container, or use ws.get_default_datastore()."
        )
    return row


def _workspace_of(store: "WorkspaceTrackingStore") -> str:
    return store.tracking_uri.partition("?")[0].rpartition("/")[2]


def _storage_elsewhere(row: DatastoreRow, location: str) -> Storage:
    """Return the files of a datastore in another storage than the hub's own.

    Raises:
        DatastoreError: it cannot be opened.
    """
    if row.type == _FILE_SHARE:
        raise DatastoreError(
            f"Datastore {row.name!r} is an Azure file share, for which fsspec has no file system. "
            "Mount the share and use its path, or copy its files to ws.get_default_datastore()."
        )
    from mlflow_workspace_plugin.data.storages.filesystem import FilesystemStorage

    facts: dict[str, Any] = dict(row.settings)
    account, container = str(facts.get("account", "")), str(facts.get("container", ""))
    secret = secret_of(location, account, facts.get("credential"), facts.get("credential_kind"))
    # What adlfs opens has to be what was trusted.
    service = location.rpartition("/")[0].replace(".dfs.", ".blob.", 1)
    if location.rpartition("/")[2] != container or not account:
        raise DatastoreError(
            f"Datastore {row.name!r} says two things of where it is. Register it again."
        )
    try:
        from adlfs import AzureBlobFileSystem
    except ImportError as error:
        raise DatastoreError(
            f"Datastore {row.name!r} is in Azure Storage, and adlfs, which reads that, cannot be "
            f"used: {error}. Install it with: pip install adlfs"
        ) from error
    options: dict[str, Any] = {"account_name": account}
    if secret is not None and (secret.key or secret.sas):
        proof = f"AccountKey={secret.key}" if secret.key else f"SharedAccessSignature={secret.sas}"
        options["connection_string"] = f"BlobEndpoint={service};AccountName={account};{proof}"
    else:
        options |= {"account_host": urlsplit(service).netloc, "anon": False}
        if secret is not None and secret.principal:
            keys = ("tenant_id", "client_id", "client_secret")
            options |= dict(zip(keys, secret.principal, strict=True))
    filesystem = AzureBlobFileSystem(**options, skip_instance_cache=True)
    return FilesystemStorage(filesystem, container, location)
