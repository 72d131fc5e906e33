"""Exact values that were read before: of files that grow only what has come to them is read.

A page of a long table, and each look at a run that logs text, would read all of them otherwise.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
from mlflow_workspace_plugin.stores.reads.exact_values import (
    FOLDER,
    ExactValue,
    Recorded,
    in_order,
    recorded_in,
)

MOST_KEPT = 64 << 20
"""Bytes of memory, about."""
_OF_A_FILE, _OF_A_BYTE = 1_000, 5
"""What is kept of a file takes so much, and for each byte of it so much more."""
_END = 200
"""So many bytes before the end of what was read tell whether the file goes on behind them."""

_Key = tuple[str, str, str]


@dataclass(frozen=True)
class _Read:
    """What was read of a file, up to the end of a line."""

    size: int = 0
    end: bytes = b""
    lines: list[Recorded] = field(default_factory=list)

    @property
    def memory(self) -> int:
        """How many bytes it takes to keep this, about."""
        return _OF_A_FILE + _OF_A_BYTE * self.size


class _Kept:
    """The files that were read last, as many as there is room for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[_Key, _Read] = OrderedDict()
        self._memory = 0

    def get(self, key: _Key) -> _Read:
        """Return what was read of a file; nothing, if it is not known."""
        with self._lock:
            return self._files.get(key) or _Read()

    def put(self, key: _Key, read: _Read) -> None:
        """Keep what was read of a file, in the place of what of it was before."""
        with self._lock:
            before = self._files.pop(key, None)
            self._memory -= 0 if before is None else before.memory
            if read.memory > MOST_KEPT:
                return
            self._files[key] = read
            self._memory += read.memory
            while self._memory > MOST_KEPT:
                self._memory -= self._files.popitem(last=False)[1].memory


_kept = _Kept()


def exact_values(repository: HubRepository, tracking_uri: str, run_id: str) -> list[ExactValue]:
    """Return all exact values of a run, in the order in which each writer logged them.

    Args:
        repository: of the run's artifacts.
        tracking_uri: of the run's workspace.
        run_id: the run.
    """
    return in_order(
        (each.path, _lines_of(repository, (tracking_uri, run_id, each.path), each.file_size or 0))
        for each in repository.list_artifacts(FOLDER)
    )


def _lines_of(repository: HubRepository, key: _Key, size: int) -> list[Recorded]:
    _, run_id, path = key
    known = _kept.get(key)
    start = known.size - len(known.end)
    found = repository.read_from(path, start, max(size - start, 1))
    if not found.startswith(known.end):
        # It is another file than it was.
        known, found = _Read(), repository.read_from(path, 0, max(size, 1))
    new = found[len(known.end) :]
    whole = new[: new.rfind(b"\n") + 1]
    end = (known.end + whole)[-_END:]
    read = _Read(known.size + len(whole), end, known.lines + _parsed(whole, run_id))
    _kept.put(key, read)
    # A line without an end may be one, or the beginning of one.
    return read.lines + _parsed(new[len(whole) :], run_id)


def _parsed(text: bytes, run_id: str) -> list[Recorded]:
    found = (recorded_in(line, run_id) for line in text.split(b"\n") if line)
    return [each for each in found if each is not None]
