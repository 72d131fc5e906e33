"""Files of a served hub: signed for, so that they go straight to storage, or passed on.

Where the hub's files are in a storage account, a client is given signatures of single blobs and
talks to the account itself. Where they are in a folder, or the account gives no signatures, they
come and go through here, piece by piece. Either way each place is asked about: whose it is, and
whether who asks may read or write there.
"""

import functools
import hashlib
import io
import json
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, RESOURCE_CONFLICT
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute

from mlflow_workspace_plugin.app.hub_api.answers import (
    PREFIX,
    Asked,
    error_response,
    get,
    post,
    refusal,
)
from mlflow_workspace_plugin.app.hub_api.file_owners import Level, may
from mlflow_workspace_plugin.app.hub_api.stored_once import may_be_replaced
from mlflow_workspace_plugin.artifacts.file_space import FileSpace, StoredFile
from mlflow_workspace_plugin.artifacts.folder_repository import FolderRepository, refused_as_names
from mlflow_workspace_plugin.artifacts.named_by_content import named_by_content
from mlflow_workspace_plugin.artifacts.paths import ARTIFACT_ROOT, location_of
from mlflow_workspace_plugin.artifacts.repository import repository_at
from mlflow_workspace_plugin.artifacts.uploads import (
    Received,
    UploadInUseError,
    Uploads,
    name_of,
)
from mlflow_workspace_plugin.errors import RoleNeededError, UserErrorException, WrittenOnceError
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.protocol.files import (
    ACTS,
    ENDS_BEFORE,
    FILES_AT_ONCE,
    HASHED_AT_ONCE,
    PIECE,
    REPLACED,
    SIGNED,
    STREAMED,
)

if TYPE_CHECKING:
    from mlflow_workspace_plugin.artifacts.azure_blob.signing import Signer

_FILES = PREFIX + "/workspaces/{workspace}/files"
_PATIENCE_S = 5.0
"""Who asks waits, too, and asks again."""
_LONGEST = 2_000
_HASHING = threading.BoundedSemaphore(2)
"""Of the threads that answer, so many read whole files at a time; who has to wait asks again."""
_COPYING = threading.BoundedSemaphore(8)
"""So many store a file that has to be copied as a whole, which may take minutes."""
_TURN_S = 1.0
_CHUNK = 2**20
_VERBS: dict[Level, str] = {"read": "read", "edit": "store", "manage": "delete"}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_RANGE = re.compile(r"bytes=(\d{1,19})-(\d{1,19})")
_BLOCK = 8 * 2**20
"""From this size on a file is stored in blocks."""


class _CopyingError(Exception):
    """As many threads as may are copying large files."""


def _storage(asked: Asked) -> dict[str, Any]:
    """Say how files come and go."""
    signer = _signer(asked.hub)
    if signer is None:
        return {"kind": STREAMED}
    return {"kind": SIGNED, **_place(signer)}


def _list(asked: Asked) -> Response:
    """List what is directly in a folder, or all files below it, a line for each and one at the end.

    A listing may be as long as it likes, and who reads it knows whether it is whole.
    """
    body = asked.json()
    location = _location(asked, body.get("location"), "read")
    if body.get("deep"):
        repository, name = _above(asked.hub, location)
        found = (
            {**asdict(each), "path": each.path[len(name) + 1 :]} for each in repository.files(name)
        )
    else:
        listed = _at(asked.hub, location).list_artifacts(None)
        found = (
            {"path": each.path, "size": each.file_size, "is_folder": bool(each.is_dir)}
            for each in listed
        )
    # What goes wrong at once is answered with its status.
    first = next(found, None)
    return StreamingResponse(_lines(first, found), media_type="application/x-ndjson")


def _lines(first: dict[str, Any] | None, others: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    if first is not None:
        yield _line(first)
    for each in others:
        yield _line(each)
    yield _line({"end": True})


def _line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry).encode() + b"\n"


