"""A stored file that is read from any place, by pieces that are fetched when they are needed."""

import io
from abc import abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class PiecewiseFile(io.RawIOBase):
    """A file of one content that comes in pieces, of which the last one is kept.

    Args:
        name: of the file, for errors.
        size: of it, in bytes.
        first: its first piece.
    """

    def __init__(self, name: str, size: int, first: bytes) -> None:
        super().__init__()
        self._name = name
        self._size = size
        self._at = 0
        # The last piece that came, and where it begins.
        self._start, self._piece = 0, first

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
            HubBusyError: the file was replaced since it was opened.
            HubError: it cannot be read.
        """
        view = memoryview(buffer).cast("B")
        if self._at >= self._size or not len(view):
            return 0
        if not self._start <= self._at < self._start + len(self._piece):
            self._start, self._piece = self._at, self._fetch(self._at)
        piece = self._piece[self._at - self._start :][: len(view)]
        view[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    @abstractmethod
    def _fetch(self, start: int) -> bytes:
        """Return the piece that begins at a place before the end of the file."""
