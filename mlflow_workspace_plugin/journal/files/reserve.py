"""What a writer notes beside its segments, in room that was taken while there was some.

``WRITER.reserve`` is made with the journal. Its first part has a fixed size and is written over, so
that on a disk that is full there still is room for what has to be said then: that records are in
memory only, and, when the process ends, how many of each metric those are, with the ends of runs,
params and tags among them. Behind it grows what others have to know if a segment is removed or
damaged: with which record each began, and whose records it holds.

Where no such file can be made, an empty file whose name holds the run says that records of it are
in memory only: ``WRITER.RUN.unsaved``. The first ones are held as long as the writer lives.
"""

import json
import os
import re
import zlib
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mlflow_workspace_plugin.journal.files import records
from mlflow_workspace_plugin.journal.files.lock import hold_written, is_at, make_held, open_regular
from mlflow_workspace_plugin.journal.files.records import Record

SUFFIX = ".reserve"
UNSAVED_SUFFIX = ".unsaved"
UNFINISHED_SUFFIX = ".unfinished"
"""Of the copy of a segment, or another file, that a kill interrupted."""
ANY_RUN = ""
"""Among runs: it is not known of which."""

_PROGRESS_BYTES = 4 << 10
_STATEMENT_BYTES = 14 << 10
STATEMENT_ROOM = _STATEMENT_BYTES - 200
"""How many bytes of lines of records can be kept."""
_FIXED_BYTES = _PROGRESS_BYTES + 2 * _STATEMENT_BYTES
# How many of the files that name runs stay open: a process may log to many.
_HELD = 8
_NAMED_RUN = re.compile(r"[\w\-]{1,64}")

_SEGMENT, _RUN, _PROGRESS, _UNSAVED = "segment", "run", "progress", "unsaved"


@dataclass(frozen=True)
class Place:
    """A place between two records of a writer."""

    count: int
    """How many records are before it in files."""
    sequence: int
    """Of the last one of them."""


@dataclass
class Notes:
    """What is noted of a writer's segments, and of its memory."""

    begun: dict[int, Place] = field(default_factory=dict)
    """Where each segment begins."""
    runs: dict[int, set[str]] = field(default_factory=dict)
    """The runs whose records each holds."""
    progress: tuple[int, Place] | None = None
    """The last segment, and how far it was written at least."""
    unsaved: frozenset[str] = frozenset()
    """Runs of which there are records in memory only that nobody counted."""
    saved: list[Record] = field(default_factory=list)
    """Records that are in no segment: of what was lost with the memory, its counts and ends."""
    lost: int = 0
    """How many calls were lost with the memory, if they were counted."""

    @property
    def last_segment(self) -> int:
        """The number of the last segment that was begun; 0 if none is known of."""
        return max(self.begun, default=0)

    def end_of(self, number: int) -> Place | None:
        """Return up to where a segment was written, at least; None if nothing is known of it."""
        if number + 1 in self.begun:
            return self.begun[number + 1]
        if self.progress is not None and self.progress[0] == number:
            return self.progress[1]
        start = self.begun.get(number)
        if start is not None and self.runs.get(number):
            return Place(start.count + 1, start.sequence + 1)
        return start

    def lost_of(self, number: int, count: int, stored: int) -> int:
        """Return how many records of a segment are neither in it nor stored.

        Args:
            number: of the segment.
            count: how many records are in it.
            stored: the sequence of the last record that is stored.
        """
        start, end = self.begun.get(number), self.end_of(number)
        if start is None or end is None:
            return 0
        return max(min(end.count - start.count - count, end.sequence - stored), 0)

    def runs_of(self, number: int) -> set[str]:
        """Return the runs whose records a segment holds."""
        return self.runs.get(number, set())

    def all_runs(self) -> set[str]:
        """Return all runs that are named."""
        return set().union(*self.runs.values(), self.unsaved - {ANY_RUN})


