"""Where the UI of a hub is served now, and how its user is let in.

``mlflow-workspace ui`` says it in a file of its user's, which it keeps locked as long as it serves.
So a file that was left, however the server ended, says nothing.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs

from mlflow_workspace_plugin import settings, uris
from mlflow_workspace_plugin.private_folder import make_private

_SERVERS_OF_A_HUB = 10


@dataclass(frozen=True)
class ServedUi:
    """A running ``mlflow-workspace ui``."""

    address: str
    """Such as ``http://127.0.0.1:5000``."""
    secret: str | None
    """What links for its user are made with; None if it is open to this machine."""


@contextmanager
def announced(hub: Path, ui: ServedUi) -> Iterator[None]:
    """Say where a hub's UI is served, until the block is left.

    Raises:
        OSError: the user's state folder cannot be written.
    """
    make_private(ui_folder())
    for path in _paths(hub):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        try:
            os.fchmod(file, 0o600)
            os.ftruncate(file, 0)
            os.write(file, json.dumps(asdict(ui)).encode())
            yield
        finally:
            with suppress(OSError):
                os.ftruncate(file, 0)
            os.close(file)
        return
    # So many serve it that it does not matter which one links name.
    yield


def served_ui(hub: Path) -> ServedUi | None:
    """Return where a hub's UI is served on this machine by this user; None where it is not."""
    for path in _paths(hub):
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        with os.fdopen(file, "rb") as opened:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                # What is locked is true, once it is written.
                with suppress(ValueError, TypeError):
                    return ServedUi(**json.loads(opened.read()))
    return None


def page_address(hub: Path, workspace: str, page: str) -> str:
    """Return the address of a page of the UI, whether it is served now or not.

    Args:
        hub: the folder of the hub.
        workspace: in which the page is.
        page: such as ``experiments/1/runs/RUN``.
    """
    base = _address(hub) or settings.UI_URL.default
    return f"{base.rstrip('/')}/{uris.ui_location(page, workspace)}"


def where_to_look(hub: Path, workspace: str, page: str, command: str) -> str:
    """Return the address of a page of the UI, or the command that shows it if none is served.

    Args:
        hub: the folder of the hub.
        workspace: in which the page is.
        page: such as ``experiments/1/runs/RUN``.
        command: of ``mlflow-workspace``, such as ``open RUN``.
    """
    if _address(hub) is not None:
        return page_address(hub, workspace, page)
    return uris.typed(command, hub)


def _address(hub: Path) -> str | None:
    if settings.UI_URL.is_set():
        return settings.UI_URL.get()
    served = served_ui(hub)
    return None if served is None else served.address


def ui_folder() -> Path:
    """Return the user's folder that says where UIs are served; it may not be there yet."""
    return Path(platformdirs.user_state_dir("mlflow-workspace-plugin", appauthor=False)) / "ui"


def _paths(hub: Path) -> Iterator[Path]:
    name = hashlib.sha256(os.fsencode(hub.resolve())).hexdigest()[:16]
    return (ui_folder() / f"{name}.{number}.json" for number in range(_SERVERS_OF_A_HUB))
