"""The files that metrics are, as ``get_metrics(populate=True)`` returns them (SDK v1)."""

import json
import posixpath
from dataclasses import dataclass
from typing import Any

from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
from mlflow_workspace_plugin.artifacts.quiet import quietly
from mlflow_workspace_plugin.runs.files.artifact_names import path_in_run
from mlflow_workspace_plugin.runs.metrics.descriptors import IMAGE


@dataclass(frozen=True)
class MetricArtifact:
    """A file that is the value of a metric."""

    data_location: str
    """Its address, as ``get_metrics()`` returns it: ``aml://artifactId/ExperimentRun/...``."""
    path: str
    """Below the run's artifacts."""
    data: bytes

    @property
    def filename(self) -> str:
        """The last part of the path."""
        return posixpath.basename(self.path)


class ImageArtifact(MetricArtifact):
    """An image."""


class JsonArtifact(MetricArtifact):
    """A chart: a confusion matrix, an accuracy table, residuals or predictions."""

    def convert_to_object(self) -> Any:
        """Return what was logged.

        Raises:
            ValueError: the file is no JSON any more.
        """
        return json.loads(self.data)


def read_artifact(
    repository: HubRepository, run_id: str, kind: str, address: str
) -> MetricArtifact:
    """Read the file of a metric.

    Args:
        repository: of the run's artifacts.
        run_id: the run.
        kind: of the metric.
        address: of the file.

    Raises:
        MlflowException: the file is not there any more.
    """
    path = path_in_run(address, run_id)
    with quietly(), repository.local(path) as stored:
        data = stored.read_bytes()
    return (ImageArtifact if kind == IMAGE else JsonArtifact)(address, path, data)