class Reserve:
    """The reserve of this process's own journal. Not for several threads at once.

    Nothing is raised when it cannot be written: what it is for has failed by then.

    Args:
        folder: where it is.
        writer: the id of the writer.
    """

    def __init__(self, folder: Path, writer: str) -> None:
        self._folder = folder
        self._writer = writer
        self._path = folder / f"{writer}{SUFFIX}"
        self._file: int | None = None
        self._size = 0
        self._statement = b""
        self._generation = 0
        # The runs that names of files hold, and those of these that are open, in their order.
        self._named: dict[str, int | None] = {}
        self.notes = Notes()
        """What is noted."""

    def make(self) -> None:
        """Make the file, with all that is noted, unless it is there."""
        if self._file is not None and is_at(self._path, self._file):
            return
        self._close_file()
        with suppress(OSError):
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0)
            self._file = os.open(self._path, flags | getattr(os, "O_BINARY", 0), 0o600)
            hold_written(self._file)
        if not self._write(bytes(_FIXED_BYTES), 0):
            # The room that it took is needed for others.
            self._unlink()
            return
        self._size = _FIXED_BYTES
        for number, place in sorted(self.notes.begun.items()):
            self._append(_segment_line(number, place))
            for run_id in sorted(self.notes.runs_of(number)):
                self._append(_line(number, _RUN, run_id))
        if self._statement:
            self._state(self._statement)

    def begin(self, number: int, place: Place) -> None:
        """Note where a segment begins."""
        self.notes.begun[number] = place
        self._append(_segment_line(number, place))

    def add_run(self, number: int, run_id: str) -> None:
        """Note that a segment holds records of a run."""
        self.notes.runs.setdefault(number, set()).add(run_id)
        self._append(_line(number, _RUN, run_id))

    def note_progress(self, number: int, place: Place) -> None:
        """Note how far the last segment is written."""
        if self.notes.progress != (number, place):
            self.notes.progress = number, place
            self._write(_line(number, _PROGRESS, "", [place.count, place.sequence]), 0)

    def forget(self, number: int) -> None:
        """Forget what is noted of segments before one, for all of them is sent."""
        for of_segment in (self.notes.begun, self.notes.runs):
            for each in [each for each in of_segment if each < number]:
                del of_segment[each]

    def mark(self, runs: Collection[str]) -> None:
        """Note that there are records of some runs in memory only."""
        line = _unsaved_line(self._next(), sorted(runs))
        if len(line) > _STATEMENT_BYTES:
            line = _unsaved_line(self._generation, [ANY_RUN])
        self._statement = line
        if not self._state(line):
            self._name(runs)

    def count(self, calls: int, lines: Iterable[bytes]) -> bool:
        """Note what is in memory only as the process ends, in place of the mark.

        Args:
            calls: how many calls.
            lines: of records to be kept.

        Returns:
            Whether that is noted; if not, the mark stands.
        """
        kept = b"".join(lines)
        if len(kept) > STATEMENT_ROOM:
            return False
        statement = _unsaved_line(self._next(), [], calls, kept)
        if not self._state(statement):
            return False
        self._statement = statement
        self._unname()
        return True

    def clear(self) -> None:
        """Note that nothing is in memory only."""
        if self._statement:
            self._statement = b""
            self._state(_unsaved_line(self._next(), []))
        self._unname()

    def touch(self) -> None:
        """Let it look new to whoever removes old files."""
        if self._file is not None:
            with suppress(OSError):
                os.utime(self._path)

    def close(self) -> None:
        """Let go of the files; they stay."""
        self._close_file()
        for run_id, file in self._named.items():
            self._named[run_id] = None
            if file is not None:
                os.close(file)

    def remove(self) -> None:
        """Remove the file."""
        self._unlink()
        self._unname()

    def _unlink(self) -> None:
        if self._file is not None and is_at(self._path, self._file):
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
        self._close_file()

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _next(self) -> int:
        self._generation += 1
        return self._generation

    def _state(self, statement: bytes) -> bool:
        """Write over the older one of two statements, for a kill may come in the middle."""
        half = self._generation % 2
        text = statement.ljust(_STATEMENT_BYTES, b"\0")
        return self._write(text, _PROGRESS_BYTES + half * _STATEMENT_BYTES)

    def _append(self, line: bytes) -> None:
        if self._write(line, self._size):
            self._size += len(line)

    def _write(self, text: bytes, offset: int) -> bool:
        if self._file is not None:
            with suppress(OSError):
                os.lseek(self._file, offset, os.SEEK_SET)
                return os.write(self._file, text) == len(text)
        return False

    def _name(self, runs: Collection[str]) -> None:
        for run_id in runs:
            named = run_id if _NAMED_RUN.fullmatch(run_id) else ANY_RUN
            if named not in self._named:
                path = self._unsaved_path(named)
                with suppress(OSError):
                    # Who finds it is not to take this process for one that has ended.
                    file = make_held(path, path.with_suffix(UNFINISHED_SUFFIX))
                    if file is not None and len(self._named) >= _HELD:
                        os.close(file)
                        file = None
                    self._named[named] = file

    def _unname(self) -> None:
        while self._named:
            named, file = self._named.popitem()
            with suppress(OSError):
                self._unsaved_path(named).unlink(missing_ok=True)
            if file is not None:
                os.close(file)

    def _unsaved_path(self, run_id: str) -> Path:
        return self._folder / f"{self._writer}.{run_id}{UNSAVED_SUFFIX}"


