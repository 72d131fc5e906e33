"""The files that wait on this machine for a workspace.

``JOURNAL_DIR/TARGET/files/NAME/`` holds one: its ``content``, and ``entry.json``, which says where
it belongs. A name begins with the time, so that names sort as the files were logged, and tells
which machine it is of, what it is for, and how large. A file is copied into ``NAME.part``, which
gets its name when it is whole. Its writer holds ``NAME.lock`` until then: what a killed process
left unfinished is known by that.

Any process of the machine may send any of them, one process at a time. Other machines may share the
folder, and a lock may not reach them.
"""

import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.artifacts.local_files import digest_of
from mlflow_workspace_plugin.journal.files.folder import JournalFolder, host_id
from mlflow_workspace_plugin.journal.files.lock import HeldLock

_NAME = re.compile(
    r"(?P<stamp>[0-9]{20})-(?P<host>[0-9a-f]+)-(?P<location>[0-9a-f]{12})-[0-9a-f]{32}-(?P<size>[0-9]+)"
)
_CHUNK = 2**20
_LOOK_S = 0.2
_COUNTED_EVERY = 64 * 2**20
"""Bytes of a copy; others may copy at the same time."""
_LEFT_FREE = 256 * 2**20
"""Of the disk, for the journal of the metrics is on it, too."""


@dataclass(frozen=True)
class StagedFile:
    """A file that waits."""

    folder: Path
    """Where it is on this machine."""
    location: PurePosixPath
    """Of its run or model, below the place of the hub's files."""
    path: str
    """Of the file, below that."""
    sha256: str

    @property
    def content(self) -> Path:
        """The file itself."""
        return self.folder / "content"

    def check(self) -> None:
        """Check that it is as it was logged.

        Raises:
            ValueError: it is not.
        """
        if digest_of(self.content, "sha256").hex() != self.sha256:
            raise ValueError(
                f"{self.path!r} of {str(self.location)!r} was changed by somebody while it waited."
            )


