"""Storing one file as a blob: whole or not at all, and only what is not there yet.

A file of one block is one request. A larger one is staged block by block, and appears with the
commit of the list of its blocks, as the service keeps staged blocks apart from blobs.

A block's id is made from its place and content, not from the upload it belongs to. So it means the
same to all who name it: an upload that was killed goes on from what it staged, without a note of
it on this machine; a changed file shares the blocks that are as before; and of two writers of one
name neither can commit a block of the other's that is not, byte for byte, its own. A commit
discards what others staged under the name: who finds that stages again, and the last commit wins.

A file that grows is cut into blocks that get smaller towards its end, so that little is sent for
what was added to it. It is no append blob: such a blob never becomes another, takes an append twice
when an answer is lost, and has no hash of all that is in it.
"""

import base64
import hashlib
import io
import itertools
import mimetypes
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.storage.blob import BlobBlock, BlobClient, BlobProperties, ContentSettings

from mlflow_workspace_plugin.artifacts.azure_blob.connection.codes import code_of
from mlflow_workspace_plugin.artifacts.azure_blob.connection.container import BLOCK, Container
from mlflow_workspace_plugin.artifacts.azure_blob.transfer.digests import SHA256, is_content_of
from mlflow_workspace_plugin.artifacts.azure_blob.transfer.progress import Progress, unseen
from mlflow_workspace_plugin.artifacts.local_files import open_file
from mlflow_workspace_plugin.errors import HubBusyError

_MOST_BLOCKS = 50_000  # of a blob
_COMMITS = 10
_ID_LENGTH = 48
_SHORTEST_ID = 12
_GROWN_BLOCK = 2**20
_LAST_BLOCK = 2**16
"""Of a file that grows, what is behind the larger blocks is cut into these."""
ASKED_FROM = 2**18
"""The size in bytes from which a question whether a file is there already pays."""
# Another writer's commit discarded blocks of ours, or one with ids of another length goes on.
_OTHERS = ("InvalidBlockList", "InvalidBlobOrBlock")
_UNKNOWN = "application/octet-stream"


def upload_file(
    container: Container,
    name: str,
    file: Path,
    progress: Progress,
    known: BlobProperties | None,
    *,
    overwrite: bool = True,
) -> bool:
    """Store a local file as a blob, unless that has its content already; return whether it has.

    Args:
        container: where to.
        name: of the blob.
        file: the local file.
        progress: is told of each block.
        known: what a listing says is there now. None asks for a file that is not tiny.
        overwrite: whether over a blob that is there.

    Raises:
        AzureError: it cannot be stored.
        OSError: the file cannot be read.
    """
    size = file.stat().st_size
    if known is None and size >= ASKED_FROM:
        known = container.properties(name)
    if known is not None and known.size == size and is_content_of(known, file):
        progress(size)
        return True
    try:
        with open_file(file) as stream:
            if size < BLOCK:
                upload_stream(container, name, stream, progress, overwrite=overwrite)
            else:
                _upload_large(container, name, stream, progress, size, overwrite=overwrite)
    except ResourceExistsError:
        if overwrite:
            raise
        # It may be ours, stored by a request whose answer was lost.
        there = container.properties(name)
        is_ours = there is not None and there.size == size and is_content_of(there, file)
        return bool(is_ours)
    return True


def upload_stream(
    container: Container,
    name: str,
    stream: BinaryIO,
    progress: Progress,
    *,
    overwrite: bool = True,
) -> None:
    """Store what a stream yields from where it stands.

    Args:
        container: where to.
        name: of the blob.
        stream: is kept on the disk of temporary files if it is larger than a block and cannot be
            read twice.
        progress: is told of each block.
        overwrite: whether over a blob that is there.

    Raises:
        ResourceExistsError: one is there, and is not to be replaced.
        AzureError: it cannot be stored.
        OSError: the stream cannot be read.
        HubBusyError: others kept storing blobs of that name meanwhile.
    """
    first = _read(stream, BLOCK)
    if len(first) < BLOCK:
        _upload_small(container.blob(name), first, overwrite=overwrite)
        progress(len(first))
        return
    with _repeatable(first, stream) as repeatable:
        _upload_large(container, name, repeatable, progress, overwrite=overwrite)


def upload_grown(container: Container, name: str, file: BinaryIO) -> int:
    """Store a local file that grows, of which most may be there already.

    Args:
        container: where to.
        name: of the blob.
        file: is stored up to where it ends now.

    Returns:
        How many bytes were sent.

    Raises:
        AzureError: it cannot be stored.
        OSError: the file cannot be read.
        HubBusyError: others kept storing blobs of that name meanwhile.
    """
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    if size < _LAST_BLOCK:
        content = _read(file, size)
        _upload_small(container.blob(name), content, overwrite=True)
        return len(content)
    return _upload_blocks(container, name, file, _growing(size), unseen, overwrite=True)


def content_settings(name: str) -> ContentSettings:
    """Return the content type that browsers and MLflow's UI go by."""
    kind, encoding = mimetypes.guess_type(name)
    # Of model.tar.gz the type is that of what is packed.
    return ContentSettings(content_type=kind if kind and not encoding else _UNKNOWN)


def _upload_small(blob: BlobClient, content: bytes, *, overwrite: bool) -> None:
    blob.upload_blob(
        content,
        overwrite=overwrite,
        validate_content=True,
        metadata={SHA256: hashlib.sha256(content).hexdigest()},
        content_settings=content_settings(blob.blob_name),
    )


