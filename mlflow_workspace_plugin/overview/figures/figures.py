"""The figures of runs: what SDK v1's calls logged, and what MLflow's did."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, get_args

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST

from mlflow_workspace_plugin.figures.comparison import names_of_runs, of_run, run_of, together
from mlflow_workspace_plugin.figures.ids import figure_id
from mlflow_workspace_plugin.figures.lines import X
from mlflow_workspace_plugin.figures.specification import Figure, Table
from mlflow_workspace_plugin.figures.values import words
from mlflow_workspace_plugin.overview.figures import mlflow_files, scalars, tables
from mlflow_workspace_plugin.overview.figures.asked import Asked
from mlflow_workspace_plugin.overview.figures.files import figures_of_files
from mlflow_workspace_plugin.overview.figures.logged import Logged, LoggedRun
from mlflow_workspace_plugin.overview.source import Source
from mlflow_workspace_plugin.runs.metrics.descriptors import SCALAR, TABLE
from mlflow_workspace_plugin.terminal import get_logger

MOST_POINTS = 20_000
"""More of a curve than anybody sees is not returned, whatever is asked for."""
MOST_ROWS = 1_000
"""Of a page."""

_XS = get_args(X)

_logger = get_logger(__name__)


def figures_of_run(
    source: Source,
    run_id: str,
    *,
    names: Sequence[str] | None = None,
    x: X = "step",
    start: float | None = None,
    end: float | None = None,
    points: int = 2_000,
) -> list[Figure]:
    """Return the figures of a run, in the order in which they are shown.

    One that cannot be made costs no other: in its place stands a text without a value, whose note
    says why.

    Args:
        source: the workspace.
        run_id: the run.
        names: only of what was logged by these names; of all when None.
        x: what the curves of metrics are over.
        start: leave out what of them comes before: a step, or for ``time`` milliseconds since 1970,
            or for ``relative`` milliseconds since the run's start; of rows what is on their x.
        end: leave out what comes after.
        points: how many points a curve has, at most.

    Raises:
        MlflowException: there is no such run in the workspace.
    """
    run = LoggedRun(source, source.store.get_run(run_id))
    asked = _asked(x, start, end, points)
    return [figure for each in _drawn(run, names) for figure in _figures(each, run, asked)]


def figure_of(
    source: Source,
    run_id: str,
    figure: str,
    *,
    x: X = "step",
    start: float | None = None,
    end: float | None = None,
    points: int = 2_000,
) -> Figure:
    """Return one figure of a run, or a part of it.

    Args:
        source: the workspace.
        run_id: the run.
        figure: the id.
        x: as for all figures of a run.
        start: as for all figures of a run.
        end: as for all figures of a run.
        points: as for all figures of a run.

    Raises:
        MlflowException: there is no such run in the workspace, or no such figure of it.
    """
    parts, _ = run_of(figure)
    run = LoggedRun(source, source.store.get_run(run_id))
    asked = _asked(x, start, end, points)
    is_file = parts[:1] in ((mlflow_files.IMAGES,), (mlflow_files.TABLE,))
    for each in _drawn(run, parts[1:2], may_be_files=is_file):
        if parts[: len(each.parts)] == each.parts:
            for found in _figures(each, run, asked):
                if found["id"] == figure_id(*parts):
                    return found
    raise _no_figure(run_id, figure)


def rows_of(source: Source, run_id: str, figure: str, offset: int, limit: int) -> Table:
    """Return a page of the rows that a figure is made of.

    Args:
        source: the workspace.
        run_id: the run.
        figure: the id.
        offset: how many rows are before the page.
        limit: how many are on it, at most.

    Raises:
        MlflowException: there is no such run in the workspace, no such figure of it, or the figure
            is not made of rows.
    """
    if not 0 <= offset < 1 << 62 or limit < 1:
        raise MlflowException(
            f"{limit} rows behind {offset} were asked for, which are none. "
            "Give an offset from 0 on, and a limit from 1 on.",
            INVALID_PARAMETER_VALUE,
        )
    parts, _ = run_of(figure)
    limit = min(limit, MOST_ROWS)
    run = LoggedRun(source, source.store.get_run(run_id))
    for logged in run.metrics:
        if logged.parts == parts and logged.kind == TABLE:
            return tables.rows_of_table(run, logged, offset, limit)
        if logged.parts == parts and logged.has_text:
            return scalars.rows_of_scalar(run, logged, offset, limit)
    for path in mlflow_files.table_paths(run):
        if parts == (mlflow_files.TABLE, path):
            return mlflow_files.rows_of_file(run, path, offset, limit)
    raise _no_figure(run_id, figure)


def figures_of_runs(
    source: Source,
    run_ids: Sequence[str],
    *,
    names: Sequence[str] | None = None,
    x: X = "step",
    start: float | None = None,
    end: float | None = None,
    points: int = 2_000,
) -> list[Figure]:
    """Return figures that compare runs: curves overlaid, images side by side, numbers in a table.

    What cannot be one figure is one for each run.

    Args:
        source: the workspace.
        run_ids: the runs.
        names: as for one run.
        x: as for one run; ``relative`` is since the start of each run.
        start: as for one run.
        end: as for one run.
        points: how many points the curve of each run has, at most.

    Raises:
        MlflowException: one of the runs is not in the workspace.
    """
    asked = _asked(x, start, end, points)
    runs = {run.id: run for run in _runs(source, run_ids)}
    called = names_of_runs({run.id: run.name for run in runs.values()})
    alike: dict[tuple[str, ...], list[tuple[LoggedRun, _Drawn]]] = {}
    for run in runs.values():
        for each in _drawn(run, names):
            alike.setdefault(each.parts, []).append((run, each))
    figures: list[Figure] = []
    for group in alike.values():
        numeric = {run: each.numeric for run, each in group if each.numeric is not None}
        others = [(run, each) for run, each in group if each.numeric is None]
        if numeric:
            run, drawn = group[0]
            compared = functools.partial(scalars.compared, source, numeric, asked, called)
            figures += _or_why(run, drawn.parts, drawn.name, compared)
        found: dict[str, list[tuple[str, Figure]]] = {}
        for run, each in others:
            for figure in _figures(each, run, asked):
                found.setdefault(figure["id"], []).append((run.id, figure))
        for of_id in found.values():
            if numeric:
                # The id is that of the numbers that other runs have by this name.
                figures += [of_run(figure, run_id, called[run_id]) for run_id, figure in of_id]
            else:
                figures += together(of_id, called)
    return figures


def figure_names_of_runs(source: Source, run_ids: Sequence[str]) -> list[str]:
    """Return the names of all that figures of some runs are made of; no value is read for that.

    Args:
        source: the workspace.
        run_ids: the runs.

    Raises:
        MlflowException: one of the runs is not in the workspace.
    """
    names = (each.name for run in _runs(source, run_ids) for each in _drawn(run))
    return list(dict.fromkeys(names))


class _Drawn(NamedTuple):
    """Something that was logged, and how its figures are made."""

    parts: tuple[str, ...]
    """Of the ids of its figures, which may have more."""
    name: str
    draw: Callable[[LoggedRun, Asked], list[Figure]]
    numeric: Logged | None = None
    """The metric, if all its values are numbers."""


def _drawn(
    run: LoggedRun, names: Sequence[str] | None = None, *, may_be_files: bool = False
) -> Iterator[_Drawn]:
    for logged in run.metrics:
        if names is None or logged.name in names:
            yield _of_metric(logged)
    # Files are looked for only where what is wanted may be one.
    known = {logged.name for logged in run.metrics}
    if names is not None and set(names) <= known and not may_be_files:
        return
    paths = mlflow_files.table_paths(run)
    try:
        series = mlflow_files.image_series(run)
    except (MlflowException, OSError) as error:
        # Nobody knows which of what is wanted are images.
        wanted = [mlflow_files.IMAGES] if names is None else {*names} - {*known, *paths}
        for key in sorted(wanted):
            yield _Drawn((mlflow_files.IMAGES, key), key, _raising(error))
        series = {}
    for key, pictures in series.items():
        if names is None or key in names:
            drawn = mlflow_files.figure_of_images(key, pictures)
            yield _Drawn((mlflow_files.IMAGES, key), key, _always([drawn]))
    for path in paths:
        if names is None or path in names:
            of_file = functools.partial(_figures_of_file, path)
            yield _Drawn((mlflow_files.TABLE, path), path, of_file)


def _of_metric(logged: Logged) -> _Drawn:
    if logged.kind == SCALAR:
        numeric = None if logged.has_text else logged
        return _Drawn(logged.parts, logged.name, functools.partial(_scalar, logged), numeric)
    of = _table if logged.kind == TABLE else _files
    return _Drawn(logged.parts, logged.name, functools.partial(of, logged))


def _scalar(logged: Logged, run: LoggedRun, asked: Asked) -> list[Figure]:
    figure = scalars.figure_of_scalar(run, logged, asked)
    return [] if figure is None else [figure]


def _table(logged: Logged, run: LoggedRun, asked: Asked) -> list[Figure]:
    return [tables.figure_of_table(run, logged, asked)]


def _files(logged: Logged, run: LoggedRun, asked: Asked) -> list[Figure]:
    return figures_of_files(run, logged, asked)


def _figures_of_file(path: str, run: LoggedRun, asked: Asked) -> list[Figure]:
    return [mlflow_files.figure_of_file(run, path, asked)]


def _always(figures: list[Figure]) -> Callable[[LoggedRun, Asked], list[Figure]]:
    return lambda _run, _asked: figures


def _raising(error: Exception) -> Callable[[LoggedRun, Asked], list[Figure]]:
    def draw(_run: LoggedRun, _asked: Asked) -> list[Figure]:
        raise error

    return draw


def _figures(each: _Drawn, run: LoggedRun, asked: Asked) -> list[Figure]:
    return _or_why(run, each.parts, each.name, functools.partial(each.draw, run, asked))


def _or_why(
    run: LoggedRun, parts: tuple[str, ...], name: str, make: Callable[[], list[Figure]]
) -> list[Figure]:
    """Make figures; let what goes wrong cost them only, in whose place it is said.

    Raises:
        MlflowException: nothing can be read of the run any more.
    """
    try:
        return make()
    except MlflowException as error:
        why = error.message
    except OSError as error:
        why = f"It cannot be read now: {error}. Open it again later."
    except Exception as error:
        _logger.exception("The figure %r of run %s could not be drawn.", name, run.id)
        why = (
            f"It cannot be drawn: {type(error).__name__}: {error}. Its values can be read with "
            "run.get_metrics(). What went wrong stands in the log of the program that draws it: "
            "please report it."
        )
    # Where it is the database that does not answer, the others need not wait for it, too.
    run.source.store.get_run(run.id)
    return [words(figure_id(*parts), name, "", why)]


def _runs(source: Source, run_ids: Sequence[str]) -> list[LoggedRun]:
    found = source.store.runs_of_ids(run_ids)
    missing = set(run_ids) - {run.info.run_id for run in found}
    if missing:
        # What MLflow says of such a run.
        source.store.get_run(min(missing))
    return [LoggedRun(source, run) for run in found]


def _asked(x: X, start: float | None, end: float | None, points: int) -> Asked:
    if x not in _XS:
        raise MlflowException(
            f"A figure cannot be drawn over {x!r}. Give one of {', '.join(_XS)}.",
            INVALID_PARAMETER_VALUE,
        )
    return Asked(x, start, end, min(max(points, 2), MOST_POINTS))


def _no_figure(run_id: str, figure: str) -> MlflowException:
    return MlflowException(
        f"Run {run_id!r} has no such figure, or none of rows: {figure[:200]!r}. "
        "Ask for the figures of the run.",
        RESOURCE_DOES_NOT_EXIST,
    )
