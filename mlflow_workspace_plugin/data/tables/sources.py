"""The files that rows are read from."""

import io
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin.errors import AzureMLException, DatasetExecutionError, clause

if TYPE_CHECKING:
    from mlflow_workspace_plugin.data.files.found import FoundFile


class Source:
    """A file of rows, as a context.

    A file that is elsewhere is opened once, however often it is read: that may be a copy of it.

    Args:
        file: of a dataset.
    """

    def __init__(self, file: "FoundFile") -> None:
        self.name = file.key
        """Its datastore and path, or its URL: for people, and for the column of paths."""
        self._found = file
        self._local = file.local()
        self._opened: BinaryIO | None = None

    def text(self, encoding: str) -> io.TextIOWrapper:
        """Open it as text, with its line ends as they are.

        Raises:
            DatasetExecutionError: it is gone.
            AzureMLException: its storage does not give it.
        """
        # The mark that some files start with is no text.
        codec = "utf-8-sig" if encoding == "utf-8" else encoding
        return io.TextIOWrapper(io.BufferedReader(self._view()), encoding=codec, newline="")

    def stream(self) -> pa.NativeFile:
        """Open it for pyarrow, to be read from its start to its end.

        Raises:
            DatasetExecutionError: it is gone.
            AzureMLException: its storage does not give it.
        """
        if self._local is not None:
            return pa.OSFile(str(self._local))
        return pa.PythonFile(self._view(), mode="r")

    def seekable(self) -> pa.NativeFile:
        """Open it for pyarrow, to be read anywhere.

        Raises:
            DatasetExecutionError: it is gone.
            AzureMLException: its storage does not give it.
        """
        if self._local is not None:
            return pa.memory_map(str(self._local))
        return pa.PythonFile(self._view(), mode="r")

    def _view(self) -> "_View":
        if self._opened is None:
            try:
                self._opened = self._found.open()
            except AzureMLException:
                raise
            except (MlflowException, OSError) as error:
                raise DatasetExecutionError(
                    f"File {self.name!r} cannot be opened: {clause(error)}. Put it back, or leave "
                    "it out of the dataset's path."
                ) from error
        self._opened.seek(0)
        return _View(self._opened)

    def __enter__(self) -> "Source":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._opened is not None:
            self._opened.close()


class _View(io.RawIOBase):
    """An open file that stays open when who reads it closes it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
