"""Where journals are, whose they are, and whether their writers live.

``JOURNAL_DIR/TARGET/`` holds the journals of all processes of this machine that log to one
workspace: ``target`` (its URI), and for each writer ``WRITER.lock``, its segments, and its reserve.
As long as it lives it holds the locks on the first and on what it writes to, which stays locked if
somebody removes the lock file for its age. The system lets go of a lock when the process ends,
however it ends; a process id would say nothing, for containers have the same ones and use them
again. A writer's id begins with the id of its machine, because a lock on a network file system may
not reach others.
"""

import functools
import hashlib
import os
import platform
import uuid
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.journal.files.lock import HeldLock, is_marked, open_regular
from mlflow_workspace_plugin.journal.files.reserve import SUFFIX as RESERVE_SUFFIX
from mlflow_workspace_plugin.journal.files.reserve import UNSAVED_SUFFIX, Notes, read_notes
from mlflow_workspace_plugin.journal.files.segments import SUFFIX as SEGMENT_SUFFIX
from mlflow_workspace_plugin.journal.files.segments import SegmentReader, segment_path, segments_of
from mlflow_workspace_plugin.journal.reminder import Reminder
from mlflow_workspace_plugin.private_folder import make_private

_LOCK_SUFFIX = ".lock"
_SUFFIXES = (SEGMENT_SUFFIX, RESERVE_SUFFIX, UNSAVED_SUFFIX, _LOCK_SUFFIX)
_TARGET_BYTES = 4096
TARGET_NAME = "target"
"""Of the file that says of which workspace a folder is."""
SECRET_NAME = "secret"  # noqa: S105  only what it is called
"""Of the file that journals for a served hub have in common; see journal.files.secret."""

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
    notes: Notes = field(default_factory=Notes)
    """What its writer noted of it."""


