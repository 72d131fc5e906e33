"""Processes that tests started, and which of these are left."""

import os
from contextlib import suppress
from pathlib import Path


def of_folder(folder: Path, word: str = "") -> list[int]:
    """Return the processes that name a folder on their command line, or in their environment.

    Args:
        folder: of the test's own, so that nobody else's process does.
        word: what their command line has to say, too.
    """
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            said = (each / "cmdline").read_bytes()
            if int(each.name) == os.getpid() or word.encode() not in said:
                continue
            if (each / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                continue
            if bytes(folder) in said or bytes(folder) in (each / "environ").read_bytes():
                found.append(int(each.name))
    return found
