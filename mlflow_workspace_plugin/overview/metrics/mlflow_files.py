"""The figures of what MLflow's own calls log as files: ``log_image`` by key, and ``log_table``."""

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS, MLFLOW_LOGGED_IMAGES

from mlflow_workspace_plugin.artifacts.quiet import quietly
from mlflow_workspace_plugin.figures.ids import figure_id
from mlflow_workspace_plugin.figures.images import Picture, images
from mlflow_workspace_plugin.figures.specification import Figure, Images, Table
from mlflow_workspace_plugin.figures.tables import of_columns, table
from mlflow_workspace_plugin.figures.values import words
from mlflow_workspace_plugin.overview.files import size_of_file
from mlflow_workspace_plugin.overview.metrics.asked import Asked
from mlflow_workspace_plugin.overview.metrics.logged import LoggedRun
from mlflow_workspace_plugin.runs.metrics.image_copies import FOLDER, copies_of

IMAGES = "images"
TABLE = "table"
"""What the ids of such figures begin with; the key, or the path, follows."""

LARGEST = 64 << 20
"""In bytes; a larger file of a table is not read."""

MOST_CELLS = 10_000_000
"""A file of a table that has more is not read either."""

# Versions before 3.10 wrote % for +, and # for ~, which stands for a slash.
_PICTURE = re.compile(
    rf"{FOLDER}/(?P<key>.+)[+%]step[+%](?P<step>-?\d+)[+%]timestamp[+%](?P<time>\d+)"
    r"[+%][0-9a-fA-F-]+\.png",
    re.DOTALL,
)


class _TooLargeError(Exception):
    """A table is too large to be shown; the message says how large it is."""


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
    for entry in run.repository.list_artifacts(FOLDER):
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
        asked: how many rows are drawn.

    Raises:
        MlflowException: there is no such file, or it cannot be read now.
    """
    figure = figure_id(TABLE, path)
    columns = _columns(run, path)
    if isinstance(columns, str):
        return words(figure, path, "", columns)
    return of_columns(figure, path, columns, points=asked.points, run=run.id)


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
    columns = _columns(run, path)
    if isinstance(columns, str):
        return table(figure, path, [], [], total=0, offset=offset, note=columns)
    total = len(next(iter(columns.values()), ()))
    parts = [cells[offset : offset + limit] for cells in columns.values()]
    rows = zip(*parts, strict=True)
    return table(figure, path, list(columns), rows, total=total, offset=offset)


def _columns(run: LoggedRun, path: str) -> dict[str, list[Any]] | str:
    """Return the columns of a table, or why it cannot be shown."""
    with quietly():
        # Before it is fetched: it may be on a storage account.
        size = size_of_file(run.repository, path)
    if size > LARGEST:
        return f"The table has {size:,} bytes, and is not shown. Download {path!r}."
    with quietly(), run.repository.local(path) as stored:
        try:
            if path.endswith(".parquet"):
                return _of_parquet(stored)
            return _of_json(stored.read_bytes())
        except _TooLargeError as error:
            return f"The table has {error}, and is not shown. Download {path!r}."
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return f"{path!r} is no table that MLflow wrote."


def _of_json(document: bytes) -> dict[str, list[Any]]:
    content = json.loads(document)
    names = [name if isinstance(name, str) else json.dumps(name) for name in content["columns"]]
    rows = content["data"]
    if any(len(row) != len(names) for row in rows):
        raise ValueError("rows are not as long as there are columns")
    columns: dict[str, list[Any]] = {}
    for index, name in enumerate(names):
        # A data frame may have two of one name.
        known = f"{name} ({index + 1})" if name in columns else name
        columns[known] = [row[index] for row in rows]
    return columns


def _of_parquet(file: Any) -> dict[str, list[Any]]:
    import pandas as pd
    import pyarrow.parquet as pq

    # A few bytes may stand for any number of equal cells.
    shape = pq.read_metadata(file)
    if shape.num_rows * shape.num_columns > MOST_CELLS:
        raise _TooLargeError(f"{shape.num_rows:,} rows")
    frame = pd.read_parquet(file)
    # What JSON has of them, as in the other form.
    return _of_json(frame.to_json(orient="split", index=False, date_format="iso").encode())
