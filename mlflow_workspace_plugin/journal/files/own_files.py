"""The files of the journal of this process, which somebody may remove or cut while it writes."""

import os
import time
from contextlib import suppress

from mlflow_workspace_plugin.journal.files.folder import SECRET_NAME, JournalFolder
from mlflow_workspace_plugin.journal.files.reserve import Place, Reserve
from mlflow_workspace_plugin.journal.files.segments import (
    SegmentReader,
    SegmentWriter,
    segment_path,
)

_TOUCHED_EVERY_S = 3600.0


class OwnFiles:
    """The lock that says that this process lives, its segments, and what is noted of them.

    One thread at a time may do what changes them; the one that sends reads meanwhile.

    Args:
        folder: where they are.
        writer: the id of the writer.
        reserve: its reserve.
        last: the sequence of the last record before them.
        fsync: wait for the disk at each line.
        patience_s: how long to wait for others that look whether the writer lives.

    Raises:
        OSError: the folder cannot be written, or its file system knows no locks.
    """

    def __init__(
        self,
        folder: JournalFolder,
        writer: str,
        reserve: Reserve,
        last: int,
        *,
        fsync: bool,
        patience_s: float,
    ) -> None:
        self._folder = folder
        self._writer_id = writer
        self._reserve = reserve
        self._lock = folder.lock(writer, patience_s)
        self._count = 0
        self._last = last
        self._runs: set[str] = set()
        self._touched_at = time.monotonic()
        reserve.make()
        self.reader = SegmentReader(folder.path, writer)
        """Reads what is to be sent."""
        self.writer = SegmentWriter(
            folder.path,
            writer,
            fsync=fsync,
            prepare=self._prepare,
            needed=lambda: self.reader.number,
            begun=self._begun,
        )
        """Writes the segments."""

    @property
    def number(self) -> int:
        """The number of the segment that is written to; 0 if there is none yet."""
        return self.writer.number

    def append(self, line: bytes, sequence: int, run_id: str, count: int = 1) -> None:
        """Append the line of a record, or several.

        Args:
            line: the line.
            sequence: of the record, the last one of several.
            run_id: its run.
            count: how many they are.

        Raises:
            OSError: it could not be written; the segment is as it was before.
        """
        self.writer.append(line)
        self._count += count
        self._last = sequence
        if run_id not in self._runs:
            self.add_run(run_id)

    def add_run(self, run_id: str) -> None:
        """Note that the segment holds records of a run, too."""
        if run_id not in self._runs:
            self._runs.add(run_id)
            self._reserve.add_run(self.number, run_id)

    def look(self) -> None:
        """Look whether all files are there; make anew what somebody removed.

        Raises:
            OSError: that is not possible now.
        """
        self._prepare()
        self.writer.restore()
        if self.number:
            self._reserve.note_progress(self.number, Place(self._count, self._last))
        if time.monotonic() - self._touched_at > _TOUCHED_EVERY_S:
            self._touched_at = time.monotonic()
            self._touch()

    def lost_of_segment(self) -> int:
        """Return how many records of the segment that is read to its end are not in it."""
        notes, number = self._reserve.notes, self.reader.number
        return notes.lost_of(number, self.reader.count, self.reader.last)

    def runs_of_segment(self) -> set[str]:
        """Return the runs whose records were in the segment that is read."""
        return self._reserve.notes.runs_of(self.reader.number)

    def lost(self) -> int:
        """Return how many records that were not read are in segments that are gone."""
        notes, total = self._reserve.notes, 0
        for number in range(self.reader.number, self.number + 1):
            if not segment_path(self._folder.path, self._writer_id, number).is_file():
                start = notes.begun.get(number, Place(0, 0)).count
                end = notes.begun.get(number + 1, Place(self._count, self._last)).count
                total += end - start - (self.reader.count if number == self.reader.number else 0)
        return total

    def close(self) -> None:
        """Let go of the files; they stay."""
        self.writer.close()
        self._lock.close()

    def remove(self) -> None:
        """Remove the files, of which all was sent."""
        # In this order: notes of a segment that is not there would say that it is lost.
        self._reserve.remove()
        self.writer.close()
        self.reader.next_segment(self._folder.damaged)
        self._lock.remove()

    def _prepare(self) -> None:
        """Make the folder, the lock and the reserve anew, unless they are there."""
        self._folder.make()
        if not self._lock.is_there:
            # Another process that looks may hold it for a moment; it sees that the rest is held.
            found = self._folder.take_lock(self._writer_id)
            if found is not None:
                self._lock.close()
                self._lock = found
        self._reserve.make()

    def _begun(self, number: int) -> None:
        self._reserve.forget(self.reader.number)
        self._reserve.begin(number, Place(self._count, self._last))
        self._runs = set()

    def _touch(self) -> None:
        """Let all of it look new to whoever removes old files."""
        self._lock.touch()
        self._reserve.touch()
        paths = [
            segment_path(self._folder.path, self._writer_id, number)
            for number in range(self.reader.number, self.number + 1)
        ]
        for path in [self._folder.path / "target", self._folder.path / SECRET_NAME, *paths]:
            with suppress(OSError):
                os.utime(path)
