"""Files that come and go through the server of a hub, in pieces."""

import hashlib
import io
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import requests
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin.artifacts.azure_blob.transfer.partial_file import partial_file
from mlflow_workspace_plugin.artifacts.azure_blob.transfer.progress import Progress, unseen
from mlflow_workspace_plugin.artifacts.daemon_threads import DaemonThreads
from mlflow_workspace_plugin.artifacts.growing import append_rest
from mlflow_workspace_plugin.artifacts.local_files import digest_of, open_file
from mlflow_workspace_plugin.artifacts.piecewise_file import PiecewiseFile
from mlflow_workspace_plugin.errors import AzureMLException, HubBusyError, HubUnreachableError
from mlflow_workspace_plugin.protocol.files import HASHED_AT_ONCE, PIECE
from mlflow_workspace_plugin.remote.files.calls import FileCalls
from mlflow_workspace_plugin.remote.files.transfer import Kind, Todo, Transfer

_AT_ONCE = 8
_TRIES = 3
_BUSY_S = 1.0
_CHUNK = 2**20
_ASKED_FROM = 2**18
"""The size in bytes from which a question whether a file is there already pays."""


class ThroughHub(Transfer):
    """Bytes go through the hub's server.

    Args:
        calls: asks the server.
    """

    def __init__(self, calls: FileCalls) -> None:
        self._calls = calls
        self._threads = DaemonThreads(_AT_ONCE, "workspace-file")

    def prepare(self, todo: Sequence[Todo]) -> set[str]:
        """Tell which files are there as they are."""
        alike = [
            each
            for each in todo
            if each.known is not None and each.known.size == each.file.stat().st_size
        ]
        asked = [_announced(each.location, each.file) for each in alike]
        found = self._calls.find(asked)
        return {each.location for each, said in zip(alike, found, strict=True) if said.is_same}

    def put(self, todo: Todo, progress: Progress, kind: Kind = "artifact") -> bool:
        """Store a file, whole or not at all; return whether it is there."""
        with open_file(todo.file) as stream:
            return self._put(todo.location, stream, progress, kind, is_listed=todo.is_listed)

    def put_stream(self, location: str, stream: BinaryIO, progress: Progress) -> None:
        """Store what a stream yields."""
        try:
            is_repeatable = stream.seekable()
        except AttributeError:
            is_repeatable = False
        if is_repeatable:
            self._put(location, stream, progress, "artifact", is_listed=False)
            return
        with tempfile.SpooledTemporaryFile(PIECE) as copy:
            shutil.copyfileobj(stream, copy, _CHUNK)
            copy.seek(0)
            self._put(location, cast("BinaryIO", copy), progress, "artifact", is_listed=False)

    def append(self, location: str, lines: bytes, *, goes_on: bool) -> None:
        """Append lines to a file."""
        for at in range(0, len(lines), PIECE):
            self._calls.append(location, lines[at : at + PIECE], goes_on=goes_on or at > 0)

    def grow(self, location: str, source: BinaryIO) -> int | None:
        """Append to a file what a local one has behind it."""
        (found,) = self._calls.find([{"location": location}])
        if found.known is None or found.known.size is None:
            return None
        return append_rest(
            source,
            found.known.size,
            partial(self.read_from, location),
            partial(self._calls.append_at, location),
        )

    def prepare_reads(self, locations: Sequence[str]) -> None:
        """Do nothing: who may read is asked at each file."""

    def fetch(self, location: str, target: Path, progress: Progress) -> None:
        """Copy a file to a local path, whole or not at all; a log that grows as it was at first.

        Raises:
            HubBusyError: others kept replacing it meanwhile.
        """
        for _ in range(_TRIES):
            if self._fetch(location, target, progress):
                return
            progress = unseen
        raise HubBusyError(
            f"Artifact {location!r} could not be read: it was replaced {_TRIES} times meanwhile. "
            "Download it when its writer is done."
        )

    def read_from(self, location: str, start: int, size: int) -> bytes:
        """Return a piece of a file that may be growing; nothing where it ends before."""
        pieces = []
        while size > 0:
            answer = self._calls.content(location, start, min(size, PIECE))
            if answer is None:
                break
            pieces.append(answer.content)
            start, size = start + len(pieces[-1]), size - len(pieces[-1])
            if start >= _size(answer):
                break
        return b"".join(pieces)

    def open_file(self, location: str) -> BinaryIO:
        """Open a file for reading, at any place of it."""
        return cast("BinaryIO", io.BufferedReader(HubFile(self._calls, location)))

    def for_files(self, calls: Iterable[Callable[[], object]]) -> None:
        """Do something about each of many files, several at once."""
        self._threads.do_all(calls)

    def _put(
        self, location: str, stream: BinaryIO, progress: Progress, kind: Kind, *, is_listed: bool
    ) -> bool:
        start = stream.tell()
        for _ in range(_TRIES):
            stream.seek(start)
            first = stream.read(PIECE)
            if len(first) < PIECE:
                sha256 = hashlib.sha256(first).hexdigest()
                size = len(first)
            else:
                size, sha256 = _digest(stream, hashlib.sha256(first), len(first))
            staged = 0
            if size >= (PIECE if is_listed else _ASKED_FROM):
                asked = {"location": location, "size": size, "sha256": sha256}
                (found,) = self._calls.find([asked])
                if found.is_same:
                    progress(size)
                    return True
                is_large = size > HASHED_AT_ONCE and found.is_same is None
                its_size = None if found.known is None else found.known.size
                # Then it is looked at in parts.
                if is_large and its_size == size and self._is_there(location, stream, start, size):
                    progress(size)
                    return True
                if found.known is not None and kind == "new":
                    return False
                staged = found.staged
            sent = self._send(location, stream, start, staged, size, sha256, progress, kind)
            if sent is not None:
                return sent
            progress = unseen
        raise HubBusyError(
            f"Artifact {location!r} could not be stored: the file was changed while it was sent, "
            f"{_TRIES} times. Store a copy of it, or store it when its writer is done."
        )

    def _send(
        self,
        location: str,
        stream: BinaryIO,
        start: int,
        staged: int,
        size: int,
        sha256: str,
        progress: Progress,
        kind: Kind,
    ) -> bool | None:
        """Send what the server has not; None where that is not the content announced any more."""
        progress(staged)
        left = 2 * size + PIECE
        while left >= 0:
            stream.seek(start + staged)
            piece = stream.read(min(PIECE, size - staged))
            if len(piece) < min(PIECE, size - staged):
                return None
            try:
                answer = self._calls.store(
                    location, piece, offset=staged, size=size, sha256=sha256, kind=kind
                )
            except MlflowException as error:
                if "has not the SHA-256" in error.message:
                    return None
                raise
            left -= max(len(piece), 1)
            progress(max(answer["staged"] - staged, 0))
            if answer["stored"] is not None:
                return bool(answer["stored"])
            staged = answer["staged"]
        raise HubUnreachableError(
            f"The pieces of {location!r} do not stay where they are sent: its servers keep them "
            "apart. Tell who runs the hub; store the file again later."
        )

    def _fetch(self, location: str, target: Path, progress: Progress) -> bool:
        """Copy a file; False when it was replaced meanwhile by one whose pieces do not fit."""
        first = self._calls.content(location, 0, PIECE)
        if first is None:
            target.write_bytes(b"")
            return True
        etag, size = first.headers["ETag"], _size(first)
        was_changed = False
        version = hashlib.sha256(f"{location} {etag}".encode()).hexdigest()[:16]
        with partial_file(target, version) as part:
            there = part.parts() - {0}
            part.write(0, 0, first.content)
            progress(len(first.content))
            for number in range(1, -(-size // PIECE)):
                offset = number * PIECE
                length = min(PIECE, size - offset)
                if number not in there:
                    answer = self._calls.content(location, offset, length, etag, may_grow=True)
                    if answer is None or len(answer.content) != length:
                        part.discard()
                        return False
                    was_changed |= answer.headers["ETag"] != etag
                    part.write(number, offset, answer.content)
                progress(length)
            # What was there before may, after a power cut, not be what had been written; what was
            # changed may have been written to at any place.
            is_copy: bool | None = True
            if there or was_changed:
                is_copy = self._is_copy(location, part.path, tries=_TRIES if was_changed else 1)
            if was_changed and not is_copy:
                part.discard()
                return False
            if is_copy is False:
                part.discard()
                raise AzureMLException(
                    f"The copy of {location!r} is not what is stored: the disk of {str(target)!r} "
                    "is faulty, or the file was replaced just now. Download it again."
                )
            part.finish(target)
        return True

    def _is_copy(self, location: str, copy: Path, tries: int) -> bool | None:
        """Whether a file is, or begins with, what was copied; None where that was not looked at."""
        with open_file(copy) as stream:
            return self._is_there(location, stream, 0, copy.stat().st_size, tries)

    def _is_there(
        self, location: str, stream: BinaryIO, start: int, size: int, tries: int = 1
    ) -> bool | None:
        """Whether a file begins with what a stream has; None where that was not looked at.

        Args:
            location: of the file.
            stream: the other.
            start: where in the stream that begins.
            size: of how many bytes it is.
            tries: how often the hub is asked, which looks at a few files at a time.
        """
        is_large = size > HASHED_AT_ONCE
        part = HASHED_AT_ONCE // 4 if is_large else size
        stream.seek(start)
        for at in range(0, size, part) if is_large else (0,):
            length = min(part, size - at)
            wanted = {
                "location": location,
                "size": length,
                "sha256": _digest_of_part(stream, length),
                "begins": True,
                **({"start": at} if is_large else {}),
            }
            is_same = self._is_same(wanted, tries)
            if not is_same:
                return is_same
        return True

    def _is_same(self, wanted: dict[str, Any], tries: int) -> bool | None:
        for number in range(tries):
            if number:
                time.sleep(_BUSY_S)
            (found,) = self._calls.find([wanted])
            if "start" in wanted and found.start != wanted["start"]:
                # A server of before has looked at its beginning.
                return None
            if found.is_same is not None:
                return found.is_same
        return None


class HubFile(PiecewiseFile):
    """A file of a hub that is read through its server, of one content only.

    Args:
        calls: asks the server.
        location: of the file.

    Raises:
        MlflowException: ``RESOURCE_DOES_NOT_EXIST``, there is no such file.
    """

    def __init__(self, calls: FileCalls, location: str) -> None:
        first = calls.content(location, 0, _CHUNK)
        if first is None:
            super().__init__(location, 0, b"")
        else:
            super().__init__(location, _size(first), first.content)
        self._etag = None if first is None else first.headers["ETag"]
        self._calls = calls

    def _fetch(self, start: int) -> bytes:
        answer = self._calls.content(self._name, start, _CHUNK, self._etag)
        if answer is None:
            raise HubBusyError(
                f"{self._name!r} was replaced while it was read. Read it again when its writer is "
                "done."
            )
        return answer.content


def _announced(location: str, file: Path) -> dict[str, Any]:
    """Return what a server is asked about a file that may be there."""
    return {
        "location": location,
        "size": file.stat().st_size,
        "sha256": digest_of(file, "sha256").hex(),
    }


def _digest(stream: BinaryIO, digest: "hashlib._Hash", size: int) -> tuple[int, str]:
    """Return the size and the hash of a stream to its present end."""
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return size, digest.hexdigest()


def _digest_of_part(stream: BinaryIO, size: int) -> str:
    """Return the hash of the next bytes of a stream."""
    digest = hashlib.sha256()
    while size > 0 and (chunk := stream.read(min(_CHUNK, size))):
        digest.update(chunk)
        size -= len(chunk)
    return digest.hexdigest()


def _size(answer: requests.Response) -> int:
    """Return the size of the file of which an answer brings a piece."""
    of = answer.headers.get("Content-Range", "").rpartition("/")[2]
    return int(of) if of.isdigit() else len(answer.content)
