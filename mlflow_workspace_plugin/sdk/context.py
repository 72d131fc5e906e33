"""The run around the code that asks: what ``Run.get_context`` returns."""

import os
import threading

import mlflow
from mlflow.environment_variables import MLFLOW_RUN_ID

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.errors import InvalidUriError, RunEnvironmentException
from mlflow_workspace_plugin.sdk.offline_run import OfflineRun
from mlflow_workspace_plugin.sdk.run import Run
from mlflow_workspace_plugin.sdk.workspace import Workspace

_runs: dict[tuple[str, str], "SubmittedRun"] = {}
_runs_lock = threading.Lock()


class SubmittedRun(Run):
    """A run that somebody else started and will end (SDK v1's ``_SubmittedRun``)."""

    def complete(self) -> None:
        """Leave the status to whoever started the run."""

    def fail(
        self, error_details: str | BaseException | None = None, error_code: str | None = None
    ) -> None:
        """Record the error, and leave the status to whoever started the run."""
        self._record_error(error_details, error_code)


def current_run(*, allow_offline: bool) -> Run | OfflineRun:
    """Return the run around the calling code.

    Args:
        allow_offline: return an offline run when there is none.

    Raises:
        RunEnvironmentException: there is none, and ``allow_offline`` is False.
    """
    uri, run_id = _surroundings()
    if uri is None or run_id is None:
        if allow_offline:
            return OfflineRun()
        raise RunEnvironmentException(
            "There is no run around this code: no MLflow run is active on a workspace:// tracking "
            "URI, and MLFLOW_RUN_ID names none. Use experiment.start_logging(), or "
            "allow_offline=True."
        )
    with _runs_lock:
        key = (str(uri), run_id)
        if key not in _runs:
            workspace = Workspace(None, None, uri.name, hub=uri.hub)
            attached = workspace.get_run(run_id)
            _runs[key] = SubmittedRun(attached.experiment, run_id)
        return _runs[key]


def _surroundings() -> tuple[uris.WorkspaceUri | None, str | None]:
    try:
        uri = uris.parse(mlflow.get_tracking_uri())
    except InvalidUriError:
        return None, None
    if not isinstance(uri, uris.WorkspaceUri):
        return None, None
    active = mlflow.active_run()
    return uri, active.info.run_id if active else os.environ.get(MLFLOW_RUN_ID.name)
