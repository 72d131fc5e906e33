"""Forks and the use of databases, which do not happen at the same time.

A connection of SQLite's must not cross a fork, and the locks within its library would stay held in
the child for ever. So a fork waits until nobody uses a database, and nobody begins to while it
waits. Who logs meanwhile gives way, too: a thread that logs without a pause would have the
interpreter most of the time.
"""

import threading

# Nobody is kept back longer, whatever became of the fork.
_LONGEST_S = 60.0
_MOMENT_S = 1.0


class _Uses(threading.local):
    """The uses of one thread, each within the one before."""

    depth = 0


class ForkGate:
    """Counts who uses a database, and lets forks come first.

    ``with gate:`` is a use: no fork happens within the block, but one of its thread.
    """

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Be as new, in a forked child, too."""
        # A signal's handler may come in between, and use a database or fork.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._users = 0
        self._uses = _Uses()
        self.forking: list[int] = []
        """The threads that are about to fork."""

    def __enter__(self) -> None:
        uses = self._uses
        if not uses.depth:
            with self._lock:
                if self.forking:
                    self._wait_for_forks(_LONGEST_S)
                self._users += 1
        uses.depth += 1

    def __exit__(self, *_: object) -> None:
        uses = self._uses
        if not uses.depth:
            # A child that was forked within the block.
            return
        uses.depth -= 1
        if not uses.depth:
            with self._lock:
                self._users -= 1
                if self.forking:
                    self._changed.notify_all()

    def give_way(self) -> None:
        """Let a fork come first, unless it may wait for this thread."""
        if not self._uses.depth:
            with self._changed:
                self._wait_for_forks(_MOMENT_S)

    def close(self, wait_s: float) -> None:
        """Wait until no other thread uses a database, and let none begin to.

        Args:
            wait_s: how long to wait.
        """
        own = 1 if self._uses.depth else 0
        with self._changed:
            self.forking.append(threading.get_ident())
            self._changed.wait_for(lambda: self._users <= own, wait_s)

    def open(self) -> None:
        """Let databases be used again."""
        with self._changed:
            if threading.get_ident() in self.forking:
                self.forking.remove(threading.get_ident())
            self._changed.notify_all()

    def _wait_for_forks(self, seconds: float) -> None:
        # The handler of a signal may be in the thread that forks.
        if threading.get_ident() not in self.forking:
            self._changed.wait_for(lambda: not self.forking, seconds)


gate = ForkGate()
"""Of this process."""
