"""The journal of a process: what a logging call does, in its own thread.

A record is written to the segment file before the call returns, and read back from there by the
thread that sends, so that a million values that wait take disk and no memory, and what the thread
sends is what another process would find if this one died.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.journal import end_wait
from mlflow_workspace_plugin.journal.end_wait import EndWait
from mlflow_workspace_plugin.journal.files import records
from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from mlflow_workspace_plugin.journal.files.records import Kind
from mlflow_workspace_plugin.journal.forks import renew_after_fork
from mlflow_workspace_plugin.journal.outbox import Outbox
from mlflow_workspace_plugin.journal.progress import PATIENCE_S, Progress
from mlflow_workspace_plugin.journal.remains import Remains
from mlflow_workspace_plugin.journal.reminder import Reminder
from mlflow_workspace_plugin.journal.sending.sender import Sender
from mlflow_workspace_plugin.journal.sending.target import Target

if TYPE_CHECKING:
    import threading

# How long a read waits without a word.
_SILENT_S = 1.0
_LOOK_S = 0.02


class Journal:
    """The journal of this process for one target. All methods may be called by any thread.

    Args:
        folder: where its files are.
        target: stores records.
        fsync: wait for the disk at each call.
    """

    what = "calls"
    is_last = False

    def __init__(
        self,
        folder: JournalFolder,
        target: Target,
        *,
        fsync: bool = False,
    ) -> None:
        self.folder = folder
        self._target = target
        self._fsync = fsync
        self._reminder = Reminder()
        self._begin()
        renew_after_fork(self)

    def _begin(self) -> None:
        self._outbox = Outbox(self.folder, self._reminder, fsync=self._fsync)
        self._progress = Progress()
        self._sender = Sender(
            self.folder, self._outbox, self._target, self._progress, self._reminder
        )
        self.refused_runs = self._sender.refused_runs
        """Runs that refused values after their call had returned."""
        self._closed_at: int | None = None

    @property
    def waiting(self) -> int:
        """How many calls are not yet sent."""
        return self._sender.waiting

    @property
    def remains(self) -> Remains:
        """What is not yet sent, in files and in memory."""
        return self._outbox.remains(self._progress.sent)

    @property
    def is_interrupted(self) -> bool:
        """Whether a signal has interrupted this thread where it appends something."""
        return self._outbox.is_interrupted

    @property
    def away(self) -> bool:
        """Whether the target is known to be away."""
        return self._progress.away

    @property
    def sending(self) -> "threading.RLock":
        """Held while something is sent."""
        return self._sender.sending

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
            keys += records.keys_of_texts(exact)
        else:
            body = records.metrics_body(run_id, called_at, values)
        self._outbox.put(body, run_id, keys)
        if self._sender.is_asleep:
            self._sender.wake()

    def append_metric(
        self, run_id: str, called_at: int, key: str, value: float, timestamp: int, step: int
    ) -> None:
        """Append one value that is finite, and return at once; see :meth:`append_metrics`."""
        body = records.metric_body(run_id, called_at, key, value, timestamp, step)
        self._outbox.put(body, run_id, (key,))
        if self._sender.is_asleep:
            self._sender.wake()

    def append(self, kind: Kind, run_id: str, content: Any) -> None:
        """Append a record, and return at once.

        Args:
            kind: what it does; neither one of values nor one that is waited for.
            run_id: the run.
            content: see :class:`Record`.
        """
        called_at = time.time_ns() // 1_000_000
        self._outbox.put(records.body(kind, run_id, called_at, content), run_id)
        if self._sender.is_asleep:
            self._sender.wake()

    def append_and_wait(self, kind: Kind, run_id: str, content: Any) -> bool:
        """Append a record, and wait a moment until it is stored.

        It is stored behind what ended processes left of the run.

        Args:
            kind: what it does; not one of values.
            run_id: the run.
            content: see :class:`Record`; of INFO without what was logged.

        Returns:
            Whether it was stored. If not, the target is away, or more is before it than could be
            stored by now, and it is sent later.

        Raises:
            Exception: why the target refused it.
        """
        called_at = time.time_ns() // 1_000_000
        self._sender.leftovers.look()
        if kind == Kind.INFO:
            content = [*content, self._outbox.take_logged(run_id)]
        sequence = self._outbox.put(records.body(kind, run_id, called_at, content), run_id)
        try:
            # What a signal's handler logs in the middle of a call is written when that goes on.
            if self._outbox.is_written(sequence):
                # The end of the process waits for all at once.
                timeout_s = 0.0 if end_wait.of_process() else PATIENCE_S
                self._sender.hurry(timeout_s)
                self._progress.wait_for(sequence, timeout_s)
        finally:
            is_sent, error = self._progress.take_answer(sequence)
        if error is not None:
            raise error
        return is_sent

    def flush(self, timeout_s: float, *, unless_away: bool = False) -> bool:
        """Wait until all that this process logged is stored.

        Args:
            timeout_s: how long to wait for it at most.
            unless_away: do not wait for a target that is known to be away.

        Returns:
            Whether all of it was stored.
        """
        return self._wait(self._is_sent(), timeout_s, unless_away=unless_away)

    def settle(
        self, run_ids: Sequence[str], timeout_s: float, *, unless_away: bool = False
    ) -> bool:
        """Wait until what this process logged is stored, and what ended ones left of some runs.

        After a second it says so.

        Args:
            run_ids: the runs.
            timeout_s: how long to wait for it at most.
            unless_away: do not wait for a target that is known to be away.

        Returns:
            Whether it was stored.
        """
        deadline = time.monotonic() + timeout_s
        say_at = time.monotonic() + _SILENT_S
        self._sender.take_leftovers()
        is_sent = self._is_sent()
        is_settled = self._wait(is_sent, min(timeout_s, _SILENT_S), unless_away=unless_away)
        if not is_settled and not (unless_away and self.away):
            self._say_read_waits(f"{self.waiting} calls of this process", deadline)
            left_s = deadline - time.monotonic()
            is_settled = self._wait(is_sent, left_s, unless_away=unless_away)
        try:
            while is_settled and self._left_of(run_ids):
                now = time.monotonic()
                if now >= deadline or (unless_away and self.away):
                    return False
                if now >= say_at:
                    what = f"what ended processes left of run {', '.join(run_ids)}"
                    self._say_read_waits(what, deadline)
                # Another process may be the one that sends it, and tells nobody.
                time.sleep(_LOOK_S)
                self._sender.take_leftovers()
        finally:
            # Nobody waits for it any more, and what this process logs comes first again.
            self._sender.leftovers.asked_for = None
        return is_settled

    def _say_read_waits(self, what: str, deadline: float) -> None:
        left_s = deadline - time.monotonic()
        if left_s > 0:
            self._reminder.warn(
                "reading",
                "What is read comes after %s: that is being stored in %s, and is waited for, for "
                "%.0f s more at most.",
                what,
                self.folder.target,
                left_s,
            )

    def close(self, wait: EndWait) -> Remains:
        """Send all that waits, and remove the files once they are empty.

        More may be appended afterwards; files are removed then as soon as they are empty. If
        nothing was, closing again does nothing.

        Args:
            wait: how long to wait for it.

        Returns:
            What could not be sent.
        """
        sender = self._sender
        sender.removes_files = True
        is_unused = not sender.has_started and sender.unsent <= 0
        if is_unused or self._closed_at == self._outbox.last:
            return Remains()
        sender.take_leftovers()
        done = self._wait_at_end(self._is_sent(), wait)
        self._outbox.put_logged()
        if done:
            is_sent = self._is_sent()
            # Of children, say; what was there before has nothing to do with this process.
            self._wait_at_end(lambda: is_sent() and not sender.leftovers.recent, wait)
        wait.note_moved(self._progress.moved_at)
        # Files that stay are removed by whoever looks next.
        sender.remove_files(wait.left_s)
        self._outbox.settle()
        self._closed_at = self._outbox.last
        return self.remains

    def _is_sent(self) -> Callable[[], bool]:
        """Return what says whether all that was appended by now is sent."""
        last = self._outbox.last
        return lambda: self._progress.sent >= last

    def _left_of(self, run_ids: Sequence[str]) -> bool:
        """Whether ended processes left something of some runs that is not stored yet."""
        leftovers = self._sender.leftovers
        try:
            for run_id in run_ids:
                if leftovers.hold(run_id):
                    leftovers.asked_for = run_id
                    return True
        except Exception:  # noqa: BLE001  the target cannot say
            return True
        return False

    def _wait(
        self,
        done: Callable[[], bool],
        timeout_s: float,
        patience_s: float = math.inf,
        *,
        since: float | None = None,
        unless_away: bool = False,
    ) -> bool:
        """Let what is appended be sent, and wait; see :meth:`Progress.wait_until`."""
        if done():
            return True
        if unless_away and self.away:
            return False
        self._sender.hurry(timeout_s)
        return self._progress.wait_until(
            done, timeout_s, patience_s, since=since, unless_away=unless_away
        )

    def _wait_at_end(self, done: Callable[[], bool], wait: EndWait) -> bool:
        # One that is away was asked all the while that the end has waited for others in vain.
        since = wait.moved_at if self.away else time.monotonic()
        timeout_s = min(wait.left_s, wait.quiet_s)
        if self._wait(done, timeout_s, wait.patience_s, since=since):
            return True
        if wait.left_s:
            left = f"{self.waiting} {self.what}" if self.waiting else "what other processes left"
            wait.say(f"{left} for {self.folder.target}")
        return self._wait(done, wait.left_s, wait.patience_s, since=since)

    def note_silence(self) -> None:
        """Take notice that the target gave a call no answer; look now and then for its return."""
        self._progress.note_silence()
        self._sender.look_again()

    def leave(self) -> None:
        """Let go of what a forked child shares with its parent, and be as new."""
        self._outbox.leave()
        self._sender.leftovers.leave()
        self._begin()
