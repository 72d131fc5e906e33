"""Routes of the pages about several runs: comparisons, and experiments."""

import json
from typing import Any

from starlette.responses import Response

from mlflow_workspace_plugin.app.pages.answers import Asked, csv_response, reading
from mlflow_workspace_plugin.app.pages.figure_routes import name_of_figure, names_asked, x_asked
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.overview.figures.figures import figures_of_runs
from mlflow_workspace_plugin.overview.figures.whole import sheet_of_figure
from mlflow_workspace_plugin.overview.runs import compare, experiment
from mlflow_workspace_plugin.overview.runs.facts import Column

_MOST_POINTS, _FEWEST_POINTS = 2000, 100
_POINTS_OF_A_CHART = 20_000
_MOST_NAMES = 20


def _compare(asked: Asked) -> dict[str, Any]:
    return compare.comparison(
        asked.source,
        _runs(asked),
        columns=_columns(asked, "columns"),
        axes=_columns(asked, "axes"),
    )


def _figures(asked: Asked) -> list[Any]:
    runs = _runs(asked)[: compare.MOST_RUNS]
    # As many as can be told apart: a chart of 100 curves has no room for 2,000 points of each.
    points = _POINTS_OF_A_CHART // max(len(runs), 1)
    return list(
        figures_of_runs(
            asked.source,
            runs,
            names=names_asked(asked, _MOST_NAMES),
            x=x_asked(asked),
            start=asked.real("start"),
            end=asked.real("end"),
            points=min(_MOST_POINTS, max(_FEWEST_POINTS, points)),
        )
    )


def _csv(asked: Asked) -> Response:
    """Answer with all that a figure of several runs is made of, however much."""
    figure = asked.query.get("id", "")
    sheet = sheet_of_figure(asked.source, _runs(asked)[: compare.MOST_RUNS], figure)
    return csv_response(sheet, name_of_figure(figure))


def _marks(asked: Asked) -> dict[str, Any]:
    return compare.marks_of_runs(asked.source, _runs(asked))


def _experiments(asked: Asked) -> dict[str, Any]:
    return {"experiments": list(experiment.experiments(asked.source))}


def _experiment(asked: Asked) -> dict[str, Any]:
    limit = asked.number("limit", experiment.MOST_RUNS)
    if limit is None or limit < 1:
        raise UserErrorException(f"limit={limit} is no number of runs. Give 1 or more.")
    return experiment.overview_of_experiment(
        asked.source,
        asked.path["experiment_id"],
        columns=_columns(asked, "columns") or (),
        filter_string=asked.query.get("filter", ""),
        order_by=asked.query.get("order_by", ""),
        limit=limit,
        with_children=asked.query.get("children") == "true",
    )


def _runs(asked: Asked) -> list[str]:
    runs = [each.strip() for each in asked.query.get("runs", "").split(",")]
    return list(dict.fromkeys(filter(None, runs)))


def _columns(asked: Asked, name: str) -> list[Column] | None:
    given = _list(asked, name)
    return None if given is None else [Column.of_json(each) for each in given]


def _list(asked: Asked, name: str) -> list[Any] | None:
    text = asked.query.get(name)
    if text is None:
        return None
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, list):
        raise UserErrorException(f'{name} is no JSON list. Give one, such as ["loss"].')
    return given


ROUTES = [
    reading("/compare", _compare),
    reading("/compare/figures", _figures),
    reading("/compare/marks", _marks),
    reading("/compare/csv", _csv),
    reading("/experiments", _experiments),
    reading("/experiments/{experiment_id}", _experiment),
]
