"""Where the segments of a writer that ended mention a run: found by looking, nothing is kept."""

import json
from dataclasses import dataclass
from pathlib import Path

from mlflow_workspace_plugin.journal.files.segments import segment_path
from mlflow_workspace_plugin.journal.give_way import give_way

_PIECE_BYTES = 1 << 20
_MANY = 1_000


@dataclass(frozen=True)
class Place:
    """Of the last record of a run."""

    segment: int
    offset: int
    """In the segment, in bytes."""
    sequence: int
    """Of the record; 0 where its line is damaged."""


class RunSearch:
    """Finds the last record of a run in segments that nobody writes to any more.

    The bytes of a run's id are searched for, which takes a hundredth of the time that reading the
    records does. The answers for the runs that were asked for last are kept.

    Args:
        folder: where the segments are.
        writer: the id of the writer.
        numbers: of the segments, ascending.
    """

    def __init__(self, folder: Path, writer: str, numbers: list[int]) -> None:
        self._folder = folder
        self._writer = writer
        self._numbers = numbers
        self._found: dict[str, Place | None] = {}

    def last_of(self, run_id: str) -> Place | None:
        """Return the place of the last record of a run, or None if there is none."""
        if run_id not in self._found:
            while len(self._found) >= _MANY:
                self._found.pop(next(iter(self._found)), None)
            self._found[run_id] = self._search(run_id)
        return self._found[run_id]

    def _search(self, run_id: str) -> Place | None:
        # As a record has it; within a text its quotation marks would be escaped.
        needle = f",{json.dumps(run_id)},".encode()
        for number in reversed(self._numbers):
            path = segment_path(self._folder, self._writer, number)
            try:
                offset = _last_in(path, needle)
                if offset is not None:
                    return Place(number, offset, _sequence_at(path, offset))
            except OSError:
                # Sent and removed meanwhile, or one that nobody can read.
                continue
        return None


def _last_in(path: Path, needle: bytes) -> int | None:
    """Return where some bytes are in a file for the last time."""
    found, start, kept = None, 0, b""
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            text = kept + piece
            at = text.rfind(needle)
            if at >= 0:
                found = start + at
            kept = text[-len(needle) + 1 :]
            start += len(text) - len(kept)
            give_way()
    return found


def _sequence_at(path: Path, offset: int) -> int:
    """Return the sequence of the record whose line holds an offset."""
    # Before the run's id stand a checksum, the sequence and the kind of the record.
    begin = max(offset - 100, 0)
    with path.open("rb") as file:
        file.seek(begin)
        _, _, sequence, *_ = [b"", *file.read(offset - begin).rpartition(b"\n")[2].split(b" "), b""]
    return int(sequence) if sequence.isdigit() else 0
