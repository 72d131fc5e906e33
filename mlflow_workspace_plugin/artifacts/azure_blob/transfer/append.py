"""Appending lines to a file, as an append blob."""

from collections.abc import Iterator
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobClient

from mlflow_workspace_plugin.artifacts.azure_blob.connection.codes import code_of
from mlflow_workspace_plugin.artifacts.azure_blob.connection.container import Container

# Short: who appends holds locks in the database meanwhile, and comes again.
_SOON: dict[str, Any] = {"patience_s": 5.0, "connection_timeout": 5, "read_timeout": 5}
_MOST_BYTES = 4 * 2**20  # of an append
_FULL = ("BlockCountExceedsLimit", "InvalidBlobType")


def append_lines(container: Container, name: str, lines: bytes) -> None:
    """Append lines to a blob; each append is there as a whole or not at all.

    A blob takes 50,000 appends, and one that a copy made into another kind takes none: then a blob
    with the next number behind its name goes on.

    Args:
        container: where to.
        name: of the blob, which nobody else appends to.
        lines: each with its end. After an error some may be there, and twice when sent again.

    Raises:
        AzureError: they cannot be stored.
    """
    for number in range(10_000):
        blob = container.blob(f"{name}.{number}" if number else name)
        try:
            for piece in _pieces(lines):
                _append(blob, piece)
                lines = lines[len(piece) :]
        except ResourceExistsError as error:
            if code_of(error) not in _FULL:
                raise
        else:
            return


def _append(blob: BlobClient, piece: bytes) -> None:
    try:
        blob.append_block(piece, validate_content=True, **_SOON)
    except ResourceNotFoundError as error:
        if code_of(error) != "BlobNotFound":
            raise
        _create(blob)
        blob.append_block(piece, validate_content=True, **_SOON)


def _create(blob: BlobClient) -> None:
    try:
        blob.create_append_blob(match_condition=MatchConditions.IfMissing, **_SOON)
    except ResourceExistsError as error:
        # Made by a request whose answer was lost.
        if code_of(error) != "BlobAlreadyExists":
            raise


def _pieces(lines: bytes) -> Iterator[bytes]:
    """Cut lines where one ends; a line too long for an append is its own piece."""
    while len(lines) > _MOST_BYTES:
        end = lines.rfind(b"\n", 0, _MOST_BYTES) + 1 or lines.find(b"\n") + 1 or len(lines)
        yield lines[:end]
        lines = lines[end:]
    if lines:
        yield lines