def _find(asked: Asked) -> dict[str, Any]:
    """Say of some places which file is there, and whether it is the one that the caller has.

    Of a file that grows it is asked whether it begins with that one; of one that is too large to be
    read for one request, whether it has so many bytes from a place on.
    """
    left = HASHED_AT_ONCE
    found = []
    for each in _each(asked, "files"):
        location = _location(asked, each.get("location"), "read")
        repository, name = _above(asked.hub, location)
        known = repository.file_at(name)
        is_same: bool | None = None
        staged = 0
        # Whoever stored it said which hash it has.
        is_once = named_by_content(location) is not None
        sha256, size = each.get("sha256"), each.get("size")
        start = _number(each.get("start", 0), "start")
        if sha256 is not None:
            sha256, size = _hash(sha256), _number(size, "size")
            upload = name_of(location, size, sha256)
            uploads = Uploads(asked.hub.folder)
            staged = uploads.size(upload)
            its_size = -1 if known is None else known.size or 0
            is_whole, end = start == 0 and its_size == size, start + size
            if its_size != end and not (its_size > end and each.get("begins") is True):
                is_same = False
            elif is_whole and known is not None and known.sha256 is not None and not is_once:
                is_same = known.sha256 == sha256
            elif is_whole and _became(asked.hub, upload, repository, name):
                is_same = True
            # What is not looked at is not known.
            elif size <= left and (its_hash := _hash_in_turn(repository, name, size, start)):
                left -= size
                is_same = its_hash == sha256
            if staged and is_same and is_whole:
                # The server was killed, or the disk failed, just after it was stored.
                uploads.drop(upload)
        found.append(
            {
                "known": None if known is None else asdict(known),
                "is_same": is_same,
                "staged": staged,
                "start": start,
            }
        )
    return {"files": found}


def _sign_reads(asked: Asked) -> dict[str, Any]:
    signer = _needed_signer(asked.hub)
    locations = [_location(asked, each, "read") for each in _list_of(asked, "locations")]
    return _signed(signer, [{"signature": _sign(signer, each, "read")} for each in locations])


def _sign_writes(asked: Asked) -> dict[str, Any]:
    """Sign for files that are to be stored, and say what is known of those that may be there."""
    signer = _needed_signer(asked.hub)
    answers = []
    for each in _each(asked, "files"):
        location = _location(asked, each.get("location"), "edit")
        repository, name = _above(asked.hub, location)
        repository.check_storable(name)
        act = each.get("act")
        answer: dict[str, Any] = {}
        if named_by_content(location) is not None:
            # Whoever may write may replace; a large file takes that, and so comes by the server.
            is_large = act == "look" and _number(each.get("size"), "size") >= _BLOCK
            if act == "append" or is_large:
                raise WrittenOnceError(
                    f"{str(location)!r} is named by its content and written once, so nothing is "
                    "signed for that could change it. Send it to the hub; newer versions of the "
                    "client do that."
                )
            if act == "look":
                known = repository.file_at(name)
                answer["known"] = None if known is None else asdict(known)
            act = "create" if act in (*ACTS, "look") else act
        if act == "look":
            known = repository.file_at(name)
            is_large = _number(each.get("size"), "size") >= _BLOCK
            act = "write" if known is not None or is_large else "create"
            answer["known"] = None if known is None else asdict(known)
            if is_large:
                answer["blocks"] = _blocks(repository, name)
        if act not in ACTS:
            raise UserErrorException(f"act is to be one of: look, {', '.join(ACTS)}.")
        answers.append({**answer, "act": act, "signature": _sign(signer, location, act)})
    return _signed(signer, answers)


def _blocks(repository: FileSpace, name: str) -> list[list[str]]:
    from mlflow_workspace_plugin.artifacts.azure_blob.repository import AzureRepository

    if not isinstance(repository, AzureRepository):
        return [[], []]
    return list(repository.blocks(name))