def _upload_large(
    container: Container,
    name: str,
    stream: BinaryIO,
    progress: Progress,
    size: int = 0,
    *,
    overwrite: bool,
) -> None:
    # A file of more than 400 GB needs larger ones.
    block_size = max(BLOCK, -(-size // _MOST_BLOCKS))
    sizes = itertools.repeat(block_size)
    _upload_blocks(container, name, stream, sizes, progress, overwrite=overwrite)


def _growing(size: int) -> list[int]:
    """Return the sizes of the blocks of a file that grows: as it grows, most stay as they are."""
    large = _GROWN_BLOCK
    while size // large > _MOST_BLOCKS // 2:
        large *= 2
    last = size % large
    sizes = [large] * (size // large) + [_LAST_BLOCK] * (last // _LAST_BLOCK)
    return [*sizes, last % _LAST_BLOCK] if last % _LAST_BLOCK else sizes


def _upload_blocks(
    container: Container,
    name: str,
    stream: BinaryIO,
    sizes: Iterable[int],
    progress: Progress,
    *,
    overwrite: bool,
) -> int:
    """Store what a stream yields, in blocks; return how many bytes were sent.

    Args:
        container: where to.
        name: of the blob.
        stream: is read from where it stands.
        sizes: of the blocks, up to where the stream is to end or ends.
        progress: is told of each block.
        overwrite: whether over a blob that is there.
    """
    start = stream.tell()
    for _ in range(_COMMITS):
        blob = container.blob(name)
        sent = _store_blocks(container, blob, stream, sizes, progress, overwrite=overwrite)
        if sent is not None:
            return sent
        stream.seek(start)
        progress = unseen
    raise HubBusyError(
        f"Artifact {name!r} could not be stored in {_COMMITS} tries: others store one of that name "
        "just now. Give each writer a name of its own."
    )


def _store_blocks(
    container: Container,
    blob: BlobClient,
    stream: BinaryIO,
    sizes: Iterable[int],
    progress: Progress,
    *,
    overwrite: bool,
) -> int | None:
    """Stage and commit a blob; None when another writer came between, else how much was sent."""
    try:
        staged, sha256 = _stage(container, blob, stream, sizes, progress)
        blob.commit_block_list(
            [BlobBlock(block_id) for block_id, _ in staged],
            metadata={SHA256: sha256},
            content_settings=content_settings(blob.blob_name),
            match_condition=None if overwrite else MatchConditions.IfMissing,
        )
    except HttpResponseError as error:
        if code_of(error) in _OTHERS:
            return None
        raise
    return sum(sent for _, sent in staged)


def _stage(
    container: Container,
    blob: BlobClient,
    stream: BinaryIO,
    sizes: Iterable[int],
    progress: Progress,
) -> tuple[list[tuple[str, int]], str]:
    """Stage the blocks that are not there yet.

    Returns:
        The ids of all blocks, each with how much was sent of it, and the SHA-256 of all content.
    """
    there, id_length = _staged(container, blob.blob_name)
    whole = hashlib.sha256()

    def stage(index: int, size: int, block: bytes) -> tuple[str, int]:
        md5 = hashlib.md5(block, usedforsecurity=False).digest()
        block_id = _block_id(index, size, md5)[:id_length]
        is_there = block_id in there
        if not is_there:
            # The service compares what it got with the hash.
            header = base64.b64encode(md5).decode()
            blob.stage_block(block_id, block, headers={"Content-MD5": header})
        progress(len(block))
        return block_id, 0 if is_there else len(block)

    def stages() -> Iterator[Callable[[], tuple[str, int]]]:
        start = 0
        for size in sizes:
            block = _read(stream, size)
            if not block:
                return
            whole.update(block)
            yield partial(stage, start // size, size, block)
            start += size

    staged = container.for_blocks(stages())
    return staged, whole.hexdigest()


def _block_id(index: int, block_size: int, md5: bytes) -> str:
    """Return the id of a block, which is made from its place and its content."""
    return hashlib.sha256(f"{index} {block_size} {md5.hex()}".encode()).hexdigest()


def _staged(container: Container, name: str) -> tuple[set[str], int]:
    """Return the ids of the blocks that a commit could name now, and how long ours are to be.

    All staged blocks of a name need ids of one length, those of other programs included.

    Raises:
        HubBusyError: another program staged blocks with ids that are too short to tell ours apart.
    """
    committed, uncommitted = container.blocks(name)
    length = len(uncommitted[0]) if uncommitted else _ID_LENGTH
    if length < _SHORTEST_ID:
        raise HubBusyError(
            f"Artifact {name!r} cannot be stored now: another program began to store "
            "one of that name, and has not finished. Wait until it has, or choose another name; "
            "Azure forgets what is unfinished after a week."
        )
    return {*committed, *uncommitted}, length


def _read(stream: BinaryIO, size: int) -> bytes:
    """Read so many bytes; fewer at the end only, unlike a pipe."""
    content = stream.read(size)
    while content and len(content) < size:
        more = stream.read(size - len(content))
        if not more:
            break
        content += more
    return content


@contextmanager
def _repeatable(first: bytes, stream: BinaryIO) -> Iterator[BinaryIO]:
    """Yield the stream, from before its first block, in a form that can be read again."""
    try:
        stream.seek(-len(first), io.SEEK_CUR)
    except (AttributeError, OSError):
        with tempfile.TemporaryFile() as copy:
            copy.write(first)
            shutil.copyfileobj(stream, copy, BLOCK)
            copy.seek(0)
            yield copy
    else:
        yield stream
