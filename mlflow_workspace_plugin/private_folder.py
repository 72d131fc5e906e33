"""Making folders that nobody but their owner can look into."""

import errno
import os
from contextlib import suppress
from pathlib import Path


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this user only.

    Whatever the umask; a folder that is there already keeps its mode.

    Raises:
        OSError: it cannot be made, or is a file.
    """
    missing = []
    while not folder.is_dir() and folder != folder.parent:
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        # Another process may make it just now.
        with suppress(FileExistsError):
            each.mkdir(mode=0o700)
        if not each.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(each))
