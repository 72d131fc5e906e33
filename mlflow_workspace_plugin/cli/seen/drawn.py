"""Figures as a picture, by matplotlib."""

import io
import math
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure as Picture
from matplotlib.font_manager import FontProperties, fontManager
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from mlflow_workspace_plugin.web.palette import COLOURS, DASHES, colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Figure = Mapping[str, Any]

_WIDTH, _HEIGHT = 8.0, 4.5
"""Of a figure, in inches."""
_COLUMNS = 2
_DOTS_PER_INCH = 150
_FEW = 60
"""Of points, so that each is marked."""
_IN_LEGEND = 20
_CELLS = 12
"""Of a row or column of a table."""
_LABELS, _LABEL = 20, 20
"""Of a heat map's axis: how many there are, and how long."""
_LONGEST = 60
_UNITS = ((86_400_000, "days"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms"))
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# Of what the usual one has no characters for; those that are there.
_OTHER_FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans JP",
    "IPAGothic",
    "WenQuanYi Zen Hei",
    "Hiragino Sans",
    "Arial Unicode MS",
)


def picture_of(
    figures: Sequence[Figure], *, log_scale: bool = False, runs: Sequence[str] = ()
) -> bytes:
    """Return figures as one PNG, one below the other, or in two columns.

    Args:
        figures: of which those of kind ``images`` are not drawn.
        log_scale: of the y axis of lines.
        runs: the ids of runs that are compared, each of which has one colour in all figures.
    """
    columns = min(_COLUMNS, len(figures))
    rows = math.ceil(len(figures) / columns)
    fonts = {each.name for each in fontManager.ttflist}
    families = ["DejaVu Sans", *(each for each in _OTHER_FONTS if each in fonts)]
    with mpl.rc_context(mpl.rcParamsDefault | {"font.family": families}), warnings.catch_warnings():
        # What no font of this machine has is a box.
        warnings.filterwarnings("ignore", "Glyph")
        layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08)
        picture = Picture(figsize=(_WIDTH * columns, _HEIGHT * rows), layout=layout)
        for place, figure in enumerate(figures, start=1):
            axes = picture.add_subplot(rows, columns, place)
            if figure["kind"] == "lines":
                _lines(axes, figure, runs)
            else:
                _DRAW[figure["kind"]](axes, figure)
            _say(axes.set_title, _cut(figure["title"], 2 * _LONGEST), fontweight="bold", loc="left")
            if log_scale and figure["kind"] == "lines":
                axes.set_yscale("log", nonpositive="mask")
            if figure.get("note"):
                note = _cut(figure["note"], 2 * _LONGEST)
                _say(axes.annotate, note, xy=(0, 0), xytext=(0, -38), **_BELOW)
        written = io.BytesIO()
        picture.savefig(written, format="png", dpi=_DOTS_PER_INCH)
    return written.getvalue()


_BELOW: dict[str, Any] = {
    "xycoords": "axes fraction",
    "textcoords": "offset points",
    "fontsize": 8,
    "color": "#555555",
}


def _lines(axes: "Axes", figure: Figure, runs: Sequence[str]) -> None:
    kind = figure["x"].get("type")
    unit, name = _unit(figure) if kind == "duration" else (1, "UTC" if kind == "time" else "")
    handles, drawn = [], list[Any]()
    for series, (place, turn) in zip(figure["series"], _places(figure, runs), strict=True):
        xs: Any = [_time(each) if kind == "time" else _number(each) / unit for each in series["x"]]
        (line,) = axes.plot(
            xs,
            list(map(_number, series["y"])),
            color=colour(place),
            # One that lies upon another lets that be seen; and there are as many colours.
            linestyle=_dashes(place, turn + drawn.count(series["y"])),
            marker="o" if len(xs) <= _FEW else None,
            markersize=3,
            linewidth=1.4,
        )
        handles.append(line)
        drawn.append(series["y"])
    if figure.get("diagonal"):
        axes.plot([0, 1], [0, 1], color="#888888", linestyle="--", linewidth=1)
    limits = figure.get("limits") or {}
    if limits.get("x"):
        axes.set_xlim(*limits["x"])
    if limits.get("y"):
        axes.set_ylim(*limits["y"])
    if figure["x"]["label"] == "step":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(handles) > 1:
        _legend(axes, handles, [each["name"] for each in figure["series"]])
    _label(axes, figure["x"]["label"] + (f" ({name})" if name else ""), figure["y"]["label"])
    axes.grid(color="#e5e5e5")


def _places(figure: Figure, runs: Sequence[str]) -> list[tuple[int, int]]:
    """Return the place of each curve on the palette, and how many before it are there, too.

    Those of one run are, among runs that are compared; else each has a place of its own.
    """
    found: list[tuple[int, int]] = []
    for number, series in enumerate(figure["series"]):
        of_run = series["run"] in runs
        place = runs.index(series["run"]) if of_run else number
        found.append((place, sum(each == place for each, _ in found) if of_run else 0))
    return found


