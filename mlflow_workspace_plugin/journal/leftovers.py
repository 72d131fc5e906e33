"""What ended processes left in their journals, and this process sends."""

import time
from collections import Counter, deque
from collections.abc import Iterator

from mlflow_workspace_plugin.journal.folder import JournalFolder, Leftover
from mlflow_workspace_plugin.journal.reminder import Reminder
from mlflow_workspace_plugin.journal.replay import Replay, replay
from mlflow_workspace_plugin.journal.target import Target

# How often a leftover is tried, though the target answers, and when it is tried again.
_TRIES = 3
_PUT_OFF_S = 60.0


class Leftovers:
    """Leftovers that were taken over, sent one after the other. Any thread may add, one sends.

    Args:
        folder: where they are.
        target: stores their records.
        reminder: warns of what cannot be sent.
    """

    def __init__(self, folder: JournalFolder, target: Target, reminder: Reminder) -> None:
        self._folder = folder
        self._target = target
        self._reminder = reminder
        self._taken: deque[tuple[Leftover, Iterator[Replay]]] = deque()
        # By writer, of what could not be sent: how often, and when it is tried again.
        self._failed: Counter[str] = Counter()
        self._put_off: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._taken)

    def take_over(self) -> None:
        """Take over what processes left that ended meanwhile."""
        now = time.monotonic()
        put_off = {writer for writer, until in self._put_off.items() if until > now}
        try:
            for leftover in self._folder.leftovers(but_not=put_off):
                self._taken.append((leftover, self._replay(leftover)))
        except OSError as error:
            self._reminder.warn(
                "leftovers",
                "The journals in %s cannot be looked through: %s",
                self._folder.path,
                error,
            )

    def send_part(self) -> None:
        """Send a part of the first one. One that cannot be sent is put off, and the next is first.

        Raises:
            Exception: the target is away, or the leftover is to be tried again.
        """
        leftover, parts = self._taken[0]
        try:
            is_done = next(parts, None) is None
        except Exception as error:
            # From where it was.
            self._taken[0] = (leftover, self._replay(leftover))
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
            self._taken.popleft()

    def leave(self) -> None:
        """Let go of all in a forked child: its parent sends them."""
        for leftover, _ in self._taken:
            leftover.lock.close()

    def _replay(self, leftover: Leftover) -> Iterator[Replay]:
        return replay(self._folder, leftover, self._target)
