"""Sending what a process left in its journal when it ended."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from mlflow_workspace_plugin.journal.folder import JournalFolder, Leftover
from mlflow_workspace_plugin.journal.records import NO_CALLS, Record

_logger = logging.getLogger(__name__)

Refused = Callable[[Record, Exception], None]
"""Told of a record that the target refused after its call had returned."""


class Target(Protocol):
    """Where records go."""

    def deliver(self, writer: str, records: list[Record]) -> list[Exception | None]:
        """Store the first of some records of a writer, but for those that are stored already.

        Returns:
            For as many records as were dealt with, at least one, why each was refused, or None.

        Raises:
            Exception: whatever it is, the target is away. The same records come again.
        """
        ...

    def last_sequence(self, writer: str) -> int:
        """Return the sequence of the last record of a writer that is stored; 0 if none is.

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


@dataclass
class Replay:
    """What became of a part of a leftover."""

    calls: Counter[str] = field(default_factory=Counter)
    """How many were dealt with, by run."""
    refused: int = 0
    damaged: int = 0
    """Lines that could not be read."""


def replay(
    folder: JournalFolder, leftover: Leftover, target: Target, refused: Refused
) -> Iterator[Replay]:
    """Send a leftover and remove it, a part at each step.

    What is refused or damaged is kept aside, and blocks nothing.

    Raises:
        Exception: what ``target`` raised: it is away, and the leftover stays.
        OSError: the leftover cannot be read.
    """
    reader = leftover.reader
    last = target.last_sequence(leftover.writer)
    while reader.number <= leftover.last_segment:
        while (chunk := reader.read(complete=True)).size:
            part = Replay(damaged=len(chunk.damaged))
            rest = [record for record in chunk.records if record.sequence > last]
            while rest:
                outcomes = target.deliver(leftover.writer, rest)
                for record, error in zip(rest, outcomes, strict=False):
                    part.calls[record.run_id] += record.kind not in NO_CALLS
                    if error is not None:
                        part.refused += 1
                        keep_refused(folder, leftover.writer, record, error, refused)
                rest = rest[len(outcomes) :]
            reader.advance(chunk)
            yield part
        if reader.damaged:
            _logger.warning(
                "%d lines of a journal of %s were damaged and could not be sent; all others were. "
                "The journal is kept in %s.",
                reader.damaged,
                folder.target,
                folder.damaged,
            )
        reader.next_segment(folder.damaged)
    leftover.lock.remove()


def keep_refused(
    folder: JournalFolder, writer: str, record: Record, error: Exception, refused: Refused
) -> None:
    """Keep a refused record aside, and tell of it. Neither can fail what comes after it."""
    with suppress(OSError):
        folder.keep_refused(writer, record, error)
    try:
        refused(record, error)
    except Exception:
        _logger.debug("The refusal could not be noted on its run.", exc_info=True)