def _store(asked: Asked) -> Any:
    """Take a file, or the next piece of it."""
    location = _location(asked, asked.query.get("location"), "edit")
    size = _number(asked.query.get("size"), "size")
    offset = _number(asked.query.get("offset"), "offset")
    sha256 = _hash(asked.query.get("sha256"))
    repository, name = _above(asked.hub, location)
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
    try:
        return _store_piece(asked, location, upload, offset, size, sha256)
    except UploadInUseError:
        return _busy("Somebody else is sending the same file just now.")
    except _CopyingError:
        return _busy("This hub has too many large files to copy just now.")


def _store_piece(
    asked: Asked,
    location: PurePosixPath,
    upload: str,
    offset: int,
    size: int,
    sha256: str,
) -> Any:
    """Take the next piece of a file, and store the file if it is whole."""
    repository, name = _above(asked.hub, location)
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
        is_same: bool | None = False
        if known is not None and known.size == size:
            is_same = _is_content(asked.hub, repository, name, upload, known, sha256)
        if is_same is None:
            return _busy("This hub has too much to read just now.")
        if is_same:
            return {"stored": True, "staged": size}
    return {"stored": None, "staged": staged}


def _is_content(
    hub: Hub, repository: FileSpace, name: str, upload: str, known: StoredFile, sha256: str
) -> bool | None:
    """Whether a file of a size is that of an upload; None where others are being read."""
    if known.sha256 is not None:
        return known.sha256 == sha256
    if _became(hub, upload, repository, name):
        return True
    size = known.size or 0
    if size > HASHED_AT_ONCE:
        return False
    its_hash = _hash_in_turn(repository, name, size)
    return None if its_hash is None else its_hash == sha256


def _became(hub: Hub, upload: str, repository: FileSpace, name: str) -> bool:
    """Whether a file is what an upload became, as it was stored then."""
    etag = Uploads(hub.folder).stored_as(upload)
    return etag is not None and etag == _etag_at(repository, name)


def _etag_at(repository: FileSpace, name: str) -> str | None:
    try:
        with repository.open_file(name) as file:
            return _etag(file)
    except MlflowException:
        # It was removed just now.
        return None


def _busy(reason: str) -> Response:
    busy = refusal(429, "REQUEST_LIMIT_EXCEEDED", f"{reason} Send it again.")
    busy.headers["Retry-After"] = "1"
    return busy


def _put_received(
    asked: Asked, repository: FileSpace, name: str, upload: str, received: Received, kind: str
) -> bool:
    """Store a file that came in pieces, without a copy of it where that can be."""
    uploads = Uploads(asked.hub.folder)
    if isinstance(repository, FolderRepository):
        # Before: there is no moment at which it is stored, and nobody knows of it.
        uploads.note_stored(upload, _etag(received.file))
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
        raise _CopyingError
    try:
        is_stored = _put(asked, repository, name, received.file, kind)
    finally:
        _COPYING.release()
    if is_stored and isinstance(repository, FolderRepository):
        # An account keeps the hash with the file.
        uploads.note_stored(upload, _etag_at(repository, name) or "")
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
    is_stored: bool | None = put(asked.query.get("kind", "artifact"))
    if not is_stored:
        # It may be the same, stored by a request whose answer was lost.
        repository, name = _above(asked.hub, location)
        known = repository.file_at(name)
        if known is not None and known.size == size:
            upload = name_of(location, size, sha256)
            is_stored = _is_content(asked.hub, repository, name, upload, known, sha256)
    if is_stored is None:
        return _busy("This hub has too much to read just now.")
    return {"stored": is_stored, "staged": size}


def _stored_once(
    asked: Asked, location: PurePosixPath, size: int, sha256: str, put: Callable[[str], bool]
) -> Any:
    """Store a file whose name says what is in it; what is there stays, unless it is of no use."""
    if not put("new"):
        repository, name = _above(asked.hub, location)
        known = repository.file_at(name)
        its_hash = None if known is None else _hash_in_turn(repository, name, known.size or 0)
        if known is not None and its_hash is None:
            return _busy("This hub has too much to read just now.")
        workspace = asked.path["workspace"]
        if its_hash is None or may_be_replaced(asked.hub, workspace, location, its_hash):
            put("artifact")
        elif its_hash != sha256:
            return error_response(
                WrittenOnceError(
                    f"{str(location)!r} is stored with another content, which its name says. "
                    "It is written once: others use it. Where it is damaged, ask a manager of "
                    f"workspace {workspace!r} to delete it."
                )
            )
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


