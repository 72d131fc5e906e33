"""The part of SDK v1's ``Run`` that logs metrics and reads them."""

import math
from collections.abc import Iterable, Iterator, Mapping
from types import GeneratorType, FunctionType
from typing import Any

from mlflow_workspace_plugin.errors import AzureMLException, InvalidMetricError, UserErrorException
from mlflow_workspace_plugin.sdk import metric_values
from mlflow_workspace_plugin.sdk.metric_descriptors import SCALAR, TABLE
from mlflow_workspace_plugin.sdk.metric_reader import read_metrics
from mlflow_workspace_plugin.sdk.metric_writer import MetricWriter, Row
from mlflow_workspace_plugin.sdk.run_base import RunBase


class RunMetrics(RunBase):
    """Logs metrics of a run, and reads them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._metrics = MetricWriter(self._store, self._id)
