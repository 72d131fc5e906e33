"""One value: a number, a truth value, nothing, or a text."""

from typing import Any

from mlflow_workspace_plugin.figures.cells import LONGEST_TEXT, cell, text
from mlflow_workspace_plugin.figures.head import head
from mlflow_workspace_plugin.figures.specification import SingleValue, Text


def single(figure: str, title: str, value: Any, note: str | None = None) -> SingleValue | Text:
    """Return the figure of a metric that has one value.

    Args:
        figure: the id.
        title: the metric's name.
        value: as it was logged.
        note: what has to be said of it.
    """
    if isinstance(value, str):
        return words(figure, title, value, note)
    return {
        **head(figure, title, note),
        "kind": "number",
        "value": cell(value),
    }


def words(figure: str, title: str, value: str, note: str | None = None) -> Text:
    """Return the figure of a text; what is too long of it is cut, which is said."""
    if len(value) > LONGEST_TEXT:
        cut = f"{len(value):,} characters, of which the first {LONGEST_TEXT:,} are shown."
        note = " ".join(filter(None, (note, cut)))
    return {
        **head(figure, title, note),
        "kind": "text",
        "value": text(value, LONGEST_TEXT),
    }
