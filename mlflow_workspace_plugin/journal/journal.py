"""The journal of a process: a call appends to it, and a thread sends what was appended.

A record is written to the segment file before the call returns, and read back from there by the
thread, so that a million values that wait take disk and no memory, and what the thread sends is
what another process would find if this one died.
"""

import itertools
import json
import logging
import os
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from mlflow_workspace_plugin.journal import records
from mlflow_workspace_plugin.journal.folder import JournalFolder, Leftover, new_writer_id
from mlflow_workspace_plugin.journal.lock import HeldLock
from mlflow_workspace_plugin.journal.records import Kind, Record
from mlflow_workspace_plugin.journal.replay import Target, replay
from mlflow_workspace_plugin.journal.segments import SegmentReader, SegmentWriter

# How long metrics may gather before they are sent; others are to see them within a second.
_LINGER_S = 0.25
# How long a call that wants an answer waits for a target that does not answer.
PATIENCE_S = 5.0
_LONGEST_PAUSE_S = 2.0
_REMIND_S = 60.0
_RING_BYTES = 64 << 20
_RING_LINES_AT_ONCE = 10_000
# A fork does not wait longer for what is being sent.
_FORK_S = 1.0

Refused = Callable[[Record, Exception], None]
"""Told of a record that the target refused after its call had returned."""

_logger = logging.getLogger(__name__)


