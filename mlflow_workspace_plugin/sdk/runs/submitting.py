"""What ``experiment.submit`` and ``run.submit_child`` do: a configuration becomes a job."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from mlflow_workspace_plugin.errors import AzureMLException
from mlflow_workspace_plugin.jobs import submission
from mlflow_workspace_plugin.jobs.definition import Definition
from mlflow_workspace_plugin.sdk.jobs.submittable import Submittable
from mlflow_workspace_plugin.sdk.jobs.wishes import granted
from mlflow_workspace_plugin.sdk.runs.creation import tags_of
from mlflow_workspace_plugin.sdk.runs.script_run import ScriptRun
from mlflow_workspace_plugin.terminal import get_logger

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.experiment import Experiment

_logger = get_logger(__name__)


def submit_config(
    experiment: "Experiment",
    config: Any,
    tags: "dict[str, str | None] | str | None" = None,
    *,
    parent_id: str | None = None,
    run_id: str | None = None,
    show_output: bool = False,
    credential_passthrough: object = None,
    _parent_run_id: str | None = None,
    **of_config: Any,
) -> ScriptRun:
    """Submit what a configuration says.

    Args:
        experiment: where.
        config: a ``ScriptRunConfig``, or another of SDK v1's that is one at heart.
        tags: of the run.
        parent_id: MLflow's id of the run whose child it is.
        run_id: an id of the caller's own, kept beside MLflow's.
        show_output: wait for the run, and show what it prints.
        credential_passthrough: accepted and ignored.
        _parent_run_id: as ``parent_id``; SDK v1's name.
        of_config: what else the configuration takes at its submission.

    Raises:
        AzureMLException: the configuration is none that can be submitted.
        TypeError: it takes no such argument.
    """
    if not isinstance(config, Submittable):
        said = (
            f"Class {config.__name__}"
            if isinstance(config, type)
            else f"An object of type {type(config).__name__}"
        )
        raise AzureMLException(
            f"{said} cannot be submitted. Pass a ScriptRunConfig, which names a folder and a "
            "script in it."
        )
    if of_config:
        config = _with(config, of_config)
    workspace = experiment.workspace
    definition, notes = granted(workspace.tracking_store, config._definition(workspace))
    for note in (*config._notes(), *notes):
        _logger.warning("%s", note)
    run = submit_definition(
        experiment,
        definition,
        Path(config._source_directory),
        tags=tags,
        parent_id=parent_id or _parent_run_id,
        run_id=run_id,
    )
    if show_output:
        run.wait_for_completion(show_output=True, raise_on_error=False)
    return run


def submit_definition(
    experiment: "Experiment",
    definition: Definition,
    source: Path | None,
    *,
    name: str | None = None,
    tags: "dict[str, str | None] | str | None" = None,
    parent_id: str | None = None,
    run_id: str | None = None,
) -> ScriptRun:
    """Submit a job; it is queued when this returns, or running already.

    Args:
        experiment: where.
        definition: what it runs.
        source: the folder whose files it is run in; None runs it in an empty one.
        name: of the run; chosen by MLflow when None.
        tags: as for ``Run.set_tags``.
        parent_id: MLflow's id of the run whose child it is.
        run_id: an id of the caller's own, kept beside MLflow's.

    Raises:
        UserErrorException: ``run_id`` is no id that SDK v1 or MLflow takes.
        RunExistsError: a run of the workspace has that id.
        AzureMLException: as for :func:`jobs.submission.submit`.
    """
    own = tags_of(experiment, run_id, tags, None, None)
    if parent_id is not None:
        own[MLFLOW_PARENT_RUN_ID] = parent_id
    created = submission.submit(
        experiment.workspace.tracking_store,
        experiment.id,
        definition,
        source,
        own_id=run_id or submission.own_id_of(experiment.name),
        name=name,
        tags=own,
    )
    return ScriptRun(experiment, created.info.run_id, _run_dto=created)


def _with(config: Any, of_config: dict[str, Any]) -> Any:
    if not hasattr(config, "_with"):
        raise TypeError(
            f"submit() of a {type(config).__name__} got an unexpected keyword argument "
            f"{next(iter(of_config))!r}. It takes run_id and show_output."
        )
    return config._with(**of_config)
