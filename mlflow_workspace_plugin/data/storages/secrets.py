"""The secrets of storage accounts: which this process has, and to whom they may be shown.

A row of a hub may be anybody's. So it decides neither which secret is used nor where it goes: a
secret is used for the account that it was given for, in this process or by the environment; and a
place that is not Azure's own gets none, unless this process registered it or the user allows it.
"""

import os
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.errors import DatastoreError

CONNECTION_STRING = "AZURE_STORAGE_CONNECTION_STRING"
ACCOUNT = "AZURE_STORAGE_ACCOUNT"
KEYS = ("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCESS_KEY")
SAS = "AZURE_STORAGE_SAS_TOKEN"

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""How a secret is given by the name of an environment variable that holds it."""

_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_ADDRESS = re.compile(r"https?://[A-Za-z0-9_.-]+(:[0-9]{1,5})?(/(?!\.\.?(/|$))[A-Za-z0-9$_.-]+)+")
"""What leads to one place only, whoever reads it: one that joins it to other texts, too."""
_AZURE = re.compile(
    r"([a-z0-9]+)\.(blob|dfs|file)\."
    r"(core\.windows\.net|core\.chinacloudapi\.cn|core\.usgovcloudapi\.net|core\.cloudapi\.de)"
)
_SECRET = re.compile(
    r"((?:\bsig|AccountKey|SharedAccessSignature|client_secret)=)[^&;\s\"']+", re.IGNORECASE
)


@dataclass(frozen=True)
class Secret:
    """What proves to a storage account who this is. At most one of the fields is set.

    Attributes:
        key: of the account.
        sas: a signature, with what it allows.
        principal: tenant, id and secret of a service principal.
    """

    key: str | None = field(default=None, repr=False)
    sas: str | None = field(default=None, repr=False)
    principal: tuple[str, str, str] | None = field(default=None, repr=False)


# By the location of a datastore, for as long as the process lives.
_given: dict[str, Secret | None] = {}


def use(location: str, secret: Secret | None) -> None:
    """Let this process use a secret for a place, which it trusts from then on.

    Args:
        location: of a datastore.
        secret: None is what the environment has.
    """
    _given[location] = secret


def secret_of(location: str, account: str, variable: str | None, kind: str | None) -> Secret | None:
    """Return the secret for a place; None is the log-in that azure-identity finds.

    Args:
        location: of a datastore.
        account: the name of its account.
        variable: the environment variable that the datastore was registered with.
        kind: ``key`` or ``sas``: what that holds.

    Raises:
        DatastoreError: the place gets no secret of this user's; or the variable is not set.
    """
    parts = urlsplit(location) if _ADDRESS.fullmatch(location) else None
    of_azure = parts and _AZURE.fullmatch(parts.hostname or "")
    if not parts or not _ACCOUNT.fullmatch(account) or (of_azure and of_azure[1] != account):
        raise DatastoreError(
            f"{location!r} is no address of a container of the account {account!r}, so no secret "
            "is used for it. Register the datastore again."
        )
    given = _given.get(location)
    if given is not None:
        return given
    is_trusted = location in _given or _is_allowed(location)
    if not is_trusted and not of_azure:
        raise _not_trusted(location, "is none of Azure's own")
    if not is_trusted and parts.scheme != "https":
        raise _not_trusted(location, "is reached without encryption")
    if variable is not None:
        value = os.environ.get(variable)
        if not value:
            raise DatastoreError(
                f"{location!r} is opened with the secret in the environment variable {variable}, "
                "which is not set. Set it, or register the datastore again."
            )
        if kind == "sas" and not is_trusted:
            # Unlike a key it is sent, to whatever account the row names.
            raise _not_trusted(location, f"would be sent the signature in {variable}")
        return Secret(sas=value.lstrip("?")) if kind == "sas" else Secret(key=value)
    return _of_environment(account)


def scrubbed(text: str) -> str:
    """Return text without the secrets in it."""
    return _SECRET.sub(r"\1***", text)


def _of_environment(account: str) -> Secret | None:
    """Return the secret that the environment has for an account, by the account's name."""
    pairs = (part.partition("=") for part in os.environ.get(CONNECTION_STRING, "").split(";"))
    parts = {key.strip().lower(): value.strip() for key, _, value in pairs}
    if parts.get("accountname") == account:
        if key := parts.get("accountkey"):
            return Secret(key=key)
        if sas := parts.get("sharedaccesssignature"):
            return Secret(sas=sas.lstrip("?"))
    if os.environ.get(ACCOUNT) != account:
        return None
    for name in KEYS:
        if key := os.environ.get(name):
            return Secret(key=key)
    sas = os.environ.get(SAS)
    return Secret(sas=sas.lstrip("?")) if sas else None


def _is_allowed(location: str) -> bool:
    allowed = settings.ALLOWED_LOCATIONS.get().split()
    return any(f"{location}/".startswith(f"{each.rstrip('/')}/") for each in allowed)


def _not_trusted(location: str, reason: str) -> DatastoreError:
    return DatastoreError(
        f"{location!r} {reason}, and a row of the hub names it, which may be anybody's. If it is "
        f"yours, name it in {settings.ALLOWED_LOCATIONS.name}, or register the datastore in this "
        "process."
    )