class StagedFiles:
    """The files that wait on this machine for a workspace, whichever process logged them.

    Args:
        journal: the folder of the journals of the workspace, in which they are.
        host: the id of the machine; None is this one.
    """

    def __init__(self, journal: JournalFolder, host: str | None = None) -> None:
        self.journal = journal
        self.host = host or host_id()
        self.path = journal.path / "files"
        self._locks: set[HeldLock] = set()

    def add(self, location: PurePosixPath, path: str, stream: BinaryIO) -> str:
        """Keep a copy of what a stream yields; return the name of the copy.

        Args:
            location: of the run or model, below the place of the hub's files.
            path: of the file, below that.
            stream: read to its end.

        Raises:
            StagingFullError: as many bytes wait as may, or the disk is nearly full.
            OSError: the stream cannot be read, or the copy not be written.
        """
        self.journal.make()
        self.path.mkdir(mode=0o700, exist_ok=True)
        name = f"{self._stamp():020}-{self.host}-{_digest(location)}-{uuid.uuid4().hex}"
        lock = HeldLock.create(self.path / f"{name}.lock")
        self._locks.add(lock)
        part = self.path / f"{name}.part"
        try:
            part.mkdir(mode=0o700)
            size, sha256 = self._copy(stream, part / "content")
            entry = {"location": str(location), "path": path, "sha256": sha256}
            (part / "entry.json").write_text(json.dumps(entry), encoding="utf-8")
            name = f"{name}-{size}"
            is_synced = settings.FSYNC.get() == "1"
            if is_synced:
                _sync(part / "content", part / "entry.json", part)
            part.rename(self.path / name)
            if is_synced:
                _sync(self.path)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        finally:
            lock.remove()
            self._locks.discard(lock)
        return name

    @contextmanager
    def sending(self, wait_s: float) -> Iterator[bool]:
        """Keep other processes from sending within the block.

        Args:
            wait_s: how long to wait for one that does.

        Yields:
            Whether this one may: no other does, and there is something.
        """
        deadline = time.monotonic() + wait_s
        lock = None
        while self.names() and (lock := HeldLock.take(self.path / f"{self.host}.lock")) is None:
            if time.monotonic() > deadline:
                break
            time.sleep(_LOOK_S)
        if lock is None:
            yield False
            return
        self._locks.add(lock)
        try:
            yield True
        finally:
            lock.remove()
            self._locks.discard(lock)

    def is_used(self) -> bool:
        """Whether a process sends just now, or copies a file."""
        for path in self.path.glob(f"*{self.host}*.lock"):
            with suppress(OSError):
                lock = HeldLock.take(path)
                if lock is None:
                    return True
                lock.close()
        return False

    def let_go(self) -> None:
        """Let go of all locks, in a forked child: they are its parent's."""
        for lock in self._locks:
            lock.close()
        self._locks.clear()

    def names(self, location: PurePosixPath | None = None) -> list[str]:
        """Return the names of what waits, oldest first.

        Args:
            location: only what is for this one.
        """
        wanted = None if location is None else _digest(location)
        return sorted(
            match.string
            for match in self._matches()
            if wanted is None or match["location"] == wanted
        )

    def size(self) -> int:
        """Return how many bytes wait."""
        return sum(int(match["size"]) for match in self._matches())

    def read(self, name: str) -> StagedFile | None:
        """Return the file of a name; None if it was sent meanwhile.

        Raises:
            ValueError: what is there says no more where it belongs.
        """
        folder = self.path / name
        try:
            entry = json.loads((folder / "entry.json").read_text(encoding="utf-8"))
            return StagedFile(
                folder, PurePosixPath(entry["location"]), entry["path"], entry["sha256"]
            )
        except FileNotFoundError:
            return None
        except (KeyError, TypeError, ValueError, IsADirectoryError, NotADirectoryError) as error:
            raise ValueError(f"{str(folder)!r} does not say what it is: {error!r}.") from error

    def remove(self, name: str) -> None:
        """Remove a file that was sent."""
        # One that is removed by half is recognised as unfinished.
        part = self.path / f"{name}.part"
        with suppress(FileNotFoundError):
            (self.path / name).rename(part)
        shutil.rmtree(part, ignore_errors=True)

    def put_aside(self, name: str) -> Path:
        """Move a file that is no more as it was logged to where people find it."""
        self.journal.damaged.mkdir(mode=0o700, exist_ok=True)
        return (self.path / name).rename(self.journal.damaged / name)

    def remove_unfinished(self) -> None:
        """Remove what killed processes left of files that they did not finish to copy."""
        ours = f"*-{self.host}-*"
        for path in [*self.path.glob(f"{ours}.part"), *self.path.glob(f"{ours}.lock")]:
            lock = HeldLock.take(path.with_suffix(".lock"))
            if lock is not None:
                shutil.rmtree(path.with_suffix(".part"), ignore_errors=True)
                lock.remove()

    def hosts(self) -> set[str]:
        """Return the ids of all machines whose files wait."""
        return {match["host"] for match in self._of_all_machines()}

    def _of_all_machines(self) -> list["re.Match[str]"]:
        try:
            return [match for path in self.path.iterdir() if (match := _NAME.fullmatch(path.name))]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _matches(self) -> list["re.Match[str]"]:
        return [match for match in self._of_all_machines() if match["host"] == self.host]

    def _stamp(self) -> int:
        """Return the time, in nanoseconds; a clock that was set back does not change the order."""
        newest = max((int(match["stamp"]) for match in self._matches()), default=0)
        return max(time.time_ns(), newest + 1)

    def _copy(self, stream: BinaryIO, target: Path) -> tuple[int, str]:
        """Copy what a stream yields; return the copy's size and SHA-256."""
        digest, size = hashlib.sha256(), 0
        room, counted_at = self._room(), 0
        with target.open("xb") as file:
            while chunk := stream.read(_CHUNK):
                if size - counted_at >= _COUNTED_EVERY:
                    file.flush()
                    room, counted_at = self._room(), size
                size += len(chunk)
                if size - counted_at > room:
                    # Only now: errors are MLflow's, which takes a second to import.
                    from mlflow_workspace_plugin.errors import StagingFullError

                    raise StagingFullError(
                        f"There is no room in {str(self.path)!r} for another file that waits: "
                        f"{self._bytes_on_machine() / 1e9:.1f} GB do on this machine, of "
                        f"{settings.STAGED_GB.name}={settings.STAGED_GB.get()}. Let the storage "
                        "account, or the hub, be reached again, set that to more, or "
                        "MLFLOW_WORKSPACE_JOURNAL_DIR to a larger disk."
                    )
                digest.update(chunk)
                file.write(chunk)
        return size, digest.hexdigest()

    def _room(self) -> int:
        """Return how many bytes more may wait now."""
        limit = int(settings.STAGED_GB.number() * 1e9)
        free = shutil.disk_usage(self.path).free - _LEFT_FREE
        return min(limit - self._bytes_on_machine(), free)

    def _bytes_on_machine(self) -> int:
        """Return how many bytes wait for all workspaces, with what is being copied just now."""
        total = 0
        for path in self.journal.path.parent.glob("*/files/*"):
            if match := _NAME.fullmatch(path.name):
                total += int(match["size"]) if match["host"] == self.host else 0
            elif path.suffix == ".part" and f"-{self.host}-" in path.name:
                with suppress(OSError):
                    total += (path / "content").stat().st_size
        return total


def _sync(*paths: Path) -> None:
    """Wait until the disk has these files and folders."""
    for path in paths:
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def _digest(location: PurePosixPath) -> str:
    return hashlib.sha256(str(location).encode()).hexdigest()[:12]
