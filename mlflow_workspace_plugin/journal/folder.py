"""Where journals are, whose they are, and whether their writers live.

``JOURNAL_DIR/TARGET/`` holds the journals of all processes of this machine that log to one
workspace: ``target`` (its URI), and for each writer ``WRITER.lock``, which it holds as long as it
lives, and its segments. The system lets go of the lock when the process ends, however it ends; a
process id would say nothing, for containers have the same ones and use them again. A writer's id
begins with the id of its machine, because a lock on a network file system may not reach others.
"""

import functools
import hashlib
import os
import platform
import uuid
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.journal.lock import HeldLock, is_marked
from mlflow_workspace_plugin.journal.reminder import Reminder
from mlflow_workspace_plugin.journal.segments import (
    SUFFIX,
    SegmentReader,
    segment_path,
    segments_of,
)

_reminder = Reminder()

_MACHINE_ID_FILES = ("/etc/machine-id", "/var/lib/dbus/machine-id")


@functools.cache
def host_id() -> str:
    """Return what tells this machine from others: of its machine id, else of its name."""
    for name in _MACHINE_ID_FILES:
        try:
            found = Path(name).read_text(encoding="utf-8").strip()
        except OSError:
            continue
        if found:
            return _digest(found)[:8]
    return _digest(platform.node())[:8]


def new_writer_id() -> str:
    """Return the id of a new writer on this machine."""
    return f"{host_id()}-{uuid.uuid4().hex}"


@dataclass(frozen=True)
class Leftover:
    """The journal of a process that ended before all of it was sent. Nobody else sends it now."""

    writer: str
    reader: SegmentReader
    last_segment: int
    lock: HeldLock
    written_at: float
    """When something was written to it last, in seconds since 1970."""


class JournalFolder:
    """The journals of this machine for one workspace.

    Args:
        target: the workspace's URI.
        base: the folder of all journals; by default as ``MLFLOW_WORKSPACE_JOURNAL_DIR`` says.
    """

    def __init__(self, target: str, base: Path | None = None) -> None:
        self.target = target
        base = base or _base()
        self.path = base / _digest(target)[:16]

    def make(self) -> None:
        """Make the folder, and say in it whose it is.

        Raises:
            OSError: it cannot be written.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = self.path / "target"
        # After a loss of power it may be there, and empty.
        if self._named_target() != self.target:
            unfinished = name.with_name(f"target.{uuid.uuid4().hex}")
            unfinished.write_text(self.target + "\n", encoding="utf-8")
            unfinished.replace(name)

    def lock(self, writer: str) -> HeldLock:
        """Say that a new writer lives.

        Raises:
            OSError: the folder cannot be written, or its file system knows no locks.
        """
        self.make()
        return HeldLock.create(self._lock_path(writer))

    def leftovers(
        self, *, of_all_machines: bool = False, but_not: Collection[str] = ()
    ) -> Iterator[Leftover]:
        """Take over the journals whose writers have ended: those first that ended first.

        Args:
            of_all_machines: those that were written on other machines, too.
            but_not: writers whose journals are left.
        """
        found = {
            writer: self._written_at(writer, numbers[-1])
            for writer, numbers in segments_of(self.path).items()
            if writer not in but_not and (of_all_machines or writer.startswith(host_id() + "-"))
        }
        for writer in sorted(found, key=found.__getitem__):
            try:
                lock = HeldLock.take(self._lock_path(writer))
            except OSError as error:
                # The others are to be sent all the same.
                _reminder.warn(writer, "The journal of %s cannot be taken over: %s", writer, error)
                continue
            if lock is None:
                continue
            # Only now: its writer may have gone on, or another process have sent it.
            numbers = segments_of(self.path).get(writer, [])
            if numbers:
                with suppress(OSError):
                    lock.mark()
                reader = SegmentReader(self.path, writer, numbers[0])
                yield Leftover(writer, reader, numbers[-1], lock, found[writer])
            else:
                lock.remove()

    def others(self, writers: Collection[str]) -> bool:
        """Whether there are journals of this machine of other writers than some."""
        with suppress(OSError), os.scandir(self.path) as entries:
            return any(
                entry.name.startswith(host_id())
                and entry.name.endswith(SUFFIX)
                and entry.name.partition(".")[0] not in writers
                for entry in entries
            )
        return False

    def taken_by_others(self, but_not: Collection[str]) -> dict[str, list[int]]:
        """Return the segments of ended writers that other processes of this machine send.

        Args:
            but_not: writers whose journals this process sends.
        """
        return {
            writer: numbers
            for writer, numbers in segments_of(self.path).items()
            if writer not in but_not
            and writer.startswith(host_id() + "-")
            and is_marked(self._lock_path(writer))
        }

    def size(self) -> int:
        """Return how many bytes all of it takes on disk."""
        total = 0
        for path in self.path.rglob("*"):
            # What was sent is removed meanwhile.
            with suppress(OSError):
                total += path.stat().st_size if path.is_file() else 0
        return total

    @property
    def refused(self) -> Path:
        """Where records are kept that the target refused."""
        return self.path / "refused"

    @property
    def damaged(self) -> Path:
        """Where segments are kept of which a part could not be read."""
        return self.path / "damaged"

    def _named_target(self) -> str | None:
        with suppress(OSError):
            return (self.path / "target").read_text(encoding="utf-8").strip()
        return None

    def _written_at(self, writer: str, number: int) -> float:
        with suppress(OSError):
            return segment_path(self.path, writer, number).stat().st_mtime
        return 0.0

    def _lock_path(self, writer: str) -> Path:
        return self.path / f"{writer}.lock"


def all_folders(base: Path | None = None) -> list[JournalFolder]:
    """Return the folders of all workspaces that this machine has journals for."""
    base = base or _base()
    names = sorted(base.glob("*/target"))
    return [JournalFolder(name.read_text(encoding="utf-8").strip(), base) for name in names]


def _base() -> Path:
    # Absolute: the process may change its folder.
    return Path(settings.JOURNAL_DIR.get()).expanduser().absolute()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
