"""Sending what a process left in its journal when it ended."""

import logging
from dataclasses import dataclass
from typing import Protocol

from mlflow_workspace_plugin.journal.folder import JournalFolder, Leftover
from mlflow_workspace_plugin.journal.records import Record


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

    def forget_writer(self, writer: str) -> None:
        """Forget how far the records of a writer were stored, of whom there will be no more."""
        ...


_logger = logging.getLogger(__name__)


@dataclass
class Replay:
    """What became of a leftover."""

    records: int = 0
    refused: int = 0
    damaged: int = 0


def replay(folder: JournalFolder, leftover: Leftover, target: Target) -> Replay:
    """Send a leftover and remove it. What is refused or damaged is kept aside, and blocks nothing.

    Raises:
        Exception: what ``target`` raised: the target is away, and the leftover stays.
    """
    done = Replay()
    reader = leftover.reader
    while reader.number <= leftover.last_segment:
        damaged = 0
        while True:
            chunk = reader.read(complete=True)
            if not chunk.size:
                break
            outcomes = target.deliver(leftover.writer, chunk.records)
            reader.advance(chunk)
            damaged += len(chunk.damaged)
            done.records += len(chunk.records)
            for record, error in zip(chunk.records, outcomes, strict=True):
                if error is not None:
                    done.refused += 1
                    folder.keep_refused(leftover.writer, record, error)
        done.damaged += damaged
        kept = folder.damaged / reader.path.name if damaged else None
        if kept is not None:
            _logger.warning(
                "%d lines of a journal of %s were damaged and could not be sent; all others were. "
                "The journal is kept as %s.",
                damaged,
                folder.target,
                kept,
            )
        reader.next_segment(keep_as=kept)
    leftover.remove()
    target.forget_writer(leftover.writer)
    return done
