"""Values whose number does not say what they are: what was logged, and reading it.

The number is an ordinary metric, so that every tool of MLflow's has it; text has none. What was
logged is a line of a file among the run's artifacts, whose lines are those of a journal. Files
whose names are equal up to a dot are of one writer. A line may be there twice, when a process ended
before the database knew of it: its number tells.
"""

import posixpath
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from types import NoneType
from typing import Any, NamedTuple

from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
from mlflow_workspace_plugin.artifacts.paths import INTERNAL_FOLDER
from mlflow_workspace_plugin.bounded import check_values
from mlflow_workspace_plugin.errors import HubBusyError
from mlflow_workspace_plugin.journal.files.records import read

FOLDER = f"{INTERNAL_FOLDER}/values"
"""Where the files are, below the artifacts of the run."""

MOST_READ = 128 << 20
"""So many bytes of them a server reads of a run, as anybody may have stored them."""

_TURN_S = 30.0
MOST_TOGETHER = 12 << 20
"""Of more bytes a server reads one run at a time: as objects they are many times that."""

_one_at_a_time = threading.Lock()

_FEW, _BYTES = 100, 3
"""A line has a few values, and one more for so many bytes at most."""
_VALUES = (str, int, float, NoneType)


class ExactValue(NamedTuple):
    """What was logged where a metric has a number."""

    key: str
    timestamp: int
    """As it was logged; the metric's own may be later, if an equal value was logged before."""
    step: int
    value: Any
    is_alone: bool = False
    """Whether it is a value without a number, as text is."""


Recorded = tuple[int, list[ExactValue]]
"""What a line has: its number among those of its writer, and what was logged."""


def read_exact(
    repository: HubRepository, run_id: str, *, is_limited: bool = False
) -> list[ExactValue]:
    """Return all exact values of a run, in the order in which each writer logged them.

    Args:
        repository: of the run's artifacts.
        run_id: the run.
        is_limited: as for :func:`files_of`.

    Raises:
        MlflowException: as :func:`files_of`.
    """
    entries = files_of(repository, run_id, is_limited=is_limited)
    with turn_to_read(entries) if is_limited else nullcontext():
        return in_order((each.path, _recorded(repository, each.path, run_id)) for each in entries)


def files_of(repository: HubRepository, run_id: str, *, is_limited: bool) -> list[FileInfo]:
    """Return the files of a run's exact values.

    Args:
        repository: of the run's artifacts.
        run_id: the run.
        is_limited: refuse more than a server reads.

    Raises:
        MlflowException: they are larger.
    """
    listed: list[FileInfo] = repository.list_artifacts(FOLDER)
    # A folder there is none of ours.
    entries = [each for each in listed if not each.is_dir]
    size = sum(each.file_size or 0 for each in entries)
    if is_limited and size > MOST_READ:
        raise MlflowException(
            f"The texts of run {run_id!r}, and its other values that are more than a number, have "
            f"{size:,} bytes, and no more than {MOST_READ >> 20} MiB are read here. "
            "Read them with run.get_metrics()."
        )
    return entries


@contextmanager
def turn_to_read(entries: Iterable[FileInfo]) -> Iterator[None]:
    """Hold, while files of values are read on a server, what keeps others from doing so.

    Small ones are read at any time.

    Args:
        entries: the files of a run that are to be read.

    Raises:
        HubBusyError: others did not come to an end.
    """
    if sum(each.file_size or 0 for each in entries) <= MOST_TOGETHER:
        yield
        return
    if not _one_at_a_time.acquire(timeout=_TURN_S):
        raise HubBusyError("The texts of other runs are being read. Ask again in a minute.")
    try:
        yield
    finally:
        _one_at_a_time.release()


def in_order(files: Iterable[tuple[str, Iterable[Recorded]]]) -> list[ExactValue]:
    """Return the values of lines, in the order in which each writer logged them.

    Args:
        files: the path of each, and its lines.
    """
    of_writers: dict[str, dict[int, list[ExactValue]]] = defaultdict(dict)
    for path, lines in files:
        # The last one of a number is the one whose transaction was not undone.
        of_writers[posixpath.basename(path).partition(".")[0]].update(lines)
    return [
        value
        for of_writer in of_writers.values()
        for number in sorted(of_writer)
        for value in of_writer[number]
    ]


def recorded_in(line: bytes, run_id: str) -> Recorded | None:
    """Return what a line has; None if it is damaged, or another run's.

    Args:
        line: without its end.
        run_id: the run.
    """
    try:
        check_values(line, _FEW + len(line) // _BYTES)
        record = read(line + b"\n")
        values = [ExactValue(*value) for value in record.content]
    except (TypeError, ValueError):
        return None
    if record.run_id != run_id or not all(map(_is_one, values)):
        return None
    return record.sequence, values


def _is_one(value: ExactValue) -> bool:
    """Whether a value has the form of one: anybody may have stored it."""
    return (
        isinstance(value.key, str)
        and isinstance(value.timestamp, int)
        and isinstance(value.step, int)
        and isinstance(value.value, _VALUES)
    )


def _recorded(repository: HubRepository, path: str, run_id: str) -> Iterator[Recorded]:
    with repository.local(path) as stored, stored.open("rb") as file:
        for each in file:
            recorded = recorded_in(each.removesuffix(b"\n"), run_id)
            if recorded is not None:
                yield recorded
