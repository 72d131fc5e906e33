"""The latest values of runs, None among them, which MLflow keeps as NaN."""

from typing import Any

from cachetools import TTLCache
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin.errors import HubUnreachableError
from mlflow_workspace_plugin.fork_safe_lock import fork_safe_lock
from mlflow_workspace_plugin.overview.figures.logged import LoggedRun
from mlflow_workspace_plugin.overview.figures.mixed_values import told_of_key
from mlflow_workspace_plugin.overview.source import Source
from mlflow_workspace_plugin.runs import status as run_status
from mlflow_workspace_plugin.runs.metrics.latest import Latest, latest_values
from mlflow_workspace_plugin.stores.reads.metric_history import RunPoint

_MOST_KEPT = 100_000
_KEPT_S = 3_600
"""What waits on some machine may be stored after the end of its run."""

# By the workspace, the run, the key, the type of the column, timestamp and step.
_kept: TTLCache[tuple[str, str, str, str, int, int], float | None] = TTLCache(_MOST_KEPT, _KEPT_S)
_lock = fork_safe_lock()
_NOT_KEPT: Any = object()


class LatestValues:
    """Tells the latest values of runs. Files are read only where NaN may be something else.

    Of runs that have ended they are read once for many looks.

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
        is_over = run_status.of_mlflow(run.info.status) in run_status.TERMINAL

        def told(key: str, kind: str, point: RunPoint) -> Any:
            place = (self._source.tracking_uri, looked.id, key, kind, *point[:2])
            with _lock:
                kept = _kept.get(place, _NOT_KEPT)
            if kept is not _NOT_KEPT:
                return kept
            # Nobody waits for them a second time.
            if not self._are_files_away:
                try:
                    value = told_of_key(looked, key, kind, [point])[0]
                except HubUnreachableError:
                    self._are_files_away = True
                except (MlflowException, OSError):
                    pass
                else:
                    # Texts, which earlier versions kept like this, have any length.
                    if is_over and not isinstance(value, str):
                        with _lock:
                            _kept[place] = value
                    return value
            return point[2]

        return list(latest_values(run, told))
