"""The part of SDK v1's ``Run`` that logs metrics whose values are files: images and charts."""

import io
import json
import mimetypes
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow_workspace_plugin.errors import AzureMLException, UserErrorException
from mlflow_workspace_plugin.figures.charts import schemas as charts
from mlflow_workspace_plugin.runs.files.artifact_names import artifact_uri, path_of, path_of_metric
from mlflow_workspace_plugin.runs.files.run_files import RunFiles
from mlflow_workspace_plugin.runs.metrics import names as metric_names
from mlflow_workspace_plugin.runs.metrics.descriptors import IMAGE, read_descriptors
from mlflow_workspace_plugin.runs.metrics.image_copies import copies_of, image_key
from mlflow_workspace_plugin.runs.metrics.run_metrics import RunMetrics
from mlflow_workspace_plugin.runs.metrics.values import Cell
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

_DRAWINGS = ("application/pdf", "application/postscript")


class RunImages(RunMetrics, RunFiles):
    """Logs images and charts of a run."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._plotted_at: dict[str, int] = {}

    def log_image(
        self,
        name: str,
        path: Any = None,
        plot: Any = None,
        description: str = "",
    ) -> None:
        """Log an image as a file of the run, and where MLflow's UI shows images (SDK v1).

        Args:
            name: the metric.
            path: a local file, stored under its path as it is given, but for ``./``, ``/`` and
                ``../`` in front. SVG and PDF are taken, too, and a plot is taken as one (ours).
            plot: what has ``savefig``, such as ``matplotlib.pyplot`` or a figure; stored as
                ``NAME_SECONDS.png``, the second plot of a second as of the next one (ours).
            description: accepted and dropped, as in SDK v1.

        Raises:
            AzureMLException: both or none of the two are given, the file is no image, or the plot
                cannot be saved.
            FileNotFoundError: there is no such file.
        """
        metric_names.check(name)
        if path is not None and plot is not None:
            raise AzureMLException(
                f"Image {name!r} was given a path and a plot: both were provided, and only one is "
                "taken at a time."
            )
        if path is None and plot is None:
            raise AzureMLException(
                f"Image {name!r} was given nothing: one of path and plot is required."
            )
        if hasattr(path, "savefig"):
            path, plot = None, path
        source: Path | io.BytesIO
        if plot is not None:
            source = _drawn(name, plot)
            seconds = max(int(time.time()), self._plotted_at.get(name, 0) + 1)
            self._plotted_at[name] = seconds
            stored = path_of_metric(name, f"_{seconds}.png")
            self.upload_file(stored, io.BytesIO(source.getvalue()))
        else:
            source = _image_file(name, path)
            stored = path_of(path)
            self.upload_file(stored, source)
        step = self._write_address(name, IMAGE, stored)
        self._copy_for_mlflow(name, source, step)

    def log_confusion_matrix(
        self, name: str, value: "Mapping[str, Any] | str", description: str = ""
    ) -> None:
        """Log a confusion matrix (SDK v1): a file of the run of the metric's name.

        Of a name that no file can have, the file has what it can, and a digest (ours).

        Args:
            name: the metric.
            value: a dict of SDK v1's schema, or its JSON; arrays in it are lists (ours). One that
                breaks the schema is kept as it is, with a warning.
            description: accepted and dropped, as in SDK v1.

        Raises:
            UserErrorException: the text is no JSON, or the dict cannot be JSON.
        """
        self._log_chart(name, charts.CONFUSION_MATRIX, value)

    def log_accuracy_table(
        self, name: str, value: "Mapping[str, Any] | str", description: str = ""
    ) -> None:
        """Log an accuracy table (SDK v1); as :meth:`log_confusion_matrix`."""
        self._log_chart(name, charts.ACCURACY_TABLE, value)

    def log_residuals(
        self, name: str, value: "Mapping[str, Any] | str", description: str = ""
    ) -> None:
        """Log a chart of residuals (SDK v1); as :meth:`log_confusion_matrix`."""
        self._log_chart(name, charts.RESIDUALS, value)

    def log_predictions(
        self, name: str, value: "Mapping[str, Any] | str", description: str = ""
    ) -> None:
        """Log a chart of predictions (SDK v1); as :meth:`log_confusion_matrix`."""
        self._log_chart(name, charts.PREDICTIONS, value)

    def get_file_names(self) -> list[str]:
        """Return the paths of all files of the run, sorted, without MLflow's copies of images."""
        copies = copies_of(read_descriptors(self._mlflow_run().data.tags))
        return [name for name in super().get_file_names() if not name.startswith(copies)]

    def _log_chart(self, name: str, kind: str, value: "Mapping[str, Any] | str") -> None:
        metric_names.check(name)
        text = _json_of(name, value)
        fault = charts.fault_of(kind, json.loads(text))
        if fault is not None:
            _logger.warning(
                "Chart %r is kept as it was given, and no %s can be drawn from it: %s.",
                name,
                kind,
                fault,
            )
        path = path_of_metric(name)
        self.upload_file(path, io.BytesIO(text.encode()))
        self._write_address(name, kind, path)

    def _copy_for_mlflow(self, name: str, source: "Path | io.BytesIO", step: int) -> None:
        """Log an image as MLflow does, where its UI shows and compares images of pixels."""
        image = _pixels(source)
        if image is not None:
            self._client.log_image(self.id, image, key=image_key(name), step=step)

    def _write_address(self, name: str, kind: str, path: str) -> int:
        uri = artifact_uri(self.id, path)
        return self._write(name, kind, [{"": Cell("string", uri)}])


def _json_of(name: str, chart: "Mapping[str, Any] | str") -> str:
    """Return a chart as JSON."""
    try:
        if isinstance(chart, str):
            json.loads(chart)
            return chart
        return json.dumps(chart, default=_as_list)
    except json.JSONDecodeError as error:
        raise UserErrorException(
            f"Invalid JSON provided for metric {name!r}: {error}. Give a dict, or correct it."
        ) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise UserErrorException(
            f"Chart {name!r} cannot be kept as JSON: {str(error).rstrip('.')}. "
            "Give a dict of lists, numbers and text."
        ) from error


def _as_list(value: Any) -> Any:
    """Return what JSON has for an array or tensor, or a number of one."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"it holds an object of type {type(value).__name__}")


def _drawn(name: str, plot: Any) -> io.BytesIO:
    """Return a plot as a PNG."""
    if not hasattr(plot, "savefig"):
        raise AzureMLException(
            f"Image {name!r} was given a plot of invalid type {type(plot).__name__}, and "
            "matplotlib.pyplot or a figure was expected."
        )
    stream = io.BytesIO()
    plot.savefig(stream, format="png")
    return stream


def _image_file(name: str, given: Any) -> Path:
    """Return the path of an image, or of what is not there."""
    if not isinstance(given, (str, os.PathLike)):
        raise AzureMLException(
            f"Image {name!r} was given a path of type {type(given).__name__}. Give the path of an "
            "image, or a plot with savefig; save other images to a file first."
        )
    path = Path(given)
    kind, _ = mimetypes.guess_type(path.name)
    known = kind is not None and (kind.startswith("image/") or kind in _DRAWINGS)
    if not known and path.is_file() and _pixels(path) is None:
        raise AzureMLException(
            f"Image {name!r} was given {str(path)!r}, which is no image. "
            "Store other files with upload_file."
        )
    return path


def _pixels(source: "Path | io.BytesIO") -> Any:
    """Return an image that is one of pixels, as Pillow has it; None for others."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        return None
    try:
        with Image.open(source) as image:
            image.load()
            return image.copy()
    except UnidentifiedImageError:
        return None
