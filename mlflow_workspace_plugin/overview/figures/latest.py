"""The latest values of runs, None among them, which MLflow keeps as NaN."""

from typing import Any

from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin.errors import HubUnreachableError
from mlflow_workspace_plugin.overview.figures.logged import LoggedRun
from mlflow_workspace_plugin.overview.figures.mixed_values import told_of_key
from mlflow_workspace_plugin.overview.source import Source
from mlflow_workspace_plugin.runs.metrics.latest import Latest, latest_values
from mlflow_workspace_plugin.stores.reads.metric_history import RunPoint


class LatestValues:
    """Tells the latest values of runs. Files are read only where NaN may be something else.

    Args:
        source: the workspace.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._are_files_away = False

    def of(self, run: MlflowRun) -> list[Latest]:
        """Return the latest values of a run's metrics, by name.

        While its files cannot be read, NaN stands for None.

        Args:
            run: as MLflow returned it, with the tags that a search leaves out.
        """
        looked = LoggedRun(self._source, run)

        def told(key: str, kind: str, point: RunPoint) -> Any:
            # Nobody waits for them a second time.
            if not self._are_files_away:
                try:
                    return told_of_key(looked, key, kind, [point])[0]
                except HubUnreachableError:
                    self._are_files_away = True
                except (MlflowException, OSError):
                    pass
            return point[2]

        return list(latest_values(run, told))
