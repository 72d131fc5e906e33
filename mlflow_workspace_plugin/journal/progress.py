"""How far what was logged is sent: told by the thread that sends, awaited by those that log."""

import math
import threading
import time
from collections.abc import Callable

PATIENCE_S = 5.0
"""How long a call that wants an answer waits for a target that gives none."""


class Progress:
    """What became of the records of one writer. All methods may be called by any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._answers: dict[int, Exception] = {}
        self._given_up: set[int] = set()
        self._failing_since: float | None = None
        self._behind = 0
        # Up to which record calls know what became of it, though it may be sent again.
        self._told = 0
        self.sent = 0
        """The sequence of the last record that the target dealt with."""
        self.away = False
        """Whether the target is known to be away."""
        self.moved_at = -math.inf
        """When the target gave an answer last, as ``time.monotonic`` has it."""

    def wait_until(
        self,
        done: Callable[[], bool],
        timeout_s: float,
        patience_s: float = math.inf,
        *,
        since: float | None = None,
        unless_away: bool = False,
    ) -> bool:
        """Wait until something is done; return whether it is.

        Args:
            done: whether it is; asked again whenever something was sent.
            timeout_s: how long to wait at most.
            patience_s: how long to wait while there is no progress.
            since: when the wait began, if that was before; for ``patience_s``.
            unless_away: do not wait for a target that is known to be away.
        """
        started = time.monotonic()
        with self._changed:
            while not done():
                now = time.monotonic()
                silent_s = now - max(since or started, self.moved_at)
                self.away |= silent_s >= PATIENCE_S
                left_s = min(started + timeout_s - now, patience_s - silent_s)
                if left_s <= 0 or (unless_away and self.away):
                    return False
                # It is looked at again when the target would be away.
                self._changed.wait(min(left_s, PATIENCE_S))
        return True

    def wait_for(self, sequence: int, timeout_s: float) -> None:
        """Let a call wait until its record is sent, in vain behind one that waited in vain.

        Args:
            sequence: of the record.
            timeout_s: how long to wait at most; not at all while the target is away.
        """

        def is_sent() -> bool:
            return self.sent >= sequence

        # What is before it takes longer than a call may wait.
        if self.sent < self._behind:
            return
        if not self.wait_until(is_sent, timeout_s, unless_away=True):
            self._behind = sequence

    def take_answer(self, sequence: int) -> tuple[bool, Exception | None]:
        """Return what is known of a record whose call waits no longer.

        Returns:
            Whether it is sent, and why it is refused, or None.
        """
        with self._changed:
            is_sent = self.sent >= sequence
            if not is_sent:
                self._given_up.add(sequence)
            return is_sent, self._answers.pop(sequence, None)

    def answer(self, sequence: int, error: Exception) -> bool:
        """Say why a record is refused, to the call that waits; return False if none does any more.

        It may be said before the target has noted that it dealt with the record: so a call that
        gives up at that moment has the answer, and it is nowhere else.
        """
        with self._changed:
            if sequence in self._given_up or sequence <= self._told:
                return False
            self._answers[sequence] = error
            return True

    def note_sent(self, last: int) -> None:
        """Take notice that the target dealt with all records up to one."""
        with self._changed:
            self.sent = last
            if self._given_up:
                self._given_up = {each for each in self._given_up if each > last}
            self.note_life()

    def note_lost(self, last: int) -> int:
        """Take notice that all records up to one are in no file any more; return how many."""
        with self._changed:
            lost, self.sent = last - self.sent, last
            self._changed.notify_all()
        return lost

    def note_behind(self, last: int) -> None:
        """Take notice that the target has less than it dealt with, up to a record."""
        with self._changed:
            self._told = max(self._told, self.sent)
            self.sent = min(self.sent, last)
            self.note_life()

    def note_life(self) -> None:
        """Take notice that the target gave an answer."""
        with self._changed:
            self.away = False
            self._failing_since = None
            self.moved_at = time.monotonic()
            self._changed.notify_all()

    def note_failure(self) -> None:
        """Take notice that the target could not be used; it is away when that lasts."""
        now = time.monotonic()
        with self._changed:
            # Records that are not dealt with come again, and may be taken then.
            self._answers = {
                each: self._answers[each] for each in self._answers if each <= self.sent
            }
            self._failing_since = self._failing_since or now
            if now - self._failing_since >= PATIENCE_S:
                self.away = True
                self._changed.notify_all()

    def note_silence(self) -> None:
        """Take notice that the target gave a call no answer."""
        self.away = True