def read_notes(folder: Path, writer: str) -> Notes:
    """Return what a writer noted; what is not there or cannot be read is not noted."""
    notes = Notes()
    with suppress(OSError):
        file = open_regular(folder / f"{writer}{SUFFIX}")
        with os.fdopen(file, "rb") as opened:
            text = opened.read()
        _read_fixed(notes, text[:_FIXED_BYTES])
        for record in _records(text[_FIXED_BYTES:]):
            if record.kind == _SEGMENT:
                notes.begun[record.sequence] = Place(*record.content)
            elif record.kind == _RUN:
                notes.runs.setdefault(record.sequence, set()).add(record.run_id)
    named = {
        path.name.removesuffix(UNSAVED_SUFFIX).partition(".")[2]
        for path in folder.glob(f"{writer}.*{UNSAVED_SUFFIX}")
    }
    notes.unsaved |= named
    return notes


def remove_notes(folder: Path, writer: str) -> None:
    """Remove what a writer noted, after it was dealt with."""
    paths = [folder / f"{writer}{SUFFIX}"]
    for suffix in (UNSAVED_SUFFIX, UNFINISHED_SUFFIX):
        paths += folder.glob(f"{writer}.*{suffix}")
    for path in paths:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _read_fixed(notes: Notes, text: bytes) -> None:
    for record in _records(text[:_PROGRESS_BYTES]):
        if record.kind == _PROGRESS:
            notes.progress = record.sequence, Place(*record.content)
    latest = 0
    for start in (_PROGRESS_BYTES, _PROGRESS_BYTES + _STATEMENT_BYTES):
        line, _, rest = text[start : start + _STATEMENT_BYTES].partition(b"\n")
        header = records.parse(line)
        if header is None or header.kind != _UNSAVED or header.sequence <= latest:
            continue
        runs, lost, size, checksum = header.content
        if zlib.crc32(rest[:size]) == checksum:
            latest = header.sequence
            notes.unsaved, notes.lost = frozenset(runs), lost
            notes.saved = _records(rest[:size])


def _records(text: bytes) -> list[Record]:
    lines = text.partition(b"\0")[0].splitlines()
    return [record for line in lines if (record := records.parse(line))]


def _unsaved_line(generation: int, runs: list[str], calls: int = 0, kept: bytes = b"") -> bytes:
    content = [runs, calls, len(kept), zlib.crc32(kept)]
    return _line(generation, _UNSAVED, "", content) + kept


def _segment_line(number: int, place: Place) -> bytes:
    return _line(number, _SEGMENT, "", [place.count, place.sequence])


def _line(number: int, kind: str, run_id: str, content: object = None) -> bytes:
    return records.line(number, json.dumps([kind, run_id, None, content]))
