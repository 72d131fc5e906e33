"""Files that come through the server: as a whole, in pieces, or appended to what is there."""

import functools
import hashlib
import io
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from mlflow_workspace_plugin.app.hub_api.answers import AT_ONCE, Asked, busy, error_response
from mlflow_workspace_plugin.app.hub_api.files.asked import (
    above,
    bytes_of,
    location_asked,
    sha256_of,
)
from mlflow_workspace_plugin.app.hub_api.files.contents import (
    etag_at,
    etag_of,
    is_content,
)
from mlflow_workspace_plugin.app.hub_api.files.stored_once import may_be_replaced
from mlflow_workspace_plugin.artifacts.file_space import FileSpace, StoredFile
from mlflow_workspace_plugin.artifacts.folder_repository import FolderRepository, refused_as_names
from mlflow_workspace_plugin.artifacts.named_by_content import named_by_content
from mlflow_workspace_plugin.artifacts.uploads import (
    Received,
    UploadInUseError,
    Uploads,
    name_of,
)
from mlflow_workspace_plugin.errors import UserErrorException, WrittenOnceError

_COPYING = threading.BoundedSemaphore(AT_ONCE // 4)
"""So many store a file that has to be copied as a whole, which may take minutes. It is half of what
one account may ask at a time: its other requests are answered meanwhile."""
_TURN_S = 1.0


class _BusyError(Exception):
    """What was received cannot be stored now, and is kept; its text says why."""


def store(asked: Asked) -> Any:
    """Take a file, or the next piece of it."""
    location = location_asked(asked, asked.query.get("location"), "edit")
    size = bytes_of(asked.query.get("size"), "size")
    offset = bytes_of(asked.query.get("offset"), "offset")
    sha256 = sha256_of(asked.query.get("sha256"))
    try:
        return _taken(asked, location, offset, size, sha256)
    except UploadInUseError:
        return busy("Somebody else is sending the same file just now. Send it again.")
    except _BusyError as error:
        return busy(f"{error} Send it again.")


def _taken(asked: Asked, location: PurePosixPath, offset: int, size: int, sha256: str) -> Any:
    repository, name = above(asked.hub, location)
    repository.check_storable(name)
    if offset == 0 and len(asked.body) == size:
        if hashlib.sha256(asked.body).hexdigest() != sha256:
            raise UserErrorException("What was sent has not the SHA-256 that was announced.")
        content = io.BytesIO(asked.body)
        return _stored(
            asked, location, size, sha256, lambda kind: _put(asked, repository, name, content, kind)
        )
    # Nothing more comes of a file that was received, and is not stored yet.
    if offset + len(asked.body) > size or not (asked.body or offset == size):
        raise UserErrorException("The piece that was sent is empty, or longer than the file.")
    upload = name_of(location, size, sha256)
    return _store_piece(asked, location, upload, offset, size, sha256)


def _store_piece(
    asked: Asked,
    location: PurePosixPath,
    upload: str,
    offset: int,
    size: int,
    sha256: str,
) -> Any:
    """Take the next piece of a file, and store the file if it is whole."""
    repository, name = above(asked.hub, location)
    uploads = Uploads(asked.hub.folder)
    staged = uploads.add(upload, offset, asked.body) if asked.body else uploads.size(upload)
    if staged == size:
        with uploads.whole(upload, size, sha256) as received:
            if received is not None:
                put = functools.partial(_put_received, asked, repository, name, upload, received)
                return _stored(asked, location, size, sha256, put)
        staged = uploads.size(upload)
    if not staged:
        # It may have been the last piece, whose answer was lost.
        known = repository.file_at(name)
        if _is_same(asked, location, known, size, sha256):
            return {"stored": True, "staged": size}
    return {"stored": None, "staged": staged}


def _is_same(
    asked: Asked, location: PurePosixPath, known: StoredFile | None, size: int, sha256: str
) -> bool:
    """Whether a stored file is the one that was sent; it is read only where its size says nothing.

    Raises:
        _BusyError: others are being read.
    """
    if known is None or known.size != size:
        return False
    upload = name_of(location, size, sha256)
    found = is_content(asked.hub, location, upload, known, sha256)
    if found is None:
        raise _BusyError("This hub has too much to read just now.")
    return found


def _put_received(
    asked: Asked, repository: FileSpace, name: str, upload: str, received: Received, kind: str
) -> bool:
    """Store a file that came in pieces, without a copy of it where that can be."""
    uploads = Uploads(asked.hub.folder)
    if isinstance(repository, FolderRepository):
        # Before: there is no moment at which it is stored, and nobody knows of it.
        uploads.note_stored(upload, etag_of(received.file))
        is_stored = repository.take(
            received.file,
            received.folder,
            name,
            old=received.name,
            read_only=kind != "artifact",
            replace=kind != "new",
        )
        if is_stored is not None:
            return is_stored
    if not _COPYING.acquire(timeout=_TURN_S):
        raise _BusyError("This hub has too many large files to copy just now.")
    try:
        is_stored = _put(asked, repository, name, received.file, kind)
    finally:
        _COPYING.release()
    if is_stored and isinstance(repository, FolderRepository):
        # An account keeps the hash with the file.
        uploads.note_stored(upload, etag_at(repository, name) or "")
    return is_stored


def _stored(
    asked: Asked, location: PurePosixPath, size: int, sha256: str, put: Callable[[str], bool]
) -> Any:
    """Store a file that was received; answer whether it is there, for another may be.

    Args:
        asked: what was asked.
        location: of the file.
        size: of it, in bytes.
        sha256: of it.
        put: stores it as one of a kind; returns whether it is stored.
    """
    if named_by_content(location) is not None:
        return _stored_once(asked, location, size, sha256, put)
    is_stored = put(asked.query.get("kind", "artifact"))
    if not is_stored:
        # It may be the same, stored by a request whose answer was lost.
        repository, name = above(asked.hub, location)
        is_stored = _is_same(asked, location, repository.file_at(name), size, sha256)
    return {"stored": is_stored, "staged": size}


def _stored_once(
    asked: Asked, location: PurePosixPath, size: int, sha256: str, put: Callable[[str], bool]
) -> Any:
    """Store a file whose name says what is in it; what is there stays, unless it is of no use."""
    if not put("new"):
        repository, name = above(asked.hub, location)
        known = repository.file_at(name)
        if _is_same(asked, location, known, size, sha256):
            return {"stored": True, "staged": size}
        if known is not None and not may_be_replaced(asked.hub, asked.path["workspace"], location):
            return error_response(
                WrittenOnceError(
                    f"{str(location)!r} is stored with another content, which its name says. "
                    "It is written once: others use it. Where it is damaged, whoever runs the hub "
                    "removes that file below its artifacts, and it is stored anew."
                )
            )
        put("data")
    return {"stored": True, "staged": size}


def _put(asked: Asked, repository: FileSpace, name: str, file: BinaryIO, kind: str) -> bool:
    """Store a file; return whether it is, for where it is to be new another may be there."""
    if kind == "artifact":
        with refused_as_names(PurePosixPath(asked.query["location"]).parent):
            repository.log_artifact_from_stream(file, name)
        return True
    stored: list[str] = []

    def told(_: Path, path: str) -> None:
        stored.append(path)

    with _with_path(file) as path:
        repository.put_files([(path, name)], told, overwrite=kind != "new")
    return bool(stored)


@contextmanager
def _with_path(file: BinaryIO) -> Iterator[Path]:
    """Yield a path under which an open file can be read, whatever became of its name."""
    if isinstance(file, io.BytesIO):
        with tempfile.NamedTemporaryFile() as copy:
            copy.write(file.getvalue())
            copy.flush()
            yield Path(copy.name)
    else:
        yield Path(f"/dev/fd/{file.fileno()}")


def append(asked: Asked) -> dict[str, Any]:
    """Add to the end of a file."""
    location = location_asked(asked, asked.query.get("location"), "edit")
    repository, name = above(asked.hub, location)
    repository.check_storable(name)
    if named_by_content(location) is not None:
        raise WrittenOnceError(
            f"{str(location)!r} is named by its content, and nothing is appended to it. Store it "
            "as a whole."
        )
    if "at" in asked.query:
        at = bytes_of(asked.query["at"], "at")
        return {"is_there": repository.append_at(name, asked.body, at)}
    repository.append(name, asked.body, goes_on=asked.query.get("goes_on") == "1")
    return {}
