"""Which content a stored file has: by its hash, which takes reading it, or by what it became."""

import hashlib
import os
import threading
from pathlib import PurePosixPath
from typing import BinaryIO

from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin.app.hub_api.files.asked import above
from mlflow_workspace_plugin.artifacts.file_space import FileSpace, StoredFile
from mlflow_workspace_plugin.artifacts.named_by_content import named_by_content
from mlflow_workspace_plugin.artifacts.uploads import Uploads
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.protocol.files import HASHED_AT_ONCE, PIECE

_HASHING = threading.BoundedSemaphore(2)
"""Of the threads that answer, so many read whole files at a time; who has to wait asks again."""
_TURN_S = 1.0


def is_content(
    hub: Hub, location: PurePosixPath, upload: str, known: StoredFile, sha256: str
) -> bool | None:
    """Whether a file of a size is that of an upload; None where others are being read."""
    repository, name = above(hub, location)
    # Of what is named by its content, whoever stored it said which hash it has.
    if known.sha256 is not None and named_by_content(location) is None:
        return known.sha256 == sha256
    if became(hub, upload, repository, name):
        return True
    size = known.size or 0
    if size > HASHED_AT_ONCE:
        return False
    its_hash = hash_in_turn(repository, name, size)
    return None if its_hash is None else its_hash == sha256


def became(hub: Hub, upload: str, repository: FileSpace, name: str) -> bool:
    """Whether a file is what an upload became, as it was stored then."""
    etag = Uploads(hub.folder).stored_as(upload)
    return etag is not None and etag == etag_at(repository, name)


def etag_at(repository: FileSpace, name: str) -> str | None:
    """Return what tells the content of a stored file from others; None if it is not there."""
    try:
        with repository.open_file(name) as file:
            return etag_of(file)
    except MlflowException:
        # It was removed just now.
        return None


def etag_of(file: BinaryIO) -> str:
    """Return what tells the content of an open file from what may replace it."""
    etag = getattr(getattr(file, "raw", None), "etag", None)
    if etag is not None:
        return str(etag)
    status = os.fstat(file.fileno())
    return f'"{status.st_ino:x}-{status.st_mtime_ns:x}"'


def hash_in_turn(repository: FileSpace, name: str, size: int, start: int = 0) -> str | None:
    """Return the SHA-256 of a part of a file; None where too many others are being read."""
    if not _HASHING.acquire(timeout=_TURN_S):
        return None
    try:
        return _hash_of(repository, name, start, start + size)
    finally:
        _HASHING.release()


def _hash_of(repository: FileSpace, name: str, at: int, end: int) -> str:
    digest = hashlib.sha256()
    # An open file is of one content, which a log that grows has not for long.
    while at < end and (piece := repository.read_from(name, at, min(PIECE, end - at))):
        digest.update(piece)
        at += len(piece)
    return digest.hexdigest()
