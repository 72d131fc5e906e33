"""What is read and not looked at: tables, numbers, texts; and images side by side."""

from collections.abc import Mapping
from typing import Any

from mlflow_workspace_plugin.drawing.svg import GRID, SIZE, element, text
from mlflow_workspace_plugin.drawing.texts import cell_text, fitting, one_line, width_of

_LINE = 18
_LARGE = 30
_GAP = 12
_NARROWEST = 60


def table(figure: Mapping[str, Any], width: float, height: float) -> str:
    """Return the first rows of a table, and as many columns as there is room for.

    Args:
        figure: of the kind ``table``.
        width: of the picture.
        height: of the picture.
    """
    places = max(1, int(width // (_NARROWEST + _GAP)))
    columns = list(map(str, figure["columns"]))
    rows = [list(map(cell_text, row)) for row in figure["rows"]]
    drawn = rows[: max(1, int(height // _LINE) - 2)]
    share = (width - _GAP) / max(1, min(places, len(columns)))
    parts, x = [], 6.0
    for index, column in enumerate(columns):
        cells = [row[index] if index < len(row) else "" for row in drawn]
        widest = max(width_of(one_line(each), SIZE) for each in [column, *cells]) + 1
        room = min(widest, max(share - _GAP, _NARROWEST))
        if x + min(room, _NARROWEST) > width:
            break
        room = min(room, width - x)
        parts.append(text(fitting(column, room, SIZE), x, _LINE - 5, font_weight="bold"))
        parts += [
            text(fitting(cell, room, SIZE), x, (number + 2) * _LINE - 5)
            for number, cell in enumerate(cells)
        ]
        x += room + _GAP
    total = figure.get("total", len(rows))
    if len(drawn) < total:
        last = (len(drawn) + 2) * _LINE - 5
        parts.append(text(f"{total - len(drawn):,} more rows", 6, last))
    parts.append(element("line", x1=0, y1=_LINE, x2=width, y2=_LINE, stroke=GRID, stroke_width=1))
    return "".join(parts)


def large(words: str, width: float, height: float) -> str:
    """Return a number or a text, as large as there is room for.

    Args:
        words: what it is.
        width: of the picture.
        height: of the picture.
    """
    line = one_line(words)
    size = max(float(SIZE), min(_LARGE, _LARGE * (width - 16) / max(1.0, width_of(line, _LARGE))))
    line = fitting(line, width - 16, size)
    return text(line, width / 2, height / 2 + size / 3, text_anchor="middle", font_size=size)


def images(figure: Mapping[str, Any], width: float, height: float, found: Mapping[str, str]) -> str:
    """Return images side by side, the newest that there is room for; a path in the place of others.

    Args:
        figure: of the kind ``images``.
        width: of the picture.
        height: of the picture.
        found: addresses that hold images, by path.
    """
    places = max(1, int(width // 140))
    drawn = figure["images"][-places:]
    wide = width / max(1, len(drawn))
    parts = []
    for index, each in enumerate(drawn):
        x, uri = index * wide, found.get(each["path"])
        if uri is None:
            words = fitting(each["path"], wide - 8, SIZE)
            parts.append(text(words, x + wide / 2, height / 2, text_anchor="middle"))
        else:
            place = {"x": x + 2, "y": 2, "width": wide - 4, "height": height - 24}
            parts.append(element("image", href=uri, **place))
        words = fitting(each["label"], wide - 8, SIZE)
        parts.append(text(words, x + wide / 2, height - 6, text_anchor="middle"))
    return "".join(parts)
