"""SDK v1's ``Datastore``: finding and registering datastores."""

from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.data.storages.find import row_of
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.sdk.data.datastores.base import AbstractDatastore
from mlflow_workspace_plugin.sdk.data.datastores.registration import Place, register
from mlflow_workspace_plugin.sdk.data.datastores.storage_accounts import (
    BLOB,
    CLASSES,
    GEN2,
    SHARE,
    AzureBlobDatastore,
    AzureDataLakeGen2Datastore,
    AzureFileDatastore,
)
from mlflow_workspace_plugin.sdk.not_served import NotServedOfDatastore
from mlflow_workspace_plugin.sdk.wanted import in_workspace
from mlflow_workspace_plugin.stores.data.datastore_row import OWN_SHARE

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.workspace import Workspace
    from mlflow_workspace_plugin.stores.data.datastore_row import DatastoreRow


class Datastore(NotServedOfDatastore):
    """The datastores of a workspace (SDK v1).

    ``Datastore(workspace, name)`` is what :meth:`get` returns; without a name, the default one.
    """

    @in_workspace
    def __new__(cls, workspace: "Workspace", name: str | None = None) -> Any:
        """Return the datastore of a name, or the default one."""
        return cls.get_default(workspace) if name is None else cls.get(workspace, name)

    @staticmethod
    @in_workspace
    def get(workspace: "Workspace", datastore_name: str) -> Any:
        """Return the datastore of a name.

        Args:
            workspace: the workspace.
            datastore_name: in whatever capitals.

        Raises:
            UserErrorException: the workspace has none of that name.
        """
        return datastore_of(workspace, row_of(workspace.tracking_store, str(datastore_name)))

    @staticmethod
    @in_workspace
    def get_default(workspace: "Workspace") -> Any:
        """Return the default datastore of a workspace."""
        store = workspace.tracking_store
        return datastore_of(workspace, row_of(store, store.default_datastore()))

    @staticmethod
    @in_workspace
    def register_azure_blob_container(
        workspace: "Workspace",
        datastore_name: str,
        container_name: str,
        account_name: str,
        sas_token: str | None = None,
        account_key: str | None = None,
        protocol: str | None = None,
        endpoint: str | None = None,
        overwrite: bool = False,  # noqa: FBT001, FBT002
        create_if_not_exists: bool = False,  # noqa: FBT001, FBT002
        skip_validation: bool = False,  # noqa: FBT001, FBT002
        blob_cache_timeout: int | None = None,
        grant_workspace_access: bool = False,  # noqa: FBT001, FBT002
        subscription_id: str | None = None,
        resource_group: str | None = None,
    ) -> AzureBlobDatastore:
        """Register a container of a storage account; the account is not asked.

        A secret that is given literally serves this process, and is stored nowhere; of one that is
        given as ``${NAME}`` the name of the environment variable is kept.

        Args:
            workspace: the workspace.
            datastore_name: what it is to be called.
            container_name: of the container.
            account_name: of the account.
            sas_token: a signature.
            account_key: a key of the account.
            protocol: None is https.
            endpoint: what comes behind ``ACCOUNT.blob.``, or the whole address of the service;
                None is that of Azure's public cloud.
            overwrite: put it in the place of one of its name.
            create_if_not_exists: make the container.
            skip_validation: accepted and ignored.
            blob_cache_timeout: accepted and ignored.
            grant_workspace_access: accepted and ignored.
            subscription_id: kept.
            resource_group: kept.

        Raises:
            UserErrorException: the name is taken, or something given cannot be.
        """
        del skip_validation, blob_cache_timeout, grant_workspace_access
        more = {"subscription_id": subscription_id, "resource_group": resource_group}
        place = Place(BLOB, "blob", account_name, container_name, protocol, endpoint, more)
        secrets = {"sas": sas_token, "key": account_key}
        row = register(workspace, datastore_name, place, secrets, overwrite=overwrite)
        made = AzureBlobDatastore(workspace, row)
        if create_if_not_exists:
            made._storage.make()
        return made

    @staticmethod
    @in_workspace
    def register_azure_file_share(
        workspace: "Workspace",
        datastore_name: str,
        file_share_name: str,
        account_name: str,
        sas_token: str | None = None,
        account_key: str | None = None,
        protocol: str | None = None,
        endpoint: str | None = None,
        overwrite: bool = False,  # noqa: FBT001, FBT002
        create_if_not_exists: bool = False,  # noqa: FBT001, FBT002
        skip_validation: bool = False,  # noqa: FBT001, FBT002
    ) -> AzureFileDatastore:
        """Register a file share of a storage account, whose files are not reached from here.

        Args:
            workspace: the workspace.
            datastore_name: what it is to be called.
            file_share_name: of the share.
            account_name: of the account.
            sas_token: a signature.
            account_key: a key of the account.
            protocol: None is https.
            endpoint: what comes behind ``ACCOUNT.file.``.
            overwrite: put it in the place of one of its name.
            create_if_not_exists: accepted and ignored.
            skip_validation: accepted and ignored.

        Raises:
            UserErrorException: the name is taken, or something given cannot be.
        """
        del create_if_not_exists, skip_validation
        place = Place(SHARE, "file", account_name, file_share_name, protocol, endpoint, {})
        secrets = {"sas": sas_token, "key": account_key}
        row = register(workspace, datastore_name, place, secrets, overwrite=overwrite)
        return AzureFileDatastore(workspace, row)

    @staticmethod
    @in_workspace
    def register_azure_data_lake_gen2(
        workspace: "Workspace",
        datastore_name: str,
        filesystem: str,
        account_name: str,
        tenant_id: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        resource_url: str | None = None,
        authority_url: str | None = None,
        protocol: str | None = None,
        endpoint: str | None = None,
        overwrite: bool = False,  # noqa: FBT001, FBT002
        subscription_id: str | None = None,
        resource_group: str | None = None,
        grant_workspace_access: bool = False,  # noqa: FBT001, FBT002
    ) -> AzureDataLakeGen2Datastore:
        """Register a file system of a data lake of the second generation; it is not asked.

        Args:
            workspace: the workspace.
            datastore_name: what it is to be called.
            filesystem: of the account.
            account_name: of the account.
            tenant_id: of a service principal, which serves this process.
            client_id: of it.
            client_secret: of it.
            resource_url: accepted and ignored.
            authority_url: accepted and ignored.
            protocol: None is https.
            endpoint: what comes behind ``ACCOUNT.dfs.``.
            overwrite: put it in the place of one of its name.
            subscription_id: kept.
            resource_group: kept.
            grant_workspace_access: accepted and ignored.

        Raises:
            UserErrorException: the name is taken, or something given cannot be.
        """
        del resource_url, authority_url, grant_workspace_access
        principal = None
        if tenant_id and client_id and client_secret:
            principal = (tenant_id, client_id, client_secret)
        elif tenant_id or client_id or client_secret:
            raise UserErrorException(
                "Tenant id, client id and client secret have to be defined together."
            )
        more = {"subscription_id": subscription_id, "resource_group": resource_group}
        place = Place(GEN2, "dfs", account_name, filesystem, protocol, endpoint, more)
        row = register(
            workspace, datastore_name, place, {}, overwrite=overwrite, principal=principal
        )
        return AzureDataLakeGen2Datastore(workspace, row)


def datastore_of(workspace: "Workspace", row: "DatastoreRow") -> AbstractDatastore:
    """Return the datastore of a row."""
    return CLASSES.get(row.type, AzureBlobDatastore)(workspace, row)


def all_datastores(workspace: "Workspace") -> dict[str, AbstractDatastore]:
    """Return the datastores of a workspace by name."""
    store = workspace.tracking_store
    rows = {row.name: row for row in store.datastores()}
    if not any(name.lower() == OWN_SHARE for name in rows):
        rows[OWN_SHARE] = row_of(store, OWN_SHARE)
    return {name: datastore_of(workspace, row) for name, row in rows.items()}
