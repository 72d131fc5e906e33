"""What ``mlflow-workspace watch`` shows: as much of a run as there is room for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, Group, OverflowMethod, RenderableType
from rich.table import Table
from rich.text import Text

from mlflow_workspace_plugin.cli.layout.words import COLOURS, count
from mlflow_workspace_plugin.cli.seen.rows import Row
from mlflow_workspace_plugin.cli.seen.sparklines import sparkline
from mlflow_workspace_plugin.terminal import shown

_GAP = 2
_LEAST_CURVE, _GREATEST_CURVE = 8, 40
_NARROW = 70
"""In which there is no room for the extremes beside the curve."""
_SHORTEST_NAME = 8


@dataclass(frozen=True)
class Seen:
    """A run, as it is seen now.

    Attributes:
        title: its name, and the beginning of its id.
        status: in SDK v1's words.
        facts: in a line each.
        problem: why it ended, or why it cannot be seen now; empty if there is nothing to say.
        rows: its metrics.
        log: the last lines of its log.
        log_name: of which file they are.
    """

    title: str
    status: str
    facts: Sequence[str]
    problem: str = ""
    rows: Sequence[Row] = ()
    log: Sequence[str] = ()
    log_name: str = ""


def screen(seen: Seen, width: int, height: int | None = None, *, blocks: bool = True) -> Group:
    """Return what is shown of a run.

    Args:
        seen: the run.
        width: of the terminal.
        height: of the terminal; with None all metrics are shown.
        blocks: whether the terminal has characters that are not ASCII.
    """
    parts: list[RenderableType] = [
        Text.assemble(
            (shown(seen.title), "bold"), "  ", (shown(seen.status), COLOURS.get(seen.status, ""))
        ),
        *(Text(shown(each), "dim") for each in seen.facts),
    ]
    if seen.problem:
        parts += [Text(shown(each), "red") for each in seen.problem.splitlines()[:4]]
    log = [Text(shown(each.expandtabs(4))) for each in seen.log]
    rows = list(seen.rows)
    if height is not None:
        # Two lines of headings, and the last one of the terminal, which stays empty.
        room = height - len(parts) - 5
        for_log = max(min(len(log), max(room // 3, room - len(rows))), 0)
        rows = rows[: max(room - for_log, 0)]
        log = log[len(log) - for_log :]
    if rows:
        parts += [Text(""), _table(rows, width, blocks=blocks)]
    if left := len(seen.rows) - len(rows):
        parts.append(Text(f"and {count(left, 'more metric')}", "dim"))
    if log:
        parts += [Text(""), Text(shown(seen.log_name), "bold"), *log]
    for each in parts:
        if isinstance(each, Text):
            each.no_wrap, each.overflow = True, "ellipsis" if blocks else "crop"
    return Group(*parts)


def print_seen(seen: Seen) -> None:
    """Print all metrics of a run, and the last lines of its log."""
    console = Console(highlight=False, soft_wrap=False)
    console.print(screen(seen, console.width, blocks=has_blocks(console)))


def has_blocks(console: Console) -> bool:
    """Whether characters that are not ASCII can be written there."""
    return console.encoding.lower().replace("_", "-").startswith("utf")


def _table(rows: Sequence[Row], width: int, *, blocks: bool) -> Table:
    numbers = [("values", [each.values for each in rows]), ("last", [each.last for each in rows])]
    if width >= _NARROW:
        numbers.append(("least", [each.least for each in rows]))
        numbers.append(("greatest", [each.greatest for each in rows]))
    widths = [_widest([heading, *texts]) for heading, texts in numbers]
    room = width - sum(widths) - _GAP * (len(numbers) + 1)
    names = [shown(each.name) for each in rows]
    longest = max(min(_widest(["metric", *names]), room - _LEAST_CURVE), _SHORTEST_NAME)
    cut: OverflowMethod = "ellipsis" if blocks else "crop"
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    table.add_column("metric", no_wrap=True, overflow=cut, width=longest)
    for (heading, _), widest in zip(numbers, widths, strict=True):
        table.add_column(heading, justify="right", no_wrap=True, overflow="crop", width=widest)
    table.add_column("", no_wrap=True, overflow=cut, width=max(room - longest, 0))
    curve = min(max(room - longest, 0), _GREATEST_CURVE)
    for row, name, *texts in zip(rows, names, *(texts for _, texts in numbers), strict=True):
        line = sparkline(row.curve, curve, blocks=blocks) if len(row.curve) > 1 else ""
        last = Text(shown(row.text)) if row.text else Text(line, "cyan")
        table.add_row(Text(name), *map(Text, texts), last)
    return table


def _widest(texts: Iterable[str]) -> int:
    return max(map(cell_len, texts))
