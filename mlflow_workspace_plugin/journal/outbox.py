"""What a process logged and has not sent: numbered, in files, or in memory when these fail."""

import itertools
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from mlflow_workspace_plugin.fork_gate import gate
from mlflow_workspace_plugin.journal.files import records
from mlflow_workspace_plugin.journal.files.folder import JournalFolder, new_writer_id
from mlflow_workspace_plugin.journal.files.own_files import OwnFiles
from mlflow_workspace_plugin.journal.files.records import Kind, Record, keys_of
from mlflow_workspace_plugin.journal.files.reserve import STATEMENT_ROOM, Reserve
from mlflow_workspace_plugin.journal.files.segments import Chunk
from mlflow_workspace_plugin.journal.remains import Remains
from mlflow_workspace_plugin.journal.reminder import Reminder

_MEMORY_BYTES = 64 << 20
_LINES_AT_ONCE = 2_000
_LINES_SAVED_AT_ONCE = 500
_MOMENT_S = 0.2
# How often the files are looked after.
_LOOK_S = 0.25
# How long a call waits for others that look whether this process lives: once, for who did not let
# go by then may be stopped.
_PATIENCE_S = 1.0
_BYTES_OF_COUNT = 128
# How often a segment is tried that is there and cannot be read.
_TRIES = 3


@dataclass(frozen=True)
class Batch:
    """Records to be sent next: a chunk of a segment, or the first lines in memory."""

    records: list[Record]
    chunk: Chunk | None = None


