"""The figures of a run that is looked at again and again, of which only what is new is read."""

import time
from collections.abc import Callable, Iterable
from typing import Any

from mlflow_workspace_plugin.drawing.seen_run import MetricSeen
from mlflow_workspace_plugin.figures.cells import cell
from mlflow_workspace_plugin.figures.ids import parts_of
from mlflow_workspace_plugin.overview.live.growing import Point, grow, is_curve, times_of

_PATIENCE = 10
"""What took a second to read is read again after ten, unless the run has ended."""

_UNKNOWN = object()

MOST_METRICS = 200
"""So many metrics are read of a run; a page shows the others."""


class LiveFigures:
    """The figures of a run.

    Args:
        read: returns those of metrics, by their names.
        points: so many are kept of a curve.
        within_s: after so many seconds of reading no more metrics are read at once; None is all.
    """

    def __init__(
        self,
        read: Callable[[list[str]], list[Any]],
        points: int,
        within_s: float | None = None,
    ) -> None:
        self._read = read
        self._points = points
        self._within_s = within_s
        self._names: dict[str, list[Any]] = {}
        self._waiting: set[str] = set()
        self._not_before: dict[str, float] = {}
        self._latest: dict[str, Any] = {}
        self.left_out = 0
        """So many metrics are not among them."""

    def take(
        self,
        points: dict[str, Any],
        again: Iterable[str],
        latest: dict[str, Any],
        *,
        is_over: bool,
        reads: bool = True,
    ) -> bool:
        """Take what a tick tells; return whether a figure has changed.

        Args:
            points: that came, by the names of metrics.
            again: the names of metrics whose figures are to be read again.
            latest: values, by the names of metrics.
            is_over: nothing comes any more.
            reads: figures are read that have to be; else they wait for the next time.
        """
        again = set(again)
        self._waiting |= again
        # What is not told of these stands in their figures.
        for name in again:
            self._latest.pop(name, None)
        self._latest |= latest
        changed = False
        for name, found in points.items():
            if not self._grown(name, found):
                self._waiting.add(name)
            changed = True
        return (reads and self._read_waiting(is_over=is_over)) or changed

    def of_files(self, names: Iterable[str]) -> list[str]:
        """Return which of all names are new, or those of files that no metric tells of."""

        def is_of_file(name: str) -> bool:
            figures = self._names.get(name)
            return figures is None or any(_is_of_file(figure) for figure in figures)

        return [name for name in names if is_of_file(name)]

    @property
    def figures(self) -> list[Any]:
        """All of them."""
        return [figure for of_name in self._names.values() for figure in of_name]

    def metrics(self) -> list[MetricSeen]:
        """Return what is known of each metric in a few values."""
        return [
            row
            for name, figures in self._names.items()
            for figure in figures
            if (row := _row(name, figure, self._latest.get(name, _UNKNOWN))) is not None
        ]

    def _read_waiting(self, *, is_over: bool) -> bool:
        now = time.monotonic()
        due = [
            name
            for name in sorted(self._waiting)
            if is_over or self._not_before.get(name, 0) <= now
        ]
        known = [name for name in due if name in self._names]
        new = [name for name in due if name not in self._names]
        room = max(0, MOST_METRICS - len(self._names))
        left_out = len(new) - len(new[:room])
        found, due = self._read_in_time(known + new[:room], now)
        self.left_out = left_out + len(known + new[:room]) - len(due)
        if not due:
            return False
        ended = time.monotonic()
        for name in due:
            self._names[name] = []
            self._not_before[name] = ended + _PATIENCE * (ended - now)
        for figure in found:
            self._names.setdefault(_name_of(figure), []).append(figure)
        self._waiting -= set(due)
        return True

    def _read_in_time(self, names: list[str], began: float) -> tuple[list[Any], list[str]]:
        """Return the figures of metrics, and of which, as there was time for no more of them."""
        if self._within_s is None:
            return (self._read(names) if names else []), names
        found: list[Any] = []
        for index, name in enumerate(names):
            if time.monotonic() - began > self._within_s:
                return found, names[:index]
            found += self._read([name])
        return found, names

    def _grown(self, name: str, found: Iterable[Point]) -> bool:
        """Add points to a curve; return whether they could be."""
        figures = self._names.get(name, [])
        return len(figures) == 1 and grow(figures[0], found, self._points)


def _name_of(figure: Any) -> str:
    """Return the name of the metric that a figure is of."""
    return parts_of(figure["id"])[1]


def _is_of_file(figure: Any) -> bool:
    return parts_of(figure["id"])[0] in ("images", "table")


def _row(name: str, figure: Any, latest: Any) -> MetricSeen | None:
    """Return a metric in a few values; None of one that has none, such as a picture."""
    if figure["kind"] in ("number", "text"):
        return MetricSeen(name, figure["value"], values=1)
    if figure["kind"] == "table" and latest is not _UNKNOWN:
        return MetricSeen(name, cell(latest), values=figure["total"])
    if not is_curve(figure):
        return None
    series = figure["series"][0]
    finite = [y for y in series["y"] if isinstance(y, int | float)]
    if latest is _UNKNOWN:
        by_time = zip(times_of(figure), series["y"], strict=True)
        latest = max(by_time, key=lambda row: row[0], default=(0, None))[1]
    least, greatest = (min(finite), max(finite)) if finite else (None, None)
    return MetricSeen(name, cell(_number(latest)), least, greatest, series["total"])


def _number(value: Any) -> Any:
    """Return a number as it was logged, of which a tick makes a text where it is not finite."""
    return float(value) if isinstance(value, str) else value
