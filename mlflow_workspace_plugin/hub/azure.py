"""A hub's files in Azure Blob Storage: the URI of their place, which holds no secret.

===================================================  ============================================
``azure://ACCOUNT/CONTAINER/PREFIX``                 the prefix may be left out
``wasbs://CONTAINER@ACCOUNT.blob.core.windows.net``  MLflow's form, also with a prefix
===================================================  ============================================

After ``?`` may stand ``credential=${NAME}``, an environment variable that holds a connection
string, an account key or a SAS; and ``endpoint=URL``, the blob service where it is not Azure's
public one. Without a credential the usual variables are looked at.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import parse_qs, urlsplit

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.errors import HubSettingsError
from mlflow_workspace_plugin.hub.databases.log_in import REFERENCE

SCHEME = "azure"
_WASBS = "wasbs"
_PUBLIC_SUFFIX = "blob.core.windows.net"
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_CONTAINER = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")
_PREFIX = re.compile(r"[\w.+=,()~ -]+(/[\w.+=,()~ -]+)*", re.ASCII)
_ENDPOINT = re.compile(
    r"https?://([\w.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?(/[\w-]+)?/?", re.ASCII | re.IGNORECASE
)
_FORM = "Write azure://ACCOUNT/CONTAINER/PREFIX, with ?credential=${NAME_OF_A_VARIABLE} if needed."


@dataclass(frozen=True)
class AzureRoot:
    """The place of a hub's files: a prefix in a container of a storage account."""

    account: str
    container: str
    prefix: str = ""
    """Without slashes around it."""
    endpoint: str | None = None
    """The URL of the blob service; None is the account's in Azure's public cloud."""
    credential: str | None = None
    """The name of the environment variable that holds the secret."""

    @property
    def service(self) -> str:
        """The URL of the blob service."""
        return self.endpoint or f"https://{self.account}.{_PUBLIC_SUFFIX}"

    @property
    def for_mlflow(self) -> str:
        """The URI under which MLflow's own repository finds the files."""
        host = urlsplit(self.service).netloc
        if not host.startswith(f"{self.account}.blob."):
            # Of an emulator MLflow knows the address from the connection string.
            host = f"{self.account}.{_PUBLIC_SUFFIX}"
        return f"{_WASBS}://{self.container}@{host}/{self.prefix}"

    def blob(self, location: PurePosixPath) -> str:
        """Return the name of the blob at a path below the prefix."""
        return str(PurePosixPath(self.prefix, location))

    def place(self, location: PurePosixPath | None = None) -> str:
        """Return a URI of a path below the prefix, for people to read."""
        path = PurePosixPath(self.account, self.container, self.prefix, location or "")
        return f"{SCHEME}://{path}"

    def __str__(self) -> str:
        options = []
        if self.credential:
            options.append(f"credential=${{{self.credential}}}")
        if self.endpoint:
            options.append(f"endpoint={self.endpoint}")
        return self.place() + ("?" + "&".join(options) if options else "")


def parse(uri: str) -> AzureRoot:
    """Parse the URI of a hub's files.

    Raises:
        HubSettingsError: it is none of the forms above, or holds a secret, which the message does
            not repeat.
    """
    shown = uris.redact(uri)
    try:
        parts = urlsplit(uri)
    except ValueError:
        # Its own text repeats what it could not read.
        raise HubSettingsError(f"Artifact root {shown!r} cannot be read. {_FORM}") from None
    if parts.scheme not in (SCHEME, _WASBS):
        known = re.match(r"[A-Za-z][\w+.-]*(?=://)", uri)
        raise HubSettingsError(
            f"The artifact root of a hub names {known[0] if known else 'something else'}, which "
            "is not supported. A hub's files are in Azure Blob Storage, or, without a root, in "
            f"the hub's folder. {_FORM}"
        )
    if parts.scheme == _WASBS:
        container, _, host = parts.netloc.rpartition("@")
        account, _, suffix = host.partition(".")
        path = parts.path
    else:
        account, suffix = parts.netloc, _PUBLIC_SUFFIX
        container, _, path = parts.path.lstrip("/").partition("/")
    credential, endpoint = _options(parts.query, shown)
    if suffix != _PUBLIC_SUFFIX and endpoint is None:
        endpoint = f"https://{account}.{suffix}"
    prefix = path.strip("/")
    if (
        not _ACCOUNT.fullmatch(account)
        or not _CONTAINER.fullmatch(container)
        or (prefix and not _PREFIX.fullmatch(prefix))
        or ".." in prefix.split("/")
        or not re.fullmatch(r"blob(\.[a-z0-9-]+)+", suffix)
        or parts.fragment
    ):
        raise HubSettingsError(f"Artifact root {shown!r} names no place for files. {_FORM}")
    return AzureRoot(account, container, prefix, endpoint, credential)


def _options(query: str, shown: str) -> tuple[str | None, str | None]:
    """Return the name of the credential's variable, and the endpoint."""
    given = parse_qs(query, keep_blank_values=True)
    reference = REFERENCE.fullmatch(given.get("credential", [""])[-1])
    if given.keys() - {"credential", "endpoint"} or ("credential" in given and not reference):
        raise HubSettingsError(
            f"Artifact root {shown!r} holds a secret, or an option that this version does not "
            "know. Put the secret into an environment variable and write "
            "?credential=${NAME_OF_THE_VARIABLE} (in single quotes in a shell), or leave it out "
            "and set AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_ACCESS_KEY or "
            "AZURE_STORAGE_SAS_TOKEN."
        )
    endpoint = given.get("endpoint", [None])[-1]
    if endpoint is not None and not _ENDPOINT.fullmatch(endpoint):
        raise HubSettingsError(
            f"The endpoint of artifact root {shown!r} is no URL of a blob service. "
            "Write endpoint=https://HOST, or endpoint=http://127.0.0.1:PORT/ACCOUNT for Azurite."
        )
    return (reference[1] if reference else None), endpoint.rstrip("/") if endpoint else None
