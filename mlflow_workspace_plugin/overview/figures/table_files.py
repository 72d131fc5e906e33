"""Tables in files of runs: read whole once, and kept small, so that a page costs what is on it."""

import itertools
import json
import threading
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlflow_workspace_plugin.artifacts.file_space import FileSpace
from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
from mlflow_workspace_plugin.bounded import TooMuchError, json_of
from mlflow_workspace_plugin.overview.figures.logged import LoggedRun
from mlflow_workspace_plugin.overview.run.files import size_of_file

LARGEST = 64 << 20
"""In bytes; a larger file of a table is not read."""

MOST_CELLS = 10_000_000
"""A file of a table that has more is not read either."""

MOST_KEPT = 64 << 20
"""In bytes, of all tables that are kept."""

_ROWS_OF_PIECE = 1_000

one_at_a_time = threading.Lock()
"""Is held while a whole table is in memory as objects, which are many times its file."""

_Key = tuple[str, str, str, int | None, int | None, str | None]


@dataclass(frozen=True)
class TableFile:
    """A table, in pieces that are packed.

    Attributes:
        names: of its columns.
        total: how many rows it has.
        pieces: of so many rows each, but for the last.
    """

    names: Sequence[str]
    total: int
    pieces: Sequence[bytes]

    @classmethod
    def of(cls, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> "TableFile":
        """Return the table of rows."""
        pieces = [
            _packed(rows[start : start + _ROWS_OF_PIECE])
            for start in range(0, len(rows), _ROWS_OF_PIECE)
        ]
        return cls(names, len(rows), pieces)

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return sum(map(len, (*self.names, *self.pieces)))

    def rows(self, offset: int, limit: int) -> list[list[Any]]:
        """Return some rows.

        Args:
            offset: how many are before them.
            limit: how many they are, at most.
        """
        end = min(offset + limit, self.total)
        if offset >= end:
            return []
        first, last = offset // _ROWS_OF_PIECE, (end - 1) // _ROWS_OF_PIECE
        found = itertools.chain.from_iterable(map(_unpacked, self.pieces[first : last + 1]))
        before = first * _ROWS_OF_PIECE
        return list(itertools.islice(found, offset - before, end - before))

    def columns(self) -> dict[str, list[Any]]:
        """Return all cells, by column."""
        columns: dict[str, list[Any]] = {name: [] for name in self.names}
        for piece in self.pieces:
            for cells, more in zip(
                columns.values(), zip(*_unpacked(piece), strict=True), strict=True
            ):
                cells += more
        return columns


class _Kept:
    """The tables that were read last, as many as there is room for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tables: OrderedDict[_Key, TableFile] = OrderedDict()

    def get(self, key: _Key) -> TableFile | None:
        with self._lock:
            found = self._tables.get(key)
            if found is not None:
                self._tables.move_to_end(key)
            return found

    def put(self, key: _Key, table: TableFile) -> None:
        with self._lock:
            # What the file was before nobody asks for any more.
            for old in [each for each in self._tables if each[:3] == key[:3]]:
                del self._tables[old]
            self._tables[key] = table
            size = sum(each.size for each in self._tables.values())
            while size > MOST_KEPT:
                size -= self._tables.popitem(last=False)[1].size


_kept = _Kept()


class _TooLargeError(Exception):
    """A table is too large to be shown; the message says why."""


def table_file(run: LoggedRun, path: str) -> TableFile | str:
    """Return a table in a file of a run, or why it cannot be shown.

    Args:
        run: the run.
        path: of the file.

    Raises:
        MlflowException: there is no such file, or it cannot be read now.
    """
    with run.reading_files() as repository:
        # Before it is fetched: it may be on a storage account.
        size = size_of_file(repository, path)
        if size > LARGEST:
            return f"The table has {size:,} bytes, and is not shown. Download {path!r}."
        key = _key(run, repository, path)
        found = None if key is None else _kept.get(key)
        if found is not None:
            return found
        with repository.local(path) as stored, one_at_a_time:
            try:
                if path.endswith(".parquet"):
                    found = _of_parquet(stored)
                else:
                    found = _of_json(stored.read_bytes())
            except (_TooLargeError, TooMuchError) as error:
                return f"The table is too large to be shown: {error}. Download {path!r}."
            except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
                return f"{path!r} is no table that MLflow wrote. Download it to look into it."
    if key is not None:
        _kept.put(key, found)
    return found


def _key(run: LoggedRun, repository: HubRepository, path: str) -> _Key | None:
    """Return what tells a file from what it was before; None if nothing does."""
    if not isinstance(repository, FileSpace):
        return None
    found = next((each for each in repository.files(path) if each.path == path), None)
    if found is None or found.modified_ms is None:
        return None
    return (run.source.tracking_uri, run.id, path, found.size, found.modified_ms, found.etag)


def _of_json(document: bytes) -> TableFile:
    # A row has its cells, and is a list itself.
    content = json_of(document, 2 * MOST_CELLS)
    names: dict[str, None] = {}
    for index, each in enumerate(content["columns"]):
        name = each if isinstance(each, str) else json.dumps(each)
        # A data frame may have two of one name.
        while name in names:
            name += f" ({index + 1})"
        names[name] = None
    rows = content["data"]
    if any(len(row) != len(names) for row in rows):
        raise ValueError("rows are not as long as there are columns")
    return TableFile.of(list(names), rows)


def _of_parquet(file: Any) -> TableFile:
    import pandas as pd
    import pyarrow.parquet as pq

    # A few bytes may stand for any number of equal cells.
    shape = pq.read_metadata(file)
    if shape.num_rows * shape.num_columns > MOST_CELLS:
        raise _TooLargeError(f"it has {shape.num_rows:,} rows")
    frame = pd.read_parquet(file)
    # What JSON has of them, as in the other form.
    return _of_json(frame.to_json(orient="split", index=False, date_format="iso").encode())


def _packed(rows: Sequence[Sequence[Any]]) -> bytes:
    return zlib.compress(json.dumps(rows, separators=(",", ":")).encode(), 1)


def _unpacked(piece: bytes) -> list[list[Any]]:
    rows: list[list[Any]] = json.loads(zlib.decompress(piece))
    return rows