class JournalFolder:
    """The journals of this machine for one workspace.

    Args:
        target: the workspace's URI.
        base: the folder of all journals; by default as ``MLFLOW_WORKSPACE_JOURNAL_DIR`` says.
        path: where it is, if it was moved.
    """

    def __init__(self, target: str, base: Path | None = None, path: Path | None = None) -> None:
        self.target = target
        self.path = path or (base or base_folder()) / _digest(target)[:16]

    def make(self) -> None:
        """Make the folder, and say in it whose it is.

        Raises:
            OSError: it cannot be written.
        """
        make_private(self.path)
        name = self.path / TARGET_NAME
        # After a loss of power it may be there, and empty.
        if self._named_target() != self.target:
            if name.is_dir():
                name.rename(name.with_name(f"target.{uuid.uuid4().hex}.not-ours"))
            unfinished = name.with_name(f"target.{uuid.uuid4().hex}")
            unfinished.write_text(self.target + "\n", encoding="utf-8")
            unfinished.replace(name)

    def lock(self, writer: str, patience_s: float) -> HeldLock:
        """Say that a new writer lives.

        Args:
            writer: its id.
            patience_s: how long to wait for others that look whether it does.

        Raises:
            OSError: the folder cannot be written, or its file system knows no locks.
        """
        self.make()
        return HeldLock.create(self._lock_path(writer), patience_s)

    def take_lock(self, writer: str) -> HeldLock | None:
        """Say again that a writer lives, after its lock was removed; None if that has to wait.

        Raises:
            OSError: as :meth:`lock`.
        """
        return HeldLock.take(self._lock_path(writer))

    def leftovers(
        self, *, of_all_machines: bool = False, but_not: Collection[str] = ()
    ) -> Iterator[Leftover]:
        """Take over the journals whose writers have ended: those first that ended first.

        Args:
            of_all_machines: those that were written on other machines, too.
            but_not: writers whose journals are left.
        """
        ours = host_id() + "-"
        last = {writer: numbers[-1] for writer, numbers in segments_of(self.path).items()}
        wanted = [
            (self._written_at(writer, last.get(writer, 0)), writer)
            for writer in self.writers()
            if writer not in but_not and (of_all_machines or writer.startswith(ours))
        ]
        for _, writer in sorted(wanted):
            try:
                leftover = self._take_over(writer)
            except OSError as error:
                # The others are to be sent all the same.
                _reminder.warn(writer, "The journal of %s cannot be taken over: %s", writer, error)
                continue
            if leftover is not None:
                yield leftover

    def _take_over(self, writer: str) -> Leftover | None:
        """Take over the journal of a writer that ended; None if it lives, or there is nothing."""
        lock = HeldLock.take(self._lock_path(writer))
        if lock is None:
            return None
        # Only now: its writer may have gone on, or another process have sent it.
        numbers = segments_of(self.path).get(writer, [])
        written = self._written(writer, numbers)
        try:
            is_free = all(lock.hold(path) for path in written)
        except OSError:
            lock.close()
            raise
        if not is_free or not any(path.exists() for path in written):
            lock.remove()
            return None
        notes = read_notes(self.path, writer)
        first = min([*numbers, *notes.begun], default=1)
        last = max([*numbers, notes.last_segment], default=0)
        with suppress(OSError):
            lock.mark()
        written_at = self._written_at(writer, last)
        reader = SegmentReader(self.path, writer, first)
        return Leftover(writer, reader, last, lock, written_at, notes)

    def is_used(self) -> bool:
        """Whether a process that lives writes to it, or sends it."""
        for writer in self.writers():
            with suppress(OSError):
                lock = HeldLock.take(self._lock_path(writer))
                if lock is None:
                    return True
                written = self._written(writer, segments_of(self.path).get(writer, []))
                try:
                    if not all(lock.hold(path) for path in written):
                        return True
                finally:
                    lock.close()
        return False

    def writers(self) -> list[str]:
        """Return the ids of all writers of which there is something."""
        found = set()
        # In one go, for each read of a training asks.
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.path) as entries:
            for entry in entries:
                if entry.name.endswith(_SUFFIXES):
                    found.add(entry.name.partition(".")[0])
        return sorted(found - {""})

    def _written(self, writer: str, numbers: list[int]) -> list[Path]:
        """Return what a writer holds as long as it lives, whatever becomes of its lock file.

        Somebody may have removed that, or held it when the writer wanted it.
        """
        return [
            self.path / f"{writer}{RESERVE_SUFFIX}",
            *(segment_path(self.path, writer, number) for number in numbers[-1:]),
            *self.path.glob(f"{writer}.*{UNSAVED_SUFFIX}"),
        ]

    def others(self, writers: Collection[str]) -> bool:
        """Whether there are journals of this machine of other writers than some."""
        ours = host_id() + "-"
        with suppress(OSError), os.scandir(self.path) as entries:
            return any(
                entry.name.startswith(ours) and entry.name.partition(".")[0] not in writers
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
        with suppress(OSError, ValueError):
            return _read_target(self.path)
        return None

    def _written_at(self, writer: str, number: int) -> float:
        with suppress(OSError):
            return segment_path(self.path, writer, number).stat().st_mtime
        return 0.0

    def _lock_path(self, writer: str) -> Path:
        return self.path / f"{writer}{_LOCK_SUFFIX}"


@dataclass(frozen=True)
class UnknownFolder:
    """A folder among those of journals that does not say of which workspace it is."""

    path: Path
    problem: str


def all_folders(base: Path | None = None) -> list[JournalFolder | UnknownFolder]:
    """Return the folders of all workspaces that this machine has journals for."""
    base = base or base_folder()
    found: list[JournalFolder | UnknownFolder] = []
    for path in sorted(each for each in base.glob("*") if each.is_dir()):
        try:
            target = _read_target(path)
        except FileNotFoundError:
            # Somebody else's, or one that is being made.
            if not segments_of(path) and not (path / "files").exists():
                continue
            problem = "the file 'target' is missing"
        except (OSError, ValueError) as error:
            problem = f"the file 'target' cannot be read ({error})"
        else:
            if target:
                found.append(JournalFolder(target, base, path))
                continue
            problem = "the file 'target' is empty"
        said = f"{str(path)!r} does not say of which workspace it is: {problem}."
        found.append(UnknownFolder(path, said))
    return found


def folders_of(target: str) -> list[JournalFolder]:
    """Return the folders of a workspace; more than one if somebody moved one and gave it a name."""
    usual = JournalFolder(target)
    found = [each for each in all_folders() if isinstance(each, JournalFolder)]
    others = [each for each in found if each.target == target and each.path != usual.path]
    return [usual, *others]


def base_folder() -> Path:
    """Return the folder of all journals."""
    # Absolute: the process may change its folder.
    return Path(settings.JOURNAL_DIR.get()).expanduser().absolute()


def _read_target(folder: Path) -> str:
    with os.fdopen(open_regular(folder / TARGET_NAME), "rb") as file:
        return file.read(_TARGET_BYTES).decode().strip()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
