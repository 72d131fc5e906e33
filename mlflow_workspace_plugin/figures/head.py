"""What each figure begins with."""

from mlflow_workspace_plugin.figures.cells import text
from mlflow_workspace_plugin.figures.specification import Head


def head(figure: str, title: str, note: str | None = None) -> Head:
    """Return the head of a figure.

    Args:
        figure: the id.
        title: what it is called, which may be any text.
        note: what has to be said of it.
    """
    return {"id": figure, "title": text(title), "note": note}
