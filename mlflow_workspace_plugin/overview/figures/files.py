"""The figures of SDK v1's metrics whose values are files: pictures, and charts of four kinds."""

from contextlib import suppress

from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.figures.charts.chart import KINDS, figures_of_chart
from mlflow_workspace_plugin.figures.ids import figure_id
from mlflow_workspace_plugin.figures.images import Picture, images
from mlflow_workspace_plugin.figures.specification import Figure
from mlflow_workspace_plugin.figures.values import words
from mlflow_workspace_plugin.overview.figures.asked import Asked
from mlflow_workspace_plugin.overview.figures.exact_of_key import place_of
from mlflow_workspace_plugin.overview.figures.logged import Logged, LoggedRun
from mlflow_workspace_plugin.overview.run.files import size_of_file
from mlflow_workspace_plugin.runs.files.artifact_names import path_in_run
from mlflow_workspace_plugin.runs.metrics.descriptors import IMAGE

LARGEST = 64 << 20
"""In bytes; a larger file of a chart is not read."""


def figures_of_files(run: LoggedRun, logged: Logged, asked: Asked) -> list[Figure]:
    """Return the figures of a metric whose values are files; none, if it has no values yet.

    Args:
        run: the run.
        logged: the metric.
        asked: how many points the curves of a chart have, and those of which x.

    Raises:
        MlflowException: a file is not there any more, or cannot be read now.
    """
    pictures = _files(run, logged)
    if not pictures:
        return []
    if logged.kind == IMAGE:
        return [images(figure_id(*logged.parts), logged.name, pictures)]
    if logged.kind not in KINDS:
        return []
    # A chart that is logged again has the file of the one before.
    path = pictures[-1].path
    with run.reading_files() as repository:
        size = size_of_file(repository, path)
        if size > LARGEST:
            why = f"The chart has {size:,} bytes, and is not shown. Download {path!r}."
            return [words(figure_id(*logged.parts), logged.name, "", why)]
        with repository.local(path) as stored:
            document = stored.read_bytes()
    return figures_of_chart(
        logged.parts,
        logged.name,
        logged.kind,
        document,
        points=asked.points,
        start=asked.start,
        end=asked.end,
    )


def _files(run: LoggedRun, logged: Logged) -> list[Picture]:
    found = []
    for each in sorted(run.exact(logged.name), key=place_of):
        # Nothing keeps a client from logging the address of something else.
        with suppress(UserErrorException, TypeError):
            path = path_in_run(each.value, run.id)
            found.append(Picture(path, each.step, each.timestamp, logged.name, run.id))
    return found
