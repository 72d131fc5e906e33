"""Routes of the pages about several runs: comparisons, and experiments."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.responses import Response

from mlflow_workspace_plugin.app.pages.answers import Asked, csv_response, reading
from mlflow_workspace_plugin.app.pages.figure_routes import name_of_figure, names_asked, x_asked
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.overview.figures.figures import figures_of_runs
from mlflow_workspace_plugin.overview.figures.whole import sheet_of_figure
from mlflow_workspace_plugin.overview.runs import compare, experiment
from mlflow_workspace_plugin.overview.runs.facts import Column
from mlflow_workspace_plugin.overview.source import Source

_MOST_POINTS, _FEWEST_POINTS = 2000, 100
_POINTS_OF_A_CHART = 10_000
_MOST_NAMES = 20
_TURN_S = 2.0

_turn = threading.Lock()


def _compare(asked: Asked) -> dict[str, Any]:
    runs = _runs(asked)
    # Before anything is read that may be old then: what comes later has another mark.
    marks = compare.marks_of_runs(asked.source, runs)["runs"]
    compared = compare.comparison(
        asked.source, runs, columns=_columns(asked, "columns"), axes=_columns(asked, "axes")
    )
    return {**compared, "marks": marks}


def _figures(asked: Asked) -> list[Any]:
    runs = _runs(asked)[: compare.MOST_RUNS]
    # As many as can be told apart: a chart of 100 curves has no room for 2,000 points of each.
    points = _POINTS_OF_A_CHART // max(len(runs), 1)
    with _in_turn(asked.source):
        return figures_of_runs(
            asked.source,
            runs,
            names=names_asked(asked, _MOST_NAMES),
            x=x_asked(asked),
            start=asked.real("start"),
            end=asked.real("end"),
            points=min(_MOST_POINTS, max(_FEWEST_POINTS, points)),
        )


@contextmanager
def _in_turn(source: Source) -> Iterator[None]:
    """Let one thread at a time read the values of many runs, for a moment's wait at most.

    SQLite's driver gives Python to other threads at each row. Two that read, and compute from what
    they read, wait for each other then so often that each takes several times as long. On
    PostgreSQL they read side by side.
    """
    if source.hub.engine.dialect.name != "sqlite":
        yield
        return
    is_ours = _turn.acquire(timeout=_TURN_S)
    try:
        yield
    finally:
        if is_ours:
            _turn.release()


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
