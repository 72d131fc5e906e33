"""Opening a link in the browser, without showing it to other users of the machine."""

import html
import os
import secrets
import time
import webbrowser
from contextlib import suppress
from pathlib import Path

from mlflow_workspace_plugin.private_folder import make_private

_PAGE = '<!doctype html><meta http-equiv="refresh" content="0;url={link}"><title>Opening</title>'
_KEPT_S = 60


def open_in_browser(link: str, folder: Path) -> None:
    """Open a link that lets its reader in.

    All users see what programs are started with. So the browser is given a file of this user's,
    which leads on to the link.

    Args:
        link: the link; it is good for one browser, so the file is of no use afterwards.
        folder: of the user's, where the file is made. What was left there before is removed.

    Raises:
        OSError: the folder cannot be written.
    """
    make_private(folder)
    for left in folder.glob("open-*.html"):
        # The browser reads it within a moment; another command may be about it.
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _KEPT_S:
                left.unlink()
    page = folder / f"open-{secrets.token_hex(8)}.html"
    descriptor = os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(_PAGE.format(link=html.escape(link)))
    webbrowser.open(page.as_uri())


def show_page(link: str) -> None:
    """Open a link that lets nobody in, such as one to where one logs in."""
    webbrowser.open(link)
