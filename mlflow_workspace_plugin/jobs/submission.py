"""Submitting a job: checked, its code kept, created, and handed to its engine."""

import os
import re
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.entities import Run as MlflowRun
from mlflow.entities import RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking.context import registry as context_registry
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_SOURCE_NAME, MLFLOW_SOURCE_TYPE

from mlflow_workspace_plugin.errors import (
    ExperimentExecutionException,
    UserErrorException,
    clause,
)
from mlflow_workspace_plugin.jobs.computes import compute_named, runner_uri
from mlflow_workspace_plugin.jobs.definition import Definition
from mlflow_workspace_plugin.jobs.engines.engine import ChecksJobs, Compute, Engine
from mlflow_workspace_plugin.jobs.engines.find import engine_of
from mlflow_workspace_plugin.jobs.environments.check import check
from mlflow_workspace_plugin.jobs.environments.requirements import Requirements
from mlflow_workspace_plugin.jobs.log_in import variables_of_log_in
from mlflow_workspace_plugin.jobs.submitter import seen_to_live
from mlflow_workspace_plugin.runs import tag_text
from mlflow_workspace_plugin.runs.git_facts import git_properties
from mlflow_workspace_plugin.runs.search import OWN_ID_TAG, PROPERTY_PREFIX, SCRIPT_RUN, TYPE_TAG
from mlflow_workspace_plugin.runs.snapshots.open import snapshots_of
from mlflow_workspace_plugin.runs.snapshots.snapshots import SNAPSHOT_TAG
from mlflow_workspace_plugin.terminal import get_logger

if TYPE_CHECKING:
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

_logger = get_logger(__name__)

_NOT_OF_AN_ID = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME_IN_AN_ID = 200
_RUNNER = ("-m", "mlflow_workspace_plugin.runner")


def own_id_of(experiment: str) -> str:
    """Return a new id in SDK v1's form, which tells its experiment and time.

    Args:
        experiment: its name.
    """
    name = _NOT_OF_AN_ID.sub("_", experiment)[:_LONGEST_NAME_IN_AN_ID].lstrip("_-") or "run"
    return f"{name}_{int(time.time())}_{uuid.uuid4().hex[:8]}"


