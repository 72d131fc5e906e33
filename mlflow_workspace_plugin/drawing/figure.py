"""A figure as a picture."""

from collections.abc import Mapping
from typing import Any

from mlflow_workspace_plugin.drawing import charts, matrices, words
from mlflow_workspace_plugin.drawing.svg import data_uri, document
from mlflow_workspace_plugin.drawing.texts import cell_text

WIDTH = 420
HEIGHT = 230

_CHARTS = {
    "lines": charts.lines,
    "bars": charts.bars,
    "band": charts.band,
    "heatmap": matrices.heatmap,
    "table": words.table,
}


def svg_of(
    figure: Mapping[str, Any],
    *,
    width: float = WIDTH,
    height: float = HEIGHT,
    images: Mapping[str, str] | None = None,
) -> str:
    """Return a figure as SVG.

    Its size is bounded, however much the figure holds: what a picture of that width cannot show
    is not in it.

    Args:
        figure: as JSON has it.
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        images: of a figure of images, addresses that hold them, by path.
    """
    kind = figure["kind"]
    if kind in _CHARTS:
        inner = _CHARTS[kind](figure, width, height)
    elif kind == "images":
        inner = words.images(figure, width, height, images or {})
    else:
        inner = words.large(cell_text(figure["value"]), width, height)
    return document(inner, width, height, figure["title"])


def picture_of(figure: Mapping[str, Any], **options: Any) -> str:
    """Return a figure as an address that holds its picture.

    Args:
        figure: as JSON has it.
        options: as for :func:`svg_of`.
    """
    return data_uri(svg_of(figure, **options))


def notes_of(figure: Mapping[str, Any]) -> list[str]:
    """Return what is to be said below a picture: what it does not show as it is.

    Args:
        figure: as JSON has it.
    """
    note = figure.get("note")
    smaller = matrices.shrunk(figure) if figure["kind"] == "heatmap" else None
    return [each for each in (note, smaller) if each]
