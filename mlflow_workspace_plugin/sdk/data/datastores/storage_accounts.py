"""SDK v1's datastores in Azure Storage; the hub's own bear the same names."""

from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.data.storages.secrets import Secret, secret_of
from mlflow_workspace_plugin.errors import AzureMLException, NotServedError
from mlflow_workspace_plugin.sdk.data.datastores.base import FilesOfDatastore, shown
from mlflow_workspace_plugin.sdk.not_served import (
    NotServedOfAzureBlobDatastore,
    NotServedOfAzureDataLakeGen2Datastore,
    NotServedOfAzureFileDatastore,
)

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.workspace import Workspace
    from mlflow_workspace_plugin.stores.data.datastore_row import DatastoreRow

BLOB = "AzureBlob"
SHARE = "AzureFile"
GEN2 = "AzureDataLakeGen2"


class _OfAccount(FilesOfDatastore):
    """A datastore of which a row says where it is.

    Args:
        workspace: the workspace.
        row: of the datastore.
    """

    def __init__(self, workspace: "Workspace", row: "DatastoreRow") -> None:
        super().__init__(workspace, row.name, row.type)
        self._row = row
        facts = row.settings
        # The hub's own are in a folder of their name.
        self.container_name: str = facts.get("container", row.name)
        self.account_name: str | None = facts.get("account")
        self.protocol: str | None = facts.get("protocol")
        self.endpoint: str | None = facts.get("endpoint")
        self.subscription_id: str | None = facts.get("subscription_id")
        self.resource_group: str | None = facts.get("resource_group")

    @property
    def account_key(self) -> str | None:
        """The key that this process has for the account, if it has one."""
        secret = self._secret
        return None if secret is None else secret.key

    @property
    def sas_token(self) -> str | None:
        """The signature that this process has for the account, if it has one."""
        secret = self._secret
        return None if secret is None else secret.sas

    @property
    def credential_type(self) -> str:
        """What this process proves to the account who it is with: ``AccountKey`` and its kin."""
        secret = self._secret
        if secret is None:
            return "None"
        if secret.principal:
            return "ClientCredentials"
        return "Sas" if secret.sas else "AccountKey"

    @property
    def is_sas(self) -> bool:
        """Whether that is a signature."""
        return self.credential_type == "Sas"

    @property
    def _secret(self) -> Secret | None:
        if self._row.location is None:
            return None
        facts = self._row.settings
        try:
            return secret_of(
                self._row.location,
                self.account_name or "",
                facts.get("credential"),
                facts.get("credential_kind"),
            )
        except AzureMLException:
            # What is missing is said when it is needed.
            return None

    def __repr__(self) -> str:
        return shown(
            {
                "name": self.name,
                "container_name": self.container_name,
                "account_name": self.account_name,
                "protocol": self.protocol,
                "endpoint": self.endpoint,
            }
        )

    __str__ = __repr__

    def _as_dict(self, hide_secret: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002
        del hide_secret
        return super()._as_dict() | {
            "container_name": self.container_name,
            "account_name": self.account_name,
            "protocol": self.protocol,
            "endpoint": self.endpoint,
        }


class AbstractAzureStorageDatastore(_OfAccount):
    """A container or a file share of a storage account (SDK v1)."""


class AzureBlobDatastore(AbstractAzureStorageDatastore, NotServedOfAzureBlobDatastore):
    """A container of a storage account (SDK v1), or a folder of the hub's own storage."""

    @property
    def blob_service(self) -> Any:
        """Refuse: it was the client of Azure's SDK.

        Raises:
            NotServedError: always.
        """
        raise NotServedError(
            "AzureBlobDatastore.blob_service of Azure ML's SDK v1 is not served here: it was a "
            "client of Azure's SDK. Make one by azure.storage.blob.BlobServiceClient, or use "
            "upload() and download()."
        )


class AzureFileDatastore(AbstractAzureStorageDatastore, NotServedOfAzureFileDatastore):
    """A file share of a storage account (SDK v1), or a folder of the hub's own storage."""


class AbstractADLSDatastore(_OfAccount):
    """A data lake (SDK v1)."""


class AzureDataLakeGen2Datastore(AbstractADLSDatastore, NotServedOfAzureDataLakeGen2Datastore):
    """A file system of a data lake of the second generation (SDK v1)."""


CLASSES: dict[str, type[_OfAccount]] = {
    BLOB: AzureBlobDatastore,
    SHARE: AzureFileDatastore,
    GEN2: AzureDataLakeGen2Datastore,
}
"""By the type of storage."""
