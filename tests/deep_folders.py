"""Folders that are nested deeper than calls can be."""

import os
from pathlib import Path


def nest(top: Path, levels: int, link: Path | None = None) -> None:
    """Make a folder, and in it folders one in the other.

    Args:
        top: the first one.
        levels: how many are in it.
        link: where a link leads that is in each, beside a file.
    """
    top.mkdir()
    descriptor = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
        if link is not None:
            os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
            os.symlink(link, "l", dir_fd=descriptor)
    os.close(descriptor)
