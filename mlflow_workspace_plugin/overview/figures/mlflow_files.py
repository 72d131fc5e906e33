"""The figures of what MLflow's own calls log as files: ``log_image`` by key, and ``log_table``."""

import itertools
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_STATE
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS, MLFLOW_LOGGED_IMAGES

from mlflow_workspace_plugin.figures.ids import figure_id
from mlflow_workspace_plugin.figures.images import Picture, images
from mlflow_workspace_plugin.figures.specification import Figure, Images, Table
from mlflow_workspace_plugin.figures.tables import of_columns, table
from mlflow_workspace_plugin.figures.values import words
from mlflow_workspace_plugin.overview.figures.asked import Asked
from mlflow_workspace_plugin.overview.figures.logged import LoggedRun
from mlflow_workspace_plugin.overview.figures.table_files import one_at_a_time, table_file
from mlflow_workspace_plugin.runs.metrics.image_copies import FOLDER, copies_of

IMAGES = "images"
TABLE = "table"
"""What the ids of such figures begin with; the key, or the path, follows."""

_ROWS_AT_ONCE = 1_000

# Versions before 3.10 wrote % for +, and # for ~, which stands for a slash.
_PICTURE = re.compile(
    rf"{FOLDER}/(?P<key>.+)[+%]step[+%](?P<step>-?\d+)[+%]timestamp[+%](?P<time>\d+)"
    r"[+%][0-9a-fA-F-]+\.png",
    re.DOTALL,
)


def image_series(run: LoggedRun) -> dict[str, list[Picture]]:
    """Return the images of a run by key, and by step, but for the copies of SDK v1's.

    Args:
        run: the run.

    Raises:
        MlflowException: the files of the run cannot be listed now.
    """
    if MLFLOW_LOGGED_IMAGES not in run.tags:
        return {}
    copies = copies_of(run.descriptors)
    series: dict[str, list[Picture]] = defaultdict(list)
    with run.reading_files() as repository:
        entries = repository.list_artifacts(FOLDER)
    for entry in entries:
        found = _PICTURE.fullmatch(entry.path)
        if found is not None and not entry.path.startswith(copies):
            key = re.sub("[~#]", "/", found["key"])
            picture = Picture(entry.path, int(found["step"]), int(found["time"]), key, run.id)
            series[key].append(picture)
    return {
        key: sorted(series[key], key=lambda each: (each.step or 0, each.time or 0))
        for key in sorted(series)
    }


def figure_of_images(key: str, pictures: Sequence[Picture]) -> Images:
    """Return the figure of a series of images.

    Args:
        key: what they were logged by.
        pictures: in order.
    """
    return images(figure_id(IMAGES, key), key, pictures)


def table_paths(run: LoggedRun) -> list[str]:
    """Return the paths of the tables of a run, as its tag has them, which anybody may set."""
    try:
        logged = json.loads(run.tags.get(MLFLOW_LOGGED_ARTIFACTS, "[]"))
        paths = [each["path"] for each in logged if each["type"] == "table"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []
    return sorted({path for path in paths if isinstance(path, str)})


def figure_of_file(run: LoggedRun, path: str, asked: Asked) -> Figure:
    """Return the figure of a table in a file: the same as of rows that were logged.

    Args:
        run: the run.
        path: of the file.
        asked: how many rows are drawn, and those of which x.

    Raises:
        MlflowException: there is no such file, or it cannot be read now.
    """
    figure = figure_id(TABLE, path)
    found = table_file(run, path)
    if isinstance(found, str):
        return words(figure, path, "", found)
    with one_at_a_time:
        return of_columns(
            figure,
            path,
            found.columns(),
            points=asked.points,
            run=run.id,
            start=asked.start,
            end=asked.end,
        )


def rows_of_file(run: LoggedRun, path: str, offset: int, limit: int) -> Table:
    """Return a page of a table in a file.

    Args:
        run: the run.
        path: of the file.
        offset: how many rows are before the page.
        limit: how many are on it.

    Raises:
        MlflowException: as :func:`figure_of_file`.
    """
    figure = figure_id(TABLE, path)
    found = table_file(run, path)
    if isinstance(found, str):
        return table(figure, path, [], [], total=0, offset=offset, note=found)
    rows = found.rows(offset, limit)
    return table(figure, path, found.names, rows, total=found.total, offset=offset)


def all_rows(run: LoggedRun, path: str) -> tuple[list[str], Iterator[Sequence[Any]]]:
    """Return the columns of a table in a file, and all of its rows.

    Args:
        run: the run.
        path: of the file.

    Raises:
        MlflowException: as :func:`figure_of_file`, or the table cannot be shown.
    """
    found = table_file(run, path)
    if isinstance(found, str):
        raise MlflowException(found, INVALID_STATE)
    starts = range(0, found.total, _ROWS_AT_ONCE)
    pieces = (found.rows(start, _ROWS_AT_ONCE) for start in starts)
    return list(found.names), itertools.chain.from_iterable(pieces)
