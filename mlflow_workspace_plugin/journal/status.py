"""What is in the journals of a workspace, read without taking part."""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from mlflow_workspace_plugin.journal.folder import JournalFolder
from mlflow_workspace_plugin.journal.records import NO_CALLS, Record, parse, values_of
from mlflow_workspace_plugin.journal.segments import SegmentReader, segments_of


@dataclass
class Waiting:
    """What waits in the journals of a workspace."""

    calls: int = 0
    journals: int = 0
    damaged: int = 0
    """Lines that cannot be read."""
    runs: Counter[str] = field(default_factory=Counter)
    """How many calls wait, by run."""
    values: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """How many values wait, by run, metric and writer."""
    unreadable: list[str] = field(default_factory=list)
    """Files that cannot be opened, with the reason."""

    def add(self, writer: str, record: Record) -> None:
        """Count a record of a writer."""
        if record.kind in NO_CALLS:
            return
        self.calls += 1
        self.runs[record.run_id] += 1
        self.values.update((record.run_id, value[0], writer) for value in values_of(record))


def waiting(folder: JournalFolder, stored: Mapping[str, int]) -> Waiting:
    """Return what waits, whether the processes that logged it live or not.

    Args:
        folder: the journals of a workspace.
        stored: the sequence of the last stored record by writer, as far as it is known.
    """
    found = Waiting()
    for writer, numbers in segments_of(folder.path).items():
        before = found.calls
        for number in numbers:
            reader = SegmentReader(folder.path, writer, number)
            try:
                while (chunk := reader.read(complete=False)).size:
                    reader.advance(chunk)
                    found.damaged += len(chunk.damaged)
                    for record in chunk.records:
                        if record.sequence > stored.get(writer, 0):
                            found.add(writer, record)
            except FileNotFoundError:
                # Sent and removed meanwhile.
                continue
            except OSError as error:
                found.unreadable.append(f"{reader.path}: {error.strerror}")
        found.journals += found.calls > before
    return found


def damaged_lines(folder: JournalFolder, run_id: str) -> int:
    """Return how many lines that name a run cannot be read, in journals that are sent or wait."""
    paths = [*folder.damaged.glob("*"), *folder.path.glob("*.journal")]
    named = run_id.encode()
    found = 0
    for path in paths:
        # It may be sent and removed meanwhile.
        with suppress(FileNotFoundError), path.open("rb") as file:
            found += sum(
                named in line and line.endswith(b"\n") and parse(line[:-1]) is None for line in file
            )
    return found
