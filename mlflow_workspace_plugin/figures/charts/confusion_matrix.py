"""A confusion matrix: how often each class was taken for each."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow_workspace_plugin.figures.cells import number, numbers, text
from mlflow_workspace_plugin.figures.charts.numbers import checked
from mlflow_workspace_plugin.figures.head import head
from mlflow_workspace_plugin.figures.ids import figure_id
from mlflow_workspace_plugin.figures.specification import Figure, Heatmap, Number

MOST_CLASSES = 60
"""What is more is not told apart by anybody, and taken together."""


def figures(parts: tuple[str, ...], title: str, data: Mapping[str, Any]) -> list[Figure]:
    """Return the figure of a confusion matrix.

    Args:
        parts: of the id.
        title: the metric's name.
        data: of the document, whose sizes fit.

    Raises:
        TypeError: what should be a number is none.
    """
    labels = [str(label) for label in data["class_labels"]]
    counts = [[checked(count) for count in row] for row in data["matrix"]]
    note = None
    if len(labels) > MOST_CLASSES:
        note = f"{len(labels):,} classes; all but the {MOST_CLASSES - 1:,} most frequent are one."
        labels, counts = _together(labels, counts)
    figure: Heatmap = {
        **head(figure_id(*parts), title, note),
        "kind": "heatmap",
        "rows": [text(label) for label in labels],
        "columns": [text(label) for label in labels],
        "row_label": "true",
        "column_label": "predicted",
        "counts": [numbers(row) for row in counts],
        "normalised": [_normalised(row) for row in counts],
    }
    return [figure]


def _normalised(row: Sequence[float | None]) -> list[Number]:
    total = _sum(row)
    return [
        None if count is None or not total else number(round(count / total, 6)) for count in row
    ]


def _together(
    labels: list[str], counts: list[list[float | None]]
) -> tuple[list[str], list[list[float | None]]]:
    """Return the most frequent classes in their order, and one that is all others."""
    by_frequency = sorted(range(len(labels)), key=lambda each: -_sum(counts[each]))
    kept = sorted(by_frequency[: MOST_CLASSES - 1])
    others = sorted(by_frequency[MOST_CLASSES - 1 :])
    groups = [*([each] for each in kept), others]
    sums: list[list[float | None]] = [
        [_sum([counts[row][column] for row in rows for column in columns]) for columns in groups]
        for rows in groups
    ]
    return [*(labels[each] for each in kept), f"{len(others):,} others"], sums


def _sum(row: Sequence[float | None]) -> float:
    return sum(count for count in row if count is not None and math.isfinite(count))