class _Line(NamedTuple):
    """The line of a record in memory, and what is to be known of it there."""

    text: bytes
    sequence: int
    kind: str
    run_id: str
    keys: tuple[str, ...]
    """The metric of each value."""


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
        self._drawn = 0
        # What was noted between the calls.
        self._notes: deque[int] = deque()
        self._files: OwnFiles | None = None
        self._patience_s = _PATIENCE_S
        self._reserve = Reserve(folder.path, self.writer)
        self._memory: deque[_Line] = deque()
        self._memory_bytes = 0
        # How often lines went from memory to the files.
        self._saves = 0
        self._why = ""
        # Runs that are noted to have records in memory only.
        self._unsaved: set[str] = set()
        self._dropped: Counter[tuple[str, str]] = Counter()
        self._lost = 0
        # At the end of the process: how many calls of those in memory the reserve has.
        self._reserved: int | None = None
        self._unreadable: Counter[int] = Counter()
        self._read_again = 0
        self._looked_at = 0.0
        self._logged: dict[str, dict[str, int]] = {}
        self._is_putting = False
        self._interrupting: list[tuple[str, str]] = []
        self._interrupted_at = 0

    def calls_after(self, last_sent: int) -> int:
        """Return how many calls are not sent, if all up to a record is."""
        notes = sum(sequence > last_sent for sequence in list(self._notes))
        return max(self.last - last_sent - notes, 0)

    def remains(self, last_sent: int) -> Remains:
        """Return what is not sent, if all up to a record is."""
        in_memory = sum(line.kind not in records.NO_CALLS for line in list(self._memory))
        reserved = self._reserved or 0
        gone = self._files.lost() if self._files is not None else 0
        waiting = self.calls_after(last_sent) - in_memory - gone
        lost = in_memory - reserved + gone + self._lost
        return Remains(max(waiting, 0) + reserved, lost, self._why)

    def note_lost(self, count: int) -> None:
        """Take notice that calls are in no file any more, though they were."""
        self._lost += count
        self._why = "somebody removed their journal, or damaged it"

    def note_behind(self, count: int, run_ids: Iterable[str]) -> None:
        """Note that records are nowhere, which were sent and are not stored any more.

        Args:
            count: how many.
            run_ids: the runs whose records are among them.
        """
        self._lost += count
        self._why = "they were stored, and what they were stored in was replaced by an older copy"
        for run_id in run_ids:
            self._put_note(Kind.DROPPED, run_id, {records.UNCOUNTED: count})

    def read_again(self) -> None:
        """Take again what was sent, as far as it is still in files."""
        if self._files is not None and self._files.number:
            self._files.reader.turn_to(self._files.reader.number)

    def put(self, body: str, run_id: str = "", keys: Sequence[str] = ()) -> int:
        """Keep a record; return its sequence.

        Args:
            body: of the record.
            run_id: its run.
            keys: the metric of each value, to be counted.
        """
        if gate.forking:
            gate.give_way()
        with self._lock:
            if self._is_putting:
                # A signal's handler that logs, while its thread is in here: after that record, for
                # the numbers have to be in the order of the file.
                self._interrupting.append((body, run_id))
                self._interrupted_at += 1
                return self._interrupted_at
            self._interrupted_at = self._drawn + 1
            self._is_putting = True
            try:
                self._write(body, run_id)
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
                        self._write(*self._interrupting.pop(0))
                finally:
                    self._is_putting = False

    @property
    def is_interrupted(self) -> bool:
        """Whether this thread is in the middle of a put, as in the handler of a signal."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            return self._is_putting
        finally:
            self._lock.release()

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
            for run_id, counts in logged.items():
                self._put_note(Kind.LOGGED, run_id, counts)

    def take(self) -> Batch | None:
        """Return the next records to be sent, the same ones until :meth:`remove`; None if none.

        Raises:
            OSError: there are some, which cannot be read now.
        """
        while True:
            saves = self._saves
            batch = self._take()
            # What is saved between the looks at the files and at the memory is found in neither.
            if batch is not None or saves == self._saves:
                return batch

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
            is_counted = self._reserved is not None
            # What was saved meanwhile is in memory no more.
            last = batch.records[-1].sequence
            while self._memory and self._memory[0].sequence <= last:
                self._memory_bytes -= len(self._memory.popleft().text)
            self._put_dropped()
            self._note_memory(is_counted=is_counted)

    def save(self) -> None:
        """Write what is in memory to the files, if these can be written again; look after them."""
        if time.monotonic() - self._looked_at > _LOOK_S:
            self._look()
        with suppress(OSError):
            # Calls wait for no more than a part of it.
            while (self._memory or self._dropped) and self._save_some():
                pass

    def _look(self) -> None:
        """Look whether the files are there."""
        if self._lock.acquire(timeout=_MOMENT_S):
            try:
                # A signal may have interrupted a put.
                if self._files is not None and not self._is_putting:
                    with suppress(OSError):
                        self._files.look()
            finally:
                self._lock.release()
        self._looked_at = time.monotonic()

    def settle(self) -> None:
        """Try once more to save what is in memory, then note what is lost with it.

        For the end of the process; if it goes on, so does what is in memory.
        """
        self._look()
        self._patience_s = _PATIENCE_S
        self.save()
        with self._lock:
            if self._memory or self._dropped:
                self._count_memory()

    def remove_files(self, last_sent: int) -> None:
        """Remove the files, if all that was put was sent; more makes new ones.

        Not in the middle of a put: a signal may have interrupted it, whose handler waits for the
        thread that is here.
        """
        if not self._lock.acquire(timeout=_MOMENT_S):
            return
        try:
            if self._files is not None and not self._is_putting and last_sent >= self.last:
                self._files.remove()
                self._files = None
                self._reserve = Reserve(self._folder.path, self.writer)
                self._notes.clear()
                self._unreadable.clear()
                self._read_again = 0
        finally:
            self._lock.release()

    def leave(self) -> None:
        """Let go of the files without touching them, in a forked child: they are its parent's."""
        self._reserve.close()
        if self._files is not None:
            self._files.close()
            self._files = None

    def _write(self, body: str, run_id: str) -> None:
        # A number is never used again, even if an interrupt comes between it and the end of this.
        self._drawn += 1
        number = self._drawn
        line = records.line(number, body)
        if not self._memory:
            try:
                (self._files or self._open()).append(line, number, run_id)
            except OSError as error:
                self._why = f"the journal in {self._folder.path} could not be written ({error})"
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
        if self._keep_in_memory(line, number, body):
            self.last = number
        else:
            # It is nowhere.
            self._drawn = number - 1

    def _put_note(self, kind: Kind, run_id: str, content: Any) -> None:
        """Keep a record of what the journal itself has to say."""
        now = time.time_ns() // 1_000_000
        self._notes.append(self.put(records.body(kind, run_id, now, content), run_id))

    def _open(self) -> OwnFiles:
        if self._files is None:
            patience_s, self._patience_s = self._patience_s, 0.0
            self._files = OwnFiles(
                self._folder,
                self.writer,
                self._reserve,
                self.last,
                fsync=self._fsync,
                patience_s=patience_s,
            )
            self._patience_s = _PATIENCE_S
        return self._files

    def _take(self) -> Batch | None:
        files = self._files
        while files is not None:
            # In this order: what is behind the current one is complete.
            current = files.number
            if current == 0:
                break
            chunk = self._read(files, current)
            if chunk.size:
                return Batch(chunk.records, chunk)
            if files.reader.number == current:
                break
            if not self._reads_again(files):
                self._note_lost_of_segment(files)
                files.reader.next_segment(self._folder.damaged)
        if not self._memory:
            # Nor is the lock waited for, which a thread may hold that a signal interrupted.
            return None
        with self._lock:
            files = self._files
            if files is not None and files.number:
                chunk = files.reader.read(complete=False)
                if chunk.size:
                    # Written after the files were read, and before they could not be written.
                    return Batch(chunk.records, chunk)
            lines = list(itertools.islice(self._memory, _LINES_AT_ONCE))
        found = [record for line in lines if (record := records.parse(line.text[:-1]))]
        return Batch(found) if found else None

    def _read(self, files: OwnFiles, current: int) -> Chunk:
        """Read what comes next of the segments; nothing of one that is gone."""
        number = files.reader.number
        try:
            return files.reader.read(complete=number < current)
        except (FileNotFoundError, IsADirectoryError):
            if not self._lock.acquire(timeout=_MOMENT_S):
                raise
            try:
                files.look()
            finally:
                self._lock.release()
            if files.reader.path.is_file():
                return files.reader.read(complete=number < current)
            return Chunk()
        except OSError:
            self._unreadable[number] += 1
            if number == current or self._unreadable[number] < _TRIES:
                raise
            return Chunk()

    def _reads_again(self, files: OwnFiles) -> bool:
        """Whether a segment is to be read again that lacks something.

        Of one that was cut a part may have been written before the place that was read last.
        """
        number = files.reader.number
        if number == self._read_again or not files.lost_of_segment():
            return False
        self._read_again = number
        files.reader.turn_to(number)
        return True

    def _note_lost_of_segment(self, files: OwnFiles) -> None:
        """Say and note what was written to a segment, and is not in it."""
        lost = files.lost_of_segment()
        if not lost:
            return
        self.note_lost(lost)
        for run_id in sorted(files.runs_of_segment()):
            self._put_note(Kind.DROPPED, run_id, {records.UNCOUNTED: lost})
        self._reminder.warn(
            "lost",
            "%d calls for %s are lost: somebody removed, cut or damaged a part of their journal "
            "in %s.",
            lost,
            self._folder.target,
            self._folder.path,
        )

    def _keep_in_memory(self, text: bytes, sequence: int, body: str) -> bool:
        record = Record(0, *json.loads(body))
        keys = tuple(keys_of(record))
        # What ends a run, and params and tags, are few.
        is_values = record.kind in records.VALUES
        if is_values and self._memory_bytes + len(text) > _MEMORY_BYTES:
            self._dropped.update((record.run_id, key) for key in keys)
            self._lost += 1
            self._reminder.warn(
                "full",
                "%d values for %s were dropped: the journal cannot be written, and memory for them "
                "is used up. mlflow-workspace verify names them.",
                self._dropped.total(),
                self._folder.target,
            )
            return False
        if record.run_id not in self._unsaved or self._reserved is not None:
            # Before it is in memory only.
            self._unsaved.add(record.run_id)
            self._reserved = None
            self._reserve.mark(self._unsaved)
        self._memory.append(_Line(text, sequence, record.kind, record.run_id, keys))
        self._memory_bytes += len(text)
        return True

    def _save_some(self) -> bool:
        with self._lock:
            is_counted = self._reserved is not None
            lines = list(itertools.islice(self._memory, _LINES_SAVED_AT_ONCE))
            if lines:
                files = self._open()
                self._saves += 1
                text = b"".join(line.text for line in lines)
                files.append(text, lines[-1].sequence, lines[-1].run_id, len(lines))
                for run_id in {line.run_id for line in lines}:
                    files.add_run(run_id)
                for line in lines:
                    self._memory_bytes -= len(line.text)
                    self._memory.popleft()
            self._put_dropped()
            self._note_memory(is_counted=is_counted)
            return bool(self._memory)

    def _put_dropped(self) -> None:
        """Note what was dropped, to be stored behind what was not."""
        dropped, self._dropped = self._dropped, Counter()
        for run_id, counts in _by_run(dropped).items():
            self._put_note(Kind.DROPPED, run_id, counts)

    def _note_memory(self, *, is_counted: bool) -> None:
        """Let the reserve say again what is in memory only, after that became less."""
        if not self._memory and not self._dropped:
            self._reserve.clear()
            self._unsaved.clear()
            self._reserved = None
        elif is_counted:
            self._count_memory()

    def _count_memory(self) -> None:
        """Let the reserve count the values in memory, and keep ends of runs, params and tags."""
        counts, others = Counter(self._dropped), []
        for line in self._memory:
            if line.kind in records.VALUES:
                counts.update((line.run_id, key) for key in line.keys)
            else:
                others.append(line)
        others.sort(key=lambda line: (line.kind != Kind.INFO, line.kind not in records.NO_CALLS))
        room = STATEMENT_ROOM - len(b"".join(self._count_lines(counts)))
        # For what is left out is counted, too.
        room -= _BYTES_OF_COUNT * len({line.run_id for line in others})
        kept = []
        for line in others:
            if len(line.text) <= room:
                room -= len(line.text)
                kept.append(line)
            elif line.kind not in records.NO_CALLS:
                counts[line.run_id, records.OTHERS] += 1
        calls = sum(line.kind not in records.NO_CALLS for line in self._memory)
        kept_calls = sum(line.kind not in records.NO_CALLS for line in kept)
        lines = [*self._count_lines(counts), *(line.text for line in kept)]
        is_kept = self._reserve.count(calls - kept_calls, lines)
        self._reserved = kept_calls if is_kept else 0

    def _count_lines(self, counts: Counter[tuple[str, str]]) -> list[bytes]:
        """Return lines of records that say what was dropped; if these are many, less exactly."""
        now = time.time_ns() // 1_000_000
        by_run = _by_run(counts)
        in_all = {run_id: {records.OTHERS: sum(by_run[run_id].values())} for run_id in by_run}
        for of_run in (by_run, in_all):
            lines = []
            for run_id, counted in of_run.items():
                self._drawn += 1
                lines.append(
                    records.line(self._drawn, records.body(Kind.DROPPED, run_id, now, counted))
                )
            if len(b"".join(lines)) <= STATEMENT_ROOM // 2:
                break
        return lines


def _by_run(counts: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (run_id, key), number in counts.items():
        found.setdefault(run_id, {})[key] = number
    return found
