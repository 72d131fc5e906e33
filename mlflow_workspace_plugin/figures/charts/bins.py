"""Charts of regressions: residuals and predictions, both by bins."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from mlflow_workspace_plugin.figures.cells import number, numbers
from mlflow_workspace_plugin.figures.charts.numbers import checked
from mlflow_workspace_plugin.figures.head import head
from mlflow_workspace_plugin.figures.ids import figure_id
from mlflow_workspace_plugin.figures.specification import Band, Bars, Figure


def residuals(parts: tuple[str, ...], title: str, data: Mapping[str, Any]) -> list[Figure]:
    """Return the histogram of residuals.

    Args:
        parts: of the id.
        title: the metric's name.
        data: of the document, whose sizes fit.

    Raises:
        TypeError: what should be a number is none.
    """
    figure: Bars = {
        **head(figure_id(*parts), title),
        "kind": "bars",
        "x": {"label": "predicted - actual"},
        "y": {"label": "count"},
        "edges": numbers(map(checked, data["bin_edges"])),
        "counts": numbers(map(checked, data["bin_counts"])),
    }
    return [figure]


def predictions(parts: tuple[str, ...], title: str, data: Mapping[str, Any]) -> list[Figure]:
    """Return the mean prediction of each bin of true values, and how far predictions are from it.

    Args:
        parts: of the id.
        title: the metric's name.
        data: of the document, whose sizes fit.

    Raises:
        TypeError: what should be a number is none.
    """
    edges = [checked(edge) for edge in data["bin_edges"]]
    counts = [checked(count) for count in data["bin_counts"]]
    means, errors = (
        [checked(each) for each in data[key]] for key in ("bin_averages", "bin_errors")
    )
    # Of a bin that nothing is in there is no mean, whatever stands in its place.
    bins = [
        (None if low is None or high is None else (low + high) / 2, mean, error)
        for (low, high), mean, error, count in zip(
            pairwise(edges), means, errors, counts, strict=True
        )
        if count != 0 and mean is not None
    ]
    empty = len(means) - len(bins)
    note = f"{empty:,} of {len(means):,} bins are empty." if empty else None
    figure: Band = {
        **head(figure_id(*parts), title, note),
        "kind": "band",
        "x": {"label": "true value"},
        "y": {"label": "predicted value"},
        "xs": numbers(x for x, _, _ in bins),
        "mean": numbers(mean for _, mean, _ in bins),
        "low": [None if error is None else number(mean - error) for _, mean, error in bins],
        "high": [None if error is None else number(mean + error) for _, mean, error in bins],
        "ideal": True,
    }
    return [figure]
