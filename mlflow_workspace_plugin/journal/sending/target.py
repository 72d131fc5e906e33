"""Where a journal sends what was logged."""

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from mlflow_workspace_plugin.journal.files.records import Record

KeepRefused = Callable[[Record, Exception], bool]
"""Keeps a record that is refused; returns False if a call waits for it, and raises the reason."""


class Target(Protocol):
    """Stores records."""

    def deliver(self, writer: str, records: list[Record], keep_refused: KeepRefused) -> int:
        """Store the first of some records of a writer, but for those that are stored already.

        Args:
            writer: the id of the writer.
            records: in the order of their sequence.
            keep_refused: given each record that is refused, before it is noted that it was dealt
                with: whoever sends may be killed in between, and then it comes again. It raises
                nothing.

        Returns:
            How many records were dealt with, at least one.

        Raises:
            JournalBehindError: the target has less than it said before: it was restored.
            Exception: whatever else it is, the target is away. The same records come again.
        """
        ...

    def last_sequence(self, writer: str) -> int:
        """Return the sequence of the last record of a writer that is stored; 0 if none is.

        Raises:
            Exception: the target is away.
        """
        ...

    def refusals_of(self, writer: str) -> Mapping[int, Exception]:
        """Return by sequence what was refused of a writer, and its sender may not have learnt.

        That is so where an answer may be lost. It is asked for after :meth:`last_sequence`.

        Raises:
            Exception: the target is away.
        """
        ...

    def forget_refusals(self, writer: str, unheard: Collection[int]) -> None:
        """Say that what was refused of a writer by now is known.

        Args:
            writer: the id of the writer.
            unheard: the sequences of those records for which no call waited.

        Raises:
            Exception: the target is away.
        """
        ...

    def ping(self) -> None:
        """Ask the target for any answer.

        Raises:
            Exception: it gives none.
        """
        ...
