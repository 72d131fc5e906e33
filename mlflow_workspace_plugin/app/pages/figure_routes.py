"""The figures of a run: which there are, what they are drawn from, and parts of them."""

import json
from typing import Any, cast, get_args

from starlette.responses import Response

from mlflow_workspace_plugin.app.pages.answers import Asked, csv_response, reading
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.figures.ids import parts_of
from mlflow_workspace_plugin.figures.lines import X
from mlflow_workspace_plugin.overview.figures.figures import (
    figure_names_of_runs,
    figure_of,
    figures_of_run,
    rows_of,
)
from mlflow_workspace_plugin.overview.figures.whole import sheet_of_figure

_RUN = "/runs/{run_id}"
_ROWS = 50
MOST_NAMES = 100
"""Of figures of a run that are asked for at once."""


def _names(asked: Asked) -> dict[str, Any]:
    return {"names": figure_names_of_runs(asked.source, [asked.path["run_id"]])}


def _figures(asked: Asked) -> dict[str, Any]:
    """Answer with the figures of what was logged by some names, which are a list in JSON."""
    names = names_asked(asked, MOST_NAMES)
    found = figures_of_run(asked.source, asked.path["run_id"], names=names, x=x_asked(asked))
    return {"figures": found}


def _figure(asked: Asked) -> Any:
    return figure_of(
        asked.source,
        asked.path["run_id"],
        asked.query.get("id", ""),
        x=x_asked(asked),
        start=asked.real("start"),
        end=asked.real("end"),
    )


def _rows(asked: Asked) -> Any:
    return rows_of(
        asked.source,
        asked.path["run_id"],
        asked.query.get("id", ""),
        asked.number("offset", 0) or 0,
        asked.number("limit") or _ROWS,
    )


def _csv(asked: Asked) -> Response:
    """Answer with all that a figure is made of, however much."""
    figure = asked.query.get("id", "")
    sheet = sheet_of_figure(asked.source, [asked.path["run_id"]], figure)
    return csv_response(sheet, name_of_figure(figure))


def name_of_figure(figure: str) -> str:
    """Return what was logged by, of a figure's id."""
    return " ".join(parts_of(figure)[1:2])


def names_asked(asked: Asked, most: int, parameter: str = "names") -> list[str]:
    """Return the names that are asked for.

    Args:
        asked: the request.
        most: how many names it may be, so that an answer has an end.
        parameter: of the query, that they are.

    Raises:
        UserErrorException: they are no list of so many texts in JSON.
    """
    text = asked.query.get(parameter, "")
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise UserErrorException(
            f"{parameter} is no list of texts. Give one in JSON, of {most} names at most."
        )
    if len(names) > most:
        raise UserErrorException(
            f"{parameter} has {len(names):,} names. Ask for {most} at most at once."
        )
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


ROUTES = [
    reading(_RUN + "/names", _names),
    reading(_RUN + "/figures", _figures),
    reading(_RUN + "/figure", _figure),
    reading(_RUN + "/rows", _rows),
    reading(_RUN + "/csv", _csv),
]
