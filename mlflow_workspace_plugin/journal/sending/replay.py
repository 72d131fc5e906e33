"""Sending what a process left in its journal when it ended."""

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from mlflow_workspace_plugin.journal.files.folder import JournalFolder, Leftover
from mlflow_workspace_plugin.journal.files.records import NO_CALLS, UNCOUNTED, Kind, Record
from mlflow_workspace_plugin.journal.files.reserve import ANY_RUN, remove_notes
from mlflow_workspace_plugin.journal.files.segments import Chunk, segments_of
from mlflow_workspace_plugin.journal.sending.refused import RefusedRecords
from mlflow_workspace_plugin.journal.sending.target import Target
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
    lost: int = 0
    """Calls that are nowhere: of segments that are gone or damaged, or of the writer's memory."""


class UnreadableSegmentError(OSError):
    """A segment is there and cannot be read. All others were sent."""


def replay(folder: JournalFolder, leftover: Leftover, target: Target) -> Iterator[Replay]:
    """Send a leftover and remove it, a part at each step.

    What is refused or damaged is kept aside, what is missing is said and noted, and blocks nothing.

    Raises:
        Exception: what ``target`` raised: it is away, and the leftover stays.
        UnreadableSegmentError: a segment cannot be read, and stays.
    """
    return _Replaying(folder, leftover, target).parts()


def writer_of_segment(writer: str, number: int) -> str:
    """Return under which id the records of a segment are sent while one before it is unreadable.

    What is unreadable may be read later, and is not stored yet. The target takes the records of a
    writer in their order.
    """
    return f"{writer}.{number:06}"


