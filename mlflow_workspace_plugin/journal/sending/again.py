"""Sending again what was refused, after whatever was in its way is mended: a right, say."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from mlflow_workspace_plugin.journal.files.records import Record
from mlflow_workspace_plugin.journal.sending.refused import (
    TAKEN_SUFFIX,
    RefusedRecords,
    count_refused_of,
    kept_records,
)
from mlflow_workspace_plugin.journal.sending.target import Target

_ID_LENGTH = 8
_AGAIN = ".again."
# What a process appends meanwhile is in a file of its own.
_REFUSED = "*.jsonl"


@dataclass
class SentAgain:
    """What became of records that were refused before."""

    sent: int = 0
    refused: int = 0
    """How many were refused again, and are kept on."""


def send_again(folder: JournalFolder, target: Target) -> SentAgain:
    """Send the refused records of a folder again, and keep those that are refused again.

    They are sent under an id of this attempt, which stands in the name of the file that they were
    taken to: whoever goes on with it after a kill sends nothing twice.

    Args:
        folder: whose.
        target: that it is for.

    Raises:
        Exception: the target is away; what is not sent stays.
    """
    found = SentAgain()
    for path in sorted(folder.refused.glob(_REFUSED)):
        attempt = uuid.uuid4().hex[:_ID_LENGTH]
        path.rename(path.with_name(f"{path.stem}.{attempt}{TAKEN_SUFFIX}"))
    for path in sorted(folder.refused.glob(f"*{TAKEN_SUFFIX}")):
        _send_file(path, target, found)
    return found


def _send_file(path: Path, target: Target, found: SentAgain) -> None:
    writer, attempt, _ = path.name.split(".")
    sent_as = f"{writer}{_AGAIN}{attempt}"
    before = dict(_numbered(path))
    kept = RefusedRecords(path.parent, writer)
    stored = target.last_sequence(sent_as)

    def keep(record: Record, error: Exception) -> bool:
        kept.keep(before[record.sequence], error)
        return True

    repeated = target.refusals_of(sent_as)
    for number in sorted(repeated):
        if number in before:
            kept.keep(before[number], repeated[number])
    if repeated:
        target.forget_refusals(sent_as, sorted(repeated))
    rest = [record._replace(sequence=n) for n, record in before.items() if n > stored]
    while rest:
        rest = rest[target.deliver(sent_as, rest, keep) :]
    if kept.count > count_refused_of(path.parent, writer):
        raise OSError(f"{str(path)!r} stays: what was refused again cannot be kept elsewhere.")
    path.unlink()
    found.sent += len(before) - kept.count
    found.refused += kept.count


def _numbered(path: Path) -> Iterator[tuple[int, Record]]:
    """Yield the records of a file, once each, in their order, with numbers from 1."""
    records = {record.sequence: record for record in kept_records(path)}
    yield from enumerate((records[each] for each in sorted(records)), 1)


def is_sent_again(writer: str) -> bool:
    """Whether what is sent under an id was refused before, under the id of the writer."""
    return _AGAIN in writer
