"""Figures of curves that grow: points that came are put into them, and no history is read again."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from mlflow_workspace_plugin.drawing.texts import number_of
from mlflow_workspace_plugin.figures.lines import words_of_nans
from mlflow_workspace_plugin.figures.thinning import kept_rows

Point = Sequence[Any]
"""Step, timestamp and value, which is a text where it is not finite."""


def is_curve(figure: Any) -> bool:
    """Whether a figure is the curve of one metric, of one run."""
    if figure["kind"] != "lines" or len(figure["series"]) != 1:
        return False
    return bool(figure["x"]["choices"]) and figure["series"][0]["time"] is not None


def grow(figure: Any, found: Iterable[Point], points: int) -> bool:
    """Put points into a figure; return whether they could be: else it is to be read again.

    Args:
        figure: as :func:`~mlflow_workspace_plugin.overview.figures.figures.figures_of_run` has it;
            changed.
        found: points of its metric, of which some may be there already.
        points: of a curve of more than twice as many so many are kept, its extremes among them.
    """
    if not is_curve(figure):
        return False
    series = figure["series"][0]
    over_time = figure["x"]["type"] != "number"
    known = set(zip(series["x"], series["time"], map(str, series["y"]), strict=True))
    # Of those that are not all shown the older ones are counted already.
    newest = -math.inf if series["is_exact"] else max(series["time"], default=-math.inf)
    rows = list(zip(series["x"], series["time"], series["y"], strict=True))
    for step, timestamp, value in found:
        x = timestamp if over_time else step
        if (x, timestamp, str(value)) not in known:
            rows.append((x, timestamp, value))
            series["total"] += timestamp > newest
    rows.sort(key=lambda row: (row[0], row[1]))
    if len(rows) > 2 * points:
        ys = [number_of(y) for _, _, y in rows]
        rows = [rows[index] for index in kept_rows([ys], points)]
    series["x"], series["time"], series["y"] = map(list, zip(*rows, strict=True))
    series["shown"] = len(rows)
    series["total"] = max(series["total"], len(rows))
    series["is_exact"] = series["shown"] == series["total"]
    if series["is_exact"]:
        figure["note"] = words_of_nans(sum(y == "NaN" for y in series["y"]))
    else:
        shown = f"{series['total']:,} points shown as {series['shown']:,}"
        figure["note"] = f"{shown}, extremes kept."
    return True
