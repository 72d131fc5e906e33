"""Runs a command inside a run in the foreground: in the caller's folder and environment."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from mlflow.entities import RunTag
from mlflow.tracking.context import registry as context_registry
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_SOURCE_NAME, MLFLOW_SOURCE_TYPE

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.hub.workspace_record import WorkspaceRecord
from mlflow_workspace_plugin.jobs.definition import Definition
from mlflow_workspace_plugin.remote.build import open_workspace_store
from mlflow_workspace_plugin.runner.ending import FINISHED, Outcome
from mlflow_workspace_plugin.runner.owned_job import OwnedJob, ended_by_errors
from mlflow_workspace_plugin.runner.processes.stop import Stop
from mlflow_workspace_plugin.runner.variables import RunFacts, environment_of
from mlflow_workspace_plugin.runs import outer_run
from mlflow_workspace_plugin.runs.git_facts import git_properties
from mlflow_workspace_plugin.sdk.experiment import Experiment
from mlflow_workspace_plugin.sdk.runs.creation import tags_of
from mlflow_workspace_plugin.sdk.runs.run import Run
from mlflow_workspace_plugin.stores.jobs import states
from mlflow_workspace_plugin.stores.process import run_lines
from mlflow_workspace_plugin.stores.tags.own_tags import CONFLICT_TAG, EXIT_CODE_TAG
from mlflow_workspace_plugin.terminal import get_logger

__all__ = ["ENGINE", "EXIT_CODE_TAG", "Outcome", "create_run", "execute"]

ENGINE = "foreground"
"""What stands for an engine where somebody waits for the command."""

_logger = get_logger(__name__)


def create_run(
    experiment: Experiment,
    script: str,
    *,
    name: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Run:
    """Create the run of a command in the working directory, with its facts of git, if any.

    Args:
        experiment: where.
        script: what is run, under which name the run's source is shown.
        name: of the run; chosen by MLflow when None.
        tags: of the run, beside those of its source.
    """
    properties = git_properties(".")
    of_source: dict[str, str | None] = {MLFLOW_SOURCE_NAME: script, MLFLOW_SOURCE_TYPE: "JOB"}
    if MLFLOW_GIT_COMMIT in properties:
        of_source[MLFLOW_GIT_COMMIT] = properties[MLFLOW_GIT_COMMIT]
    outer_run.leave()
    own = tags_of(experiment, None, {**of_source, **(tags or {})}, properties, None)
    definition = Definition(command=[script], max_run_duration_seconds=None)
    with run_lines.unsaid():
        created = experiment.workspace.tracking_store.create_job(
            experiment.id,
            run_name=name,
            tags=[RunTag(*each) for each in context_registry.resolve_tags(own).items()],
            definition=definition.to_json(),
            compute=definition.target,
            engine=ENGINE,
        )
    return Run(experiment, created.info.run_id, _run_dto=created)


def execute(
    run: Run,
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdout: BinaryIO | None = None,
    stderr: BinaryIO | None = None,
) -> Outcome:
    """Run a command inside a run, wait for it, and end the run as the command ended.

    MLflow and ``Run.get_context`` find the run in the command's processes, and ``azureml`` is
    served there. As in SDK v1, what they print is stored as ``user_logs/std_log.txt`` and what
    they write below ``./logs`` under its name, both while it grows, and ``./outputs``, which is
    made for them, at the end. The working directory is this process's.

    The first run that they begin by ``start_logging`` is this one, while it is empty. Its exit
    code says how it ended, whatever they say.

    Args:
        run: as :func:`create_run` returned it.
        command: the program and its arguments.
        environment: its environment variables, to which those of the run are added.
        stdout: where its standard output is passed on to.
        stderr: where its standard error is passed on to.

    Raises:
        OSError: the command cannot be started; the run has failed, with that as its cause.
        JobEndedError: the run was canceled meanwhile.
        mlflow.exceptions.MlflowException: its end cannot be recorded.
    """
    workspace = run.experiment.workspace
    uri = workspace.get_mlflow_tracking_uri()
    record = WorkspaceRecord(
        workspace.get_details()["workspaceid"],
        workspace.name,
        workspace.subscription_id,
        workspace.resource_group,
    )
    facts = RunFacts(uri, record, run.experiment.id, run.experiment.name, run.id)
    journals = environment.get(settings.JOURNAL_DIR.name)
    stop = Stop()
    with stop.by_signals():
        job = OwnedJob(open_workspace_store(uri), run.id, stop)
        is_done = False
        try:
            tags = job.stored_run().data.tags
            with ended_by_errors(job), outer_run.offered(run.id, tags) as offer:
                outcome = job.run(
                    command,
                    [environment_of(facts, environment) | offer],
                    folder=Path.cwd(),
                    terminals=(stdout, stderr),
                    reads_terminal=True,
                    journals=Path(journals).expanduser() if journals else None,
                    on_start=lambda: job.advance(states.RUNNING),
                    on_end=lambda: job.advance(states.FINALIZING),
                )
            if job.is_ours:
                job.end(outcome)
            is_done = True
        finally:
            # What it printed is in the run, or in there.
            job.close(is_done=is_done)
            stop.close()
    if outcome.status == FINISHED:
        warning = job.stored_run().data.tags.get(CONFLICT_TAG)
        if warning:
            _logger.warning("Run %s: %s", run.id, warning)
    return outcome
