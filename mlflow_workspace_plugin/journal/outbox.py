"""What a process logged and has not sent: numbered, in files, or in memory when these fail."""

import itertools
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from mlflow_workspace_plugin.journal import records
from mlflow_workspace_plugin.journal.folder import JournalFolder, new_writer_id
from mlflow_workspace_plugin.journal.lock import HeldLock
from mlflow_workspace_plugin.journal.records import Kind, Record, values_of
from mlflow_workspace_plugin.journal.remains import Remains
from mlflow_workspace_plugin.journal.reminder import Reminder
from mlflow_workspace_plugin.journal.segments import Chunk, SegmentReader, SegmentWriter

_MEMORY_BYTES = 64 << 20
_LINES_AT_ONCE = 2_000
_LINES_SAVED_AT_ONCE = 500
_MOMENT_S = 0.2


@dataclass(frozen=True)
class Batch:
    """Records to be sent next: a chunk of a segment, or the first lines in memory."""

    records: list[Record]
    chunk: Chunk | None = None


@dataclass
class _Files:
    """The files of a writer: the lock that says that it lives, and its segments."""

    lock: HeldLock
    writer: SegmentWriter
    reader: SegmentReader


class Outbox:
    """Numbers records and keeps them until they are sent. Any thread may put, one may take.

    Args:
        folder: where the files are; made with the first record.
        reminder: warns of what goes wrong with them.
        fsync: wait for the disk at each record.
    """

    def __init__(self, folder: JournalFolder, reminder: Reminder, *, fsync: bool) -> None:
        self._folder = folder
        self._reminder = reminder
        self._fsync = fsync
        self._lock = threading.RLock()
        self.writer = new_writer_id()
        """The id under which records are sent."""
        self.last = 0
        """The sequence of the last record that is kept."""
        self.notes = 0
        """How many of the records are what was noted at an end of the process, and no calls."""
        self._drawn = 0
        self._files: _Files | None = None
        self._memory: deque[bytes] = deque()
        self._memory_bytes = 0
        self._dropped: Counter[tuple[str, str]] = Counter()
        self._logged: dict[str, dict[str, int]] = {}
        self._is_putting = False
        self._interrupting: list[str] = []
        self._interrupted_at = 0

    def remains(self, last_sent: int) -> Remains:
        """Return what is not sent, if all up to a record is."""
        return Remains(max(self.last - last_sent - self.notes, 0))

    def put(self, body: str, run_id: str = "", keys: Sequence[str] = ()) -> int:
        """Keep a record; return its sequence.

        Args:
            body: of the record.
            run_id: the run, for a record of values.
            keys: the metric of each value, to be counted.
        """
        with self._lock:
            if self._is_putting:
                # A signal's handler that logs, while its thread is in here: after that record, for
                # the numbers have to be in the order of the file.
                self._interrupting.append(body)
                self._interrupted_at += 1
                return self._interrupted_at
            self._interrupted_at = self._drawn + 1
            self._is_putting = True
            try:
                self._write(body)
                sequence = self.last
                if keys:
                    counts = self._logged.get(run_id)
                    if counts is None:
                        counts = self._logged[run_id] = {}
                    for key in keys:
                        counts[key] = counts.get(key, 0) + 1
                return sequence
            finally:
                try:
                    while self._interrupting:
                        self._write(self._interrupting.pop(0))
                finally:
                    self._is_putting = False

    def is_written(self, sequence: int) -> bool:
        """Whether a record was written, and is not behind the one that it interrupted."""
        with self._lock:
            return sequence <= self._drawn

    def take_logged(self, run_id: str) -> dict[str, int]:
        """Return how many values of a run's metrics were put, since it was asked last."""
        with self._lock:
            return self._logged.pop(run_id, {})

    def put_logged(self) -> None:
        """Note how many values were put, of runs for which it was not asked."""
        with self._lock:
            logged, self._logged = self._logged, {}
            now = time.time_ns() // 1_000_000
            for run_id, counts in logged.items():
                self.put(records.body(Kind.LOGGED, run_id, now, counts))
            self.notes += len(logged)

    def take(self) -> Batch | None:
        """Return the next records to be sent, the same ones until :meth:`remove`; None if none."""
        files = self._files
        while files is not None:
            # In this order: what is behind the current one is complete.
            current = files.writer.number
            if current == 0:
                break
            chunk = files.reader.read(complete=files.reader.number < current)
            if chunk.size:
                return Batch(chunk.records, chunk)
            if files.reader.number == current:
                break
            files.reader.next_segment(self._folder.damaged)
        if not self._memory:
            # Nor is the lock waited for, which a thread may hold that a signal interrupted.
            return None
        with self._lock:
            files = self._files
            if files is not None and (chunk := files.reader.read(complete=False)).size:
                # Written after the files were read, and before they could not be written any more.
                return Batch(chunk.records, chunk)
            lines = list(itertools.islice(self._memory, _LINES_AT_ONCE))
        found = [record for line in lines if (record := records.parse(line[:-1]))]
        return Batch(found) if found else None

    def remove(self, batch: Batch) -> None:
        """Remove records that were sent."""
        if batch.chunk is not None:
            if self._files is not None:
                self._files.reader.advance(batch.chunk)
            if batch.chunk.damaged:
                self._reminder.warn(
                    "damaged",
                    "%d lines of the journal of %s were damaged by somebody, and are lost. The "
                    "file is kept in %s.",
                    len(batch.chunk.damaged),
                    self._folder.target,
                    self._folder.damaged,
                )
            return
        with self._lock:
            for _ in batch.records:
                self._memory_bytes -= len(self._memory.popleft())
            self._put_dropped()

    def save(self) -> None:
        """Write what is in memory to the files, if these can be written again."""
        with suppress(OSError):
            # Calls wait for no more than a part of it.
            while (self._memory or self._dropped) and self._save_some():
                pass

    def _save_some(self) -> bool:
        with self._lock:
            lines = list(itertools.islice(self._memory, _LINES_SAVED_AT_ONCE))
            if lines:
                self._open().writer.append(b"".join(lines))
                for line in lines:
                    self._memory_bytes -= len(line)
                    self._memory.popleft()
            self._put_dropped()
            return bool(self._memory)

    def remove_files(self, last_sent: int) -> None:
        """Remove the files, if all that was put was sent; more makes new ones.

        Not in the middle of a put: a signal may have interrupted it, whose handler waits for the
        thread that is here.
        """
        if not self._lock.acquire(timeout=_MOMENT_S):
            return
        try:
            if self._files is not None and not self._is_putting and last_sent >= self.last:
                self._files.writer.close()
                self._files.reader.next_segment(self._folder.damaged)
                self._files.lock.remove()
                self._files = None
                self.notes = 0
        finally:
            self._lock.release()

    def start_over(self) -> int:
        """Make new files, for somebody removed them; return up to which sequence all is lost."""
        with self._lock:
            self.leave()
            return self.last

    def leave(self) -> None:
        """Let go of the files without touching them, in a forked child: they are its parent's."""
        if self._files is not None:
            self._files.writer.close()
            self._files.lock.close()
            self._files = None

    def _write(self, body: str) -> None:
        # A number is never used again, even if an interrupt comes between it and the end of this.
        self._drawn += 1
        number = self._drawn
        line = records.line(number, body)
        if not self._memory:
            try:
                (self._files or self._open()).writer.append(line)
            except OSError as error:
                self._reminder.warn(
                    "not durable",
                    "The journal of %s cannot be written (%s). Up to %d MB of values wait in "
                    "memory and are lost if this process is killed. Free the disk, or set "
                    "MLFLOW_WORKSPACE_JOURNAL_DIR to a folder that can be written.",
                    self._folder.target,
                    error,
                    _MEMORY_BYTES >> 20,
                )
            else:
                self.last = number
                return
        if self._keep_in_memory(line, body):
            self.last = number

    def _open(self) -> _Files:
        if self._files is None:
            self._files = _Files(
                self._folder.lock(self.writer),
                SegmentWriter(self._folder.path, self.writer, fsync=self._fsync),
                SegmentReader(self._folder.path, self.writer),
            )
        return self._files

    def _keep_in_memory(self, line: bytes, body: str) -> bool:
        record = Record(0, *json.loads(body))
        # What ends a run, and params and tags, are few.
        is_values = record.kind in records.VALUES
        if is_values and self._memory_bytes + len(line) > _MEMORY_BYTES:
            self._dropped.update((record.run_id, value[0]) for value in values_of(record))
            self._reminder.warn(
                "full",
                "%d values for %s were dropped: the journal cannot be written, and memory for them "
                "is used up. mlflow-workspace verify names them.",
                self._dropped.total(),
                self._folder.target,
            )
            return False
        self._memory.append(line)
        self._memory_bytes += len(line)
        return True

    def _put_dropped(self) -> None:
        """Note what was dropped, to be stored behind what was not."""
        dropped, self._dropped = self._dropped, Counter()
        now = time.time_ns() // 1_000_000
        for run_id in {run_id for run_id, _ in dropped}:
            counts = {key: number for (run, key), number in dropped.items() if run == run_id}
            self._write(records.body(Kind.DROPPED, run_id, now, counts))
