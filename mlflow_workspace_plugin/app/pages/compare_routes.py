"""Routes of the pages about several runs: comparisons, and experiments."""

import json
from typing import Any, cast, get_args

from mlflow_workspace_plugin.app.pages.answers import Asked, reading
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.figures.lines import X
from mlflow_workspace_plugin.overview import compare, experiment
from mlflow_workspace_plugin.overview.facts import Column
from mlflow_workspace_plugin.overview.figures import figures_of_runs

_MOST_POINTS, _FEWEST_POINTS = 2000, 100
_POINTS_OF_A_CHART = 20_000


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
            names=_names(asked),
            x=_x(asked),
            start=asked.number("start"),
            end=asked.number("end"),
            points=min(_MOST_POINTS, max(_FEWEST_POINTS, points)),
        )
    )


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


def _names(asked: Asked) -> list[str] | None:
    given = _list(asked, "names")
    return None if given is None else [str(each) for each in given]


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


def _x(asked: Asked) -> X:
    x = asked.query.get("x", "step")
    if x not in get_args(X):
        raise UserErrorException(f"x={x!r} is none of {', '.join(get_args(X))}.")
    return cast(X, x)


ROUTES = [
    reading("/compare", _compare),
    reading("/compare/figures", _figures),
    reading("/compare/marks", _marks),
    reading("/experiments", _experiments),
    reading("/experiments/{experiment_id}", _experiment),
]