def submit(
    store: "WorkspaceTrackingStore",
    experiment_id: str,
    definition: Definition,
    source: Path | None,
    *,
    own_id: str,
    name: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> MlflowRun:
    """Submit a job; it is queued when this returns, or running already.

    Args:
        store: of the workspace.
        experiment_id: where its run is.
        definition: what it runs, without the snapshot.
        source: the folder whose files it is run in; None runs it in an empty one.
        own_id: the id that its run is found by beside MLflow's.
        name: of the run; chosen by MLflow when None.
        tags: of the run, as MLflow stores them, beside those that are known of its source.

    Returns:
        The run, as it was created.

    Raises:
        ExperimentExecutionException: there is nothing to run, or it is not in the folder.
        UserErrorException: what it asks for is not served, or data that it names cannot be
            brought; the message says what can be.
        ComputeTargetException: there is no such compute target, it cannot reach the hub, or it
            takes no job now: then the run has failed, with that as its cause.
        SnapshotException: the folder cannot be kept.
    """
    definition = _checked(definition, source)
    compute = compute_named(store, definition.target)
    engine = engine_of(compute)
    uri = runner_uri(store.tracking_uri, compute, engine)
    if isinstance(engine, ChecksJobs):
        engine.check(gpus=definition.gpus)
    if definition.inputs or definition.outputs:
        # Only now: most have none.
        from mlflow_workspace_plugin.jobs.data import check_data

        check_data(store, definition, compute, engine)
    checked = check(Requirements.from_json(definition.environment), folder=source)
    for note in checked.notes:
        _logger.warning("%s", note)
    definition = replace(definition, environment=checked.requirements.to_json())
    known = _known(definition, source, own_id) | dict(tags or {})
    with seen_to_live() as submitter, ExitStack() as kept:
        snapshot = kept.enter_context(_kept(store, source))
        if snapshot is not None:
            definition = replace(definition, snapshot=snapshot)
            known[SNAPSHOT_TAG] = snapshot
        run = store.create_job(
            experiment_id,
            run_name=name,
            tags=[RunTag(*each) for each in known.items()],
            definition=definition.to_json(),
            compute=compute.name,
            engine=compute.type,
            submitter=submitter,
        )
        with _failed_by_errors(store, run.info.run_id, compute):
            kept.close()
            _start(store, run.info.run_id, compute, engine, uri, definition.gpus)
    return run


def _kept(
    store: "WorkspaceTrackingStore", source: Path | None
) -> AbstractContextManager[str | None]:
    """Keep the files of a folder, within the block for certain; yield the snapshot's id."""
    return nullcontext() if source is None else snapshots_of(store.tracking_uri).keeping(source)


def _checked(definition: Definition, source: Path | None) -> Definition:
    """Return what can be run: its script is named from the folder on."""
    if source is not None and not source.is_dir():
        raise ExperimentExecutionException(
            f"There is no folder {str(source)!r} to run in. Name the folder with the script."
        )
    if definition.node_count > 1:
        raise UserErrorException(
            f"A job runs on one node, and {definition.node_count} were asked for: nothing here "
            "starts processes on several nodes together. Set node_count to 1; several processes "
            "on that node are process_count of PyTorchConfiguration or MpiConfiguration."
        )
    limit = definition.max_run_duration_seconds
    # NaN is no more than 0.
    if limit is not None and not limit > 0:
        raise UserErrorException(
            f"max_run_duration_seconds is {limit}, in which nothing can run. It is a number of "
            "seconds above 0; None is no limit."
        )
    if definition.command:
        _check_command_alone(definition)
        return definition
    if definition.script is None:
        raise ExperimentExecutionException(
            "There is nothing to run. Name a script in the source directory, or a command."
        )
    return replace(definition, script=_script_in(definition.script, source))


def _check_command_alone(definition: Definition) -> None:
    """Check that a command has no script or arguments beside it, which nothing would run."""
    beside = {"script": definition.script, "arguments": definition.arguments}
    if said := [name for name, value in beside.items() if value]:
        raise ExperimentExecutionException(
            f"A command is given, and {' and '.join(said)} beside it, and only the one or the "
            "other can be run. Leave out the command, or write all of it there, such as "
            "command='python train.py --alpha 0.5'."
        )


def _script_in(script: str, source: Path | None) -> str:
    """Return the path of a script from its folder on, of which a copy is run."""
    folder = Path() if source is None else source
    path = folder / script
    try:
        is_there = source is not None and path.is_file()
        is_below = path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):  # a name that no file can have
        is_there = is_below = False
    if not is_there or not is_below:
        raise ExperimentExecutionException(
            f"There is no script {script!r} in {str(folder.absolute())!r}, the source directory. "
            "Name the script by its path in that folder."
        )
    # A link in the folder stays what it is called there.
    here, above = (Path(os.path.abspath(each)) for each in (path, folder))  # noqa: PTH100
    if here.is_relative_to(above) and here.is_file():
        return str(here.relative_to(above))
    return str(path.resolve().relative_to(folder.resolve()))


def _known(definition: Definition, source: Path | None, own_id: str) -> dict[str, str]:
    """Return MLflow's tags for what is known of a run from the start."""
    facts = {} if source is None else git_properties(source)
    command = definition.command
    first = command if isinstance(command, str) else (command or [""])[0]
    own = {
        MLFLOW_SOURCE_NAME: definition.script or first,
        MLFLOW_SOURCE_TYPE: "JOB",
        OWN_ID_TAG: own_id,
        TYPE_TAG: SCRIPT_RUN,
        **tag_text.to_mlflow(facts, PROPERTY_PREFIX),
    }
    commit = facts.get(MLFLOW_GIT_COMMIT)
    known: dict[str, str] = context_registry.resolve_tags(own)
    # MLflow would name the commit of the script that submits.
    known.pop(MLFLOW_GIT_COMMIT, None)
    return known if commit is None else known | {MLFLOW_GIT_COMMIT: commit}


def _start(
    store: "WorkspaceTrackingStore",
    run_id: str,
    compute: Compute,
    engine: Engine,
    uri: str,
    gpus: int,
) -> None:
    python = compute.settings.get("python") or sys.executable
    variables = variables_of_log_in(uri, run_id, engine)
    command = [python, *_RUNNER, uri, run_id]
    handle = engine.submit(run_id, command, variables=variables, gpus=gpus)
    store.job_queued(run_id, handle)


@contextmanager
def _failed_by_errors(
    store: "WorkspaceTrackingStore", run_id: str, compute: Compute
) -> Iterator[None]:
    """End a job that was created as failed if the block raises."""
    try:
        yield
    except BaseException as error:
        cause = f"It could not be handed to compute target {compute.name!r}: {_said(error)}."
        try:
            job = store.job(run_id)
            # An answer may be lost, and a runner have it by now.
            if job is not None and job.owner is None:
                store.fail_lost_job(run_id, seen=job, cause=cause)
        except MlflowException as unsaid:
            _logger.warning("Run %s was not submitted, and is not said to: %s", run_id, unsaid)
        raise


def _said(error: BaseException) -> str:
    # A Ctrl-C says nothing.
    return clause(error) or type(error).__name__
