"""What a journalled store asks of the store beneath it, beside MLflow's own methods."""

from collections.abc import Iterable, Sequence

from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.store.tracking.abstract_store import AbstractStore

from mlflow_workspace_plugin.stores.jobs.creation import NewJob
from mlflow_workspace_plugin.stores.jobs.job import Beat
from mlflow_workspace_plugin.stores.reads.exact_values import ExactValue
from mlflow_workspace_plugin.stores.writes.run_writes import NewRun


class Beneath(AbstractStore):
    """One workspace, wherever it is kept. Each call is stored when it returns.

    Calls that create something with the id that they are given may be made again after a lost
    answer.
    """

    _is_bounded: bool
    """Whether a call takes no longer than it was told to, so that nobody needs to watch it."""

    def log_values(
        self,
        run_id: str,
        metrics: Sequence[Metric],
        exact: Sequence[ExactValue] = (),
        descriptors: dict[str, str] | None = None,
        table: str | None = None,
    ) -> None:
        """Log numbers, what was logged in their place, and tags that describe them."""
        raise NotImplementedError

    def set_tag_now(self, run_id: str, tag: RunTag) -> None:
        """Set one tag."""
        raise NotImplementedError

    def name_job(self, run_id: str) -> bool:
        """Whether who attaches to a run may name it, which is so once for the run of a job."""
        raise NotImplementedError

    def beat(self, run_id: str, owner: str) -> Beat:
        """Take a sign of life of a job's runner."""
        raise NotImplementedError

    def _create_run(self, experiment_id: str | int, new: NewRun) -> Run:
        """Create a run, unless it was created before."""
        raise NotImplementedError

    def _create_job(self, experiment_id: str | int, new: NewJob) -> Run:
        """Create a job, unless it was created before."""
        raise NotImplementedError

    def _own_experiment(self, experiment_id: str | int) -> str | int:
        """Return the id of an experiment; experiment 0 is the workspace's own ``Default``."""
        raise NotImplementedError

    def _own_models(self, models: set[str]) -> set[str]:
        """Return those of some models that there are in the workspace."""
        raise NotImplementedError

    def _refuse_deleted(self, run_id: str) -> None:
        """Raise what MLflow raises where somebody logs to a run that was deleted."""
        raise NotImplementedError

    def _name_given(self, run_id: str, run_name: str | None) -> str | None:
        """Return the name that a run is to have from now on; None leaves it as it is."""
        raise NotImplementedError

    def _check_text(self, what: str, text: str | None, limit: int | None = None) -> None:
        """Refuse a text that would not be stored as it is."""
        raise NotImplementedError

    def _check_batch(
        self,
        metrics: Iterable[Metric],
        params: Iterable[Param],
        tags: Iterable[RunTag],
        *,
        is_away: bool = False,
    ) -> None:
        """Refuse metrics, params or tags of which a text would not be stored as it is."""
        raise NotImplementedError

    def _say_started(self, run: Run, tags: Iterable[RunTag]) -> None:
        """Say that a run has started, and where to look at it."""
        raise NotImplementedError

    def _flush_files(self, timeout_s: float) -> bool:
        """Wait until the files that this process logged are stored; return whether they are."""
        raise NotImplementedError
