"""Values whose number does not say what they are: what was logged, and reading it.

The number is an ordinary metric, so that every tool of MLflow's has it; text has none. What was
logged is a line of a file among the run's artifacts, whose lines are those of a journal. Files
whose names are equal up to a dot are of one writer. A line may be there twice, when a process ended
before the database knew of it: its number tells.
"""

import posixpath
from collections import defaultdict
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


def read_exact(repository: HubRepository, run_id: str) -> list[ExactValue]:
    """Return all exact values of a run, in the order in which each writer logged them.

    Args:
        repository: of the run's artifacts.
        run_id: the run.
    """
    of_writers: dict[str, dict[int, list[ExactValue]]] = defaultdict(dict)
    for entry in repository.list_artifacts(FOLDER):
        writer = posixpath.basename(entry.path).partition(".")[0]
        of_writer = of_writers[writer]
        with repository.local(entry.path) as stored, stored.open("rb") as file:
            for each in file:
                record = parse(each.removesuffix(b"\n"))
                if record is not None and record.run_id == run_id:
                    # The last one of a number is the one whose transaction was not undone.
                    values = [ExactValue(*value) for value in record.content]
                    of_writer[record.sequence] = values
    return [
        value
        for of_writer in of_writers.values()
        for number in sorted(of_writer)
        for value in of_writer[number]
    ]
