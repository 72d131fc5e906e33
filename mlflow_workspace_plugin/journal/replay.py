"""Sending what a process left in its journal when it ended."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from mlflow_workspace_plugin.journal.folder import JournalFolder, Leftover
from mlflow_workspace_plugin.journal.records import NO_CALLS, Record
from mlflow_workspace_plugin.journal.refused import RefusedRecords
from mlflow_workspace_plugin.journal.target import Target
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)


@dataclass
class Replay:
    """What became of a part of a leftover."""

    calls: Counter[str] = field(default_factory=Counter)
    """How many were dealt with, by run."""
    refused: int = 0
    damaged: int = 0
    """Lines that could not be read."""


def replay(folder: JournalFolder, leftover: Leftover, target: Target) -> Iterator[Replay]:
    """Send a leftover and remove it, a part at each step.

    What is refused or damaged is kept aside, and blocks nothing.

    Raises:
        Exception: what ``target`` raised: it is away, and the leftover stays.
        OSError: the leftover cannot be read.
    """
    reader = leftover.reader
    refused = RefusedRecords(folder.refused, leftover.writer)

    def _keep_refused(record: Record, error: Exception) -> bool:
        refused.keep(record, error)
        return True

    last = target.last_sequence(leftover.writer)
    while reader.number <= leftover.last_segment:
        while (chunk := reader.read(complete=True)).size:
            before = refused.count
            rest = [record for record in chunk.records if record.sequence > last]
            part = Replay(damaged=len(chunk.damaged))
            part.calls.update(record.run_id for record in rest if record.kind not in NO_CALLS)
            while rest:
                rest = rest[target.deliver(leftover.writer, rest, _keep_refused) :]
            part.refused = refused.count - before
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
