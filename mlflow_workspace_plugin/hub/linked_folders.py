"""The folders of workspaces on other disks, which links below a hub may lead to.

A link in a hub may be anybody's, so it alone decides nothing: it is followed where this user's own
record says that it may be, and to where the record says. Where there is no such record, as in a
container, a folder is mounted in the place of the link.
"""

import json
import os
import stat
import tempfile
from pathlib import Path, PurePosixPath

from filelock import FileLock

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.errors import HubNotWritableError, HubSettingsError
from mlflow_workspace_plugin.private_folder import make_private

_OF_WORKSPACE = 2
"""How many parts the path of a workspace's folder has, below the artifact root."""


def registered(root: Path, location: PurePosixPath) -> Path | None:
    """Return where the link of a workspace's folder may lead; None where it is not followed.

    Args:
        root: the artifact root, without links.
        location: of the link, below it.

    Raises:
        HubSettingsError: the record cannot be used.
    """
    if len(location.parts) != _OF_WORKSPACE:
        return None
    link = root / location
    found = _read().get(str(link))
    # A link that was changed since is another one.
    return Path(found) if found is not None and os.path.realpath(link) == found else None


def register(link: Path, folder: Path) -> None:
    """Let a link lead to a folder, for this user.

    Args:
        link: the folder of a workspace below an artifact root without links.
        folder: where it leads, without links.

    Raises:
        HubSettingsError: the record cannot be used.
        HubNotWritableError: it cannot be written.
    """
    record = _record()
    try:
        make_private(record.parent)
        with FileLock(record.with_name(f"{record.name}.lock")):
            _write(record, _read() | {str(link): str(folder)})
    except OSError as error:
        raise HubNotWritableError(
            f"The record of linked folders, {str(record)!r}, cannot be written: {error.strerror}. "
            f"Let {settings.LINKS_FILE.name} name a file that can be."
        ) from error


def _record() -> Path:
    return Path(settings.LINKS_FILE.get()).expanduser().absolute()


def _read() -> dict[str, str]:
    record = _record()
    try:
        descriptor = os.open(record, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _unusable(record, str(error.strerror)) from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise _unusable(record, "it is no file of this user's")
        if status.st_mode & 0o022:
            raise _unusable(record, "others may write it")
        content = file.read()
    try:
        return {str(link): str(folder) for link, folder in json.loads(content).items()}
    except (ValueError, AttributeError, RecursionError):
        raise _unusable(record, "it is damaged") from None


def _write(record: Path, folders: dict[str, str]) -> None:
    descriptor, unfinished = tempfile.mkstemp(prefix=f".{record.name}.", dir=record.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(folders, file, indent=2)
        os.replace(unfinished, record)  # noqa: PTH105  the name says what it does
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def _unusable(record: Path, reason: str) -> HubSettingsError:
    return HubSettingsError(
        f"The record of linked folders, {str(record)!r}, cannot be used: {reason}. Remove it, then "
        "register each folder again with: mlflow-workspace hub link NAME FOLDER"
    )