def _append(asked: Asked) -> dict[str, Any]:
    location = _location(asked, asked.query.get("location"), "edit")
    repository, name = _above(asked.hub, location)
    repository.check_storable(name)
    if named_by_content(location) is not None:
        raise WrittenOnceError(
            f"{str(location)!r} is named by its content, and nothing is appended to it. Store it "
            "as a whole."
        )
    if "at" in asked.query:
        at = _number(asked.query["at"], "at")
        return {"is_there": repository.append_at(name, asked.body, at)}
    repository.append(name, asked.body, goes_on=asked.query.get("goes_on") == "1")
    return {}


def _delete(asked: Asked) -> dict[str, Any]:
    # As MLflow's own route has it: it takes more than storing there.
    body = asked.json()
    location = _location(asked, body.get("location"), "manage", is_removal=True)
    path = body.get("path")
    if path is None:
        _at(asked.hub, location).delete_artifacts()
        return {}
    if not isinstance(path, str):
        raise UserErrorException("path is to be a text.")
    below = _location(asked, f"{location}/{path}", "manage", is_removal=True)
    _at(asked.hub, location).delete_artifacts(str(below.relative_to(location)))
    return {}


def _content(asked: Asked) -> Response:
    """Send a file, or a piece of it."""
    location = _location(asked, asked.query.get("location"), "read")
    repository, name = _above(asked.hub, location)
    file = repository.open_file(name)
    try:
        size = file.seek(0, os.SEEK_END)
        etag = _etag(file)
        headers = {
            "ETag": etag,
            "Accept-Ranges": "bytes",
            # A browser is never to show what somebody's script wrote as a page of the hub's.
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": "attachment",
        }
        wanted_etag = asked.headers.get("if-match", etag)
        may_grow = asked.query.get("may_grow") == "1"
        if wanted_etag != etag and not (may_grow and _is_same_file(wanted_etag, etag)):
            file.close()
            return refusal(412, REPLACED, f"{name!r} was replaced meanwhile.", **headers)
        start, end = 0, size
        wanted = _RANGE.fullmatch(asked.headers.get("range", ""))
        if wanted is not None:
            start, end = int(wanted[1]), min(int(wanted[2]) + 1, size)
            if start >= end:
                file.close()
                headers["Content-Range"] = f"bytes */{size}"
                return refusal(416, ENDS_BEFORE, f"{name!r} ends before.", **headers)
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        headers["Content-Length"] = str(end - start)
        file.seek(start)
    except BaseException:
        file.close()
        raise
    return StreamingResponse(
        _pieces(file, end - start),
        status_code=200 if wanted is None else 206,
        headers=headers,
        media_type="application/octet-stream",
    )


def _pieces(file: BinaryIO, left: int) -> Iterator[bytes]:
    with file:
        while left > 0 and (piece := file.read(min(_CHUNK, left))):
            left -= len(piece)
            yield piece


def _etag(file: BinaryIO) -> str:
    """Return what tells the content of an open file from what may replace it."""
    etag = getattr(getattr(file, "raw", None), "etag", None)
    if etag is not None:
        return str(etag)
    status = os.fstat(file.fileno())
    return f'"{status.st_ino:x}-{status.st_mtime_ns:x}"'


def _is_same_file(etag: str, other: str) -> bool:
    """Whether of two contents one was made by writing to the other; whole ones are new files."""
    file, dash, _ = etag.partition("-")
    return bool(dash) and file == other.partition("-")[0]


