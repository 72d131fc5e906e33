"""Matrices of counts, as heat maps."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from mlflow_workspace_plugin.drawing.colours import colour
from mlflow_workspace_plugin.drawing.svg import SIZE, element, text
from mlflow_workspace_plugin.drawing.texts import fitting, number_of, number_text, width_of

_MOST = 24
"""So many rows and columns; of more, several are drawn as one, summed."""

_MANY = 10

_LINE = SIZE + 3
_DARK = 0.55
_SHADES = 16
_SMALLEST_TEXT = 8


def heatmap(figure: Mapping[str, Any], width: float, height: float) -> str:
    """Return a matrix whose cells are the darker the more of its row they hold.

    Args:
        figure: of the kind ``heatmap``.
        width: of the picture.
        height: of the picture.
    """
    counts = [[number_of(each) for each in row] for row in figure["counts"]]
    rows, down = _joined(figure["rows"])
    columns, across = _joined(figure["columns"])
    counts = _summed(counts, down, across)
    left = 8 + _LINE + min(max((width_of(each, SIZE) for each in rows), default=0), width / 4)
    top, bottom = 4.0, height - 2 * _LINE - 4
    wide, high = (width - left - 8) / max(1, len(columns)), (bottom - top) / max(1, len(rows))
    parts = _cells(counts, left, top, wide, high)
    skipped = math.ceil(_LINE / high) if high else 1
    for row in range(0, len(rows), skipped):
        words = fitting(rows[row], left - _LINE - 6, SIZE)
        place = top + (row + 0.5) * high + 4
        parts.append(text(words, left - 4, place, text_anchor="end"))
    skipped = math.ceil(min(30, max((width_of(each, SIZE) for each in columns), default=0)) / wide)
    for column in range(0, len(columns), max(1, skipped)):
        words = fitting(columns[column], wide * max(1, skipped) - 2, SIZE)
        middle = left + (column + 0.5) * wide
        parts.append(text(words, middle, bottom + _LINE, text_anchor="middle"))
    middle = left + (width - left - 8) / 2
    words = fitting(figure["column_label"], width - left, SIZE)
    parts.append(text(words, middle, height - 4, text_anchor="middle"))
    middle = (top + bottom) / 2
    turn = f"rotate(-90 {SIZE} {middle:.0f})"
    words = fitting(figure["row_label"], bottom - top, SIZE)
    parts.append(text(words, SIZE, middle, text_anchor="middle", transform=turn))
    return "".join(parts)


def shrunk(figure: Mapping[str, Any]) -> str | None:
    """Return what is to be said of a matrix that is drawn smaller than it is; None if it is not."""
    rows, columns = len(figure["rows"]), len(figure["columns"])
    if max(rows, columns) <= _MOST:
        return None
    drawn = len(_joined(figure["rows"])[0]), len(_joined(figure["columns"])[0])
    return f"{rows:,} by {columns:,} cells shown as {drawn[0]} by {drawn[1]}, summed"


def _cells(
    counts: Sequence[Sequence[float]], left: float, top: float, wide: float, high: float
) -> list[str]:
    """Return the cells, those of one shade as one element; an empty one is as the page is."""
    shares = [_shares(of_row) for of_row in counts]
    # The rest of many classes may be more than each of them, and would leave them without colour.
    ranked = [of_row[:-1] for of_row in shares[:-1]] if len(shares) > _MANY else shares
    most = max(chain.from_iterable(ranked), default=0.0) or 1.0
    shades: dict[int, list[str]] = defaultdict(list)
    words = []
    for row, of_row in enumerate(shares):
        for column, share in enumerate(of_row):
            x, y, part = left + column * wide, top + row * high, min(share / most, 1.0)
            if part:
                place = f"M{x * 10:.0f} {y * 10:.0f}h{wide * 10 - 10:.0f}v{high * 10 - 10:.0f}"
                shades[math.ceil(part * _SHADES)].append(f"{place}h-{wide * 10 - 10:.0f}z")
            words.append(_count(counts[row][column], x, y, wide, high, is_dark=part > _DARK))
    cells = [
        element(
            "path",
            d="".join(places),
            transform="scale(.1)",
            fill=colour(0),
            fill_opacity=f"{0.06 + 0.94 * shade / _SHADES:.2f}",
        )
        for shade, places in sorted(shades.items())
    ]
    return cells + words


def _shares(counts: Sequence[float]) -> list[float]:
    """Return how much of a row each cell holds."""
    known = [max(0.0, each) if math.isfinite(each) else 0.0 for each in counts]
    most = max(known, default=0.0) or 1.0
    whole = math.fsum(each / most for each in known) or 1.0
    return [each / most / whole for each in known]


def _count(count: float, x: float, y: float, wide: float, high: float, *, is_dark: bool) -> str:
    """Return what is written into a cell; nothing, where there is no room."""
    words = number_text(count, 4)
    size = min(SIZE, high - 2, SIZE * (wide - 4) / max(1.0, width_of(words, SIZE)))
    if size < _SMALLEST_TEXT:
        return ""
    told = {"text_anchor": "middle", "fill": "#fff" if is_dark else None, "font_size": float(size)}
    return text(words, x + (wide - 1) / 2, y + high / 2 + size / 3, **told)


def _joined(labels: Sequence[Any]) -> tuple[list[str], int]:
    """Return labels of what is drawn, and of how many each is."""
    size = max(1, math.ceil(len(labels) / _MOST))
    return [str(label) for label in labels[::size]], size


def _summed(counts: list[list[float]], down: int, across: int) -> list[list[float]]:
    if down == across == 1:
        return counts
    return [
        [
            math.fsum(
                count
                for each in counts[row : row + down]
                for count in each[column : column + across]
                if math.isfinite(count)
            )
            for column in range(0, len(counts[row]), across)
        ]
        for row in range(0, len(counts), down)
    ]
