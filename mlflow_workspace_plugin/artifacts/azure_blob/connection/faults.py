"""What an error of the storage account means for the hub: the thing, the reason, the remedy."""

import functools
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.artifacts.azure_blob.connection.codes import code_of
from mlflow_workspace_plugin.artifacts.azure_blob.connection.container import Container
from mlflow_workspace_plugin.artifacts.azure_blob.connection.credentials import scrubbed
from mlflow_workspace_plugin.errors import (
    ArtifactRefusedError,
    HubError,
    HubNotWritableError,
    HubSettingsError,
    HubUnreachableError,
)

Result = TypeVar("Result")

_MOST_SKEW_S = 15 * 60
"""By how much the service lets a clock be wrong."""
_NOT_ALLOWED = "not authorized to perform this operation."
_NO_RIGHT = (
    "AuthorizationPermissionMismatch",
    "AuthorizationResourceTypeMismatch",
    "AuthorizationServiceMismatch",
    "InsufficientAccountPermissions",
)
_NETWORK = ("AuthorizationSourceIPMismatch", "AuthorizationProtocolMismatch")
_NEVER_TAKEN = (
    "BlobImmutableDueToPolicy",
    "InvalidBlobType",
    "InvalidResourceName",
    "InvalidUri",
    "OutOfRangeInput",
)
"""Of a file, however often it is sent."""
_MOST_SHOWN = 1_000
_NO_KEYS = "KeyBasedAuthenticationNotPermitted"


def answered(method: Callable[..., Result]) -> Callable[..., Result]:
    """Let a method of an object with a ``container`` raise errors of ours in place of the SDK's.

    The SDK's error is not their cause, nor in their context: its text, and that of the libraries
    below it, may hold an address with a signature.
    """

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Result:
        try:
            return method(self, *args, **kwargs)
        except AzureError as error:
            original = error
        raise translate(original, self.container)

    return call


def translate(error: AzureError, container: Container) -> MlflowException:
    """Return the error of ours for one of the SDK's.

    Args:
        error: what was raised.
        container: the connection on which it was.
    """
    root = container.root
    status = error.status_code if isinstance(error, HttpResponseError) else None
    code = code_of(error)
    reason = _reason(error)
    if status == 404 and code.startswith("Container"):
        return HubSettingsError(
            f"Container {root.container!r} of storage account {root.account!r}, which is to hold "
            f"the hub's files, does not exist. Create it (az storage container create "
            f"--account-name {root.account} --name {root.container}), or correct artifacts in "
            "hub.toml."
        )
    if status == 404:
        return MlflowException(f"No such artifact in {root.place()!r}.", RESOURCE_DOES_NOT_EXIST)
    if isinstance(error, ClientAuthenticationError) and error.response is None:
        return _no_login(error, container)
    if status in (401, 403):
        return _refusal(error, code, reason, container)
    if status is None or status >= 500 or status in (408, 429):
        return HubUnreachableError(_unreachable(container, status, code, reason))
    refusal = ArtifactRefusedError if code in _NEVER_TAKEN else HubError
    return refusal(
        f"Storage account {root.account!r} refused what was asked of container "
        f"{root.container!r} ({status} {code}): {reason} Correct what it says and try again."
    )


def _no_login(error: ClientAuthenticationError, container: Container) -> HubError:
    account, source = container.root.account, container.credential.source
    # The first line only says that there is none.
    reason = " ".join(scrubbed(str(error)).split())[:_MOST_SHOWN].rstrip(".")
    if container.is_refusal(error):
        return HubNotWritableError(
            f"Storage account {account!r}, which holds the hub's files, cannot be asked, as "
            f"{source} finds no credential: {reason}. Log in (az login), or set "
            "AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_ACCESS_KEY or AZURE_STORAGE_SAS_TOKEN."
        )
    return HubUnreachableError(
        f"Storage account {account!r}, which holds the hub's files, cannot be reached, as {source} "
        f"cannot log in at the moment: {reason}. Check the network, and whether the log-in is "
        "still valid (az login)."
    )


def _refusal(error: AzureError, code: str, reason: str, container: Container) -> HubError:
    if (known := container.refused(code)) is not None:
        return known
    root, source = container.root, container.credential.source
    where = f"Storage account {root.account!r}, which holds the hub's files,"
    response = getattr(error, "response", None)
    skew = _skew_s(response and response.headers.get("Date"))
    if abs(skew) > _MOST_SKEW_S:
        return HubNotWritableError(
            f"{where} refused the request because this machine's clock is "
            f"{abs(skew) / 60:.0f} minutes {'ahead' if skew > 0 else 'behind'}, and the service "
            f"accepts {_MOST_SKEW_S // 60}. Set the clock (timedatectl set-ntp true)."
        )
    if lifetime := _sas_fault(container.credential.sas):
        return HubNotWritableError(
            f"{where} refused the SAS in {source}, which {lifetime}. Set {source} to a new one, "
            "and start again: what is stored stays stored."
        )
    if code in _NO_RIGHT:
        return HubNotWritableError(
            f"{where} refused the request ({code}): {source} lacks a right. Give it the role "
            "Storage Blob Data Contributor on the container, or a SAS with the permissions racwdl."
        )
    if code in _NETWORK or (code == "AuthorizationFailure" and _NOT_ALLOWED in reason):
        return HubNotWritableError(
            f"{where} does not allow requests from this network ({code}). Add this machine's "
            "address to the account's firewall, or use its virtual network or private endpoint."
        )
    if code == _NO_KEYS:
        return HubNotWritableError(
            f"{where} takes no keys ({code}), and {source} holds one. Unset it and log in "
            "(az login); this needs: pip install azure-identity"
        )
    return HubNotWritableError(
        f"{where} refused the credential in {source} ({code or 'no code'}): it is not this "
        f"account's, or was renewed. Set {source} to the present one."
    )


def _unreachable(container: Container, status: int | None, code: str, reason: str) -> str:
    root = container.root
    waited = f"Requests were sent again for {container.patience_s:g} s"
    if status is None:
        return (
            f"Storage account {root.account!r}, which holds the hub's files, cannot be reached at "
            f"{container.credential.service}: {reason} {waited}. Check the network and the "
            f"account's name, and try again; {settings.WAIT_S.name} says for how long."
        )
    what = "is busy and throttles requests" if status in (429, 503) else "does not answer in order"
    return (
        f"Storage account {root.account!r}, which holds the hub's files, {what} ({status} {code}). "
        f"{waited}. Try again later, or with fewer writers; {settings.WAIT_S.name} says for how "
        "long."
    )


def _reason(error: AzureError) -> str:
    """Return the first line of what the service or the network said."""
    lines = scrubbed(str(error)).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".") + "."


def _skew_s(date: str | None) -> float:
    """Return by how many seconds this machine's clock is ahead of the service's."""
    try:
        there = parsedate_to_datetime(date or "")
    except ValueError:
        return 0
    return (datetime.now(timezone.utc) - there).total_seconds()


def _sas_fault(sas: str | None) -> str | None:
    """Return what the times in a SAS say against it."""
    times = parse_qs(sas or "")
    now = datetime.now(timezone.utc)
    expiry, start = (_time(times.get(name, [""])[-1]) for name in ("se", "st"))
    if expiry is not None and expiry <= now:
        return f"expired at {expiry:%Y-%m-%d %H:%M} UTC"
    if start is not None and start > now:
        return f"is valid from {start:%Y-%m-%d %H:%M} UTC only"
    return None


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)
