"""What is in the journals of a workspace, read without taking part."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from mlflow_workspace_plugin.journal.files.lock import open_regular
from mlflow_workspace_plugin.journal.files.records import (
    NO_CALLS,
    VALUES,
    Kind,
    Record,
    keys_of,
    parse,
)
from mlflow_workspace_plugin.journal.files.reserve import ANY_RUN, Notes, read_notes
from mlflow_workspace_plugin.journal.files.segments import SegmentReader, segments_of
from mlflow_workspace_plugin.journal.sending.replay import writer_of_segment


@dataclass
class Waiting:
    """What waits in the journals of a workspace."""

    calls: int = 0
    journals: int = 0
    damaged: int = 0
    """Lines that cannot be read."""
    lost: int = 0
    """Calls that are nowhere: of segments that are gone or damaged, or of a writer's memory."""
    runs: Counter[str] = field(default_factory=Counter)
    """How many calls wait, by run."""
    values: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """How many values wait, by run, metric and writer."""
    others: Counter[str] = field(default_factory=Counter)
    """How many calls wait that log no values, by run."""
    dropped: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """How many values were lost with a writer's memory, by run, metric and writer."""
    unreadable: list[str] = field(default_factory=list)
    """Files that cannot be opened, with the reason."""
    unknown: dict[str, set[str]] = field(default_factory=dict)
    """Why it is not known what became of all values, by run."""

    def add(self, writer: str, record: Record) -> None:
        """Count a record of a writer."""
        if record.kind in NO_CALLS:
            return
        self.calls += 1
        self.runs[record.run_id] += 1
        if record.kind not in VALUES:
            self.others[record.run_id] += 1
        self.values.update((record.run_id, key, writer) for key in keys_of(record))

    def add_unknown(self, runs: Iterable[str], reason: str) -> None:
        """Take notice that it is not known what became of all values of some runs."""
        for run_id in runs:
            self.unknown.setdefault(run_id, set()).add(reason)

    def unknown_of(self, run_id: str) -> set[str]:
        """Return why it is not known what became of all values of a run."""
        return self.unknown.get(run_id, set()) | self.unknown.get(ANY_RUN, set())


def names_of_writers(folders: Iterable[JournalFolder]) -> set[str]:
    """Return all ids under which the records of the journals of folders may be stored."""
    names = set()
    for folder in folders:
        numbers = segments_of(folder.path)
        for writer in folder.writers():
            noted = read_notes(folder.path, writer).begun
            names |= {writer, f"{writer}.reserve"}
            names |= {writer_of_segment(writer, n) for n in {*numbers.get(writer, []), *noted}}
    return names


def waiting(
    folders: Iterable[JournalFolder], stored: Mapping[str, int], only: str | None = None
) -> Waiting:
    """Return what waits, whether the processes that logged it live or not.

    Args:
        folders: the journals of a workspace.
        stored: the sequence of the last stored record by writer, as far as it is known.
        only: of this writer; by default of all.
    """
    found = Waiting()
    for folder in folders:
        numbers = segments_of(folder.path)
        for writer in [only] if only else folder.writers():
            before = found.calls
            _Journal(folder.path, writer, stored, found).read(numbers.get(writer, []))
            found.journals += found.calls > before
    return found


class _Journal:
    """The journal of one writer, which is counted."""

    def __init__(
        self, folder: Path, writer: str, stored: Mapping[str, int], found: Waiting
    ) -> None:
        self._folder = folder
        self._writer = writer
        self._stored = stored
        self._found = found
        self._seen: set[str] = set()
        self._last = 0

    def read(self, numbers: list[int]) -> None:
        notes = read_notes(self._folder, self._writer)
        for number in sorted({*numbers, *notes.begun}):
            self._read_segment(number, notes)
        # Nothing is noted of them; what is missing at either end cannot be known.
        gaps = set(range(min(numbers, default=0), max(numbers, default=0))) - {*numbers}
        if gaps and not notes.begun:
            self._found.add_unknown(
                self._seen, f"The journal {self._writer} lacks the segments {sorted(gaps)}."
            )
        stored = max(self._stored_of(self._writer), self._stored_of(f"{self._writer}.reserve"))
        new = [record for record in notes.saved if record.sequence > max(stored, self._last)]
        for record in new:
            self._found.add(self._writer, record)
            if record.kind == Kind.DROPPED:
                self._found.dropped.update(
                    {(record.run_id, key, self._writer): n for key, n in record.content.items()}
                )
        if new:
            self._found.lost += notes.lost
        if notes.unsaved:
            runs = notes.unsaved
            self._found.add_unknown(
                runs,
                f"Values of it were only in the memory of a process ({self._writer}), whose "
                "journal could not be written.",
            )

    def _read_segment(self, number: int, notes: Notes) -> None:
        found = self._found
        reader = SegmentReader(self._folder, self._writer, number)
        alias = writer_of_segment(self._writer, number)
        stored = max(self._stored_of(self._writer), self._stored_of(alias))
        runs = set(notes.runs_of(number))
        try:
            while (chunk := reader.read(complete=False)).size:
                reader.advance(chunk)
                found.damaged += len(chunk.damaged)
                runs |= {record.run_id for record in chunk.records}
                for record in chunk.records:
                    if record.sequence > stored:
                        found.add(self._writer, record)
        except FileNotFoundError:
            # Or sent and removed meanwhile.
            pass
        except OSError as error:
            found.unreadable.append(f"{reader.path}: {error.strerror or error}")
            reason = f"{reader.path} cannot be read: {error.strerror or error}."
            found.add_unknown(runs or {ANY_RUN}, reason)
            return
        self._seen |= runs
        self._last = max(self._last, reader.last)
        lost = notes.lost_of(number, reader.count, stored)
        if lost:
            found.lost += lost
            found.add_unknown(
                runs or self._seen,
                f"{lost} calls are missing in {reader.path}, which was removed, cut or damaged.",
            )

    def _stored_of(self, writer: str) -> int:
        return self._stored.get(writer, 0)


def damaged_lines(folder: JournalFolder, run_id: str) -> int:
    """Return how many lines that name a run cannot be read, in journals that are sent or wait."""
    paths = [*folder.damaged.glob("*"), *folder.path.glob("*.journal")]
    named = run_id.encode()
    found = 0
    for path in paths:
        # It may be sent and removed meanwhile; what else cannot be read is told of by others.
        with suppress(OSError), os.fdopen(open_regular(path), "rb") as file:
            found += sum(
                named in line and line.endswith(b"\n") and parse(line[:-1]) is None for line in file
            )
    return found
