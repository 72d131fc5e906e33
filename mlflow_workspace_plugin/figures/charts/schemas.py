"""What SDK v1's charts are drawn from: the schemas of its documents, which it did not check."""

from collections.abc import Callable, Mapping
from typing import Any

CONFUSION_MATRIX = "confusion_matrix"
ACCURACY_TABLE = "accuracy_table"
RESIDUALS = "residuals"
PREDICTIONS = "predictions"

_KEYS = {
    CONFUSION_MATRIX: ("class_labels", "matrix"),
    ACCURACY_TABLE: (
        *("probability_tables", "percentile_tables"),
        *("probability_thresholds", "percentile_thresholds"),
        "class_labels",
    ),
    RESIDUALS: ("bin_edges", "bin_counts"),
    PREDICTIONS: ("bin_averages", "bin_errors", "bin_counts", "bin_edges"),
}

# True and false positives, true and false negatives.
_COUNTS = 4


def fault_of(kind: str, chart: Any) -> str | None:
    """Return why SDK v1's chart of some kind cannot be drawn from an object; None if it can.

    Args:
        kind: of the chart, which is its ``schema_type``.
        chart: the object, as JSON has it.
    """
    if not isinstance(chart, Mapping):
        return f"it is of type {type(chart).__name__}, not a dict of schema_type and data"
    if chart.get("schema_type") != kind:
        return f"its schema_type is {chart.get('schema_type')!r}, not {kind!r}"
    data = chart.get("data")
    if not isinstance(data, Mapping):
        return "its data is no dict"
    missing = [key for key in _KEYS[kind] if not isinstance(data.get(key), list)]
    if missing:
        return f"its data has no list of {' and of '.join(missing)}"
    return _FAULT_OF_SIZES[kind](data)


def _of_matrix(data: Mapping[str, Any]) -> str | None:
    classes = len(data["class_labels"])
    if [_size(row) for row in data["matrix"]] != [classes] * classes:
        return f"its matrix is not {classes} by {classes}, as many as class_labels"
    return None


def _of_tables(data: Mapping[str, Any]) -> str | None:
    for each in ("probability", "percentile"):
        tables, thresholds = data[f"{each}_tables"], len(data[f"{each}_thresholds"])
        if len(tables) != len(data["class_labels"]):
            return f"its {each}_tables are not as many as class_labels"
        if any(_size(table) != thresholds for table in tables):
            return f"its {each}_tables have not as many rows as {each}_thresholds"
        if any(_size(row) != _COUNTS for table in tables for row in table):
            return f"its {each}_tables have rows that are not of four counts"
    return None


def _of_bins(data: Mapping[str, Any]) -> str | None:
    bins = len(data["bin_edges"]) - 1
    odd = [key for key in data if key.startswith("bin_") and key != "bin_edges"]
    odd = [key for key in odd if _size(data[key]) != bins]
    return f"its {odd[0]} are not one fewer than bin_edges" if odd else None


def _size(value: Any) -> int | None:
    return len(value) if isinstance(value, list) else None


_FAULT_OF_SIZES: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    CONFUSION_MATRIX: _of_matrix,
    ACCURACY_TABLE: _of_tables,
    RESIDUALS: _of_bins,
    PREDICTIONS: _of_bins,
}
