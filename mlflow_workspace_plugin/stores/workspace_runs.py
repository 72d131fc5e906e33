"""What the store of one workspace does about runs beside what MLflow's does, wherever that is."""

from mlflow.entities import RunInfo
from mlflow.entities.trace_info import TraceInfo
from mlflow.store.tracking.abstract_store import AbstractStore

from mlflow_workspace_plugin.stores.process import attached, run_lines
from mlflow_workspace_plugin.stores.reads.run_status import status_of


class WorkspaceRuns(AbstractStore):
    """Over a store of MLflow's, which comes next in a class."""

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was logged is stored, which it is; return True.

        Args:
            timeout_s: how long to wait, in seconds.
        """
        del timeout_s
        return True

    def update_run_info(
        self, run_id: str, run_status: int | None, end_time: int | None, run_name: str | None
    ) -> RunInfo:
        """Change the status, the end and the name of a run; say of one that ended where it is."""
        run_name = self._name_given(run_id, run_name)
        info = super().update_run_info(run_id, run_status, end_time, run_name)
        run_lines.ended(run_id, info.status)
        return info

    def _name_given(self, run_id: str, run_name: str | None) -> str | None:
        """Return the name that a run is to have from now on; None leaves it as it is.

        The first that attaches to the run of a job may name it, if it was not named before.
        """
        if attached.is_attaching(run_id) and not self._may_name(run_id):
            return None
        return run_name

    def _may_name(self, run_id: str) -> bool:
        is_first: bool = self.name_job(run_id)
        return is_first

    def ended_as(self, run_id: str) -> str | None:
        """Return None: only who keeps runs in mind knows, without asking, that one has ended."""
        del run_id
        return None

    def status_now(self, run_id: str) -> str | None:
        """Return the status of a run as it is stored, or ``deleted`` (ours).

        None where it cannot be known soon.
        """
        return status_of(self.get_run(run_id))

    def start_trace(self, trace_info: TraceInfo) -> TraceInfo:
        """Create a trace; one of experiment 0 goes to the workspace's own ``Default``."""
        location = trace_info.trace_location.mlflow_experiment
        if location is not None:
            location.experiment_id = self._own_experiment(location.experiment_id)
        return super().start_trace(trace_info)
