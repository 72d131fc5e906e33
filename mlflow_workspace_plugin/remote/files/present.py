"""The way that the bytes of a hub's files go at present: the hub names it, and may name another."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.artifacts.azure_blob.transfer.progress import Progress
from mlflow_workspace_plugin.errors import HubFilesMovedError
from mlflow_workspace_plugin.protocol.files import SIGNED
from mlflow_workspace_plugin.remote.files.calls import FileCalls, root_of
from mlflow_workspace_plugin.remote.files.through_hub import ThroughHub
from mlflow_workspace_plugin.remote.files.transfer import Kind, Todo, Transfer
from mlflow_workspace_plugin.remote.http import HubHttp

Result = TypeVar("Result")

_ASKED_AGAIN_S = 300.0
"""The hub's files may be moved while a process goes on."""


class PresentTransfer(Transfer):
    """The way that a hub has named, and the one that it names then where that is none any more.

    So it is when the hub's files were moved, or when it cannot sign for them as it could before.

    Args:
        http: the way to the hub.
        calls: asks it about the files of a workspace.
        patience_s: for how many seconds a request that gets no answer is sent again; None is as
            long as the settings say.

    Raises:
        HubFilesMovedError: by each method, if that happened twice meanwhile.
    """

    def __init__(self, http: HubHttp, calls: FileCalls, patience_s: float | None) -> None:
        self._http = http
        self._calls = calls
        self._patience_s = patience_s

    def prepare(self, todo: Sequence[Todo]) -> set[str]:
        """Get ready to store files; return the locations of those that are there as they are."""
        return self._done(lambda way: way.prepare(todo))

    def put(self, todo: Todo, progress: Progress, kind: Kind = "artifact") -> bool:
        """Store a file, whole or not at all; return whether it is there."""
        return self._done(lambda way: way.put(todo, progress, kind))

    def put_stream(self, location: str, stream: BinaryIO, progress: Progress) -> None:
        """Store what a stream yields."""
        start = _place_in(stream)
        if start is None:
            # It can be read once.
            self._present().put_stream(location, stream, progress)
            return

        def put(way: Transfer) -> None:
            stream.seek(start)
            way.put_stream(location, stream, progress)

        self._done(put)

    def append(self, location: str, lines: bytes, *, goes_on: bool) -> None:
        """Append lines to a file."""
        self._done(lambda way: way.append(location, lines, goes_on=goes_on))

    def grow(self, location: str, source: BinaryIO) -> int | None:
        """Store what a local file has got since it was stored."""
        return self._done(lambda way: way.grow(location, source))

    def prepare_reads(self, locations: Sequence[str]) -> None:
        """Get ready to read files."""
        self._done(lambda way: way.prepare_reads(locations))

    def fetch(self, location: str, target: Path, progress: Progress) -> None:
        """Copy a file to a local path, whole or not at all."""
        self._done(lambda way: way.fetch(location, target, progress))

    def read_from(self, location: str, start: int, size: int) -> bytes:
        """Return a piece of a file that may be growing; nothing where it ends before."""
        return self._done(lambda way: way.read_from(location, start, size))

    def open_file(self, location: str) -> BinaryIO:
        """Open a file for reading, at any place of it."""
        return self._done(lambda way: way.open_file(location))

    def for_files(self, calls: Iterable[Callable[[], object]]) -> None:
        """Do something about each of many files, several at once."""
        self._present().for_files(calls)

    def _done(self, call: Callable[[Transfer], Result]) -> Result:
        way = self._present()
        try:
            return call(way)
        except HubFilesMovedError:
            _forget(way)
        return call(self._present())

    def _present(self) -> Transfer:
        return transfer_of(self._http, self._calls, self._patience_s)


class _Known(NamedTuple):
    """How the files of a workspace come and go."""

    http: HubHttp
    said: dict[str, Any]
    transfer: Transfer
    asked_at: float


_transfers: dict[tuple[int, str, float | None], _Known] = {}
_lock = threading.Lock()


def transfer_of(http: HubHttp, calls: FileCalls, patience_s: float | None) -> Transfer:
    """Return the way of this process for the bytes of a workspace of a hub.

    Raises:
        HubUnreachableError: the hub does not answer.
    """
    key = id(http), calls.workspace, patience_s
    with _lock:
        known = _transfers.get(key)
    if known is None or time.monotonic() - known.asked_at > _ASKED_AGAIN_S:
        said = calls.storage()
        is_same = known is not None and known.said == said
        transfer = known.transfer if known and is_same else _transfer(calls, said, patience_s)
        known = _Known(http, said, transfer, time.monotonic())
        with _lock:
            _transfers[key] = known
    return known.transfer


def _forget(transfer: Transfer) -> None:
    """Have the hub asked again how files come and go, where it has named a way."""
    with _lock:
        for key in [key for key, known in _transfers.items() if known.transfer is transfer]:
            del _transfers[key]


def _place_in(stream: BinaryIO) -> int | None:
    """Return where a stream stands; None if it can be read only once."""
    try:
        return stream.tell() if stream.seekable() else None
    except (AttributeError, OSError):
        return None


def _transfer(calls: FileCalls, said: dict[str, Any], patience_s: float | None) -> Transfer:
    if said["kind"] != SIGNED:
        return ThroughHub(calls)
    # Azure's SDK takes its time to import.
    from mlflow_workspace_plugin.remote.files.signed_container import SignedContainer
    from mlflow_workspace_plugin.remote.files.through_account import ThroughAccount

    root = root_of(said)
    seconds = settings.WAIT_S.number() if patience_s is None else patience_s
    container = SignedContainer(root, said["service"], calls, seconds)
    return ThroughAccount(container, ThroughHub(calls))


def _forget_in_child() -> None:
    # Connections and threads are the parent's.
    global _lock
    _lock = threading.Lock()
    _transfers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
