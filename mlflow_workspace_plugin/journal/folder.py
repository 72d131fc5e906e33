"""Where journals are, whose they are, and whether their writers live.

``JOURNAL_DIR/TARGET/`` holds the journals of all processes of this machine that log to one
workspace: ``target`` (its URI), and for each writer ``WRITER.lock``, which it holds as long as it
lives, and its segments. The system lets go of the lock when the process ends, however it ends; a
process id would say nothing, for containers have the same ones and use them again. A writer's id
begins with the id of its machine, because a lock on a network file system may not reach others.
"""

import functools
import hashlib
import platform
import uuid
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.journal.lock import HeldLock
from mlflow_workspace_plugin.journal.reminder import Reminder
from mlflow_workspace_plugin.journal.segments import SegmentReader, segments_of
from mlflow_workspace_plugin.private_folder import make_private

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
        make_private(self.path)
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
        """Take over the journals whose writers have ended, one after the other.

        Args:
            of_all_machines: those that were written on other machines, too.
            but_not: writers whose journals are left.
        """
        for writer, numbers in segments_of(self.path).items():
            is_here = writer.startswith(host_id() + "-")
            if writer in but_not or not (is_here or of_all_machines):
                continue
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
                reader = SegmentReader(self.path, writer, numbers[0])
                yield Leftover(writer, reader, numbers[-1], lock)
            else:
                lock.remove()

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
