"""The frame of a chart with two axes."""

from collections.abc import Sequence
from typing import NamedTuple

from mlflow_workspace_plugin.drawing.colours import colour, dashes
from mlflow_workspace_plugin.drawing.scales import Scale, ticks
from mlflow_workspace_plugin.drawing.svg import GRID, SIZE, element, text
from mlflow_workspace_plugin.drawing.texts import fitting, width_of

_LINE = SIZE + 3
_SWATCH = 14


class Axis(NamedTuple):
    """What an axis shows."""

    label: str
    kind: str
    """``number``, ``time`` or ``duration``."""
    least: float
    greatest: float


class Plot:
    """The place of a chart, and what is around it.

    Args:
        x: the axis below.
        y: the axis at the left.
        width: of the picture.
        height: of the picture.
        names: of the curves, said above when there are several.
    """

    def __init__(
        self, x: Axis, y: Axis, width: float, height: float, names: Sequence[str] = ()
    ) -> None:
        self.width, self.height = width, height
        self._legend, lines = _legend(names, width) if len(names) > 1 else ("", 0)
        top, bottom = 8 + lines * _LINE, height - 2 * _LINE - 4
        self._axes = x, y
        self.y = Scale(y.least, y.greatest, bottom, top)
        self._y_ticks = ticks(self.y, y.kind, max(2, int((bottom - top) / 36)))
        widest = max((width_of(each.text, SIZE) for each in self._y_ticks), default=0)
        left = min(12 + (_LINE if y.label else 0) + widest, width / 2)
        self.x = Scale(x.least, x.greatest, left, width - 14)
        self.left, self.right, self.top, self.bottom = left, width - 14, top, bottom

    def frame(self) -> str:
        """Return the axes, and what is written at them."""
        x, y = self._axes
        parts = [self._legend]
        for tick in self._y_ticks:
            place = self.y.place(tick.value)
            parts.append(self._line(self.left, place, self.right, place))
            parts.append(text(tick.text, self.left - 5, place + 4, text_anchor="end"))
        parts.extend(self._x_ticks(x.kind))
        label = "time (UTC)" if x.kind == "time" else x.label
        if label:
            middle = (self.left + self.right) / 2
            shown_label = fitting(label, self.right - self.left, SIZE)
            parts.append(text(shown_label, middle, self.height - 4, text_anchor="middle"))
        if y.label:
            middle = (self.top + self.bottom) / 2
            turn = f"rotate(-90 {SIZE} {middle:.0f})"
            words = fitting(y.label, self.bottom - self.top, SIZE)
            parts.append(text(words, SIZE, middle, text_anchor="middle", transform=turn))
        return "".join(parts)

    def diagonal(self) -> str:
        """Return the line on which both axes have the same number."""
        least = max(self.x.least, self.y.least)
        greatest = min(self.x.greatest, self.y.greatest)
        if least >= greatest:
            return ""
        ends = (each(value) for value in (least, greatest) for each in (self.x.place, self.y.place))
        return self._line(*ends, stroke="#888", stroke_dasharray="4 4")

    def _x_ticks(self, kind: str) -> list[str]:
        wanted = max(2, int((self.right - self.left) / 64))
        parts, taken = [], 0.0
        for tick in ticks(self.x, kind, wanted):
            place = self.x.place(tick.value)
            parts.append(self._line(place, self.top, place, self.bottom))
            half = width_of(tick.text, SIZE) / 2
            middle = max(half, min(self.width - half, place))
            if middle - half >= taken:
                parts.append(text(tick.text, middle, self.bottom + _LINE, text_anchor="middle"))
                taken = middle + half + 6
        return parts

    def _line(self, x1: float, y1: float, x2: float, y2: float, **attributes: object) -> str:
        drawn = {"stroke": GRID, "stroke_width": 1, **attributes}
        return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **drawn)


def _legend(names: Sequence[str], width: float) -> tuple[str, int]:
    """Return who is who among curves, in two lines at most, and how many they are."""
    parts, x, line = [], 4.0, 1
    for index, name in enumerate(names):
        words = fitting(name, min(width - 80, 180), SIZE)
        needed = _SWATCH + width_of(words, SIZE) + 14
        if x + needed > width - (70 if line > 1 else 0) and x > 4:
            if line > 1:
                parts.append(text(f"+ {len(names) - index:,} more", x, line * _LINE))
                break
            x, line = 4.0, line + 1
        drawn = {"stroke": colour(index), "stroke_width": 3, "stroke_dasharray": dashes(index, 0)}
        y = line * _LINE - 4
        parts.append(element("line", x1=x, y1=y, x2=x + 11, y2=y, **drawn))
        parts.append(text(words, x + _SWATCH, line * _LINE))
        x += needed
    return "".join(parts), line
