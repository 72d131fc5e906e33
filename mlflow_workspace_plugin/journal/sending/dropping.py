"""Removing a leftover that cannot be sent."""

import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress

from mlflow_workspace_plugin.journal.files.folder import JournalFolder, Leftover
from mlflow_workspace_plugin.journal.files.records import OTHERS, UNCOUNTED, Kind, Record
from mlflow_workspace_plugin.journal.files.reserve import remove_notes
from mlflow_workspace_plugin.journal.files.segments import segment_path
from mlflow_workspace_plugin.journal.sending.target import Target
from mlflow_workspace_plugin.journal.status import names_of_writers, waiting


def drop(
    folder: JournalFolder,
    leftover: Leftover,
    target: Target,
    stored: Callable[[set[str]], Mapping[str, int]],
) -> None:
    """Remove a leftover, after the target has noted how much of it was not stored.

    Args:
        folder: where it is.
        leftover: what cannot be sent.
        target: that it was for.
        stored: returns the sequence of the last stored record by writer.

    Raises:
        Exception: the target is away, and the leftover stays.
    """
    writer = leftover.writer
    held = waiting([folder], stored(names_of_writers([folder])), only=writer)
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for (run_id, key, _), number in held.values.items():
        counts[run_id][key] = number
    for run_id, calls in held.others.items():
        counts[run_id][OTHERS] = calls
    for run_id, key, _ in held.dropped:
        counts[run_id][key] = counts[run_id].get(key, 0) + held.dropped[run_id, key, writer]
    for run_id in held.unknown:
        counts[run_id][UNCOUNTED] = 1
    now = time.time_ns() // 1_000_000
    noted = [
        Record(sequence, Kind.DROPPED.value, run_id, now, counts[run_id])
        for sequence, run_id in enumerate(sorted(counts), 1)
    ]
    while noted:
        noted = noted[target.deliver(f"{writer}.dropped", noted, lambda *_: True) :]
    for number in range(leftover.reader.number, leftover.last_segment + 1):
        path = segment_path(folder.path, writer, number)
        with suppress(FileNotFoundError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    remove_notes(folder.path, writer)
    leftover.lock.remove()
