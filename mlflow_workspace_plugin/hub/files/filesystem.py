"""Which file system a folder is on, and what SQLite may safely do there."""

import os
import re
from pathlib import Path

# SQLite's write-ahead log needs memory shared between all processes, which no network file system
# offers across machines. FUSE may be either, and is treated as the more dangerous of the two.
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\w*|lustre|fuse(\..+)?|fuseblk|9p|afs|beegfs|ceph|gpfs|glusterfs|ocfs2|gfs2"
)
_MOUNTS = Path("/proc/self/mountinfo")


def file_system_type(folder: Path, mounts: Path = _MOUNTS) -> str | None:
    """Return the type of the file system that holds a folder, such as ``ext4`` or ``nfs4``.

    Args:
        folder: the folder, or one yet to be created.
        mounts: Linux's table of mounts; None is returned where there is none (macOS).
    """
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    path = folder.resolve()
    best, found = "", None
    for line in lines:
        before, _, after = line.partition(" - ")
        mount_point = _unescape(before.split(" ")[4])
        # Later lines shadow earlier ones on the same mount point, hence >=.
        if len(mount_point) >= len(best) and path.is_relative_to(mount_point):
            best, found = mount_point, after.split(" ")[0]
    return found


def is_network(file_system: str | None) -> bool:
    """Whether a file system may be shared between machines, so that a WAL is unsafe on it."""
    return file_system is not None and _NETWORK.fullmatch(file_system) is not None


def _unescape(field: str) -> str:
    """Decode the octal escapes (of space, tab, newline, backslash) in the table of mounts."""
    raw = re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]), os.fsencode(field))
    return os.fsdecode(raw)
