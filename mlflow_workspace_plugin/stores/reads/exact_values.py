"""Values whose number does not say what they are: what was logged, and reading it.

The number is an ordinary metric, so that every tool of MLflow's has it; text has none. What was
logged is a line of a file among the run's artifacts, whose lines are those of a journal. Files
whose names are equal up to a dot are of one writer. A line may be there twice, when a process ended
before the database knew of it: its number tells.
"""

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
from mlflow_workspace_plugin.artifacts.paths import INTERNAL_FOLDER
from mlflow_workspace_plugin.journal.files.records import parse

FOLDER = f"{INTERNAL_FOLDER}/values"
"""Where the files are, below the artifacts of the run."""


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


def read_exact(repository: HubRepository, run_id: str) -> list[ExactValue]:
    """Return all exact values of a run, in the order in which each writer logged them.

    Args:
        repository: of the run's artifacts.
        run_id: the run.
    """
    return in_order(
        (entry.path, _recorded(repository, entry.path, run_id))
        for entry in repository.list_artifacts(FOLDER)
    )


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
    record = parse(line)
    if record is None or record.run_id != run_id:
        return None
    return record.sequence, [ExactValue(*value) for value in record.content]


def _recorded(repository: HubRepository, path: str, run_id: str) -> Iterator[Recorded]:
    with repository.local(path) as stored, stored.open("rb") as file:
        for each in file:
            recorded = recorded_in(each.removesuffix(b"\n"), run_id)
            if recorded is not None:
                yield recorded
