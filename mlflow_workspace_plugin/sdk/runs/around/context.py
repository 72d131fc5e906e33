"""The run around the code that asks: what ``Run.get_context`` returns."""

import functools
import os
from urllib.parse import urlsplit

import mlflow
from mlflow.environment_variables import MLFLOW_RUN_ID

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.errors import RunEnvironmentException
from mlflow_workspace_plugin.fork_safe_lock import fork_safe_lock
from mlflow_workspace_plugin.sdk.runs.around.offline_run import _OfflineRun
from mlflow_workspace_plugin.sdk.runs.around.submitted_run import _SubmittedRun
from mlflow_workspace_plugin.sdk.runs.run import Run
from mlflow_workspace_plugin.sdk.workspace import Workspace
from mlflow_workspace_plugin.stores.process.attached import RUN_ID_VARIABLE

_Uri = uris.WorkspaceUri | uris.ServedWorkspaceUri

_lock = fork_safe_lock()


def current_run(*, allow_offline: bool) -> Run | _OfflineRun:
    """Return the run around the calling code.

    Args:
        allow_offline: return an offline run when there is none.

    Raises:
        RunEnvironmentException: there is none, and ``allow_offline`` is False.
        RunNotFoundError: ``MLFLOW_RUN_ID`` names a run that the workspace does not have.
    """
    uri, run_id = _surroundings()
    if uri is None or run_id is None:
        if allow_offline:
            return _OfflineRun()
        raise RunEnvironmentException(
            "There is no run around this code: no MLflow run is active on a workspace:// tracking "
            "URI, and MLFLOW_RUN_ID names none. Use experiment.start_logging(), or "
            "allow_offline=True."
        )
    with _lock:
        return _submitted_run(uri, run_id)


@functools.lru_cache(maxsize=100)
def _submitted_run(uri: _Uri, run_id: str) -> _SubmittedRun:
    """Return the same object each time, whatever became of the one returned before."""
    hub = uri.address if isinstance(uri, uris.ServedWorkspaceUri) else uri.hub
    found = Workspace(None, None, uri.name, hub=hub).get_run(run_id)
    return _SubmittedRun(found.experiment, found.id)


def _surroundings() -> tuple[_Uri | None, str | None]:
    tracking_uri = mlflow.get_tracking_uri()
    if urlsplit(tracking_uri).scheme != uris.WORKSPACE_SCHEME:
        return None, None
    # A URI of ours that is malformed is an error: offline, what is logged would only be printed.
    uri = uris.parse(tracking_uri)
    active = mlflow.active_run()
    # MLflow takes its variable out of the environment when a run is started from it.
    given = MLFLOW_RUN_ID.get() or os.environ.get(RUN_ID_VARIABLE)
    run_id = active.info.run_id if active else given
    return (None, None) if isinstance(uri, uris.HubUri) else (uri, run_id)