class Journal:
    """The journal of this process for one target. All methods may be called by any thread.

    Args:
        folder: where its files are.
        target: stores records.
        refused: told of each record that was refused after its call had returned.
        fsync: wait for the disk at each call.
    """

    def __init__(
        self, folder: JournalFolder, target: Target, refused: Refused, *, fsync: bool = False
    ) -> None:
        self.folder = folder
        self._target = target
        self._tell_refused = refused
        self._fsync = fsync
        self._warned_at: dict[str, float] = {}
        self._reset()
        _renew_after_fork(self)

    def _reset(self) -> None:
        """Be as new: at the start, and in a forked child."""
        self._append_lock = threading.RLock()
        self._ship_lock = threading.RLock()
        self._progress = threading.Condition()
        self._something = threading.Event()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None

        # Guarded by the append lock.
        self._writer: str | None = None
        self._lock: HeldLock | None = None
        self._segments: SegmentWriter | None = None
        self._reader: SegmentReader | None = None
        self._appended = 0
        self._appending = False
        self._interrupting: list[tuple[str, bool]] = []
        self._ring: deque[bytes] = deque()
        self._ring_bytes = 0
        self._dropped: Counter[tuple[str, str]] = Counter()

        # Guarded by the progress condition.
        self._shipped = 0
        self._awaited: set[int] = set()
        self._answers: dict[int, Exception] = {}
        self._away = False
        self._failing_since: float | None = None
        self._progress_at = time.monotonic()
        self._leftovers: deque[Leftover] = deque()
        self._exiting = False

    @property
    def waiting(self) -> int:
        """How many records were appended and not yet sent."""
        return self._appended - self._shipped

    @property
    def away(self) -> bool:
        """Whether the target is known to be away."""
        return self._away

    def append_metrics(self, run_id: str, called_at: int, values: Sequence[Sequence[Any]]) -> None:
        """Append values of metrics, and return at once.

        Args:
            run_id: the run.
            called_at: when the call was made, in milliseconds since 1970.
            values: see :func:`records.metrics_body`.
        """
        self._append(records.metrics_body(run_id, called_at, values), awaited=False)

    def append_and_wait(self, kind: Kind, run_id: str, content: Any) -> bool:
        """Append a record, and wait until it is stored.

        Args:
            kind: what it does.
            run_id: the run.
            content: see :class:`Record`.

        Returns:
            Whether it was stored. If not, the target is away, and the record is sent when it is
            back.

        Raises:
            Exception: why the target refused it.
        """
        called_at = time.time_ns() // 1_000_000
        sequence = self._append(records.body(kind, run_id, called_at, content), awaited=True)
        if self._wait_for(sequence):
            with self._progress:
                error = self._answers.pop(sequence, None)
            if error is not None:
                raise error
            return True
        with self._progress:
            self._awaited.discard(sequence)
        return False

    def flush(self, timeout_s: float | None = None) -> bool:
        """Send all that waits, and what ended processes left.

        Args:
            timeout_s: how long to wait for it. By default as long as the target answers.

        Returns:
            Whether all of it was sent.
        """
        taken = deque(self.folder.leftovers())
        with self._progress:
            self._leftovers += taken
            nothing = self._shipped >= self._appended and not self._leftovers
        if nothing:
            return True
        return self._wait_for(self._appended, timeout_s, leftovers=True)

    def close(self, timeout_s: float) -> bool:
        """Send all that waits, and remove the files of this writer once they are empty.

        More may be appended afterwards; files are removed then as soon as they are empty.

        Returns:
            Whether all of it was sent.
        """
        self._exiting = True
        done = self.flush(timeout_s)
        with self._ship_lock, self._append_lock:
            self._remove_if_empty()
        return done

    def _leave(self) -> None:
        """Let go of what a forked child shares with its parent, which goes on with it."""
        if self._segments is not None:
            self._segments.close()
        for lock in (self._lock, *(leftover.lock for leftover in self._leftovers)):
            if lock is not None:
                lock.close()
        self._reset()

    # --- appending -------------------------------------------------------------------------------

    def _append(self, body: str, *, awaited: bool) -> int:
        with self._append_lock:
            if self._appending:
                # A signal's handler that logs, while the same thread is in here: after that record,
                # for their numbers have to be in the order of the file.
                self._interrupting.append((body, awaited))
                return self._appended + 1 + len(self._interrupting)
            self._appending = True
            try:
                sequence = self._write(body, awaited=awaited)
            finally:
                self._appending = False
                while self._interrupting:
                    interrupting, is_awaited = self._interrupting.pop(0)
                    self._write(interrupting, awaited=is_awaited)
        if awaited:
            self._hurry.set()
        if not self._something.is_set():
            self._something.set()
            self._start()
        return sequence

    def _write(self, body: str, *, awaited: bool) -> int:
        sequence = self._appended + 1
        line = records.line(sequence, body)
        if awaited:
            self._awaited.add(sequence)
        if self._ring:
            kept = self._keep_in_memory(line, body)
        else:
            try:
                self._open().append(line)
                kept = True
            except OSError as error:
                self._warn(
                    "not durable",
                    "The journal of %s cannot be written (%s). Up to %d MB of values wait in "
                    "memory and are lost if this process is killed. Free the disk, or set "
                    "MLFLOW_WORKSPACE_JOURNAL_DIR to a folder that can be written.",
                    self.folder.target,
                    error,
                    _RING_BYTES >> 20,
                )
                kept = self._keep_in_memory(line, body)
        if kept:
            self._appended = sequence
        return sequence

    def _writer_id(self) -> str:
        with self._append_lock:
            # Without a folder that can be written there is none yet.
            self._writer = self._writer or new_writer_id()
            return self._writer

    def _open(self) -> SegmentWriter:
        if self._segments is None:
            self._writer = self._writer_id()
            self._lock = self.folder.lock(self._writer)
            self._segments = SegmentWriter(self.folder.path, self._writer, fsync=self._fsync)
            self._reader = SegmentReader(self.folder.path, self._writer)
        return self._segments

    def _keep_in_memory(self, line: bytes, body: str) -> bool:
        """Keep a line while the journal cannot be written; return whether there was room."""
        kind, run_id, _, content = json.loads(body)
        if kind == Kind.METRICS and self._ring_bytes + len(line) > _RING_BYTES:
            self._dropped.update((run_id, value[0]) for value in content)
            self._warn(
                "full",
                "%d values for %s were dropped: the journal cannot be written, and memory for them "
                "is used up. mlflow-workspace verify names them.",
                self._dropped.total(),
                self.folder.target,
            )
            return False
        self._ring.append(line)
        self._ring_bytes += len(line)
        return True

    def _save_ring(self) -> None:
        """Write what waits in memory to the journal, if it can be written again."""
        with self._append_lock, suppress(OSError):
            while self._ring:
                self._open().append(self._ring[0])
                self._ring_bytes -= len(self._ring.popleft())

    # --- sending ---------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        with self._append_lock:
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(target=self._work, name="journal", daemon=True)
                # When the interpreter ends no thread can be started; whoever waits sends then.
                with suppress(RuntimeError):
                    thread.start()
                    self._thread = thread

    def _work(self) -> None:
        pause = 0.0
        while True:
            self._something.wait()
            self._hurry.wait(max(pause, _LINGER_S))
            self._something.clear()
            self._hurry.clear()
            if self._ship():
                pause = 0.0
            else:
                self._something.set()
                pause = min(2 * pause + 0.1, _LONGEST_PAUSE_S)
                # Those who are in a hurry cannot make the target come back.
                time.sleep(min(pause, 0.1))

    def _ship(self) -> bool:
        """Send all there is; return whether that was possible."""
        with self._ship_lock:
            try:
                while self._ship_chunk():
                    pass
                self._ship_leftovers()
            except Exception as error:  # noqa: BLE001  a logging call must never see it
                self._note_away(error)
                return False
            with self._append_lock:
                if self._exiting:
                    self._remove_if_empty()
        return True

    def _ship_chunk(self) -> bool:
        """Send the next records; return whether there were any."""
        reader, segments = self._reader, self._segments
        if reader is not None and segments is not None:
            # In this order: what is behind the current one is complete.
            current = segments.number
            chunk = reader.read(complete=reader.number < current)
            if chunk.size:
                self._send(chunk.records)
                reader.advance(chunk)
                return True
            if reader.number < current:
                reader.next_segment()
                return True
        with self._append_lock:
            lines = list(itertools.islice(self._ring, _RING_LINES_AT_ONCE))
        self._send([record for line in lines if (record := records.parse(line[:-1]))])
        with self._append_lock:
            for _ in lines:
                self._ring_bytes -= len(self._ring.popleft())
            if lines and self._dropped:
                self._append_dropped()
        return bool(lines)

    def _append_dropped(self) -> None:
        """Note what was dropped, to be stored in the order of the records."""
        dropped, self._dropped = self._dropped, Counter()
        for run_id in {run_id for run_id, _ in dropped}:
            counts = {key: number for (run, key), number in dropped.items() if run == run_id}
            now = time.time_ns() // 1_000_000
            self._write(records.body(Kind.DROPPED, run_id, now, counts), awaited=False)

    def _send(self, sent: list[Record]) -> None:
        if not sent:
            return
        outcomes = self._target.deliver(self._writer_id(), sent)
        refused = []
        with self._progress:
            for record, error in zip(sent, outcomes, strict=True):
                if record.sequence in self._awaited:
                    self._awaited.discard(record.sequence)
                    if error is not None:
                        self._answers[record.sequence] = error
                elif error is not None:
                    refused.append((record, error))
            self._shipped = sent[-1].sequence
            self._note_progress()
        for record, error in refused:
            self._keep_refused(record, error)

    def _keep_refused(self, record: Record, error: Exception) -> None:
        with suppress(OSError):
            self.folder.keep_refused(self._writer_id(), record, error)
        self._warn(
            "refused",
            "A record for run %s was refused and is kept in %s: %s",
            record.run_id,
            self.folder.refused,
            error,
        )
        try:
            self._tell_refused(record, error)
        except Exception:
            _logger.debug("The refusal could not be noted on its run.", exc_info=True)

    def _ship_leftovers(self) -> None:
        while self._leftovers:
            leftover = self._leftovers[0]
            try:
                replay(self.folder, leftover, self._target)
            except OSError as error:
                self._warn("unreadable", "A journal in %s cannot be read: %s", leftover, error)
                leftover.lock.close()
            with self._progress:
                self._leftovers.popleft()
                self._note_progress()

    def _remove_if_empty(self) -> None:
        """Remove the files of this writer, if all that is in them was sent."""
        if self._segments is None or self._reader is None or self._lock is None:
            return
        if self._shipped < self._appended:
            return
        self._segments.close()
        self._reader.remove()
        self._lock.remove()
        if self._writer is not None:
            # A row that stays does no harm.
            with suppress(Exception):
                self._target.forget_writer(self._writer)
        self._writer, self._segments, self._reader, self._lock = None, None, None, None

    # --- waiting ---------------------------------------------------------------------------------

    def _wait_for(
        self, sequence: int, timeout_s: float | None = None, *, leftovers: bool = False
    ) -> bool:
        """Wait until a record was sent; return whether it was.

        Without a timeout as long as there is progress, and not at all for a target that is away.
        """
        self._something.set()
        self._hurry.set()
        self._start()
        if self._thread is None:
            self._ship()
        started = time.monotonic()
        with self._progress:
            while self._shipped < sequence or (leftovers and self._leftovers):
                if timeout_s is not None:
                    patience = started + timeout_s - time.monotonic()
                elif self._away:
                    return False
                else:
                    patience = max(started, self._progress_at) + PATIENCE_S - time.monotonic()
                if patience <= 0:
                    if timeout_s is None:
                        self._away = True
                    return False
                self._progress.wait(patience)
        return True

    def _note_progress(self) -> None:
        self._away = False
        self._failing_since = None
        self._progress_at = time.monotonic()
        self._progress.notify_all()

    def _note_away(self, error: Exception) -> None:
        self._save_ring()
        now = time.monotonic()
        with self._progress:
            self._failing_since = self._failing_since or now
            if now - self._failing_since >= PATIENCE_S:
                self._away = True
                self._progress.notify_all()
        self._warn(
            "away",
            "%s cannot be reached: %s. %d calls wait in %s and are sent when it is back, or by "
            "mlflow-workspace sync.",
            self.folder.target,
            error,
            self.waiting,
            self.folder.path,
        )

    def _warn(self, about: str, message: str, *arguments: object) -> None:
        """Warn, of one thing once a minute at most."""
        now = time.monotonic()
        if now - self._warned_at.get(about, -_REMIND_S) >= _REMIND_S:
            self._warned_at[about] = now
            _logger.warning(message, *arguments)


def _renew_after_fork(journal: Journal) -> None:
    """Let nothing be sent during a fork, and give the child a journal of its own.

    A database connection in use at a fork would be open in both.
    """
    reference = weakref.ref(journal)
    held: list[threading.RLock] = []

    def _before() -> None:
        parent = reference()
        if parent is not None and parent._ship_lock.acquire(timeout=_FORK_S):
            held.append(parent._ship_lock)

    def _in_parent() -> None:
        while held:
            held.pop().release()

    def _in_child() -> None:
        held.clear()
        inherited = reference()
        if inherited is not None:
            inherited._leave()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
