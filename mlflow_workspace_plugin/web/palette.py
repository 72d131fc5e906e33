"""The colours and dashes of curves, as browsers have them."""

import json
import re

from mlflow_workspace_plugin.web import FOLDER

_NAMED = re.compile(r"^export const (\w+) = (.*);$", re.MULTILINE)
_STATED = dict(_NAMED.findall((FOLDER / "palette.js").read_text(encoding="utf-8")))

COLOURS: tuple[str, ...] = tuple(json.loads(_STATED["SERIES_COLOURS"]))
"""Of curves, in their order; then they come again."""

DASHES: tuple[tuple[int, ...], ...] = tuple(map(tuple, json.loads(_STATED["SERIES_DASHES"])))
"""Of curves whose colours come again: lengths in pixels, drawn and not; none is a whole line."""


def colour(index: int) -> str:
    """Return the colour of a curve."""
    return COLOURS[index % len(COLOURS)]
