"""Charts of regressions: residuals and predictions, both by bins."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from mlflow_workspace_plugin.figures.cells import numbers
from mlflow_workspace_plugin.figures.charts.numbers import checked, counted
from mlflow_workspace_plugin.figures.head import head
from mlflow_workspace_plugin.figures.ids import figure_id
from mlflow_workspace_plugin.figures.specification import Band, Bars, Figure
from mlflow_workspace_plugin.figures.thinning import kept_rows

MOST_BINS = 2_000
"""More are not told apart on any screen."""


def residuals(parts: tuple[str, ...], title: str, data: Mapping[str, Any]) -> list[Figure]:
    """Return the histogram of residuals.

    Args:
        parts: of the id.
        title: the metric's name.
        data: of the document, whose sizes fit.

    Raises:
        TypeError, ValueError: what should be a number is none.
    """
    edges, notes = _bounded(data["bin_edges"])
    counts = [checked(count) for count in data["bin_counts"]]
    if len(counts) > MOST_BINS:
        size = math.ceil(len(counts) / MOST_BINS)
        notes.append(f"{len(counts):,} bins, of which a bar is {size:,} each.")
        starts = range(0, len(counts), size)
        counts = [_sum(counts[start : start + size]) for start in starts]
        edges = [*(edges[start] for start in starts), edges[-1]]
    figure: Bars = {
        **head(figure_id(*parts), title, " ".join(notes) or None),
        "kind": "bars",
        "x": {"label": "predicted - actual"},
        "y": {"label": "count"},
        "edges": edges,
        "counts": numbers(counts),
    }
    return [figure]


def predictions(parts: tuple[str, ...], title: str, data: Mapping[str, Any]) -> list[Figure]:
    """Return the mean prediction of each bin of true values, and how far predictions are from it.

    Args:
        parts: of the id.
        title: the metric's name.
        data: of the document, whose sizes fit.

    Raises:
        TypeError, ValueError: what should be a number is none.
    """
    edges, notes = _bounded(data["bin_edges"])
    counts = [checked(count) for count in data["bin_counts"]]
    means, errors = (
        [checked(each) for each in data[key]] for key in ("bin_averages", "bin_errors")
    )
    # Of a bin that nothing is in there is no mean, whatever stands in its place.
    bins = [
        (low / 2 + high / 2, mean, error)
        for (low, high), mean, error, count in zip(
            pairwise(edges), means, errors, counts, strict=True
        )
        if count != 0 and mean is not None
    ]
    empty = len(means) - len(bins)
    if empty:
        notes.append(f"{empty:,} of {len(means):,} bins are empty.")
    xs = [x for x, _, _ in bins]
    mean: list[float | None] = [each for _, each, _ in bins]
    low = [None if error is None else mean - error for _, mean, error in bins]
    high = [None if error is None else mean + error for _, mean, error in bins]
    kept = kept_rows([mean, low, high], MOST_BINS)
    if len(kept) < len(bins):
        notes.append(f"{len(bins):,} bins, of which {len(kept):,} are drawn, extremes kept.")
    figure: Band = {
        **head(figure_id(*parts), title, " ".join(notes) or None),
        "kind": "band",
        "x": {"label": "true value"},
        "y": {"label": "predicted value"},
        "xs": [xs[index] for index in kept],
        "mean": numbers(mean[index] for index in kept),
        "low": numbers(low[index] for index in kept),
        "high": numbers(high[index] for index in kept),
        "ideal": True,
    }
    return [figure]


def _bounded(edges: Sequence[Any]) -> tuple[list[float], list[str]]:
    """Return edges between which bins can be drawn, and what has to be said of them.

    A first and a last bin that have no end are drawn as wide as the ones beside them.

    Raises:
        TypeError, ValueError: another edge is no finite number.
    """
    first, last = checked(edges[0]), checked(edges[-1])
    is_open = first == -math.inf and len(edges) > 1, last == math.inf and len(edges) > 1
    inner = [
        counted(edge) for edge in edges[is_open[0] : len(edges) - 1 if is_open[1] else len(edges)]
    ]
    if not inner:
        raise ValueError("no edge is finite")
    low, high = inner[0], inner[-1]
    notes = []
    if is_open[0]:
        inner.insert(0, counted(low - _width(inner[:2])))
        notes.append(f"The first bin holds all below {low:,g}.")
    if is_open[1]:
        inner.append(counted(high + _width(inner[-2:])))
        notes.append(f"The last bin holds all above {high:,g}.")
    return [float(edge) for edge in inner], notes


def _width(ends: Sequence[float]) -> float:
    return ends[-1] - ends[0] or 1.0


def _sum(counts: Sequence[float | None]) -> float | None:
    """Return how many are in bins together; None where nobody counted."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
