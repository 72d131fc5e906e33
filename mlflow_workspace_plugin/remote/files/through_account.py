"""Files that go straight to the storage account of a served hub, and come from there."""

import io
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobProperties

from mlflow_workspace_plugin.artifacts.azure_blob.connection.container import BLOCK
from mlflow_workspace_plugin.artifacts.azure_blob.connection.faults import answered
from mlflow_workspace_plugin.artifacts.azure_blob.transfer.append import append_lines
from mlflow_workspace_plugin.artifacts.azure_blob.transfer.digests import is_content_of
from mlflow_workspace_plugin.artifacts.azure_blob.transfer.download import download_file, read_piece
from mlflow_workspace_plugin.artifacts.azure_blob.transfer.progress import Progress
from mlflow_workspace_plugin.artifacts.azure_blob.transfer.reading import BlobFile
from mlflow_workspace_plugin.artifacts.azure_blob.transfer.upload import (
    upload_file,
    upload_grown,
    upload_stream,
)
from mlflow_workspace_plugin.artifacts.named_by_content import named_by_content
from mlflow_workspace_plugin.remote.files.signed_container import SignedContainer, properties
from mlflow_workspace_plugin.remote.files.transfer import Kind, Todo, Transfer

_CHUNK = 2**20
_FORBIDDEN = 403
"""What the account says where something is there that may only be created."""


class ThroughAccount(Transfer):
    """Bytes go to the account with what the hub signs, and never through its server.

    A new file of one block is signed for so that it can be created and no more. That it is there
    already looks like a refusal then: it may be ours, stored by a request whose answer was lost, or
    another's. The hub is asked which.

    Args:
        container: the account's.
        through_hub: the other way, for what the account cannot take without giving more away.
    """

    def __init__(self, container: SignedContainer, through_hub: Transfer) -> None:
        self.container = container
        self._through_hub = through_hub

    def prepare(self, todo: Sequence[Todo]) -> set[str]:
        """Get signatures for what is to be stored, and tell what is there as it is."""
        same, wanted = set(), []
        for each in todo:
            known, size = properties(each.known), each.file.stat().st_size
            if known is not None and known.size == size and is_content_of(known, each.file):
                same.add(each.location)
                continue
            act = "create" if known is None and size < BLOCK else "write"
            wanted.append((self._name(each.location), act, size))
        self.container.signatures.for_writing(wanted)
        return same

    @answered
    def put(self, todo: Todo, progress: Progress, kind: Kind = "artifact") -> bool:
        """Store a file, whole or not at all; return whether it is there."""
        name, size, overwrite = self._name(todo.location), todo.file.stat().st_size, kind != "new"
        known = properties(todo.known) if todo.is_listed else self.container.look(name, size)
        if known is None:
            self.container.note(name, None)
        try:
            is_stored = upload_file(
                self.container, name, todo.file, progress, known, overwrite=overwrite
            )
        except HttpResponseError as error:
            there = self._there(name, size, error)
            if not overwrite:
                is_stored = bool(is_content_of(there, todo.file))
            else:
                is_stored = upload_file(self.container, name, todo.file, progress, there)
        self.container.forget(name)
        return is_stored

    @answered
    def put_stream(self, location: str, stream: BinaryIO, progress: Progress) -> None:
        """Store what a stream yields."""
        name = self._name(location)
        with _measured(stream) as (repeatable, size):
            start = repeatable.tell()
            if named_by_content(PurePosixPath(location)) is not None:
                if not self._is_created(name, repeatable, size, progress):
                    repeatable.seek(start)
                    self._through_hub.put_stream(location, repeatable, progress)
                return
            self.container.look(name, size)
            try:
                upload_stream(self.container, name, repeatable, progress)
            except HttpResponseError as error:
                self._there(name, size, error)
                repeatable.seek(start)
                upload_stream(self.container, name, repeatable, progress)
        self.container.forget(name)

    @answered
    def append(self, location: str, lines: bytes, *, goes_on: bool) -> None:
        """Append lines to a file."""
        del goes_on
        append_lines(self.container, self._name(location), lines)

    @answered
    def grow(self, location: str, source: BinaryIO) -> int | None:
        """Store what a local file has got since it was stored."""
        name = self._name(location)
        self.container.look(name, BLOCK)
        sent = upload_grown(self.container, name, source)
        self.container.forget(name)
        return sent

    def prepare_reads(self, locations: Sequence[str]) -> None:
        """Get signatures for files that are to be read."""
        self.container.signatures.for_reading([self._name(each) for each in locations])

    @answered
    def fetch(self, location: str, target: Path, progress: Progress) -> None:
        """Copy a file to a local path, whole or not at all."""
        download_file(self.container, self._name(location), target, progress)
        self.container.forget(self._name(location))

    @answered
    def read_from(self, location: str, start: int, size: int) -> bytes:
        """Return a piece of a file that may be growing; nothing where it ends before."""
        return read_piece(self.container, self._name(location), start, size)

    @answered
    def open_file(self, location: str) -> BinaryIO:
        """Open a file for reading, at any place of it."""
        return cast("BinaryIO", io.BufferedReader(BlobFile(self.container, self._name(location))))

    def for_files(self, calls: Iterable[Callable[[], object]]) -> None:
        """Do something about each of many files, several at once."""
        self.container.for_files(calls)

    def _name(self, location: str) -> str:
        prefix = self.container.root.prefix
        return f"{prefix}/{location}" if prefix else location

    def _is_created(self, name: str, stream: BinaryIO, size: int, progress: Progress) -> bool:
        """Create a blob that is written once; False where the hub has to judge, or to store it.

        A signature for blocks would let its holder replace the blob.
        """
        if size >= BLOCK or self.container.look(name, size) is not None:
            return False
        try:
            upload_stream(self.container, name, stream, progress)
        except HttpResponseError as error:
            if error.status_code != _FORBIDDEN:
                raise
            return False
        finally:
            self.container.forget(name)
        return True

    def _there(self, name: str, size: int, error: HttpResponseError) -> BlobProperties:
        """Return the blob that is in the way of one that was to be created.

        Raises:
            HttpResponseError: none is.
        """
        if error.status_code != _FORBIDDEN or self.container.signatures.act(name) != "create":
            raise error
        there = self.container.look(name, size)
        if there is None:
            raise error
        return there


@contextmanager
def _measured(stream: BinaryIO) -> Iterator[tuple[BinaryIO, int]]:
    """Yield a stream that can be read again from where it stands, and how much it yields."""
    try:
        start = stream.tell()
        size = stream.seek(0, io.SEEK_END) - start
        stream.seek(start)
    except (AttributeError, OSError):
        with tempfile.SpooledTemporaryFile(BLOCK) as copy:
            shutil.copyfileobj(stream, copy, _CHUNK)
            size = copy.tell()
            copy.seek(0)
            yield cast("BinaryIO", copy), size
    else:
        yield stream, size
