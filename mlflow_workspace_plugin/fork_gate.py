"""Forks and the use of databases, which do not happen at the same time.

A connection of SQLite's must not cross a fork, and the locks within its library would stay held in
the child for ever. So a fork waits until nobody uses a database, and nobody begins to while it
waits. Who logs meanwhile gives way, too: a thread that logs without a pause would have the
interpreter most of the time.

Files and servers are counted apart, for a server that is silent would keep a fork waiting, and a
connection to it does no harm in the child.
"""

import threading

# Nobody is kept back longer, whatever became of the fork.
_LONGEST_S = 60.0
_MOMENT_S = 1.0


class _Depth(threading.local):
    """The uses of one thread, each within the one before."""

    depth = 0


class Uses:
    """The uses of databases of one kind: ``with`` it, no fork happens but one of the same thread.

    Args:
        gate: which they pass.
        outer: a kind that forks wait for at least as long.
    """

    def __init__(self, gate: "ForkGate", outer: "Uses | None" = None) -> None:
        self._gate = gate
        self._outer = outer
        self.renew()

    def renew(self) -> None:
        """Be as new, in a forked child, too."""
        self._of_thread = _Depth()
        self.threads = 0
        """How many there are in which there is a use."""

    @property
    def is_by_this_thread(self) -> bool:
        """Whether there is one in this thread."""
        return self._of_thread.depth > 0

    def __enter__(self) -> None:
        of_thread = self._of_thread
        if not of_thread.depth:
            # A fork that waits for this thread already is not waited for.
            is_within = self._outer is not None and self._outer.is_by_this_thread
            self._gate.begin(self, waits=not is_within)
        of_thread.depth += 1

    def __exit__(self, *_: object) -> None:
        of_thread = self._of_thread
        if not of_thread.depth:
            # A child that was forked within the block.
            return
        of_thread.depth -= 1
        if not of_thread.depth:
            self._gate.end(self)


class ForkGate:
    """Counts who uses a database, and lets forks come first."""

    def __init__(self) -> None:
        self.files = Uses(self)
        """Of SQLite's files."""
        self.servers = Uses(self, self.files)
        """Of database servers."""
        self.renew()

    def renew(self) -> None:
        """Be as new, in a forked child, too."""
        # A signal's handler may come in between, and use a database or fork.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self.files.renew()
        self.servers.renew()
        self.forking: list[int] = []
        """The threads that are about to fork."""

    def begin(self, uses: Uses, *, waits: bool) -> None:
        """Count one more thread that uses databases of a kind, after forks that are due."""
        with self._lock:
            if self.forking and waits:
                self._wait_for_forks(_LONGEST_S)
            uses.threads += 1

    def end(self, uses: Uses) -> None:
        """Count one thread less."""
        with self._lock:
            uses.threads -= 1
            if self.forking:
                self._changed.notify_all()

    def give_way(self) -> None:
        """Let a fork come first, unless it may wait for this thread."""
        if not (self.files.is_by_this_thread or self.servers.is_by_this_thread):
            with self._changed:
                self._wait_for_forks(_MOMENT_S)

    def close(self, uses: Uses, wait_s: float) -> None:
        """Wait until no other thread uses databases of a kind, and let none begin to use any.

        Args:
            uses: of that kind.
            wait_s: how long to wait.
        """
        own = 1 if uses.is_by_this_thread else 0
        with self._changed:
            self.forking.append(threading.get_ident())
            self._changed.wait_for(lambda: uses.threads <= own, wait_s)

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
