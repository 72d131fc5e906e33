"""The folders of workspaces on other disks, which links below a hub may lead to.

A link in a hub may be anybody's, so it alone decides nothing: it is followed where this user's own
record says that it may be, and to where the record says. Where there is no such record, as in a
container, a folder is mounted in the place of the link.
"""

import os
from pathlib import Path, PurePosixPath

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.errors import HubNotWritableError
from mlflow_workspace_plugin.hub.user_record import UserRecord

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
        record.change(lambda: _read() | {str(link): str(folder)})
    except OSError as error:
        raise HubNotWritableError(
            f"The record of {record.what}, {str(record.file)!r}, cannot be written: "
            f"{error.strerror or error}. Let {settings.LINKS_FILE.name} name a file that can be."
        ) from error


def _record() -> UserRecord:
    return UserRecord(
        Path(settings.LINKS_FILE.get()).expanduser().absolute(),
        "linked folders",
        "register each folder again with: mlflow-workspace hub link NAME FOLDER",
    )


def _read() -> dict[str, str]:
    record = _record()
    found = record.read({})
    if not isinstance(found, dict):
        raise record.damaged()
    return {str(link): str(folder) for link, folder in found.items()}
