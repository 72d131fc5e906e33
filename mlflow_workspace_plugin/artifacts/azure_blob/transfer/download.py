"""Copying one blob to a local file: whole, and with the content that was stored, or not at all."""

import hashlib
import os
from functools import partial
from pathlib import Path

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceModifiedError
from azure.storage.blob import BlobProperties, BlobType
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from mlflow_workspace_plugin.artifacts.azure_blob.connection.codes import code_of
from mlflow_workspace_plugin.artifacts.azure_blob.connection.container import BLOCK, Container
from mlflow_workspace_plugin.artifacts.azure_blob.listing import is_folder
from mlflow_workspace_plugin.artifacts.azure_blob.transfer.digests import (
    is_content_of,
    is_verifiable,
)
from mlflow_workspace_plugin.artifacts.azure_blob.transfer.partial_file import (
    PartialFile,
    partial_file,
)
from mlflow_workspace_plugin.artifacts.azure_blob.transfer.progress import Progress, unseen
from mlflow_workspace_plugin.errors import AzureMLException, HubBusyError

_TRIES = 3
_COMPARED = 4_096
"""So many bytes tell at once of most blobs that were replaced that they were."""


def download_file(container: Container, name: str, target: Path, progress: Progress) -> None:
    """Copy a blob to a local file, over one that is there; its folder exists.

    A large one comes in ranges, several at once. After a kill the ranges that are there are kept,
    if the blob is still the same. A log that grows meanwhile comes as it was at first.

    Args:
        container: where from.
        name: of the blob.
        target: the local file.
        progress: is told of each range.

    Raises:
        ResourceNotFoundError: there is no such blob.
        MlflowException: ``RESOURCE_DOES_NOT_EXIST``, it stands for a folder.
        AzureError: it cannot be read.
        AzureMLException: what came is not what was stored.
        HubBusyError: others kept replacing the blob meanwhile.
        OSError: the file cannot be written.
    """
    for _ in range(_TRIES):
        if _download(container, name, target, progress):
            return
        progress = unseen
    raise HubBusyError(
        f"Artifact {name!r} could not be read: it was replaced {_TRIES} times meanwhile. "
        "Download it when its writer is done."
    )


def read_piece(container: Container, name: str, start: int, size: int) -> bytes:
    """Return a piece of a blob that may be growing; nothing where it ends before.

    Args:
        container: where from.
        name: of the blob.
        start: of how many bytes the piece comes behind.
        size: of how many bytes it is, at most.

    Raises:
        ResourceNotFoundError: there is no such blob.
        AzureError: it cannot be read.
    """
    found = bytearray()
    # One request each: of several the client asks that nothing was added meanwhile.
    while len(found) < size:
        wanted = min(size - len(found), BLOCK)
        try:
            piece = container.blob(name).download_blob(start + len(found), wanted).readall()
        except HttpResponseError as error:
            if code_of(error) != "InvalidRange":
                raise
            break
        found += piece
        if len(piece) < wanted:
            break
    return bytes(found)


def _download(container: Container, name: str, target: Path, progress: Progress) -> bool:
    """Copy a blob; False when a writer replaced it meanwhile, whose ranges do not fit to ours."""
    first = container.blob(name).download_blob()
    properties = first.properties
    if is_folder(properties):
        raise MlflowException(f"{name!r} is a folder.", RESOURCE_DOES_NOT_EXIST)
    # What cannot be verified in the end is not taken over from a process that was killed.
    version = _version(name, properties) if is_verifiable(properties) else None
    with partial_file(target, version) as part:
        resumed = bool(part.parts() - {0})
        content = next(iter(first.chunks()), b"")
        part.write(0, 0, content)
        progress(len(content))
        try:
            _download_rest(container, name, properties, part, progress)
            was_changed = False
        except ResourceModifiedError:
            was_changed = True
        if was_changed:
            is_whole = _download_grown(container, name, properties, part)
        else:
            is_whole = is_content_of(properties, part.path) is not False
        if is_whole:
            part.finish(target)
            return True
        part.discard()
    if was_changed:
        return False
    if resumed:
        # What a power cut left of the earlier try was not what had been written.
        return _download(container, name, target, unseen)
    raise AzureMLException(
        f"The copy of {name!r} is not what was stored: {container.root.place()} or the disk of "
        f"{str(target)!r} is faulty. Download it again; if that does not help, store it again."
    )


def _download_rest(
    container: Container,
    name: str,
    properties: BlobProperties,
    part: PartialFile,
    progress: Progress,
) -> None:
    blob = container.blob(name)
    there = part.parts()

    def fetch(number: int) -> None:
        offset = number * BLOCK
        size = min(BLOCK, properties.size - offset)
        if number not in there:
            content = blob.download_blob(
                offset, size, etag=properties.etag, match_condition=MatchConditions.IfNotModified
            ).readall()
            part.write(number, offset, content)
        progress(size)

    ranges = range(1, -(-properties.size // BLOCK))
    container.for_blocks(partial(fetch, number) for number in ranges)


def _download_grown(
    container: Container, name: str, properties: BlobProperties, part: PartialFile
) -> bool:
    """Copy the rest of a blob that was changed; return whether the copy is what was there at first.

    It is where the blob was only added to, which is told by what is kept with it: its hash, or,
    without one, that it is still the same append blob, which takes nothing but additions.
    """
    is_appended = properties.blob_type == BlobType.APPENDBLOB and not is_verifiable(properties)
    if not is_appended and not is_verifiable(properties):
        return False
    blob, there = container.blob(name), part.parts()

    def fetch(offset: int, size: int) -> bytes | None:
        """Return a piece; None where the blob cannot be the same, or ends before."""
        try:
            answer = blob.download_blob(offset, size)
            content: bytes = answer.readall()
        except HttpResponseError as error:
            if code_of(error) != "InvalidRange":
                raise
            return None
        now = answer.properties
        if is_appended and _identity(now) != _identity(properties):
            return None
        return content if len(content) == size else None

    def copy(number: int) -> bool:
        offset = number * BLOCK
        content = fetch(offset, min(BLOCK, properties.size - offset))
        if content is None:
            return False
        part.write(number, offset, content)
        return True

    start = BLOCK - _COMPARED
    with part.path.open("rb") as copied:
        # A large blob that was replaced is not copied for nothing.
        if fetch(start, _COMPARED) != os.pread(copied.fileno(), _COMPARED, start):
            return False
    ranges = range(1, -(-properties.size // BLOCK))
    copied_all = container.for_blocks(partial(copy, each) for each in ranges if each not in there)
    return all(copied_all) and (is_appended or is_content_of(properties, part.path) is True)


def _identity(properties: BlobProperties) -> tuple[object, object]:
    return properties.blob_type, properties.creation_time


def _version(name: str, properties: BlobProperties) -> str:
    return hashlib.sha256(f"{name} {properties.etag}".encode()).hexdigest()[:16]
