"""What ended processes left in their journals, and this process sends."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from mlflow_workspace_plugin.journal.files.folder import JournalFolder, Leftover
from mlflow_workspace_plugin.journal.reminder import Reminder
from mlflow_workspace_plugin.journal.sending.replay import Replay, replay
from mlflow_workspace_plugin.journal.sending.run_search import RunSearch
from mlflow_workspace_plugin.journal.sending.target import Target

# How often a leftover is tried, though the target answers, and when it is tried again.
_TRIES = 3
_PUT_OFF_S = 60.0
# How long another process that sends one may do nothing, and how often that is looked at.
_IDLE_S = 60.0
_ASK_S = 0.1
# Of the time, what may be taken by looking for leftovers before calls that must come after them.
_LOOKING = 0.05


@dataclass(eq=False)
class _Taken:
    """A leftover that this process sends."""

    leftover: Leftover
    parts: Iterator[Replay]
    runs: RunSearch

    def holds(self, run_id: str) -> bool:
        last = self.runs.last_of(run_id)
        return last is not None and (last.segment, last.offset) >= self.leftover.reader.position


@dataclass(eq=False)
class _Elsewhere:
    """A leftover that another process sends."""

    runs: RunSearch
    stored: int
    """The sequence of its last record that was stored when that was asked."""
    asked_at: float = 0.0
    moved_at: float = 0.0

    def holds(self, run_id: str) -> bool:
        last = self.runs.last_of(run_id)
        return last is not None and last.sequence > self.stored


class Leftovers:
    """Leftovers that were taken over, sent one after the other. Any thread may add, one sends.

    What one holds of a run comes before what this process does to it: it was logged before.

    Args:
        folder: where they are.
        target: stores their records.
        reminder: warns of what cannot be sent.
        writer: the id under which this process sends its own.
    """

    def __init__(
        self, folder: JournalFolder, target: Target, reminder: Reminder, writer: str
    ) -> None:
        self._folder = folder
        self._target = target
        self._reminder = reminder
        self._writer = writer
        self._began_at = time.time()
        # Those first that ended first.
        self._taken: list[_Taken] = []
        self._elsewhere: dict[str, _Elsewhere] = {}
        # By writer, of what could not be sent: how often, and when it is tried again.
        self._failed: Counter[str] = Counter()
        self._put_off: dict[str, float] = {}
        self._look_from = 0.0
        self.asked_for: str | None = None
        """The run that somebody waits for, to be sent first."""

    def __len__(self) -> int:
        return len(self._taken)

    @property
    def recent(self) -> int:
        """How many are of processes that wrote while this one did, such as its children."""
        return sum(each.leftover.written_at >= self._began_at for each in self._taken)

    def look(self) -> None:
        """Take over what there is, unless that takes too much of the time of frequent calls."""
        now = time.monotonic()
        if now >= self._look_from:
            self.take_over()
            took = time.monotonic() - now
            self._look_from = now + took / _LOOKING

    def take_over(self) -> None:
        """Take over what processes left that ended meanwhile."""
        ours = {self._writer, *(each.leftover.writer for each in self._taken)}
        if not self._folder.others(ours):
            self._elsewhere = {}
            return
        now = time.monotonic()
        ours |= {writer for writer, until in self._put_off.items() if until > now}
        try:
            for leftover in self._folder.leftovers(but_not=ours):
                first = leftover.reader.number
                numbers = list(range(first, leftover.last_segment + 1))
                runs = RunSearch(self._folder.path, leftover.writer, numbers)
                self._taken.append(_Taken(leftover, self._replay(leftover), runs))
                ours.add(leftover.writer)
            self._elsewhere = {
                writer: self._elsewhere.get(writer)
                or _Elsewhere(RunSearch(self._folder.path, writer, numbers), -1)
                for writer, numbers in self._folder.taken_by_others(ours).items()
            }
        except OSError as error:
            self._reminder.warn(
                "leftovers",
                "The journals in %s cannot be looked through: %s",
                self._folder.path,
                error,
            )

    def hold(self, run_id: str) -> bool:
        """Whether one holds records of a run that are not stored yet.

        Raises:
            Exception: another process sends one, and the target cannot say how far it is.
        """
        return any(each.holds(run_id) for each in list(self._taken)) or any(
            each.holds(run_id) and self._goes_on(writer, each) and each.holds(run_id)
            for writer, each in list(self._elsewhere.items())
        )

    def send_part(self, run_id: str | None = None) -> bool:
        """Send a part of the first one. One that cannot be sent is put off, and the next is first.

        Args:
            run_id: those that hold records of this run come first.

        Returns:
            Whether there was one.

        Raises:
            Exception: the target is away, or the leftover is to be tried again.
        """
        if not self._taken:
            return False
        of_run = (each for each in self._taken if run_id is not None and each.holds(run_id))
        taken = next(of_run, self._taken[0])
        leftover = taken.leftover
        try:
            is_done = next(taken.parts, None) is None
        except Exception as error:
            # From where it was.
            taken.parts = self._replay(leftover)
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
            is_done = True
        if is_done:
            leftover.lock.close()
            self._taken.remove(taken)
        return True

    def leave(self) -> None:
        """Let go of all in a forked child: its parent sends them."""
        for taken in self._taken:
            taken.leftover.lock.close()

    def _goes_on(self, writer: str, other: _Elsewhere) -> bool:
        """Whether another process goes on to send a leftover, or has stored all of it."""
        now = time.monotonic()
        if now - other.asked_at >= _ASK_S:
            stored = self._target.last_sequence(writer)
            if stored > other.stored:
                other.stored, other.moved_at = stored, now
            other.asked_at = now
        return now - other.moved_at < _IDLE_S

    def _replay(self, leftover: Leftover) -> Iterator[Replay]:
        return replay(self._folder, leftover, self._target)
