"""What a scan found: of each name where it is used, and of each file what it takes."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow_workspace_plugin.alias import answers
from mlflow_workspace_plugin.alias.answers import Answer
from mlflow_workspace_plugin.alias.finder import NAME
from mlflow_workspace_plugin.alias.scan import sources
from mlflow_workspace_plugin.alias.scan.uses import Note, Reader

STATUSES = (answers.NOT_SERVED, answers.UNKNOWN, answers.BETTER, answers.SERVED)
"""In the order in which they are of interest."""


@dataclass(frozen=True)
class Place:
    """Where a name is used: a line of a file, or of the cell of a notebook."""

    file: str
    line: int
    cell: int | None = None

    def __str__(self) -> str:
        of_cell = "" if self.cell is None else f"cell {self.cell}:"
        return f"{self.file}:{of_cell}{self.line}"


@dataclass
class UsedName:
    """A name, what is said of it, and where it is used."""

    name: str
    answer: Answer
    places: list[Place] = field(default_factory=list)


@dataclass
class Report:
    """What a scan found.

    Attributes:
        files: how many files were looked at.
        names: the names of SDK v1, in the order of :data:`STATUSES` and then of the alphabet.
        unreadable: by file why it, or a cell of it, could not be read.
    """

    files: int
    names: list[UsedName]
    unreadable: dict[str, list[str]]

    @property
    def works(self) -> bool:
        """Whether all of it works as it is, as far as can be seen."""
        working = (answers.SERVED, answers.BETTER)
        return not self.unreadable and all(each.answer.status in working for each in self.names)

    def by_file(self) -> dict[str, Counter[str]]:
        """Return by file that uses SDK v1 how many names of each status it uses."""
        found: dict[str, Counter[str]] = {}
        for used in self.names:
            for file in sorted({place.file for place in used.places}):
                found.setdefault(file, Counter())[used.answer.status] += 1
        return dict(sorted(found.items()))

    def as_json(self) -> dict[str, Any]:
        """Return it for a program to read."""
        return {
            "works": self.works,
            "files_read": self.files,
            "names": [
                {
                    "name": each.name,
                    "status": each.answer.status,
                    "clause": each.answer.clause,
                    "count": len(each.places),
                    "places": [vars(place) for place in each.places],
                }
                for each in self.names
            ],
            "files": [
                {"file": file} | {status: counts[status] for status in STATUSES}
                for file, counts in self.by_file().items()
            ],
            "unreadable": self.unreadable,
        }


def scan(given: Iterable[Path]) -> Report:
    """Read files, and folders of files, for the names of SDK v1 that they use.

    Args:
        given: the files and folders.
    """
    found: dict[str, UsedName] = {}
    unreadable: dict[str, list[str]] = {}
    files = 0
    for file in sources.files_below(given):
        files += 1
        try:
            parts, faults = sources.parts_of(file, NAME)
            _read(parts, file, found)
        except sources.UnreadableError as error:
            faults = [str(error)]
        except RecursionError:
            faults = ["its expressions are nested too deeply to be read"]
        if faults:
            unreadable[str(file)] = faults
    ordered = sorted(
        found.values(), key=lambda used: (STATUSES.index(used.answer.status), used.name)
    )
    return Report(files, ordered, unreadable)


def _read(parts: list[sources.Part], file: Path, found: dict[str, UsedName]) -> None:
    together = Reader()
    for part in parts:
        reader = Reader() if part.is_apart else together
        reader.read(part.tree, _noting(file, part, found))


def _noting(file: Path, part: sources.Part, found: dict[str, UsedName]) -> Note:
    def note(name: str, answer: Answer, line: int) -> None:
        used = found.setdefault(name, UsedName(name, answer))
        used.places.append(Place(str(file), line + part.first_line, part.cell))

    return note
