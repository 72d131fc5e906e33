"""Reading a blob as a file: from any place, by blocks, and of one content only."""

import io
from typing import TYPE_CHECKING

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ResourceModifiedError

from mlflow_workspace_plugin.artifacts.azure_blob.connection.container import BLOCK, Container
from mlflow_workspace_plugin.artifacts.azure_blob.connection.faults import translate
from mlflow_workspace_plugin.errors import HubBusyError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class BlobFile(io.RawIOBase):
    """A blob that is read.

    Args:
        container: where it is.
        name: of the blob.

    Raises:
        ResourceNotFoundError: there is no such blob.
        AzureError: it cannot be read.
    """

    def __init__(self, container: Container, name: str) -> None:
        super().__init__()
        self._container = container
        self._name = name
        first = container.blob(name).download_blob()
        self._size = first.properties.size
        self.etag = first.properties.etag
        self._at = 0
        # The last block that came, and where it begins.
        self._start, self._block = 0, next(iter(first.chunks()), b"")

    def readable(self) -> bool:
        """Whether it can be read: yes."""
        return True

    def seekable(self) -> bool:
        """Whether it can be read from any place: yes."""
        return True

    def tell(self) -> int:
        """Return where it is read next."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to another place of it."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if origin + offset < 0:
            raise ValueError(f"There is nothing before the start of {self._name!r}.")
        self._at = origin + offset
        return self._at

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read some bytes.

        Raises:
            HubBusyError: the blob was replaced since it was opened.
            HubError: it cannot be read.
        """
        view = memoryview(buffer).cast("B")
        if self._at >= self._size or not len(view):
            return 0
        if not self._start <= self._at < self._start + len(self._block):
            self._start, self._block = self._at, self._fetch(self._at)
        piece = self._block[self._at - self._start :][: len(view)]
        view[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _fetch(self, start: int) -> bytes:
        try:
            piece: bytes = (
                self._container.blob(self._name)
                .download_blob(
                    start,
                    min(BLOCK, self._size - start),
                    etag=self.etag,
                    match_condition=MatchConditions.IfNotModified,
                )
                .readall()
            )
        except ResourceModifiedError:
            replaced = True
        except AzureError as error:
            replaced, original = False, error
        else:
            return piece
        if replaced:
            raise HubBusyError(
                f"{self._name!r} was replaced while it was read. Read it again when its writer is "
                "done."
            )
        raise translate(original, self._container)