class _Replaying:
    def __init__(self, folder: JournalFolder, leftover: Leftover, target: Target) -> None:
        self._folder = folder
        self._leftover = leftover
        self._writer = leftover.writer
        self._reader = leftover.reader
        self._notes = leftover.notes
        self._target = target
        self._refused = RefusedRecords(folder.refused, leftover.writer)
        self._seen: set[str] = set()
        self._unreadable: list[tuple[int, str]] = []
        # By the id under which they were sent: why records were refused that are stored by now.
        self._repeated: dict[str, Mapping[int, Exception]] = {}

    def parts(self) -> Iterator[Replay]:
        stored = self._stored(self._writer)
        # The target may have less by now than it had.
        self._reader.turn_to(self._reader.number)
        while self._reader.number <= self._leftover.last_segment:
            yield from self._segment(stored)
        yield from self._memory(stored)
        if self._unreadable:
            # They are tried again.
            self._reader.turn_to(self._unreadable[0][0])
            raise UnreadableSegmentError("; ".join(said for _, said in self._unreadable))
        for writer, refused in self._repeated.items():
            if refused:
                self._target.forget_refusals(writer, sorted(refused))
        # Only what was looked at is removed.
        if not segments_of(self._folder.path).get(self._writer):
            remove_notes(self._folder.path, self._writer)
        self._leftover.lock.remove()

    def _stored(self, writer: str) -> int:
        """Return up to which record all are stored, and learn what was refused of them."""
        stored = self._target.last_sequence(writer)
        self._repeated[writer] = self._target.refusals_of(writer)
        return stored

    def _segment(self, stored: int) -> Iterator[Replay]:
        """Send a segment, and turn to the next."""
        reader, number = self._reader, self._reader.number
        end = self._notes.end_of(number)
        if end is not None and end.sequence <= stored and not reader.path.exists():
            # As nearly all that are noted: sent and removed by the writer itself.
            reader.skip()
            return
        alias = writer_of_segment(self._writer, number)
        of_alias = self._stored(alias)
        writer = alias if self._unreadable or of_alias else self._writer
        stored = max(stored, of_alias)
        damaged: list[bytes] = []
        while True:
            try:
                chunk = reader.read(complete=True)
            except FileNotFoundError:
                break
            except OSError as error:
                self._unreadable.append((number, f"{reader.path}: {error.strerror or error}"))
                reader.skip()
                return
            if not chunk.size:
                break
            yield from self._gap(chunk, stored)
            yield self._send(writer, chunk.records, stored, damaged=len(chunk.damaged))
            damaged += chunk.damaged
            reader.advance(chunk)
        lost = self._notes.lost_of(number, reader.count, stored) or len(damaged)
        if lost:
            runs = self._notes.runs_of(number) or self._seen
            yield self._note_lost(number, _named(damaged, runs, lost) or runs, lost)
        reader.next_segment(self._folder.damaged)

    def _gap(self, chunk: Chunk, stored: int) -> Iterator[Replay]:
        """Note that a segment before this one is missing, if only its records tell."""
        before = self._reader.number - 1
        if self._reader.count or self._notes.begun or not chunk.records:
            return
        lost = chunk.records[0].sequence - max(self._reader.last, stored) - 1
        if lost > 0 and not self._unreadable:
            runs = self._seen | {record.run_id for record in chunk.records}
            yield self._note_lost(before, runs, lost)

    def _memory(self, stored: int) -> Iterator[Replay]:
        """Send what the writer noted of its memory as it ended."""
        alias = f"{self._writer}.reserve"
        saved = sorted(self._notes.saved, key=lambda record: record.sequence)
        if saved:
            stored = max(stored, self._reader.last, self._stored(alias))
            yield self._send(alias, saved, stored, lost=self._notes.lost)
        if self._notes.lost:
            _logger.warning(
                "%d calls for %s are lost: a process ended while its journal could not be written.",
                self._notes.lost,
                self._folder.target,
            )
        if self._notes.unsaved:
            runs = set(self._notes.unsaved)
            if ANY_RUN in runs:
                runs = self._notes.all_runs() | self._seen
            self._note(f"{self._writer}.memory", runs, 1)
            _logger.warning(
                "A process that logged to %s ended, or was killed, while its journal could not be "
                "written: an unknown number of values of %d runs is lost.",
                self._folder.target,
                len(runs),
            )

    def _send(
        self, writer: str, records: list[Record], stored: int, *, damaged: int = 0, lost: int = 0
    ) -> Replay:
        before = self._refused.count
        for record in records:
            # Whoever sent it was killed, perhaps before the answer came.
            error = self._repeated.get(writer, {}).get(record.sequence)
            if error is not None:
                self._refused.keep(record, error)
        rest = [record for record in records if record.sequence > stored]
        part = Replay(damaged=damaged, lost=lost)
        part.calls.update(record.run_id for record in rest if record.kind not in NO_CALLS)
        self._seen |= {record.run_id for record in records}
        while rest:
            rest = rest[self._target.deliver(writer, rest, self._keep_refused) :]
        part.refused = self._refused.count - before
        return part

    def _note_lost(self, number: int, runs: Collection[str], lost: int) -> Replay:
        """Say and note that records of a segment are in no file any more."""
        self._note(f"{writer_of_segment(self._writer, number)}.lost", runs, lost)
        _logger.warning(
            "%d calls for %s are lost: %s was removed, cut or damaged. Damaged files are kept in "
            "%s.",
            lost,
            self._folder.target,
            self._reader.path,
            self._folder.damaged,
        )
        return Replay(lost=lost)

    def _note(self, writer: str, runs: Collection[str], number: int) -> None:
        """Store of some runs that an unknown number of their values is lost; once."""
        now = time.time_ns() // 1_000_000
        noted = [
            Record(sequence, Kind.DROPPED.value, run_id, now, {UNCOUNTED: number})
            for sequence, run_id in enumerate(sorted(runs), 1)
        ]
        while noted:
            noted = noted[self._target.deliver(writer, noted, self._keep_refused) :]

    def _keep_refused(self, record: Record, error: Exception) -> bool:
        self._refused.keep(record, error)
        return True


def _named(damaged: list[bytes], runs: Collection[str], lost: int) -> set[str]:
    """Return the runs that damaged lines name, if these are all that is lost and each names one."""
    found: set[str] = set()
    for line in damaged:
        named = {run_id for run_id in runs if run_id and run_id.encode() in line}
        if not named:
            return set()
        found |= named
    return found if len(damaged) >= lost else set()
