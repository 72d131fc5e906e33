"""The run around the code that asks: what ``Run.get_context`` returns."""

import os
import threading
import weakref
from urllib.parse import urlsplit

import mlflow
from mlflow.environment_variables import MLFLOW_RUN_ID

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.errors import RunEnvironmentException, ServedHubError
from mlflow_workspace_plugin.sdk.offline_run import OfflineRun
from mlflow_workspace_plugin.sdk.run import Run
from mlflow_workspace_plugin.sdk.workspace import Workspace

_runs: "weakref.WeakValueDictionary[tuple[str, str], SubmittedRun]" = weakref.WeakValueDictionary()
_runs_lock = threading.Lock()


def _unlock_in_child() -> None:
    # Another thread of the parent may have held it at the fork, and does not exist in the child.
    global _runs_lock
    _runs_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock_in_child)


class SubmittedRun(Run):
    """A run that somebody else started and will end (SDK v1's ``_SubmittedRun``)."""

    def complete(self, _set_status: bool = True) -> None:  # noqa: FBT001, FBT002  SDK v1's
        """Leave the status to whoever started the run."""

    def fail(
        self,
        error_details: str | BaseException | None = None,
        error_code: str | None = None,
        _set_status: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
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
        run = _runs.get(key)
        if run is None:
            workspace = Workspace(None, None, uri.name, hub=uri.hub)
            run = SubmittedRun(workspace.get_run(run_id).experiment, run_id)
            _runs[key] = run
        return run


def _surroundings() -> tuple[uris.WorkspaceUri | None, str | None]:
    tracking_uri = mlflow.get_tracking_uri()
    if urlsplit(tracking_uri).scheme != uris.WORKSPACE_SCHEME:
        return None, None
    # A URI of ours that is malformed is an error: offline, what is logged would only be printed.
    uri = uris.parse(tracking_uri)
    if isinstance(uri, uris.ServedWorkspaceUri):
        raise ServedHubError.of(str(uri))
    active = mlflow.active_run()
    run_id = active.info.run_id if active else MLFLOW_RUN_ID.get()
    return (uri, run_id) if isinstance(uri, uris.WorkspaceUri) else (None, None)
