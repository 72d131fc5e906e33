"""Read-only views of folders, which the kernel keeps: of Linux, and for root.

To root no mode of a file says no. Without a view, what root is to read is copied.
"""

import ctypes
import os
import re
import sys
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")
_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_LINKS = 1, 2, 4, 256
_REMOUNT, _BIND = 32, 4096
_RECURSIVE, _SLAVE = 16384, 1 << 19
_NEW_NAMESPACE = 0x20000
_DETACH = 2
_FLAGS = _BIND | _REMOUNT | _READ_ONLY | _NO_SUID | _NO_DEVICES | _NO_LINKS
"""Links are not followed: they may lead out of the folder."""


def is_root() -> bool:
    """Whether this process writes what it likes."""
    return sys.platform != "win32" and os.geteuid() == 0


def keep_to_oneself() -> str | None:
    """Have views end with this process and what it starts, however it ends: nobody else sees them.

    Only this thread, and those that it starts from now on, have them. Where the kernel does not do
    it, views are everybody's, and end when they are closed.

    Returns:
        The file by which a process that outlives this one finds back to what all others see, as
        long as this one lives; None if it is there.
    """
    if not (sys.platform.startswith("linux") and is_root()):
        return None
    before = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NAMESPACE) != 0:
        os.close(before)
        return None
    # What others mount is seen here, too, where the system hands mounts on at all.
    _mount(None, b"/", _RECURSIVE | _SLAVE)
    return f"/proc/{os.getpid()}/fd/{before}"


def open_view(folder: Path, at: Path) -> bool:
    """Show a folder read-only at another, empty one; return whether the kernel does so.

    Args:
        folder: what is shown, without links.
        at: where.
    """
    if not sys.platform.startswith("linux") or _holds_mounts(folder):
        return False
    if not _mount(os.fsencode(folder), os.fsencode(at), _BIND):
        return False
    if _mount(None, os.fsencode(at), _FLAGS):
        return True
    # It would be writable, or follow links.
    close_view(at)
    return False


def close_view(at: Path) -> None:
    """End a view; who has a file of it open may read on."""
    ctypes.CDLL(None, use_errno=True).umount2(os.fsencode(at), _DETACH)


def _holds_mounts(folder: Path) -> bool:
    """Whether something is mounted below a folder, which a view of it would not show."""
    above = f"{folder.resolve()}/"
    # The fifth field, in which a space is written as an octal number.
    mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    return any(_plain(line.split(" ")[4]).startswith(above) for line in mounts)


def _plain(field: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), field)


def _mount(source: bytes | None, target: bytes, flags: int) -> bool:
    call = ctypes.CDLL(None, use_errno=True).mount
    return bool(call(source, target, None, ctypes.c_ulong(flags), None) == 0)
