"""Creating a run, with all that is known of it from the start."""

from typing import TYPE_CHECKING

from mlflow.entities import Run as MlflowRun
from mlflow.tracking.context import registry as context_registry
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from mlflow_workspace_plugin.errors import RunExistsError, RunNotFoundError, UserErrorException
from mlflow_workspace_plugin.runs import tag_text
from mlflow_workspace_plugin.runs.search import OWN_ID_TAG, PROPERTY_PREFIX, RUN_ID, find_run
from mlflow_workspace_plugin.stores.process.notebook import source_tags

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.experiment import Experiment


def create_run(
    experiment: "Experiment",
    *,
    name: str | None = None,
    run_id: str | None = None,
    parent_id: str | None = None,
    tags: "dict[str, str | None] | str | None" = None,
    properties: dict[str, str | None] | None = None,
    description: str | None = None,
) -> MlflowRun:
    """Create a run that is running, with MLflow's tags of where it runs (user, script, commit).

    Args:
        experiment: where.
        name: the run's name in MLflow; chosen by MLflow if None.
        run_id: an id of the caller's own, kept beside MLflow's.
        parent_id: MLflow's id of the run whose child it is.
        tags: as for ``Run.set_tags``.
        properties: as for ``Run.add_properties``.
        description: what MLflow's UI shows of it.

    Raises:
        UserErrorException: ``run_id`` is no id that SDK v1 or MLflow takes.
        RunExistsError: a run of the workspace has that id.
    """
    own = tags_of(experiment, run_id, tags, properties, description)
    if parent_id is not None:
        own[MLFLOW_PARENT_RUN_ID] = parent_id
    # MLflow's tracking URI may be another one, and its own providers know less of notebooks.
    known = context_registry.resolve_tags(source_tags() | own)
    return experiment.workspace.client.create_run(experiment.id, tags=known, run_name=name)


def tags_of(
    experiment: "Experiment",
    run_id: str | None,
    tags: "dict[str, str | None] | str | None",
    properties: dict[str, str | None] | None,
    description: str | None,
) -> dict[str, str]:
    """Return MLflow's tags for what is known of a run from the start; as for :func:`create_run`.

    Raises:
        UserErrorException: ``run_id`` is no id that SDK v1 or MLflow takes.
        RunExistsError: a run of the workspace has that id.
    """
    own = tag_text.to_mlflow(tag_text.as_text(tags or {}))
    own |= tag_text.to_mlflow(tag_text.as_text(properties or {}), PROPERTY_PREFIX)
    if run_id is not None:
        _check_new(experiment, run_id)
        own[OWN_ID_TAG] = run_id
    if description is not None:
        own |= tag_text.value_to_mlflow(MLFLOW_RUN_NOTE, description)
    return own


def outputs_of_started(outputs: object) -> object:
    """Return what the ``outputs`` of a run that is started means: ``./outputs``, if nothing else.

    Args:
        outputs: a folder, True, False, or SDK v1's None, which stands for True there.
    """
    return True if outputs in (None, "") else outputs


def _check_new(experiment: "Experiment", run_id: str) -> None:
    if not isinstance(run_id, str) or not RUN_ID.fullmatch(run_id):
        raise UserErrorException(
            f"Run id {run_id!r} is not 1-256 letters, digits, '-' and '_' that begin with a letter "
            "or digit. Choose another, or leave it out."
        )
    try:
        find_run(experiment.workspace.client, experiment.workspace.name, run_id)
    except RunNotFoundError:
        return
    raise RunExistsError(
        f"Run {run_id!r} exists in workspace {experiment.workspace.name!r}. Go on with it by "
        f"workspace.get_run({run_id!r}), or choose another id."
    )
