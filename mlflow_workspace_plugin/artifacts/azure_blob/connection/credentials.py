"""How a process proves to a storage account who it is, and what of that is never shown."""

import base64
import binascii
import functools
import logging
import os
import re
from dataclasses import dataclass, field
from typing import Any

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential

from mlflow_workspace_plugin.errors import HubSettingsError
from mlflow_workspace_plugin.hub.azure import AzureRoot

CONNECTION_STRING = "AZURE_STORAGE_CONNECTION_STRING"
# MLflow's name for it, and the Azure CLI's.
ACCOUNT_KEYS = ("AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_KEY")
SAS = "AZURE_STORAGE_SAS_TOKEN"

_SIGNATURE = re.compile(r"((?:\bsig|AccountKey)=)[^&;\s\"']+", re.IGNORECASE)
_IN_CONNECTION_STRINGS = re.compile(
    r"(^|;)\s*(AccountName|BlobEndpoint|SharedAccessSignature)=", re.IGNORECASE
)


@dataclass(frozen=True)
class Credential:
    """A secret, where it was found, and the blob service it is for."""

    source: str
    """For people: the environment variable, or ``DefaultAzureCredential``."""
    service: str
    """The URL of the blob service."""
    key: str | None = field(default=None, repr=False)
    sas: str | None = field(default=None, repr=False)

    def for_client(self, root: AzureRoot) -> Any:
        """Return what a client of the SDK takes."""
        if self.key is not None:
            return AzureNamedKeyCredential(root.account, self.key)
        if self.sas is not None:
            keep_signatures_out_of_logs()
            return AzureSasCredential(self.sas)
        return default_login()

    def for_mlflow(self, root: AzureRoot) -> dict[str, str]:
        """Return the environment variables from which MLflow's own repository takes the secret."""
        text = f"BlobEndpoint={self.service};AccountName={root.account};"
        if self.key is not None:
            return {CONNECTION_STRING: f"{text}AccountKey={self.key}"}
        if self.sas is not None:
            return {CONNECTION_STRING: f"{text}SharedAccessSignature={self.sas}"}
        return {}


def find_credential(root: AzureRoot) -> Credential:
    """Find the secret for a place: the variable it names, else the usual ones in their order.

    That order is: connection string, account key, SAS, ``DefaultAzureCredential``.

    Raises:
        HubSettingsError: the named variable is not set, or what is found cannot be used for this
            account. The message shows no value.
    """
    if root.credential is not None:
        value = os.environ.get(root.credential)
        if not value:
            raise HubSettingsError(
                f"The hub's artifact root refers to the environment variable {root.credential}, "
                "which is not set. Set it to a connection string, an account key or a SAS of "
                f"storage account {root.account!r}, or correct artifacts in hub.toml."
            )
        return _of_any_kind(root, root.credential, value.strip())
    if value := os.environ.get(CONNECTION_STRING):
        return _of_connection_string(root, CONNECTION_STRING, value)
    for name in ACCOUNT_KEYS:
        if value := os.environ.get(name):
            return _of_key(root, name, value)
    if value := os.environ.get(SAS):
        return Credential(SAS, root.service, sas=value.lstrip("?"))
    return Credential("DefaultAzureCredential", root.service)


def scrubbed(text: str) -> str:
    """Return text without the signatures and keys in it."""
    return _SIGNATURE.sub(r"\1***", text)


def _of_any_kind(root: AzureRoot, name: str, value: str) -> Credential:
    if _IN_CONNECTION_STRINGS.search(value):
        return _of_connection_string(root, name, value)
    if re.search(r"(^|[?&])sig=", value):
        return Credential(name, root.service, sas=value.lstrip("?"))
    return _of_key(root, name, value)


def _of_connection_string(root: AzureRoot, name: str, value: str) -> Credential:
    pairs = (part.partition("=") for part in value.strip().split(";") if part)
    parts = {key.strip().lower(): text.strip() for key, _, text in pairs}
    account = parts.get("accountname") or _account_at(parts.get("blobendpoint", ""))
    if account is not None and account != root.account:
        raise HubSettingsError(
            f"{name} is a connection string of storage account {account!r}, but the hub's files "
            f"are in {root.account!r}. Set it to that account's, or name another variable in "
            "hub.toml: ?credential=${NAME_OF_THE_VARIABLE}"
        )
    service = root.endpoint or parts.get("blobendpoint")
    if service is None:
        scheme = parts.get("defaultendpointsprotocol", "https")
        suffix = parts.get("endpointsuffix", "core.windows.net")
        service = f"{scheme}://{root.account}.blob.{suffix}"
    if key := parts.get("accountkey"):
        return _of_key(root, name, key, service)
    if sas := parts.get("sharedaccesssignature"):
        return Credential(name, service.rstrip("/"), sas=sas.lstrip("?"))
    raise HubSettingsError(
        f"{name} is a connection string without AccountKey and SharedAccessSignature. "
        "Copy the whole of it, as the portal shows it under Access keys."
    )


def _account_at(endpoint: str) -> str | None:
    """Return the account whose name the host of a blob service begins with."""
    found = re.match(r"https?://([a-z0-9]+)\.blob\.", endpoint)
    return found and found[1]


def _of_key(root: AzureRoot, name: str, value: str, service: str | None = None) -> Credential:
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise HubSettingsError(
            f"{name} holds no connection string, account key or SAS of storage account "
            f"{root.account!r}: it is not base64. Copy the whole of it."
        ) from None
    return Credential(name, (service or root.service).rstrip("/"), key=value)


class Login:
    """What azure-identity finds, and whether it ever found anything in this process."""

    def __init__(self, credential: Any) -> None:
        self._credential = credential
        self.was_granted = False

    def get_token(self, *scopes: str, **options: Any) -> Any:
        """Return a token, as ``DefaultAzureCredential`` does.

        Raises:
            ClientAuthenticationError: there is none.
        """
        token = self._credential.get_token(*scopes, **options)
        self.was_granted = True
        return token


@functools.cache
def default_login() -> Login:
    """Return the log-in of this process: to find it may take a program, and seconds.

    Raises:
        HubSettingsError: azure-identity cannot be used.
    """
    try:
        from azure.identity import DefaultAzureCredential
    except ImportError as error:
        raise HubSettingsError(
            "The hub's files are in Azure Blob Storage, no key is in the environment, and "
            f"azure-identity, which finds other credentials, cannot be used: {error}. Set "
            f"{CONNECTION_STRING}, {ACCOUNT_KEYS[0]} or {SAS}, or install it with: "
            "pip install azure-identity"
        ) from error
    return Login(DefaultAzureCredential())


class _WithoutSignatures(logging.Filter):
    """Takes the signature out of the addresses that urllib3 logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                scrubbed(each) if isinstance(each, str) else each for each in record.args
            )
        record.msg = scrubbed(str(record.msg))
        return True


_without_signatures = _WithoutSignatures()


def keep_signatures_out_of_logs() -> None:
    """A SAS is a part of each address, and urllib3 logs those on the level DEBUG and in warnings.

    Its loggers are reached by name: what is added to one does not reach those below it.
    """
    for name in ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(_without_signatures)
