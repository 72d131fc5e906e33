"""The journal of a process: a call appends to it, and a thread sends what was appended.

A record is written to the segment file before the call returns, and read back from there by the
thread, so that a million values that wait take disk and no memory, and what the thread sends is
what another process would find if this one died.
"""

import logging
import os
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from mlflow_workspace_plugin.journal import records
from mlflow_workspace_plugin.journal.folder import JournalFolder, Leftover
from mlflow_workspace_plugin.journal.give_way import give_way
from mlflow_workspace_plugin.journal.outbox import Outbox
from mlflow_workspace_plugin.journal.records import Kind, Record
from mlflow_workspace_plugin.journal.reminder import Reminder
from mlflow_workspace_plugin.journal.replay import (
    Refused,
    Replay,
    Target,
    keep_refused,
    replay,
)

# How long metrics may gather before they are sent; others are to see them within a second.
_LINGER_S = 0.5
# How often the thread looks for what ended processes left.
_LOOK_S = 5.0
# How long a call that wants an answer waits for a target that gives none.
PATIENCE_S = 5.0
_LONGEST_PAUSE_S = 2.0
# How often a leftover is tried, though the target answers, and when it is tried again.
_TRIES = 3
_PUT_OFF_S = 60.0

_logger = logging.getLogger(__name__)


