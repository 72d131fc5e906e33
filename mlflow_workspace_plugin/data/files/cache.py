"""Copies of files that mounts lead to, kept for the next one: a file is named by its content.

Nobody may write to them: a copy that was written to all the same is not used again.
"""

import hashlib
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.data.files import copies
from mlflow_workspace_plugin.data.files.found import FoundFile
from mlflow_workspace_plugin.private_folder import make_private

_KEPT_S = 30 * 24 * 3600
_PAUSE_S = 24 * 3600
_READ_ONLY = 0o444
_LONGEST_SUFFIX = 10
_NO_TIME_NS = 946_684_800 * 10**9
"""When a file was written whose storage does not say."""


def root() -> Path:
    """Return the folder that holds the copies."""
    return Path(settings.CACHE_DIR.get()) / "data"


def cached(files: Sequence[FoundFile]) -> list[PurePosixPath]:
    """Return where copies of files are, below :func:`root`; those that are missing are made.

    Args:
        files: of a dataset.

    Raises:
        AzureMLException: a file cannot be read, or a copy not be written.
    """
    folder = root()
    make_private(folder)
    known = [_asked(file) for file in files]
    names = [_name(file) for file in known]
    missing = {
        name: file
        for name, file in zip(names, known, strict=True)
        if not _is_there(folder / name, file)
    }
    if missing:
        _free_unused(folder)
        copies.fetch((file, folder / name) for name, file in missing.items())
        for name, file in missing.items():
            made = folder / name
            made.chmod(_READ_ONLY)
            os.utime(made, ns=(time.time_ns(), _time_of(file)))
    return names


def _asked(file: FoundFile) -> FoundFile:
    """Return a file with what its storage says of it: of one of the web nobody has asked yet."""
    if file.stored.size is not None:
        return file
    said = next(iter(file.storage.files(file.stored.path)), file.stored)
    return replace(file, stored=said)


def _name(file: FoundFile) -> PurePosixPath:
    stored = file.stored
    # If nothing names its content, nothing says whether it is the same the next time.
    content = file.content() or uuid.uuid4().hex
    name = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
    suffix = PurePosixPath(stored.path).suffix
    # Many libraries go by it.
    kept = suffix if suffix[1:].isalnum() and len(suffix) <= _LONGEST_SUFFIX else ""
    return PurePosixPath(name[:2], f"{name[2:]}{kept}")


def _is_there(path: Path, file: FoundFile) -> bool:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    is_same = status.st_mtime_ns == _time_of(file) and status.st_size == file.stored.size
    if is_same:
        # When it was used last.
        with suppress(OSError):
            os.utime(path, ns=(time.time_ns(), status.st_mtime_ns))
    return is_same


def _time_of(file: FoundFile) -> int:
    modified = file.stored.modified_ms
    return _NO_TIME_NS if modified is None else modified * 1_000_000


def _free_unused(folder: Path) -> None:
    """Delete, once a day, the copies that no mount has used for long."""
    marker = folder / "looked"
    now = time.time()
    with suppress(FileNotFoundError):
        if now - marker.stat().st_mtime < _PAUSE_S:
            return
    marker.touch()
    for path in _copies(folder):
        # Another process may do so, too.
        with suppress(OSError):
            if now - path.stat().st_atime > _KEPT_S:
                path.unlink()


def _copies(folder: Path) -> Iterator[Path]:
    for each in os.scandir(folder):
        if each.is_dir(follow_symlinks=False):
            yield from Path(each).iterdir()
