"""Tables that fit the terminal.

Widths are those that the terminal has of characters: of Chinese ones, say, two.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import click
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlflow_workspace_plugin.terminal import shown

GAP = 2
"""Of spaces, between columns."""
_SHORTEST = 8
"""To which a text is cut at most."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        heading: what stands above it.
        cells: its texts, as they came; what no terminal should do is shown instead.
        is_number: whether it is set to the right.
        may_shrink: whether its texts are cut where the table is too wide.
        styles: of each cell, for a terminal with colours.
    """

    heading: str
    cells: Sequence[str]
    is_number: bool = False
    may_shrink: bool = False
    styles: Sequence[str] = ()

    @cached_property
    def texts(self) -> list[str]:
        """The heading and the cells, as they may be shown."""
        return list(map(shown, (self.heading, *self.cells)))

    @cached_property
    def width(self) -> int:
        """How wide it is, uncut."""
        return max(map(cell_len, self.texts))

    @cached_property
    def least(self) -> int:
        """How wide it is at least: a heading may be cut, a number may not."""
        cells = 0 if self.may_shrink else max(map(cell_len, self.texts[1:]), default=0)
        return max(cells, min(self.width, _SHORTEST))


def terminal_width() -> int:
    """Return how wide a table may be: what COLUMNS says, else as the terminal, else 80."""
    return Console().width


def width_of(columns: Iterable[Column], longest: int | None = None) -> int:
    """Return how wide a table of these is.

    Args:
        columns: of the table.
        longest: how wide those are at most that may shrink; None is uncut.
    """
    widths = [
        each.width if longest is None or not each.may_shrink else min(each.width, longest)
        for each in columns
    ]
    return sum(widths) + GAP * (len(widths) - 1)


def least_width_of(columns: Iterable[Column]) -> int:
    """Return how wide a table of these is with all cut that may be."""
    widths = [each.least for each in columns]
    return sum(widths) + GAP * (len(widths) - 1)


def cut(text: str, width: int) -> str:
    """Return the beginning of a text that fits, as it may be shown on a terminal."""
    cut_text = Text(shown(text))
    cut_text.truncate(max(width, 1), overflow="ellipsis")
    return cut_text.plain


def print_columns(columns: Sequence[Column]) -> None:
    """Print a table; the texts of those columns that may shrink are cut, so that it fits."""
    console = Console(highlight=False)
    widths = _widths(columns, console.width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for each, width in zip(columns, widths, strict=True):
        table.add_column(
            Text(each.texts[0]),
            justify="right" if each.is_number else "left",
            no_wrap=True,
            overflow="ellipsis",
            width=width,
        )
    for row in range(len(columns[0].cells)):
        # Text as it is: rich would take [...] in it for markup.
        table.add_row(
            *(
                Text(each.texts[row + 1], each.styles[row] if each.styles else "")
                for each in columns
            )
        )
    # What cannot be cut is not: a line that a terminal breaks can still be read.
    console.width = max(console.width, sum(widths) + GAP * len(widths))
    with console.capture() as captured:
        console.print(table, crop=False)
    for line in captured.get().splitlines():
        click.echo(line.rstrip(" "))


def _widths(columns: Sequence[Column], room: int) -> list[int]:
    """Return how wide the columns are in a table that fits, if that is possible."""
    widths = [each.width for each in columns]
    excess = sum(widths) + GAP * (len(widths) - 1) - room
    for _ in range(excess):
        wide = [
            (width, place) for place, width in enumerate(widths) if width > columns[place].least
        ]
        if not wide:
            break
        widths[max(wide)[1]] -= 1
    return widths


def print_rows(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows, all of the same keys, as a table; one below the other where it is too wide.

    Nothing is cut, so that all can be copied.
    """
    click.echo(shown(title))
    columns = [
        Column(
            key,
            ["" if row[key] is None else str(row[key]) for row in rows],
            is_number=all(_is_number(row[key]) for row in rows),
        )
        for key in rows[0]
    ]
    if width_of(columns) <= terminal_width():
        print_columns(columns)
        return
    width = max(len(each.texts[0]) for each in columns)
    for number in range(len(rows)):
        if number:
            click.echo()
        for each in columns:
            click.echo(f"{each.texts[0]:<{width}}  {each.texts[number + 1]}".rstrip(" "))


def _is_number(cell: Any) -> bool:
    return cell is None or (isinstance(cell, (int, float)) and not isinstance(cell, bool))
