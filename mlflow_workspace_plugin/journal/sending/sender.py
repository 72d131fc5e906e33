"""The thread that sends what this process logged, and what ended processes left."""

import math
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue

from mlflow_workspace_plugin.errors import JournalBehindError, clause
from mlflow_workspace_plugin.journal.files import records
from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from mlflow_workspace_plugin.journal.files.records import Record
from mlflow_workspace_plugin.journal.give_way import give_way
from mlflow_workspace_plugin.journal.outbox import Batch, Outbox
from mlflow_workspace_plugin.journal.progress import Progress
from mlflow_workspace_plugin.journal.reminder import Reminder
from mlflow_workspace_plugin.journal.sending.leftovers import Leftovers
from mlflow_workspace_plugin.journal.sending.refused import RefusedRecords
from mlflow_workspace_plugin.journal.sending.target import Target

# How long metrics may gather before they are sent; others are to see them within a second.
_LINGER_S = 0.5
# How often the thread looks for what ended processes left.
_LOOK_S = 5.0
_LONGEST_PAUSE_S = 2.0
# How long it waits for another process that sends what comes first.
_HELD_S = 0.1
# Of how many runs it is known how far they were sent.
_MANY_RUNS = 10_000


class Sender:
    """Sends what is in an outbox, in a thread that is started when it is first woken.

    Args:
        folder: where the journals are.
        outbox: what is to be sent.
        target: stores it.
        progress: told of what became of it.
        reminder: warns of what goes wrong.
    """

    def __init__(
        self,
        folder: JournalFolder,
        outbox: Outbox,
        target: Target,
        progress: Progress,
        reminder: Reminder,
    ) -> None:
        self._folder = folder
        self._outbox = outbox
        self._target = target
        self._progress = progress
        self._reminder = reminder
        self._refused = RefusedRecords(folder.refused, outbox.writer)
        self._thread: threading.Thread | None = None
        # All that a call touches may be entered again by the handler of a signal, in its thread.
        self._start_lock = threading.RLock()
        # Wakes the thread; True: at once.
        self._wakes: SimpleQueue[bool] = SimpleQueue()
        self.is_asleep = True
        """Whether it has to be woken for what is put from now on."""
        self.sending = threading.RLock()
        """Held while a part is sent."""
        self.leftovers = Leftovers(folder, target, reminder, outbox.writer)
        """What ended processes left, to be sent behind the outbox."""
        # The run of the next record, if it comes after what an ended process left of that run.
        self._held: str | None = None
        # By run, the last record that was sent.
        self._last_of: dict[str, int] = {}
        # While it sends again what the target has no more: from which record on, and to which.
        self._behind: tuple[int, int] | None = None
        self.refused_runs: set[str] = set()
        """Runs that refused values after their call had returned."""
        self.removes_files = False
        """Whether the outbox's files are removed as soon as they are empty."""

    @property
    def has_started(self) -> bool:
        """Whether there is, or was, a thread."""
        return self._thread is not None

    @property
    def unsent(self) -> int:
        """How many records are in the outbox."""
        return self._outbox.last - self._progress.sent

    @property
    def waiting(self) -> int:
        """How many of them are calls."""
        return self._outbox.calls_after(self._progress.sent)

    def wake(self) -> None:
        """Let it send within a moment, together with what is put until then."""
        self.is_asleep = False
        self._wake(at_once=False)

    def hurry(self, timeout_s: float) -> None:
        """Let it send at once; in this thread, for so long at most, if no other can be started."""
        self._wake(at_once=True)
        if self._thread is None or not self._thread.is_alive():
            self._ship(time.monotonic() + timeout_s)

    def look_again(self) -> None:
        """Let it ask a target that gave a call no answer whether it is back."""
        self._wake(at_once=True)

    def take_leftovers(self) -> None:
        """Take over what processes left that ended, to send it at once."""
        self.leftovers.take_over()
        if self.leftovers:
            self._wake(at_once=True)

    def remove_files(self, timeout_s: float) -> None:
        """Remove the outbox's files if they are empty, unless something is sent for so long."""
        if self.sending.acquire(timeout=timeout_s):
            try:
                self._outbox.remove_files(self._progress.sent)
            finally:
                self.sending.release()

    def _wake(self, *, at_once: bool) -> None:
        self._wakes.put(at_once)
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
        # It has to be woken from here on, though the thread before may have died awake.
        self.is_asleep = True
        self.take_leftovers()
        self._ship()
        while True:
            at_once = self._next_wake(_LOOK_S)
            if at_once is None:
                self.take_leftovers()
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
            return self._wakes.get(timeout=timeout_s)
        except Empty:
            return None

    def _sleep_until_hurried(self, pause_s: float) -> None:
        # Those who are in a hurry cannot make the target come back.
        time.sleep(min(pause_s, 0.1))
        deadline = time.monotonic() + pause_s
        while (left := deadline - time.monotonic()) > 0 and not self._next_wake(left):
            pass

    def _ship(self, until: float = math.inf) -> bool:
        """Send all that there is by now, until a time; return whether that was possible."""
        # Before anything is read: what is put from here on wakes again.
        self.is_asleep = True
        try:
            self._outbox.save()
            last: int | None = self._outbox.last
            while last is not None and time.monotonic() < until:
                last = self._ship_part(last)
                # Between two parts others may fork, or close the journal.
                give_way()
        except Exception as error:  # noqa: BLE001  a logging call must never see it
            self._note_failure(error)
            return False
        return True

    def _ship_part(self, last: int) -> int | None:
        """Send the next part of the outbox, up to a record, or else of a leftover.

        Returns:
            Up to which record the next part is to be sent; None if there is no more.
        """
        with self.sending:
            is_held = self._is_held()
            if self._progress.sent < last and not is_held:
                batch = self._outbox.take()
                if batch is not None:
                    self._send_ready_or_turn_back(batch)
                elif self._behind is not None:
                    self._note_gap(self._behind[1])
                else:
                    self._note_lost(last)
                if self.leftovers.asked_for is None:
                    return last
            if self.leftovers.send_part(self._held or self.leftovers.asked_for):
                self._progress.note_life()
                # What this process logged meanwhile does not wait for the rest of it.
                return self._outbox.last
            if self._progress.away:
                self._target.ping()
                self._progress.note_life()
            if self._progress.sent < last and not is_held:
                return last
            if self.removes_files:
                self._outbox.remove_files(self._progress.sent)
        if is_held:
            # Another process sends what comes first.
            time.sleep(_HELD_S)
            self.leftovers.look()
            self._wake(at_once=True)
        return None

    def _is_held(self) -> bool:
        """Whether the next record has to come after what an ended process left of its run."""
        if self._held is not None:
            if self.leftovers.hold(self._held):
                self._progress.note_life()
                return True
            self._held = None
        return False

    def _send_ready_or_turn_back(self, batch: Batch) -> None:
        """Send records, or turn back to those that the target has no more."""
        try:
            self._send_ready(batch)
        except JournalBehindError as error:
            stored, sent = error.sequence, self._progress.sent
            if stored >= sent:
                raise
            self._behind = stored, max(sent, self._behind[1] if self._behind else 0)
            self._progress.note_behind(stored)
            self._refused.turn_back(stored)
            self._outbox.read_again()

    def _send_ready(self, batch: Batch) -> None:
        """Send records, up to the first that has to come after what an ended process left."""
        for number, record in enumerate(batch.records):
            if (
                record.kind in records.AWAITED
                and record.sequence > self._progress.sent
                and self.leftovers.hold(record.run_id)
            ):
                self._held = record.run_id
                self._send(batch.records[:number])
                return
        self._send(batch.records)
        self._outbox.remove(batch)

    def _send(self, batch: list[Record]) -> None:
        # What a try before this one got through has been told of.
        rest = [record for record in batch if record.sequence > self._progress.sent]
        if rest and self._behind is not None:
            self._note_gap(rest[0].sequence - 1)
        while rest:
            kept = self._refused.count
            done = self._target.deliver(self._outbox.writer, rest, self._keep_refused)
            self._progress.note_sent(rest[done - 1].sequence)
            self._warn_of_refused(self._refused.count - kept)
            self._last_of.update((record.run_id, record.sequence) for record in rest[:done])
            rest = rest[done:]
        if len(self._last_of) > _MANY_RUNS:
            latest = sorted(self._last_of.items(), key=lambda each: each[1])
            self._last_of = dict(latest[len(latest) // 2 :])

    def _note_gap(self, last: int) -> None:
        """Say what becomes of records that the target had and has no more.

        Args:
            last: up to which record they are in no file any more.
        """
        if self._behind is None:
            return
        stored, sent = self._behind
        self._behind = None
        lost = max(min(last, sent) - stored, 0)
        if lost:
            runs = sorted(run_id for run_id, last_of in self._last_of.items() if last_of > stored)
            self._outbox.note_behind(lost, runs)
        # What is left of them, in this part or the next ones, is sent as if it were new.
        self._progress.note_sent(stored + lost)
        self._reminder.warn(
            "behind",
            "%s has lost %d calls of this process that were stored: it was restored from a backup, "
            "it seems. %d of them are sent again, and %d are lost.",
            self._folder.target,
            sent - stored,
            sent - stored - lost,
            lost,
        )

    def _keep_refused(self, record: Record, error: Exception) -> bool:
        """Keep a record aside, unless a call waits for it, which has the reason then."""
        if record.kind in records.AWAITED and self._progress.answer(record.sequence, error):
            return False
        self._refused.keep(record, error)
        self.refused_runs.add(record.run_id)
        return True

    def _warn_of_refused(self, count: int) -> None:
        if count and self._refused.latest is not None:
            record, error = self._refused.latest
            self._reminder.warn(
                "refused",
                "%d calls were refused and are kept in %s. The last one, for run %s: %s",
                count,
                self._folder.refused,
                record.run_id,
                error,
            )

    def _note_lost(self, last: int) -> None:
        """Take notice that records are in no file any more."""
        lost = self._progress.note_lost(last)
        self._outbox.note_lost(lost)
        self._reminder.warn(
            "lost",
            "%d calls for %s are lost: somebody removed their journal from %s, or damaged it.",
            lost,
            self._folder.target,
            self._folder.path,
        )

    def _note_failure(self, error: Exception) -> None:
        self._outbox.save()
        self._progress.note_failure()
        reason = clause(error)
        # Each reason: after a server was started again it may refuse the password, say.
        if not self.waiting or not self._reminder.is_due(reason):
            return
        self._reminder.warn(
            reason,
            "%s cannot be reached: %s. %s. What waits takes %.1f MB, and is sent when it is back, "
            "or by mlflow-workspace sync.",
            self._folder.target,
            reason,
            self._outbox.remains(self._progress.sent).said(self._folder.path),
            self._folder.size() / 1e6,
        )
