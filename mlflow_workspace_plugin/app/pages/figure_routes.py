"""The figures of a run: which there are, what they are drawn from, and parts of them."""

import json
import math
from collections.abc import Callable
from typing import Any, cast, get_args

from mlflow_workspace_plugin.app.pages.answers import Asked, reading
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.figures.lines import X
from mlflow_workspace_plugin.overview.figures import (
    figure_names_of_runs,
    figure_of,
    figures_of_run,
    rows_of,
)

_RUN = "/runs/{run_id}"
_ROWS = 50
_GREATEST = 2.0**63


def _names(asked: Asked) -> dict[str, Any]:
    return {"names": figure_names_of_runs(asked.source, [asked.path["run_id"]])}


def _figures(asked: Asked) -> dict[str, Any]:
    """Answer with the figures of what was logged by some names, which are a list in JSON."""
    found = figures_of_run(
        asked.source, asked.path["run_id"], names=names_asked(asked), x=x_asked(asked)
    )
    return {"figures": found}


def _figure(asked: Asked) -> Any:
    return figure_of(
        asked.source,
        asked.path["run_id"],
        asked.query.get("id", ""),
        x=x_asked(asked),
        start=_whole(asked, "start", math.floor),
        end=_whole(asked, "end", math.ceil),
    )


def _rows(asked: Asked) -> Any:
    return rows_of(
        asked.source,
        asked.path["run_id"],
        asked.query.get("id", ""),
        asked.number("offset", 0) or 0,
        asked.number("limit") or _ROWS,
    )


def names_asked(asked: Asked) -> list[str] | None:
    """Return the names that are asked for, None for all.

    Raises:
        UserErrorException: they are no list of texts in JSON.
    """
    text = asked.query.get("names")
    if not text:
        return None
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise UserErrorException("names is no list of texts. Give one, in JSON.")
    return names


def x_asked(asked: Asked) -> X:
    """Return what curves are to be over.

    Raises:
        UserErrorException: that is none of the choices.
    """
    x = asked.query.get("x") or "step"
    if x not in get_args(X):
        raise UserErrorException(f"x={x!r} is none of {', '.join(get_args(X))}.")
    return cast("X", x)


def _whole(asked: Asked, name: str, rounded: Callable[[float], int]) -> int | None:
    """Return an end of a range, which a browser may give with a fraction."""
    text = asked.query.get(name)
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not abs(number) < _GREATEST:
        raise UserErrorException(f"{name}={text!r} is no number of 64 bits. Give one.")
    return rounded(number)


ROUTES = [
    reading(_RUN + "/names", _names),
    reading(_RUN + "/figures", _figures),
    reading(_RUN + "/figure", _figure),
    reading(_RUN + "/rows", _rows),
]
