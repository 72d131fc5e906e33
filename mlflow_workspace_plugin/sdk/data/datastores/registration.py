"""Registering a datastore in Azure Storage: where it is is kept, and no secret ever."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlflow_workspace_plugin.data.storages.find import OWN
from mlflow_workspace_plugin.data.storages.secrets import REFERENCE, Secret, use
from mlflow_workspace_plugin.errors import DatastoreExistsError, UserErrorException
from mlflow_workspace_plugin.stores.data.datastore_row import OWN_SHARE, DatastoreRow
from mlflow_workspace_plugin.terminal import get_logger

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.workspace import Workspace

_SUFFIX = "core.windows.net"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_CONTAINER = re.compile(r"\$?[a-z0-9](-?[a-z0-9]){2,62}|\$root|\$web")
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?")

_logger = get_logger(__name__)


@dataclass(frozen=True)
class Place:
    """A container, a file share or a file system of a storage account.

    Attributes:
        type: of storage, as SDK v1 names it.
        service: how the service is named in its address, such as ``blob``.
        account: the name of the account.
        container: of the container, the share or the file system.
        protocol: None is https.
        endpoint: what comes behind the account and the service in the address, or, unlike in SDK
            v1, the whole address of the service; None is that of Azure's public cloud.
        more: what else is kept.
    """

    type: str
    service: str
    account: str
    container: str
    protocol: str | None
    endpoint: str | None
    more: dict[str, Any]

    def row(self, name: str, variable: str | None, kind: str | None) -> DatastoreRow:
        """Return the row of a datastore there.

        Args:
            name: of the datastore.
            variable: the environment variable that holds its secret.
            kind: of secret.
        """
        settings = {
            "account": self.account,
            "container": self.container,
            "protocol": self.protocol,
            "endpoint": self.endpoint,
            "credential": variable,
            "credential_kind": variable and kind,
            **self.more,
        }
        known = {key: value for key, value in settings.items() if value is not None}
        return DatastoreRow(name, self.type, f"{self.address()}/{self.container}", known)

    def address(self) -> str:
        """Return the address of the service.

        Raises:
            UserErrorException: there is no such account, container, protocol or endpoint.
        """
        _check("account_name", self.account, _ACCOUNT, "3 to 24 small letters and digits")
        _check("container", self.container, _CONTAINER, "small letters, digits and single hyphens")
        if self.endpoint and "://" in self.endpoint:
            parts = urlsplit(self.endpoint)
            if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
                raise UserErrorException(
                    "endpoint is no address of a service. Write https://HOST, without a name and "
                    "password in it, or what comes behind the account, such as core.windows.net."
                )
            return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        suffix = self.endpoint or _SUFFIX
        _check("endpoint", suffix, _HOST, "such as core.windows.net")
        protocol = self.protocol or "https"
        if protocol not in ("http", "https"):
            raise UserErrorException(f"protocol is {protocol!r}; it can be 'http' or 'https'.")
        return f"{protocol}://{self.account}.{self.service}.{suffix}"


def register(
    workspace: "Workspace",
    name: str,
    place: Place,
    secrets: dict[str, str | None],
    *,
    overwrite: bool,
    principal: tuple[str, str, str] | None = None,
) -> DatastoreRow:
    """Register a datastore; return its row.

    Args:
        workspace: the workspace.
        name: of the datastore.
        place: where it is.
        secrets: by ``key`` or ``sas``: a literal one serves this process, and is stored nowhere;
            of ``${NAME}`` the name of the variable is.
        overwrite: whether to put it in the place of one of its name.
        principal: tenant, id and secret of a service principal, which serve this process.

    Raises:
        UserErrorException: the name, or where it is, cannot be; or the name is taken.
    """
    _check("datastore_name", name, _NAME, "letters, digits, underscores and hyphens")
    if name.lower() in (OWN, OWN_SHARE):
        raise DatastoreExistsError(
            f"Datastore {name!r} is in the hub's own storage, which no other can take the place "
            "of. Register this one under another name."
        )
    given = {kind: value for kind, value in secrets.items() if value}
    # SDK v1 took the signature where both were given.
    kind = "sas" if "sas" in given else "key" if "key" in given else None
    value = given.get(kind, "") if kind else ""
    reference = REFERENCE.fullmatch(value)
    row = place.row(name, reference[1] if reference else None, kind)
    kept = workspace.tracking_store.put_datastore(row, overwrite=overwrite)
    secret: Secret | None = None
    if principal is not None:
        secret = Secret(principal=principal)
    elif value and reference is None:
        secret = Secret(sas=value.lstrip("?")) if kind == "sas" else Secret(key=value)
    use(str(kept.location), secret)
    if secret is not None:
        _logger.warning(
            "The secret of datastore %r serves this process only, and is stored nowhere. For "
            "others, put it into an environment variable of theirs and give '${NAME}' in its "
            "place, or let them log in to Azure.",
            name,
        )
    return kept


def _check(what: str, given: object, pattern: re.Pattern[str], rule: str) -> None:
    if not isinstance(given, str) or not pattern.fullmatch(given):
        raise UserErrorException(f"{what} is {given!r}; it has to be {rule}.")