class Journal:
    """The journal of this process for one target. All methods may be called by any thread.

    Args:
        folder: where its files are.
        target: stores records.
        refused: told of each record that was refused after its call had returned.
        fsync: wait for the disk at each call.
        fork_wait_s: how long a fork waits for what is being sent.
    """

    def __init__(
        self,
        folder: JournalFolder,
        target: Target,
        refused: Refused,
        *,
        fsync: bool = False,
        fork_wait_s: float = 1.0,
    ) -> None:
        self.folder = folder
        self._target = target
        self._tell_refused = refused
        self._fsync = fsync
        self._reminder = Reminder()
        self._reset()
        _renew_after_fork(self, fork_wait_s)

    def _reset(self) -> None:
        """Be as new: at the start, and in a forked child."""
        self._outbox = Outbox(self.folder, self._reminder, fsync=self._fsync)
        self._thread: threading.Thread | None = None
        # All that a call touches may be entered again by the handler of a signal, in its thread.
        self._start_lock = threading.RLock()
        self._ship_lock = threading.RLock()
        # Wakes the thread; True: at once.
        self._wake: SimpleQueue[bool] = SimpleQueue()
        self._asleep = True
        self._exiting = False
        self.refused_runs: set[str] = set()
        """Runs that refused values after their call had returned."""

        # What it guards is below.
        self._progress = threading.Condition()
        self._sent = 0
        # Of what was not sent when the process ended, how many records are no calls.
        self._notes = 0
        self._closed_at: int | None = None
        self._answers: dict[int, Exception] = {}
        self._abandoned: set[int] = set()
        self._away = False
        self._failing_since: float | None = None
        self._progress_at = time.monotonic()
        self._leftovers: deque[tuple[Leftover, Iterator[Replay]]] = deque()
        # By writer of a leftover that could not be sent: how often, and when it is tried again.
        self._failed: Counter[str] = Counter()
        self._put_off: dict[str, float] = {}

    @property
    def waiting(self) -> int:
        """How many calls are not yet sent."""
        return max(self._unsent - self._notes, 0)

    @property
    def _unsent(self) -> int:
        return self._outbox.last - self._sent

    @property
    def away(self) -> bool:
        """Whether the target is known to be away."""
        return self._away

    def append_metrics(
        self,
        run_id: str,
        called_at: int | None,
        values: Sequence[Sequence[Any]],
        exact: Sequence[Sequence[Any]] = (),
        table: str | None = None,
    ) -> None:
        """Append values of metrics, and return at once.

        Args:
            run_id: the run.
            called_at: when the call was made, in milliseconds since 1970; None if the values may
                have been sent before.
            values: see :func:`records.metrics_body`.
            exact: what was logged where a number does not say it; see :class:`Record`.
            table: the table whose rows they are.
        """
        keys = [value[0] for value in values]
        if exact or table is not None:
            body = records.body(Kind.TYPED, run_id, called_at, [values, exact, table])
        else:
            body = records.metrics_body(run_id, called_at, values)
        self._outbox.put(body, run_id, keys)
        self._wake_soon()

    def append_metric(
        self, run_id: str, called_at: int, key: str, value: float, timestamp: int, step: int
    ) -> None:
        """Append one value that is finite, and return at once; see :meth:`append_metrics`."""
        body = records.metric_body(run_id, called_at, key, value, timestamp, step)
        self._outbox.put(body, run_id, (key,))
        self._wake_soon()

    def append(self, kind: Kind, run_id: str, content: Any) -> None:
        """Append a record, and return at once.

        Args:
            kind: what it does; neither one of values nor one that is waited for.
            run_id: the run.
            content: see :class:`Record`.
        """
        called_at = time.time_ns() // 1_000_000
        self._outbox.put(records.body(kind, run_id, called_at, content))
        self._wake_soon()

    def append_and_wait(self, kind: Kind, run_id: str, content: Any) -> bool:
        """Append a record, and wait until it is stored.

        Args:
            kind: what it does; not one of values.
            run_id: the run.
            content: see :class:`Record`; of INFO without what was logged.

        Returns:
            Whether it was stored. If not, the target is away, and the record is sent when it is
            back.

        Raises:
            Exception: why the target refused it.
        """
        called_at = time.time_ns() // 1_000_000
        if kind == Kind.INFO:
            content = [*content, self._outbox.take_logged(run_id)]
        sequence = self._outbox.put(records.body(kind, run_id, called_at, content))
        try:
            # What a signal's handler logs in the middle of a call is written when that goes on.
            if self._outbox.is_written(sequence):
                self._wait_for(sequence)
        finally:
            with self._progress:
                is_sent = self._sent >= sequence
                error = self._answers.pop(sequence, None)
                if not is_sent:
                    self._abandoned.add(sequence)
        if error is not None:
            raise error
        return is_sent

    def flush(self, timeout_s: float | None = None) -> bool:
        """Send all that waits, and what ended processes left.

        Args:
            timeout_s: how long to wait for it. By default as long as the target answers.

        Returns:
            Whether all of it was sent.
        """
        self._take_leftovers()
        if self._unsent <= 0 and not self._leftovers:
            return True
        return self._wait_for(self._outbox.last, timeout_s, leftovers=True)

    def close(self, timeout_s: float) -> int:
        """Send all that waits, and remove the files once they are empty.

        More may be appended afterwards; files are removed then as soon as they are empty. If
        nothing was, closing again does nothing.

        Args:
            timeout_s: how long to wait for it.

        Returns:
            How many calls could not be sent.
        """
        deadline = time.monotonic() + timeout_s
        self._exiting = True
        if self._closed_at == self._outbox.last or (self._thread is None and self._unsent <= 0):
            return 0
        done = self.flush(timeout_s)
        self._notes += self._outbox.put_logged()
        if done:
            self.flush(max(deadline - time.monotonic(), 0))
        # Files that stay are removed by whoever looks next.
        if self._ship_lock.acquire(timeout=max(deadline - time.monotonic(), 0)):
            try:
                self._outbox.remove_files(self._sent)
            finally:
                self._ship_lock.release()
        self._closed_at = self._outbox.last
        return 0 if done else self.waiting

    def note_silence(self) -> None:
        """Take notice that the target gave a call no answer; look now and then for its return."""
        self._away = True
        self._wake_up(at_once=True)

    def _wake_soon(self) -> None:
        if self._asleep:
            self._asleep = False
            self._wake_up(at_once=False)

    def _wake_up(self, *, at_once: bool) -> None:
        self._wake.put(at_once)
        self._start()

    def _start(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        with self._start_lock:
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(target=self._work, name="journal", daemon=True)
                # When the interpreter ends no thread can be started; whoever waits sends then.
                with suppress(RuntimeError):
                    thread.start()
                    self._thread = thread

    def _work(self) -> None:
        # An append wakes it from here on, though it may have been dead.
        self._asleep = True
        self._take_leftovers()
        self._ship()
        while True:
            at_once = self._next_wake(_LOOK_S)
            if at_once is None:
                self._take_leftovers()
            deadline = time.monotonic() + _LINGER_S
            while at_once is False and (left := deadline - time.monotonic()) > 0:
                at_once = self._next_wake(left) or False
            pause = 0.0
            while not self._ship():
                pause = min(2 * pause + 0.1, _LONGEST_PAUSE_S)
                self._sleep_until_hurried(pause)

    def _next_wake(self, timeout_s: float) -> bool | None:
        """Return what the next wake says, or None if there is none in time."""
        try:
            return self._wake.get(timeout=timeout_s)
        except Empty:
            return None

    def _sleep_until_hurried(self, pause_s: float) -> None:
        # Those who are in a hurry cannot make the target come back.
        time.sleep(min(pause_s, 0.1))
        deadline = time.monotonic() + pause_s
        while (left := deadline - time.monotonic()) > 0 and not self._next_wake(left):
            pass

    def _ship(self) -> bool:
        """Send all that there is by now; return whether that was possible."""
        # Before anything is read: what is appended from here on wakes again.
        self._asleep = True
        try:
            self._outbox.save()
            last: int | None = self._outbox.last
            while last is not None:
                last = self._ship_part(last)
                # Between two parts others may fork, or close the journal.
                give_way()
        except Exception as error:  # noqa: BLE001  a logging call must never see it
            self._note_away(error)
            return False
        return True

    def _ship_part(self, last: int) -> int | None:
        """Send the next part of what waits, up to a record, or else of a leftover.

        Returns:
            Up to which record the next part is to be sent; None if there is no more.
        """
        with self._ship_lock:
            if self._sent < last:
                try:
                    batch = self._outbox.take()
                except FileNotFoundError:
                    last, batch = self._outbox.start_over(), None
                if batch is None:
                    self._note_lost(last)
                else:
                    self._send(batch.records)
                    self._outbox.remove(batch)
                return last
            if self._leftovers:
                self._ship_part_of_leftover()
                # What this process logged meanwhile does not wait for the rest of it.
                return self._outbox.last
            if self._away:
                self._target.ping()
                self._note_progress()
            if self._exiting:
                self._outbox.remove_files(self._sent)
        return None

    def _ship_part_of_leftover(self) -> None:
        leftover, parts = self._leftovers[0]
        try:
            done = next(parts, None) is None
        except Exception as error:
            # From where it was.
            self._leftovers[0] = (leftover, self._replay(leftover))
            # Of a target that is away this raises, too.
            self._target.ping()
            self._failed[leftover.writer] += 1
            if self._failed[leftover.writer] % _TRIES:
                raise
            self._put_off[leftover.writer] = time.monotonic() + _PUT_OFF_S
            self._reminder.warn(
                leftover.writer,
                "The journal %s cannot be sent, and stays where it is: %s",
                leftover.reader.path,
                error,
            )
            done = True
        if done:
            leftover.lock.close()
            with self._progress:
                self._leftovers.popleft()
        self._note_progress()

    def _send(self, batch: list[Record]) -> None:
        # What a try before this one got through has been told of.
        rest = [record for record in batch if record.sequence > self._sent]
        while rest:
            outcomes = self._target.deliver(self._outbox.writer, rest)
            self._note_sent(rest[: len(outcomes)], outcomes)
            rest = rest[len(outcomes) :]

    def _note_sent(self, batch: list[Record], outcomes: list[Exception | None]) -> None:
        refused = []
        with self._progress:
            for record, error in zip(batch, outcomes, strict=True):
                abandoned = record.sequence in self._abandoned
                self._abandoned.discard(record.sequence)
                if error is None:
                    continue
                if abandoned or record.kind not in records.AWAITED:
                    refused.append((record, error))
                    self.refused_runs.add(record.run_id)
                else:
                    self._answers[record.sequence] = error
            self._sent = batch[-1].sequence
            self._note_progress()
        for record, error in refused:
            keep_refused(self.folder, self._outbox.writer, record, error, self._tell_refused)
        if refused:
            record, error = refused[-1]
            self._reminder.warn(
                "refused",
                "%d calls were refused and are kept in %s. The last one, for run %s: %s",
                len(refused),
                self.folder.refused,
                record.run_id,
                error,
            )

    def _note_lost(self, last: int) -> None:
        """Take notice that records are in no file any more."""
        with self._progress:
            lost, self._sent = last - self._sent, last
            self._progress.notify_all()
        self._reminder.warn(
            "lost",
            "%d calls for %s are lost: somebody removed their journal from %s, or damaged it.",
            lost,
            self.folder.target,
            self.folder.path,
        )

    def _replay(self, leftover: Leftover) -> Iterator[Replay]:
        return replay(self.folder, leftover, self._target, self._tell_refused)

    def _take_leftovers(self) -> None:
        """Take over what processes left that ended, to send it."""
        now = time.monotonic()
        put_off = {writer for writer, until in self._put_off.items() if until > now}
        try:
            for leftover in self.folder.leftovers(but_not=put_off):
                with self._progress:
                    self._leftovers.append((leftover, self._replay(leftover)))
        except OSError as error:
            self._reminder.warn(
                "leftovers",
                "The journals in %s cannot be looked through: %s",
                self.folder.path,
                error,
            )
        if self._leftovers:
            self._wake_up(at_once=True)

    def _wait_for(
        self, sequence: int, timeout_s: float | None = None, *, leftovers: bool = False
    ) -> bool:
        """Wait until a record was sent; return whether it was.

        Without a timeout as long as there is progress, and not at all for a target that is away.
        """
        self._wake_up(at_once=True)
        if self._thread is None:
            self._ship()
        started = time.monotonic()
        with self._progress:
            while self._sent < sequence or (leftovers and self._leftovers):
                if timeout_s is not None:
                    patience = started + timeout_s - time.monotonic()
                elif self._away:
                    return False
                else:
                    patience = max(started, self._progress_at) + PATIENCE_S - time.monotonic()
                if patience <= 0:
                    # Without a timeout it is the target that is too slow, if it has the record.
                    self._away |= timeout_s is None and self._outbox.last >= sequence
                    return False
                self._progress.wait(patience)
        return True

    def _note_progress(self) -> None:
        with self._progress:
            self._away = False
            self._failing_since = None
            self._progress_at = time.monotonic()
            self._progress.notify_all()

    def _note_away(self, error: Exception) -> None:
        self._outbox.save()
        now = time.monotonic()
        with self._progress:
            self._failing_since = self._failing_since or now
            if now - self._failing_since >= PATIENCE_S:
                self._away = True
                self._progress.notify_all()
        if not self.waiting or not self._reminder.is_due("away"):
            return
        self._reminder.warn(
            "away",
            "%s cannot be reached: %s. %d calls wait in %s (%.1f MB). They are sent when it is "
            "back, or by mlflow-workspace sync.",
            self.folder.target,
            error,
            self.waiting,
            self.folder.path,
            self.folder.size() / 1e6,
        )

    def _leave(self) -> None:
        """Let go of what a forked child shares with its parent, which goes on with it."""
        self._outbox.leave()
        for leftover, _ in self._leftovers:
            leftover.lock.close()
        self._reset()


def _renew_after_fork(journal: Journal, wait_s: float) -> None:
    """Let nothing be sent during a fork, and give the child a journal of its own.

    A database connection in use at a fork would be open in both.
    """
    reference = weakref.ref(journal)
    held = threading.local()

    def _before() -> None:
        parent = reference()
        if parent is not None and parent._ship_lock.acquire(timeout=wait_s):
            held.lock = parent._ship_lock

    def _in_parent() -> None:
        if hasattr(held, "lock"):
            held.lock.release()
            del held.lock

    def _in_child() -> None:
        if hasattr(held, "lock"):
            del held.lock
        inherited = reference()
        if inherited is not None:
            inherited._leave()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