def _dashes(place: int, others: int) -> Any:
    """Return the dashes of a curve that is told apart from so many, as matplotlib has them."""
    found = DASHES[(place // len(COLOURS) + others) % len(DASHES)]
    return (0, found) if found else "-"


def _unit(figure: Figure) -> tuple[int, str]:
    """Return in what durations are told: how many milliseconds one is, and its name."""
    longest = max((abs(_number(each)) for s in figure["series"] for each in s["x"]), default=0)
    return next((each for each in _UNITS if longest >= 3 * each[0]), _UNITS[-1])


def _bars(axes: "Axes", figure: Figure) -> None:
    edges = list(map(_number, figure["edges"]))
    widths = [end - start for start, end in pairwise(edges)]
    counts = list(map(_number, figure["counts"]))
    axes.bar(
        edges[:-1], counts, widths, align="edge", color=colour(0), alpha=0.75, edgecolor="white"
    )
    _label(axes, _text_of(figure["x"]), _text_of(figure["y"]))


def _band(axes: "Axes", figure: Figure) -> None:
    xs, mean, low, high = (
        list(map(_number, figure[part])) for part in ("xs", "mean", "low", "high")
    )
    axes.fill_between(xs, low, high, color=colour(0), alpha=0.2, linewidth=0)
    axes.plot(xs, mean, color=colour(0), marker="o", markersize=3)
    if figure.get("ideal"):
        ends = [min(xs, default=0), max(xs, default=1)]
        axes.plot(ends, ends, color="#888888", linestyle="--", linewidth=1)
    _label(axes, _text_of(figure["x"]), _text_of(figure["y"]))
    axes.grid(color="#e5e5e5")


def _heatmap(axes: "Axes", figure: Figure) -> None:
    shares = [[_number(cell) for cell in row] for row in figure["normalised"]]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for axis, labels in (axes.xaxis, figure["columns"]), (axes.yaxis, figure["rows"]):
        every = math.ceil(len(labels) / _LABELS) or 1
        texts = [_cut(each, _LABEL) for each in labels[::every]]
        axis.set_ticks(range(0, len(labels), every), labels=texts, parse_math=False)
    if max(len(figure["rows"]), len(figure["columns"])) <= _CELLS:
        for row, counts in enumerate(figure["counts"]):
            for column, count in enumerate(counts):
                dark = shares[row][column] > 0.5
                text = _cell(count)
                axes.text(
                    column, row, text, ha="center", va="center", color="white" if dark else "black"
                )
    _label(axes, figure["column_label"], figure["row_label"])


def _table(axes: "Axes", figure: Figure) -> None:
    axes.axis("off")
    columns, rows = figure["columns"][:_CELLS], figure["rows"][:_CELLS]
    cells = [[_cut(_cell(each), 24) for each in row[:_CELLS]] for row in rows]
    if columns:
        drawn = axes.table(
            [[""] * len(columns) for _ in range(len(cells) + 1)], loc="upper left", edges="B"
        )
        headings = [_cut(each, 24) for each in columns]
        for row, texts in enumerate([headings, *cells]):
            for column, text in enumerate(texts):
                _say_in(drawn[row, column].get_text(), text)
    total = figure["total"]
    left_out = len(figure["columns"]) - len(columns)
    if total > len(cells) or left_out:
        said = f"{len(cells):,} of {total:,} rows"
        said += f", {len(columns):,} of {len(figure['columns']):,} columns" if left_out else ""
        axes.annotate(said, xy=(0, 0), xytext=(0, -12), **_BELOW)


def _alone(axes: "Axes", figure: Figure) -> None:
    axes.axis("off")
    text = textwrap.fill(_cut(_cell(figure["value"]), 10 * _LONGEST), _LONGEST)
    _say(
        axes.text,
        text,
        at=(0.5, 0.5),
        ha="center",
        va="center",
        fontsize=28 if len(text) <= _LONGEST / 3 else 11,
    )


_DRAW: dict[str, Callable[["Axes", Figure], None]] = {
    "bars": _bars,
    "band": _band,
    "heatmap": _heatmap,
    "table": _table,
    "number": _alone,
    "text": _alone,
}
KINDS = frozenset({"lines", *_DRAW})
"""Of figures that can be drawn."""


def _legend(axes: "Axes", handles: list[Any], names: list[str]) -> None:
    shown = handles[:_IN_LEGEND]
    # matplotlib leaves out what begins with an underscore; so the texts come after.
    legend = axes.legend(shown, ["-"] * len(shown), fontsize=8, loc="best")
    for text, name in zip(legend.get_texts(), names, strict=False):
        _say_in(text, _cut(name, _LONGEST))
    if len(names) > len(shown):
        legend.set_title(f"{len(shown)} of {len(names):,} lines", prop=FontProperties(size=8))


def _label(axes: "Axes", x: str, y: str) -> None:
    _say(axes.set_xlabel, _cut(x, 2 * _LONGEST))
    _say(axes.set_ylabel, _cut(y, _LONGEST))


def _say(write: Callable[..., Any], text: str, at: tuple[float, ...] = (), **style: Any) -> None:
    _say_in(write(*at, "", **style), text)


def _say_in(text: Any, said: str) -> None:
    """Set a text that came with data: a ``$`` in it begins no formula."""
    text.set_parse_math(False)
    text.set_text(said)


def _text_of(axis: Any) -> str:
    return axis["label"] if isinstance(axis, Mapping) else str(axis)


def _cut(text: str, longest: int) -> str:
    line = " ".join(str(text).split())
    line = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line)
    return line if len(line) <= longest else line[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _number(cell: Any) -> float:
    """Return a number as matplotlib draws it: what is not finite is a gap."""
    if isinstance(cell, Mapping):
        cell = cell["number"]
    try:
        number = float(cell)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def _cell(cell: Any) -> str:
    if isinstance(cell, Mapping):
        return str(cell["number"])
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell)
    return f"{cell:.6g}" if isinstance(cell, float) else str(cell)


def _time(milliseconds: float) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return _EPOCH
