"""Where this user's secrets may go: what ``hub.toml`` says counts only if his own record has it.

A hub's folder may come from anybody, in an archive or beside a ``config.json``, and its
``hub.toml`` names a database, a storage account and variables with secrets. Whoever connects to a
server tells it something, and libpq and Azure's SDK look for secrets by themselves. So nothing is
asked of any server, on this machine neither, before the user has said that it may be: by his own
``hub init``, by ``hub trust``, or by naming the folder in ``MLFLOW_WORKSPACE_TRUST``.

What is recorded is the whole of a URL or URI, which holds no secret and all names of variables. It
is the same in each folder that names it, and another one as soon as any part of it is changed.
"""

import json
import os
import shlex
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.errors import (
    HubNotFoundError,
    HubNotTrustedError,
    HubNotWritableError,
    HubSettingsError,
)
from mlflow_workspace_plugin.hub.folder import HubFolder, HubSettings
from mlflow_workspace_plugin.hub.log_in import REFERENCE

_LOCK_WAIT_S = 30
_WHAT_IS_FOUND = {
    "database": "PGPASSWORD, ~/.pgpass, a service file, and what else PostgreSQL's library finds",
    "artifacts": "AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_ACCESS_KEY, "
    "AZURE_STORAGE_SAS_TOKEN, or the log-in that DefaultAzureCredential finds",
}


@dataclass(frozen=True)
class Destination:
    """A place that a hub sends to."""

    setting: str
    """What ``hub.toml`` calls it: ``database`` or ``artifacts``."""
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
            trusted = _read(_record_file())
            if strange := [each for each in wanted if each not in trusted]:
                raise HubNotTrustedError(_refusal(folder, strange))
        return found
    finally:
        os.close(descriptor)


def remember(wanted: Iterable[Destination]) -> None:
    """Add places to the record of what this user trusts.

    Raises:
        HubSettingsError: the record cannot be used.
        HubNotWritableError: it cannot be written.
    """
    file = _record_file()
    try:
        _make_private(file.parent)
        with FileLock(file.with_name(f"{file.name}.lock"), timeout=_LOCK_WAIT_S, mode=0o600):
            known = _read(file)
            new = [each for each in wanted if each not in known]
            if new:
                _write(file, [*known, *new])
    except OSError as error:
        raise HubNotWritableError(
            f"The record of where your secrets may go, {str(file)!r}, cannot be written: "
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


def _make_private(folder: Path) -> None:
    """Make a folder, and those above it, for its owner only, whatever the umask."""
    if not folder.is_dir():
        _make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _record_file() -> Path:
    return Path(settings.TRUST_FILE.get()).expanduser()


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


def _read(file: Path) -> list[Destination]:
    """Return what a record holds, which nobody but this user may have written."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unusable(file, error.strerror or "") from error
    try:
        _check_owner(file, os.fstat(descriptor))
        with open(descriptor, "rb", closefd=False) as opened:
            content = opened.read()
    finally:
        os.close(descriptor)
    try:
        return [Destination(str(each["setting"]), str(each["uri"])) for each in json.loads(content)]
    except (ValueError, TypeError, LookupError, RecursionError):
        raise _unusable(file, "it is damaged") from None


def _check_owner(file: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _unusable(file, "it is no file")
    if status.st_uid != os.geteuid():
        raise _unusable(file, "it is another user's")
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise _unusable(file, "others may read or write it (chmod 600, if it is as you left it)")


def _write(file: Path, known: list[Destination]) -> None:
    rows = [
        {"setting": each.setting, "uri": each.uri, "variables": each.variables} for each in known
    ]
    # Readable by its owner only, from the first moment.
    descriptor, unfinished = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with open(descriptor, "w", encoding="utf-8") as opened:  # noqa: PTH123  no path
            json.dump(rows, opened, indent=2)
            opened.write("\n")
        os.replace(unfinished, file)  # noqa: PTH105  the name says what it does
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def _unusable(file: Path, reason: str) -> HubSettingsError:
    return HubSettingsError(
        f"The record of where your secrets may go, {str(file)!r}, cannot be used: {reason}. "
        "Remove it, then trust each hub again with: mlflow-workspace hub trust DIR"
    )


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
