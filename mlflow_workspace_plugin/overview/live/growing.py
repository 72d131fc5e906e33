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
    return bool(figure["x"]["choices"]) and times_of(figure) is not None


def times_of(figure: Any) -> Any:
    """Return when each value of a curve was logged, in milliseconds since 1970; None if unknown.

    Args:
        figure: the curve, over steps or the time.
    """
    series = figure["series"][0]
    return series["x"] if figure["x"]["type"] == "time" else series["time"]


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
    found = list(found)
    series, times = figure["series"][0], times_of(figure)
    over_time = figure["x"]["type"] == "time"
    only_step = figure["x"].get("only_step")
    if "step" not in figure["x"]["choices"] and any(step != only_step for step, *_ in found):
        # It was over the time as there was one step only.
        return False
    values = [*series["y"], *(value for *_, value in found)]
    if not series["is_exact"] and any(each in (None, "NaN") for each in values):
        # How many of those that are not shown are NaN is not known.
        return False
    known = set(zip(series["x"], times, map(str, series["y"]), strict=True))
    # Of those that are not all shown the older ones are counted already.
    newest = -math.inf if series["is_exact"] else max(times, default=-math.inf)
    rows = list(zip(series["x"], times, series["y"], strict=True))
    for step, timestamp, value in found:
        x = timestamp if over_time else step
        if (x, timestamp, str(value)) not in known:
            rows.append((x, timestamp, value))
            series["total"] += timestamp > newest
    rows.sort(key=_place)
    nans = sum(y == "NaN" for *_, y in rows)
    if len(rows) > 2 * points:
        ys = [number_of(y) for *_, y in rows]
        rows = [rows[index] for index in kept_rows([ys], points)]
    series["x"], times, series["y"] = map(list, zip(*rows, strict=True))
    series["time"] = None if over_time else times
    series["shown"] = len(rows)
    series["total"] = max(series["total"], len(rows))
    series["is_exact"] = series["shown"] == series["total"]
    said = [words_of_nans(nans)]
    if not series["is_exact"]:
        said.insert(0, f"{series['total']:,} points shown as {series['shown']:,}, extremes kept.")
    figure["note"] = " ".join(filter(None, said)) or None
    return True


def _place(row: Point) -> tuple[float, int, float]:
    """Return what points are ordered by, as the server orders them: NaN is stored as 0."""
    x, timestamp, value = row
    number = number_of(value)
    return x, timestamp, 0.0 if math.isnan(number) else number
