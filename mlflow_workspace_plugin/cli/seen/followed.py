"""A run that is looked at again and again, of which only what is new is read."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from mlflow_workspace_plugin.cli.layout import words
from mlflow_workspace_plugin.cli.runs.find import title
from mlflow_workspace_plugin.cli.seen.rows import Row, rows_of
from mlflow_workspace_plugin.cli.seen.screen import Seen
from mlflow_workspace_plugin.figures.ids import parts_of
from mlflow_workspace_plugin.overview.figures.figures import figures_of_run
from mlflow_workspace_plugin.overview.live.growing import grow
from mlflow_workspace_plugin.overview.live.tick import tick

if TYPE_CHECKING:
    from mlflow_workspace_plugin.figures.specification import Figure
    from mlflow_workspace_plugin.overview.live.growing import Point
    from mlflow_workspace_plugin.overview.run.log import LogPiece
    from mlflow_workspace_plugin.overview.source import Source

_POINTS = 1_000
"""So many of a curve are read."""
_READ_AGAIN_S = 3.0
_LEFT_ALONE = 8
"""So many times as long as it took to read a figure, it is not read again."""
_LOG_LINES = 200


class News(NamedTuple):
    """What is new of a run."""

    latest: Mapping[str, float | str]
    """The latest values of metrics that have new ones."""
    lines: list[str]
    """What came to the log."""


class Followed:
    """A run that is looked at.

    Args:
        source: its workspace.
        run_id: the run.
        experiment: the name of its experiment.
    """

    def __init__(self, source: "Source", run_id: str, experiment: str) -> None:
        self._source = source
        self._run_id = run_id
        self._where = f"{source.workspace} / {experiment}"
        self._cursor: dict[str, Any] | None = None
        self._figures: dict[str, Figure] = {}
        self._latest: dict[str, float | str] = {}
        self._due: set[str] = set()
        self._next: dict[str, float] = {}
        self._log = _Lines()
        self.head: dict[str, Any] = {}
        self.is_over = False

    def look(self) -> News:
        """Read what is new.

        Raises:
            MlflowException: the run is gone, or the hub cannot be reached.
        """
        new = tick(self._source, self._run_id, self._cursor)
        self._due |= set(new.again)
        # What is not told of these stands in their figures.
        for name in new.again:
            self._latest.pop(name, None)
        self._latest |= new.latest
        self._due |= {name for name, points in new.points.items() if not self._add(name, points)}
        self._read(is_over=new.is_over)
        self._cursor = new.cursor
        self.head = new.head or self.head
        self.is_over = new.is_over
        return News(new.latest, self._log.add(new.log, is_over=new.is_over))

    def seen(self, problem: str = "") -> Seen:
        """Return what is known of the run.

        Args:
            problem: why no more is known; by default why the run ended, if that is known.
        """
        head = self.head
        facts = [self._where, head.get("compute"), _times(head), head.get("waits")]
        return Seen(
            title(head.get("name"), self._run_id),
            head.get("status", ""),
            list(filter(None, (", ".join(filter(None, facts)), head.get("remark")))),
            problem or head.get("reason") or head.get("warning") or "",
            [self._up_to_date(row) for row in rows_of(self._figures.values())],
            self._log.lines,
            self._log.name,
        )

    def _up_to_date(self, row: Row) -> Row:
        """Return a row with the latest number, which may be newer than its figure."""
        latest = self._latest.get(row.name)
        return row if latest is None or not row.last else replace(row, last=words.value(latest))

    def _read(self, *, is_over: bool) -> None:
        """Read figures that have changed, but those that were read a moment ago."""
        now = time.monotonic()
        names = sorted(each for each in self._due if is_over or now >= self._next.get(each, now))
        if not names:
            return
        found = figures_of_run(self._source, self._run_id, names=names, points=_POINTS)
        self._figures |= {each["id"]: each for each in found}
        self._due -= set(names)
        took = time.monotonic() - now
        at = time.monotonic() + max(_READ_AGAIN_S, _LEFT_ALONE * took)
        # A figure of one value gets its next one at once.
        self._next |= {parts_of(each["id"])[1]: at for each in found if each["kind"] != "number"}

    def _add(self, name: str, points: "Sequence[Point]") -> bool:
        """Put points into the curve of a metric; return whether they are in it."""
        figures = [each for each in self._figures.values() if parts_of(each["id"])[1] == name]
        return len(figures) == 1 and grow(figures[0], points, _POINTS)


def _times(head: dict[str, Any]) -> str:
    if head.get("started") is None:
        return f"submitted {words.ago(head.get('submitted'))}" if head.get("submitted") else ""
    until = head.get("ended") or head.get("now")
    return f"{words.ago(head['started'])}, for {words.took(head['started'], until) or 'a moment'}"


class _Lines:
    """The last lines of a log, which comes in pieces."""

    def __init__(self) -> None:
        self.name = ""
        self.lines: list[str] = []
        self._end = 0
        self._unfinished = ""

    def add(self, piece: "LogPiece | None", *, is_over: bool) -> list[str]:
        """Add a piece; return the lines that are whole by now, and were not shown before."""
        text = self._unfinished
        if piece is not None:
            if (piece.name, piece.start) != (self.name, self._end):
                self.lines, text = [], ""
            self.name, self._end = piece.name, piece.end
            # Progress bars end their lines by a carriage return alone.
            text += piece.text.replace("\r\n", "\n").replace("\r", "\n")
        *new, self._unfinished = text.split("\n")
        if is_over and self._unfinished:
            new.append(self._unfinished)
            self._unfinished = ""
        self.lines = [*self.lines, *new][-_LOG_LINES:]
        return new
