"""SDK v1's ``ScriptRun``, and which class the run is that was found."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from mlflow.entities import Run as MlflowRun

from mlflow_workspace_plugin.runs.search import SCRIPT_RUN, TYPE_TAG
from mlflow_workspace_plugin.sdk.runs.run import Run
from mlflow_workspace_plugin.stores.jobs import states

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.experiment import Experiment


class ScriptRun(Run):
    """A run that was submitted (SDK v1): its runner starts it and ends it, wherever it runs.

    Args:
        experiment: the experiment it belongs to.
        run_id: the id of an existing run: MLflow's, or the one that its submitter gave it.
        directory: accepted and ignored.
        _run_config: accepted and ignored.

    Raises:
        RunNotFoundError: the experiment has no such run.
    """

    RUN_TYPE = SCRIPT_RUN

    def __init__(
        self,
        experiment: "Experiment",
        run_id: str,
        directory: object = None,
        _run_config: object = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(experiment, run_id, **kwargs)


def run_of(experiment: "Experiment", found: MlflowRun) -> Run:
    """Return a run that was found, as a ``ScriptRun`` if it was submitted.

    Args:
        experiment: the experiment it belongs to.
        found: the run as MLflow returned it.
    """
    kind = ScriptRun if found.data.tags.get(TYPE_TAG) == SCRIPT_RUN else Run
    return kind(experiment, found.info.run_id, _run_dto=found)


def runs_of(
    experiment: "Experiment", found: Iterable[MlflowRun], status: str | None = None
) -> Iterator[Run]:
    """Yield runs that were found, as :func:`run_of` returns them.

    Args:
        experiment: the experiment they belong to.
        found: the runs, whose status for MLflow is the wanted one.
        status: only those of this status of SDK v1, which may be finer.
    """
    is_as_fine = status is None or status in states.LAST
    for each in found:
        run = run_of(experiment, each)
        if is_as_fine or run.get_status() == status:
            yield run
