"""Colours of pictures, which do not know what they are on: to be seen on white and on black."""

from mlflow_workspace_plugin.web.palette import COLOURS, DASHES, colour

__all__ = ["FAULT", "colour", "dashes"]

FAULT = "#d33"
"""Of what is no number."""


def dashes(index: int, hidden: int) -> str | None:
    """Return the dashes of a curve.

    Args:
        index: of the curve.
        hidden: how many curves lie below it, so that it would hide them.
    """
    found = DASHES[(index // len(COLOURS) + hidden) % len(DASHES)]
    return " ".join(map(str, found)) or None
