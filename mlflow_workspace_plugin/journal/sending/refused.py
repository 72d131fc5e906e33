"""Records that the target refused, kept aside for people to look at."""

import json
import os
from contextlib import suppress
from pathlib import Path

from mlflow_workspace_plugin.journal.files.lock import open_regular
from mlflow_workspace_plugin.journal.files.records import Record

_SUFFIX = ".jsonl"


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
    return sum(len(_sequences(path)) for path in folder.glob(f"*{_SUFFIX}"))


def _sequences(path: Path) -> set[int]:
    found: set[int] = set()
    # What is no such file is somebody else's.
    with suppress(OSError), os.fdopen(open_regular(path), "rb") as file:
        for line in file:
            # Of a disk that is full there may be a part.
            with suppress(ValueError, KeyError, TypeError):
                found.add(int(json.loads(line)["sequence"]))
    return found