def _location(asked: Asked, text: Any, level: Level, *, is_removal: bool = False) -> PurePosixPath:
    """Return a place that was asked about, if who asks may do there what they ask.

    Raises:
        UnsafeArtifactPathError: it is in no place of the workspace.
        RoleNeededError: who asks may store nothing in the workspace.
        MlflowException: ``PERMISSION_DENIED``; what is nobody's is nobody's to read, either.
    """
    if not isinstance(text, str) or not 0 < len(text) <= _LONGEST:
        raise UserErrorException("location is to be a path below the hub's root.")
    workspace = asked.path["workspace"]
    location = location_of(f"{ARTIFACT_ROOT}{text}", workspace)
    principal, access = asked.principal, asked.access
    if principal is None or not may(
        asked.hub, access, principal, workspace, location, level, is_removal=is_removal
    ):
        if level == "edit" and (
            principal is None or not access.writes_somewhere(principal, workspace)
        ):
            raise RoleNeededError.to_write(workspace)
        raise MlflowException(
            f"There is no place {text!r} in workspace {workspace!r} where you may "
            f"{_VERBS[level]} files. It may be of a run that is not "
            "there. Ask a manager of the workspace for access.",
            PERMISSION_DENIED,
        )
    return location


def _each(asked: Asked, name: str) -> list[dict[str, Any]]:
    found = _list_of(asked, name)
    if not all(isinstance(each, dict) for each in found):
        raise UserErrorException(f"{name} is to be a list of objects.")
    return found


def _list_of(asked: Asked, name: str) -> list[Any]:
    found = asked.json().get(name)
    if not isinstance(found, list) or len(found) > FILES_AT_ONCE:
        raise UserErrorException(f"{name} is to be a list of at most {FILES_AT_ONCE}.")
    return found


def _number(given: Any, name: str) -> int:
    try:
        number = int(given)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if not 0 <= number < 2**63:
        raise UserErrorException(f"{name} is to be a number of bytes.")
    return number


def _hash(given: Any) -> str:
    if not isinstance(given, str) or not _SHA256.fullmatch(given):
        raise UserErrorException("sha256 is to be a SHA-256 in hexadecimal digits.")
    return given


def _hash_in_turn(repository: FileSpace, name: str, size: int, start: int = 0) -> str | None:
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


def _at(hub: Hub, location: PurePosixPath) -> FileSpace:
    return repository_at(hub, location, patience_s=_PATIENCE_S, is_quiet=True)


def _above(hub: Hub, location: PurePosixPath) -> tuple[FileSpace, str]:
    """Return the folder that a place is in, and its name there."""
    return _at(hub, location.parent), location.name


def _signer(hub: Hub) -> "Signer | None":
    root = hub.settings.artifact_root
    if root is None:
        return None
    from mlflow_workspace_plugin.artifacts.azure_blob.signing import signer_of

    return signer_of(root)


def _needed_signer(hub: Hub) -> "Signer":
    signer = _signer(hub)
    if signer is None:
        raise MlflowException(
            "Nothing is signed here: the hub's files come and go through its server. Ask how they "
            "are stored again.",
            RESOURCE_CONFLICT,
        )
    return signer


def _sign(signer: "Signer", location: PurePosixPath, act: Any) -> str:
    return signer.sign(signer.root.blob(location), act)


def _signed(signer: "Signer", files: list[dict[str, Any]]) -> dict[str, Any]:
    from mlflow_workspace_plugin.artifacts.azure_blob.signing import GIVEN_S

    return {**_place(signer), "seconds": GIVEN_S, "files": files}


def _place(signer: "Signer") -> dict[str, Any]:
    root = signer.root
    return {
        "service": signer.credential.service,
        "account": root.account,
        "container": root.container,
        "prefix": root.prefix,
    }


ROUTES: list[BaseRoute] = [
    get(_FILES + "/storage", _storage),
    post(_FILES + "/list", _list),
    post(_FILES + "/find", _find),
    post(_FILES + "/sign-reads", _sign_reads),
    post(_FILES + "/sign-writes", _sign_writes),
    post(_FILES + "/delete", _delete),
    post(_FILES + "/append", _append, max_body=PIECE),
    get(_FILES + "/content", _content),
    post(_FILES + "/content", _store, max_body=PIECE),
]
