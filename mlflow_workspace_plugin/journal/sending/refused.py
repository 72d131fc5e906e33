"""Records that the target refused, kept aside for people to look at."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mlflow_workspace_plugin.journal.files.lock import open_regular
from mlflow_workspace_plugin.journal.files.records import Record

_SUFFIX = ".jsonl"
TAKEN_SUFFIX = ".again"
"""Of what is sent again just now."""


class RefusedRecords:
    """Keeps what is refused of one writer's records.

    A record is kept before the target notes that it was dealt with, so it is there whatever
    happens. If the target fails in between, the record comes again, and is not kept again. Another
    process, which sends it after this one was killed, keeps it again; :func:`count_refused` counts
    it once.

    Args:
        folder: where the files are; made with the first record.
        writer: the id of the writer.
    """

    def __init__(self, folder: Path, writer: str) -> None:
        self._path = folder / f"{writer}{_SUFFIX}"
        self._last = 0
        self.count = 0
        """How many were kept."""
        self.latest: tuple[Record, Exception] | None = None
        """The last one, and why it was refused."""

    def turn_back(self, last: int) -> None:
        """Take notice that what is behind a record comes again, and may be refused now."""
        self._last = min(self._last, last)

    def keep(self, record: Record, error: Exception) -> None:
        """Keep a record, with the reason; nothing is raised when that fails."""
        if record.sequence <= self._last:
            return
        self._last = record.sequence
        self.count += 1
        self.latest = record, error
        text = json.dumps({"reason": str(error), **record._asdict()}) + "\n"
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            with self._path.open("ab", buffering=0) as file:
                file.write(text.encode())


def count_refused(folder: Path) -> int:
    """Return how many records are kept in a folder."""
    files = [path for path in folder.glob("*") if path.suffix in (_SUFFIX, TAKEN_SUFFIX)]
    return sum(len({record.sequence for record in kept_records(path)}) for path in files)


def count_refused_of(folder: Path, writer: str) -> int:
    """Return how many records of a writer are kept in a folder."""
    return len({record.sequence for record in kept_records(folder / f"{writer}{_SUFFIX}")})


def kept_records(path: Path) -> Iterator[Record]:
    """Yield the records that a file keeps; one may be there twice."""
    # What is no such file is somebody else's.
    with suppress(OSError), os.fdopen(open_regular(path), "rb") as file:
        for line in file:
            # Of a disk that is full there may be a part.
            with suppress(ValueError, KeyError, TypeError):
                kept = json.loads(line)
                yield Record(int(kept["sequence"]), *(kept[name] for name in Record._fields[1:]))
