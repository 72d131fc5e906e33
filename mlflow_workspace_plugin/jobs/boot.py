"""Which start of this machine this is: process ids, and times since then, are of one only."""

import os
from contextlib import suppress
from pathlib import Path

BOOT_ID_FILE = "_MLFLOW_WORKSPACE_BOOT_ID_FILE"
"""Says where that is found, for tests."""


def boot_id() -> str | None:
    """Return what tells the time since this machine's last start from those before it."""
    with suppress(OSError):
        file = os.environ.get(BOOT_ID_FILE) or "/proc/sys/kernel/random/boot_id"
        return Path(file).read_text(encoding="ascii").strip()
    return None
