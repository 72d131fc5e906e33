"""From the document of a chart to the figures that are drawn of it."""

from collections.abc import Callable, Mapping
from typing import Any

from mlflow_workspace_plugin.bounded import TooMuchError, json_of
from mlflow_workspace_plugin.figures.cells import LONGEST_TEXT
from mlflow_workspace_plugin.figures.charts import accuracy_table, bins, confusion_matrix, schemas
from mlflow_workspace_plugin.figures.charts.schemas import fault_of
from mlflow_workspace_plugin.figures.ids import figure_id
from mlflow_workspace_plugin.figures.specification import Figure
from mlflow_workspace_plugin.figures.values import words

_DRAWN: dict[str, Callable[[tuple[str, ...], str, Mapping[str, Any]], list[Figure]]] = {
    schemas.CONFUSION_MATRIX: confusion_matrix.figures,
    schemas.RESIDUALS: bins.residuals,
    schemas.PREDICTIONS: bins.predictions,
}

_MOST_VALUES = 10_000_000
"""In a document, which anybody may have stored."""

KINDS = frozenset({schemas.ACCURACY_TABLE, *_DRAWN})
"""What metrics are called whose values are such documents."""


def figures_of_chart(
    parts: tuple[str, ...],
    title: str,
    kind: str,
    document: bytes,
    *,
    points: int = 2_000,
    start: float | None = None,
    end: float | None = None,
) -> list[Figure]:
    """Return the figures of a chart: one, or several of an accuracy table.

    What cannot be drawn is shown as the text it is, with the reason.

    Args:
        parts: of the id; a figure that is one of several adds its own.
        title: the metric's name.
        kind: of the chart.
        document: as it is stored.
        points: how many points a curve has, at most.
        start: leave out what of curves is before it.
        end: leave out what is after it.
    """
    said = kind.replace("_", " ")
    try:
        chart = json_of(document, _MOST_VALUES)
    except TooMuchError as error:
        return [_undrawn(parts, title, document, f"No {said} can be drawn: {error}.")]
    except ValueError:
        return [_undrawn(parts, title, document, f"No {said} can be drawn: it is no JSON.")]
    fault = fault_of(kind, chart)
    if fault is None:
        try:
            if kind == schemas.ACCURACY_TABLE:
                return accuracy_table.figures(
                    parts, title, chart["data"], points=points, start=start, end=end
                )
            return _DRAWN[kind](parts, title, chart["data"])
        except (TypeError, ValueError, OverflowError):
            fault = "what should be numbers is not"
    return [_undrawn(parts, title, document, f"No {said} can be drawn: {fault}.")]


def _undrawn(parts: tuple[str, ...], title: str, document: bytes, note: str) -> Figure:
    # A little more than is shown, so that what is cut is said.
    value = document[: 4 * LONGEST_TEXT + 4].decode("utf-8", "replace")
    return words(figure_id(*parts), title, value, note)
