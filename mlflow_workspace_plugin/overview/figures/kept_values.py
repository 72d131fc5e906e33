"""Exact values that were read before: of files that grow only what has come to them is read.

A page of a long table, and each look at a run that logs text, would read all of them otherwise.
"""

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mlflow.entities import FileInfo

from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
from mlflow_workspace_plugin.overview.figures.exact_of_key import ExactOfKey
from mlflow_workspace_plugin.stores.reads.exact_values import (
    ExactValue,
    Recorded,
    files_of,
    in_order,
    recorded_in,
    turn_to_read,
)

MOST_KEPT = 64 << 20
"""Bytes of memory, about."""
_OF_A_FILE, _OF_A_BYTE = 1_000, 5
"""What is kept of a file takes so much, and for each byte of it so much more."""
_END = 200
"""So many bytes before the end of what was read tell whether the file goes on behind them."""

_Run = tuple[str, str]
"""The workspace and the id."""
_Key = tuple[str, str, str]
"""The same, and the path of a file."""


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
        self._by_key: dict[_Run, tuple[Mapping[_Key, _Read], Mapping[str, ExactOfKey]]] = {}

    def get(self, key: _Key) -> _Read:
        """Return what was read of a file; nothing, if it is not known."""
        with self._lock:
            return self._files.get(key) or _Read()

    def put(self, key: _Key, read: _Read) -> None:
        """Keep what was read of a file, in the place of what of it was before."""
        with self._lock:
            before = self._files.pop(key, None)
            self._memory -= 0 if before is None else before.memory
            if before is not read:
                self._by_key.pop(key[:2], None)
            if read.memory > MOST_KEPT:
                return
            self._files[key] = read
            self._memory += read.memory
            while self._memory > MOST_KEPT:
                gone, of_gone = self._files.popitem(last=False)
                self._memory -= of_gone.memory
                self._by_key.pop(gone[:2], None)

    def by_key(self, run: _Run, files: Mapping[_Key, _Read]) -> Mapping[str, ExactOfKey] | None:
        """Return the values of a run by key; None if these files of it are not all as they were."""
        with self._lock:
            known = self._by_key.get(run)
            return known[1] if known is not None and _are_same(known[0], files) else None

    def put_by_key(
        self, run: _Run, files: Mapping[_Key, _Read], values: Mapping[str, ExactOfKey]
    ) -> None:
        """Keep the values of a run by key as long as what was read of its files is kept."""
        with self._lock:
            # Of no files nothing would ever take it out again.
            if files and _are_same({key: self._files.get(key) for key in files}, files):
                self._by_key[run] = files, values


def _are_same(known: Mapping[_Key, _Read | None], files: Mapping[_Key, _Read]) -> bool:
    return known.keys() == files.keys() and all(known[key] is files[key] for key in files)


_kept = _Kept()


def exact_values(
    repository: HubRepository, tracking_uri: str, run_id: str
) -> Mapping[str, ExactOfKey]:
    """Return all exact values of a run, by the key of the metric.

    Args:
        repository: of the run's artifacts.
        tracking_uri: of the run's workspace.
        run_id: the run.

    Raises:
        MlflowException: they are larger than a server reads.
    """
    run = (tracking_uri, run_id)
    listed = files_of(repository, run_id, is_limited=True)
    grown = [each for each in listed if _kept.get((*run, each.path)).size < (each.file_size or 0)]
    with turn_to_read(grown):
        return _values_in(repository, run, listed)


def _values_in(
    repository: HubRepository, run: _Run, listed: Iterable[FileInfo]
) -> Mapping[str, ExactOfKey]:
    files: dict[_Key, _Read] = {}
    beginnings: dict[_Key, list[Recorded]] = {}
    for each in listed:
        key = (*run, each.path)
        files[key], beginnings[key] = _read(repository, key, each.file_size or 0)
    are_whole = not any(beginnings.values())
    known = _kept.by_key(run, files) if are_whole else None
    if known is not None:
        return known
    of_key: dict[str, list[ExactValue]] = defaultdict(list)
    for value in in_order((key[2], files[key].lines + beginnings[key]) for key in files):
        of_key[value.key].append(value)
    found = {key: ExactOfKey(values) for key, values in of_key.items()}
    if are_whole:
        _kept.put_by_key(run, files, found)
    return found


def _read(repository: HubRepository, key: _Key, size: int) -> tuple[_Read, list[Recorded]]:
    """Read what has come to a file; return all of it, and what its end is that is no line yet."""
    _, run_id, path = key
    known = _kept.get(key)
    start = known.size - len(known.end)
    # Another look may have read beyond the size that this one was told.
    found = repository.read_from(path, start, max(size - start, len(known.end), 1))
    if not found.startswith(known.end):
        # It is another file than it was.
        known, found = _Read(), repository.read_from(path, 0, max(size, 1))
    new = found[len(known.end) :]
    whole = new[: new.rfind(b"\n") + 1]
    if whole or not known.size:
        end = (known.end + whole)[-_END:]
        known = _Read(known.size + len(whole), end, known.lines + _parsed(whole, run_id))
    _kept.put(key, known)
    # A line without an end may be one, or the beginning of one.
    return known, _parsed(new[len(whole) :], run_id)


def _parsed(text: bytes, run_id: str) -> list[Recorded]:
    found = (recorded_in(line, run_id) for line in text.split(b"\n") if line)
    return [each for each in found if each is not None]
