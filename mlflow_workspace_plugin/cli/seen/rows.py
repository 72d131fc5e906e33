"""Figures as rows of a table for a terminal: the last value of each, its extremes, a curve."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlflow_workspace_plugin.cli.layout.words import value

Figure = Mapping[str, Any]

_KINDS = {"bars": "histogram", "band": "predictions", "heatmap": "confusion matrix"}


@dataclass(frozen=True)
class Row:
    """What is said of a metric.

    Attributes:
        name: of the metric, and of a series of it where there are several.
        values: how many there are; empty where it is nothing that is counted.
        last: the last value, of numbers.
        least: of its numbers, where there are several.
        greatest: of its numbers, where there are several.
        curve: its numbers, as many as are shown.
        text: what is said in place of a curve.
    """

    name: str
    values: str = ""
    last: str = ""
    least: str = ""
    greatest: str = ""
    curve: Sequence[float] = field(default=())
    text: str = ""


def rows_of(figures: Iterable[Figure]) -> list[Row]:
    """Return the rows of figures, in their order."""
    return [row for figure in figures for row in _ROWS.get(figure["kind"], _other)(figure)]


def _of_lines(figure: Figure) -> Iterator[Row]:
    several = len(figure["series"]) > 1
    for series in figure["series"]:
        ys = list(map(number, series["y"]))
        finite = [each for each in ys if not math.isnan(each)]
        yield Row(
            f"{figure['title']}: {series['name']}" if several else figure["title"],
            f"{series['total']:,}",
            value(ys[-1]) if ys and series["y"][-1] is not None else "",
            value(min(finite)) if finite else "",
            value(max(finite)) if finite else "",
            ys,
        )


def _of_table(figure: Figure) -> Iterator[Row]:
    rows = figure["rows"]
    # The last row is known where all of them are there.
    is_whole = figure["offset"] + len(rows) == figure["total"]
    last = ""
    if rows and is_whole:
        last = ", ".join(
            f"{name}={cell(each)}" for name, each in zip(figure["columns"], rows[-1], strict=False)
        )
    yield Row(figure["title"], f"{figure['total']:,}", text=last or "rows")


def _of_value(figure: Figure) -> Iterator[Row]:
    said = cell(figure["value"])
    if figure["kind"] == "number" and not isinstance(figure["value"], str):
        yield Row(figure["title"], "1", said)
    else:
        yield Row(figure["title"], "1", text=said)


def _of_images(figure: Figure) -> Iterator[Row]:
    images = figure["images"]
    yield Row(figure["title"], f"{len(images):,}", text=images[-1]["path"] if images else "images")


def _other(figure: Figure) -> Iterator[Row]:
    yield Row(figure["title"], text=_KINDS[figure["kind"]])


_ROWS = {
    "lines": _of_lines,
    "table": _of_table,
    "number": _of_value,
    "text": _of_value,
    "images": _of_images,
}


def number(of_figure: Any) -> float:
    """Return a value of a series; NaN of what is none."""
    if of_figure is None:
        return math.nan
    if isinstance(of_figure, Mapping):
        of_figure = of_figure["number"]
    try:
        return float(of_figure)
    except OverflowError:
        return math.inf if of_figure > 0 else -math.inf


def cell(of_figure: Any) -> str:
    """Return a cell of a figure as text."""
    if isinstance(of_figure, Mapping):
        return str(of_figure["number"])
    return "" if of_figure is None else value(of_figure)
