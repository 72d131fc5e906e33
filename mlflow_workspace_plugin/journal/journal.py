"""The journal of a process: what a logging call does, in its own thread.

A record is written to the segment file before the call returns, and read back from there by the
thread that sends, so that a million values that wait take disk and no memory, and what the thread
sends is what another process would find if this one died.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.journal import records
from mlflow_workspace_plugin.journal.folder import JournalFolder
from mlflow_workspace_plugin.journal.forks import renew_after_fork
from mlflow_workspace_plugin.journal.outbox import Outbox
from mlflow_workspace_plugin.journal.progress import Progress
from mlflow_workspace_plugin.journal.records import Kind
from mlflow_workspace_plugin.journal.remains import Remains
from mlflow_workspace_plugin.journal.reminder import Reminder
from mlflow_workspace_plugin.journal.sender import Sender
from mlflow_workspace_plugin.journal.target import Target

if TYPE_CHECKING:
    import threading


class Journal:
    """The journal of this process for one target. All methods may be called by any thread.

    Args:
        folder: where its files are.
        target: stores records.
        fsync: wait for the disk at each call.
        fork_wait_s: how long a fork waits for what is being sent.
    """

    what = "calls"
    is_last = False

    def __init__(
        self,
        folder: JournalFolder,
        target: Target,
        *,
        fsync: bool = False,
        fork_wait_s: float = 1.0,
    ) -> None:
        self.folder = folder
        self._target = target
        self._fsync = fsync
        self._reminder = Reminder()
        self._begin()
        renew_after_fork(self, fork_wait_s)

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
    def away(self) -> bool:
        """Whether the target is known to be away."""
        return self._progress.away

    @property
    def sending(self) -> "threading.RLock":
        """Held while something is sent; a fork waits for it."""
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
        sequence = self._outbox.put(records.body(kind, run_id, called_at, content), run_id)
        try:
            # What a signal's handler logs in the middle of a call is written when that goes on.
            if self._outbox.is_written(sequence):
                self._sender.hurry()
                self._progress.wait_until(lambda: self._progress.sent >= sequence)
        finally:
            is_sent, error = self._progress.take_answer(sequence)
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
        sender, last = self._sender, self._outbox.last
        sender.take_leftovers()
        if self._progress.sent >= last and not sender.leftovers:
            return True
        sender.hurry()
        return self._progress.wait_until(
            lambda: self._progress.sent >= last and not sender.leftovers, timeout_s
        )

    def close(self, timeout_s: float) -> Remains:
        """Send all that waits, and remove the files once they are empty.

        More may be appended afterwards; files are removed then as soon as they are empty. If
        nothing was, closing again does nothing.

        Args:
            timeout_s: how long to wait for it.

        Returns:
            What could not be sent.
        """
        deadline = time.monotonic() + timeout_s
        self._sender.removes_files = True
        is_unused = not self._sender.has_started and self._sender.unsent <= 0
        if is_unused or self._closed_at == self._outbox.last:
            return Remains()
        done = self.flush(timeout_s)
        self._outbox.put_logged()
        if done:
            self.flush(max(deadline - time.monotonic(), 0))
        # Files that stay are removed by whoever looks next.
        self._sender.remove_files(max(deadline - time.monotonic(), 0))
        self._outbox.settle()
        self._closed_at = self._outbox.last
        return self.remains

    def note_silence(self) -> None:
        """Take notice that the target gave a call no answer; look now and then for its return."""
        self._progress.note_silence()
        self._sender.look_again()

    def leave(self) -> None:
        """Let go of what a forked child shares with its parent, and be as new."""
        self._outbox.leave()
        self._sender.leftovers.leave()
        self._begin()
