"""Where this user's secrets may go: what ``hub.toml`` says counts only if his own record has it.

A hub's folder may come from anybody, in an archive or beside a ``config.json``, and its
``hub.toml`` names a database, a storage account and variables with secrets. Whoever connects to a
server tells it something, and libpq and Azure's SDK look for secrets by themselves. So nothing is
asked of any server, on this machine neither, before the user has said that it may be: by his own
``hub init``, by ``hub trust``, or by naming the folder in ``MLFLOW_WORKSPACE_TRUST``.

What is recorded is the whole of a URL or URI, which holds no secret and all names of variables. It
is the same in each folder that names it, and another one as soon as any part of it is changed.
"""

import os
import shlex
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.errors import (
    HubNotFoundError,
    HubNotTrustedError,
    HubNotWritableError,
)
from mlflow_workspace_plugin.hub.databases.log_in import REFERENCE
from mlflow_workspace_plugin.hub.files.folder import HubFolder, HubSettings
from mlflow_workspace_plugin.hub.user_record import UserRecord

_WHAT_IS_FOUND = {
    "database": "PGPASSWORD, ~/.pgpass, a service file, and what else PostgreSQL's library finds",
    "artifacts": "AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_ACCESS_KEY, "
    "AZURE_STORAGE_SAS_TOKEN, or the log-in that DefaultAzureCredential finds",
    "compute": "jobs of yours, and a token that its server asks for",
}


@dataclass(frozen=True)
class Destination:
    """A place that a hub sends to."""

    setting: str
    """What ``hub.toml`` calls it: ``database`` or ``artifacts``; ``compute`` is a workspace's."""
    uri: str
    """As it is kept there, with ``${NAME}`` for environment variables."""

    @property
    def variables(self) -> list[str]:
        """The names of the environment variables that are sent there, or decide where that is."""
        return list(dict.fromkeys(REFERENCE.findall(self.uri)))

    @property
    def secrets(self) -> str:
        """What may be sent there, for people: variables, and what is found without being named."""
        if self.setting == "artifacts" and self.variables:
            # Which then is the secret, and no other is looked for.
            return ", ".join(self.variables)
        return ", ".join([*self.variables, _WHAT_IS_FOUND[self.setting]])

    def __str__(self) -> str:
        # It may be a stranger's, who would have a terminal show something else.
        return f"{self.setting} = {ascii(self.uri)[1:-1]}"


def destinations(hub_settings: HubSettings) -> list[Destination]:
    """Return where a hub with these settings sends to; nowhere with everything in its folder."""
    named = {"database": hub_settings.database, "artifacts": hub_settings.artifacts}
    return [Destination(name, uri) for name, uri in named.items() if uri is not None]


def load_trusted_settings(folder: HubFolder) -> HubSettings:
    """Read ``hub.toml``, once, and return what it says if this user trusts it.

    Raises:
        HubNotTrustedError: it names a place that he has not trusted.
        HubSettingsError: it, or the record of what he trusts, cannot be used.
        HubNotFoundError: there is no such folder any more.
    """
    try:
        descriptor = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise HubNotFoundError(
            f"Hub folder {str(folder.path)!r} cannot be opened: {error.strerror}. Check its name."
        ) from error
    try:
        # Of the folder that is compared, whatever its path leads to a moment later.
        found = folder.load_settings(descriptor)
        wanted = destinations(found)
        if wanted and not _is_named(os.fstat(descriptor)):
            trusted = _read()
            if strange := [each for each in wanted if each not in trusted]:
                raise HubNotTrustedError(_refusal(folder, strange))
        return found
    finally:
        os.close(descriptor)


def is_trusted(hub: Path | None, wanted: Destination) -> bool:
    """Whether this user has said that something may be sent to a place that a hub's rows name.

    Args:
        hub: the folder of the hub; None of one that is behind a server.
        wanted: the place.

    Raises:
        HubSettingsError: the record of what he trusts cannot be used.
    """
    with suppress(OSError):
        if hub is not None and _is_named(hub.stat()):
            return True
    return wanted in _read()


def remember(wanted: Iterable[Destination]) -> None:
    """Add places to the record of what this user trusts.

    Raises:
        HubSettingsError: the record cannot be used.
        HubNotWritableError: it cannot be written.
    """
    record = _record()

    def changed() -> list[dict[str, Any]] | None:
        known = _read()
        new = [each for each in wanted if each not in known]
        if not new:
            return None
        return [
            {"setting": each.setting, "uri": each.uri, "variables": each.variables}
            for each in (*known, *new)
        ]

    try:
        record.change(changed)
    except OSError as error:
        raise HubNotWritableError(
            f"The record of {record.what}, {str(record.file)!r}, cannot be written: "
            f"{error.strerror or error}. Let {settings.TRUST_FILE.name} name a file that can be, "
            f"or set {settings.TRUST.name} to the hub's folder."
        ) from error


def remember_own(folder: HubFolder, *uris: str | None) -> None:
    """Record what this user named himself, as far as ``hub.toml`` names it, too.

    Another place that is in there he may not know.

    Raises:
        HubSettingsError, HubNotWritableError: as for :func:`remember`; not where the environment
            trusts the folder, as in a container without a home.
    """
    own = [each for each in destinations(folder.load_settings()) if each.uri in uris]
    try:
        remember(own)
    except HubNotWritableError:
        if not _is_named(folder.path.stat()):
            raise


def _record() -> UserRecord:
    return UserRecord(
        Path(settings.TRUST_FILE.get()).expanduser().absolute(),
        "where your secrets may go",
        "trust each hub again with: mlflow-workspace hub trust DIR",
    )


def _read() -> list[Destination]:
    record = _record()
    try:
        return [Destination(str(each["setting"]), str(each["uri"])) for each in record.read([])]
    except (TypeError, LookupError):
        raise record.damaged() from None


def _is_named(folder: os.stat_result) -> bool:
    """Whether the environment names the folder, by any path to it."""
    return any(_leads_to(path, folder) for path in _named_paths())


def _named_paths() -> list[Path]:
    names = filter(None, settings.TRUST.get().split(os.pathsep))
    return [Path(os.path.expanduser(name)) for name in names]  # noqa: PTH111  fails for no name


def _leads_to(path: Path, folder: os.stat_result) -> bool:
    try:
        # A relative path would name another folder in each working directory.
        return path.is_absolute() and os.path.samestat(path.stat(), folder)
    except OSError:
        return False


def _refusal(folder: HubFolder, strange: list[Destination]) -> str:
    where = "; ".join(f"{each} ({each.secrets})" for each in strange)
    text = (
        f"Hub {str(folder.path)!r} is not trusted: its hub.toml names where secrets of yours go, "
        f"and you have not said that they may, or it has changed since: {where}. Nothing was sent. "
        f"If you know this place, run: mlflow-workspace hub trust {shlex.quote(str(folder.path))} "
        f"(in a container or a batch job set {settings.TRUST.name} to the hub's folder)."
    )
    if not all(path.is_absolute() for path in _named_paths()):
        text += f" In {settings.TRUST.name} only full paths count."
    return text
