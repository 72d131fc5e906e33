"""Colours that can be told apart by who sees fewer of them, on white and on black.

There are few of both kinds, as a picture does not know what it is on; so dashes tell apart curves
whose colours come again.
"""

PALETTE = ("#1f83c8", "#d97000", "#7f00ff", "#9b4b73", "#bd7587")
DASHES = (None, "6 4", "2 3", "9 3 2 3")
FAULT = "#d33"
"""Of what is no number."""


def colour(index: int) -> str:
    """Return the colour of a curve."""
    return PALETTE[index % len(PALETTE)]


def dashes(index: int, hidden: int) -> str | None:
    """Return the dashes of a curve.

    Args:
        index: of the curve.
        hidden: how many curves lie below it, so that it would hide them.
    """
    return DASHES[(index // len(PALETTE) + hidden) % len(DASHES)]
