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
        """Store records of a writer, but for those that are stored already.

        Returns:
            For each record why it was refused, or None.

        Raises:
            Exception: whatever it is, the target is away. The same records come again.
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
    while reader.number <= leftover.last_segment:
        while (chunk := reader.read(complete=True)).size:
            outcomes = target.deliver(leftover.writer, chunk.records)
            reader.advance(chunk)
            errors = [
                (record, error)
                for record, error in zip(chunk.records, outcomes, strict=True)
                if error is not None
            ]
            for record, error in errors:
                keep_refused(folder, leftover.writer, record, error, refused)
            calls = Counter(each.run_id for each in chunk.records if each.kind not in NO_CALLS)
            yield Replay(calls, len(errors), len(chunk.damaged))
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
