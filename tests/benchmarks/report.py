"""The figures as a table: on the terminal, and on the page of the documentation."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

START, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"
# Columns that say what is aimed at, not what a user gets.
_OF_DEVELOPERS = (5, 6)
HEADINGS = ("workload", "unit", "MLflow", "workspace", "ratio", "wanted", "reached", "rounds")


@dataclass(frozen=True)
class Line:
    """The figures of one workload.

    Args:
        workload: what was done.
        database: on which database.
        unit: of the figures. One per second is better when higher, any other when lower.
        mlflow: MLflow's figure, the median of the rounds; None where it has none.
        ours: the workspace's.
        rounds: how many there were.
        wanted: the lowest ratio that is good enough; None for a figure that only informs.
        at_most: the highest figure of ours that is good enough, whatever MLflow's is.
        failure: why there is no figure.
    """

    workload: str
    database: str
    unit: str = ""
    mlflow: float | None = None
    ours: float | None = None
    rounds: int = 0
    wanted: float | None = None
    at_most: float | None = None
    failure: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better ours is; None where the figures are not to be compared."""
        if not self.mlflow or not self.ours or self.at_most is not None:
            return None
        higher_is_better = self.unit.endswith("/s")
        return self.ours / self.mlflow if higher_is_better else self.mlflow / self.ours

    @property
    def reached(self) -> bool | None:
        """Whether it is good enough; None if nothing was asked."""
        if self.failure:
            return False
        if self.at_most is not None:
            return self.ours is not None and self.ours <= self.at_most
        if self.wanted is not None:
            return self.ratio is not None and self.ratio >= self.wanted
        return None

    def cells(self) -> tuple[str, ...]:
        """Return what stands in the table, under ``HEADINGS``."""
        wanted = "" if self.wanted is None else f"≥ {self.wanted:g}x"
        if self.at_most is not None:
            wanted = f"≤ {self.at_most:g} {self.unit}".strip()
        return (
            f"{self.workload}, {self.database}" if self.database else self.workload,
            self.unit,
            figure(self.mlflow),
            self.failure or figure(self.ours),
            "" if self.ratio is None else f"{figure(self.ratio)}x",
            wanted,
            {None: "", True: "yes", False: "**no**"}[self.reached],
            str(self.rounds or ""),
        )


def figure(value: float | None) -> str:
    """Return a number with about three digits."""
    if value is None:
        return ""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def print_table(lines: list[Line], notes: list[str]) -> None:
    """Print the table and the notes below it."""
    table = Table()
    for heading in HEADINGS:
        right = heading in ("MLflow", "workspace", "ratio", "wanted", "rounds")
        table.add_column(heading, justify="right" if right else "left", no_wrap=right)
    for line in lines:
        style = "red" if line.reached is False else None
        table.add_row(*(cell.strip("*") for cell in line.cells()), style=style)
    console = Console()
    Console(width=max(console.width, 130)).print(table)
    for note in notes:
        console.print(f"- {note}", highlight=False, markup=False, soft_wrap=True)


def markdown(lines: list[Line], notes: list[str]) -> str:
    """Return the table and the notes below it as Markdown."""
    rows = [HEADINGS, ["---", "---", *["---:"] * 6], *(line.cells() for line in lines)]
    shown = [[cell for i, cell in enumerate(row) if i not in _OF_DEVELOPERS] for row in rows]
    table = "\n".join(f"| {' | '.join(row)} |" for row in shown)
    return f"{table}\n\n" + "\n".join(f"- {note}" for note in notes)


def check_markers(page: Path) -> None:
    """Exit with a message unless the page has one place for the table."""
    text = page.read_text()
    found = [text.count(START), text.count(END)]
    if found != [1, 1] or text.index(START) > text.index(END):
        raise SystemExit(
            f"{page} has no place for the table, or several. "
            f"Write the lines {START} and {END}, once each, where it shall stand."
        )


def write_page(page: Path, table: str) -> None:
    """Put the table between the markers of the page, and change nothing else."""
    check_markers(page)
    before, rest = page.read_text().split(START)
    after = rest.split(END)[1]
    page.write_text(f"{before}{START}\n\n{table}\n\n{END}{after}")
