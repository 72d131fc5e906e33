"""Runs a submitted job: in a folder and an environment of its own."""

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.errors import ExperimentExecutionException
from mlflow_workspace_plugin.jobs.definition import Definition
from mlflow_workspace_plugin.jobs.engines.local.launch import KEPT_FILES
from mlflow_workspace_plugin.jobs.environments.prepare import Prepared, prepare
from mlflow_workspace_plugin.jobs.environments.requirements import Requirements
from mlflow_workspace_plugin.jobs.environments.uv import is_of_a_package
from mlflow_workspace_plugin.jobs.liveness import settle_kept
from mlflow_workspace_plugin.jobs.marked_processes import MARK
from mlflow_workspace_plugin.runner.ending import FINISHED, KILLED, Outcome
from mlflow_workspace_plugin.runner.folder import remove_old
from mlflow_workspace_plugin.runner.job_data import JobData
from mlflow_workspace_plugin.runner.owned_job import (
    BUILD_LOG,
    PACKAGES_LOG,
    OwnedJob,
    ended_by_errors,
)
from mlflow_workspace_plugin.runner.processes.stop import Stop
from mlflow_workspace_plugin.runner.ranks import variables_of_ranks
from mlflow_workspace_plugin.runner.variables import RunFacts, environment_of
from mlflow_workspace_plugin.runs import outer_run
from mlflow_workspace_plugin.runs.snapshots.open import snapshots_of
from mlflow_workspace_plugin.stores.jobs import states
from mlflow_workspace_plugin.stores.journalling.patience import until_answered
from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)


class _StoppedError(Exception):
    """The job was to be stopped before its command was started."""


def run_job(store: WorkspaceTrackingStore, run_id: str) -> bool:
    """Run a job to its end.

    Args:
        store: of its workspace, without a journal.
        run_id: the job.

    Returns:
        Whether it completed.

    Raises:
        JobTakenError, JobEndedError: it is not to be run by this process.
        NoAnswerError: how it ended is kept on this machine, for the hub cannot be told.
    """
    stop = Stop(grace_s=settings.GRACE_S.number())
    with stop.by_signals():
        job = OwnedJob(store, run_id, stop)
        # What installs its environment is found by it, too.
        os.environ[MARK] = job.mark
        outcome = None
        try:
            outcome = _run(job)
        finally:
            is_done = outcome is not None and outcome.status == FINISHED
            os.chdir(job.folder.path.parent)
            job.close(is_done=is_done)
    _tidy_up()
    return is_done


def _tidy_up() -> None:
    """Do for the jobs of this machine that ended before what their runners could not."""
    for run_id, problem in settle_kept().items():
        _logger.warning("How job %s ended is not stored yet: %s", run_id, problem)
    remove_old()


def _run(job: OwnedJob) -> Outcome:
    definition = Definition.from_json(job.job.definition)
    try:
        with ended_by_errors(job, but_not=(_StoppedError,)):
            job.advance(states.PREPARING)
            work = job.folder.make_work()
            # Where ./outputs and ./logs are.
            os.chdir(work)
            with closing(JobData(job, definition, work)) as data:
                with job.shown():
                    prepared = _prepare(job, definition, work)
                    data.bring(lambda: _check(job.stop))
                job.advance(states.STARTING)
                outcome = _run_command(job, definition, prepared, data, work)
    except _StoppedError:
        assert job.stop.first is not None  # noqa: S101  it was stopped
        outcome = Outcome(KILLED, 0, job.stop.first.why)
        if job.is_ours:
            job.end(outcome, has_run=False)
        return outcome
    if job.is_ours:
        job.end(outcome)
    return outcome


def _prepare(job: OwnedJob, definition: Definition, work: Path) -> Prepared:
    _check(job.stop)
    if definition.snapshot is not None:
        job.say(f"Restoring snapshot {definition.snapshot}.")
        snapshots_of(job.store.tracking_uri).restore(definition.snapshot, work)
    _check(job.stop)
    return prepare(
        Requirements.from_json(definition.environment),
        job.say,
        folder=work,
        poll=lambda: _check(job.stop),
        say_of_build=lambda line: _say_of_build(job, line),
    )


def _say_of_build(job: OwnedJob, line: str) -> None:
    """Keep all that is said while an environment is made; what is shown is short."""
    job.say(line, PACKAGES_LOG)
    if not is_of_a_package(line):
        job.say(line, BUILD_LOG)


def _run_command(
    job: OwnedJob, definition: Definition, prepared: Prepared, data: JobData, work: Path
) -> Outcome:
    with outer_run.offered(job.run_id, job.stored_run().data.tags) as offer:
        surroundings = {
            **os.environ,
            **prepared.variables,
            **definition.variables,
            **data.variables,
            **offer,
        }
        surroundings.pop(KEPT_FILES, None)
        environment = environment_of(_facts(job), surroundings)
        journals = environment.get(settings.JOURNAL_DIR.name)

        def on_start() -> None:
            job.advance(states.RUNNING)
            job.say(f"The command runs on {platform.node()}.")

        def on_end() -> None:
            job.advance(states.FINALIZING)
            job.say("The command has ended.")

        _check(job.stop)
        command = command_of(data.filled(definition), prepared)
        with _start_explained(command[0]):
            return job.run(
                command,
                [
                    environment | of_rank
                    for of_rank in variables_of_ranks(definition.processes, definition.framework)
                ],
                folder=work,
                limit_s=definition.max_run_duration_seconds,
                journals=Path(journals).expanduser() if journals else None,
                on_start=on_start,
                on_end=on_end,
                # One that makes none does not fail for it where its hub is away.
                data=data if definition.outputs else None,
            )


@contextmanager
def _start_explained(program: str) -> Iterator[None]:
    """Say of a program that cannot be started what is wrong with it, and what helps.

    Raises:
        ExperimentExecutionException: it could not be started.
    """
    try:
        yield
    except OSError as error:
        if error.filename != program:
            raise
        raise ExperimentExecutionException(
            f"Program {program!r} cannot be started on {platform.node()}: {error.strerror}. Name "
            "one of the job's PATH there, or a file of its folder that may be executed, such as "
            "./run.sh. A Python script of its folder is one that ends in .py."
        ) from error


def command_of(definition: Definition, prepared: Prepared) -> list[str]:
    """Return the program that a job is, and its arguments."""
    if definition.script is not None:
        # A name that looks like an option is none.
        script = f"./{definition.script}" if definition.script[:1] == "-" else definition.script
        return [prepared.python or sys.executable, script, *definition.arguments]
    if isinstance(definition.command, str):
        return ["/bin/sh", "-c", definition.command]
    return list(definition.command or [])


def _facts(job: OwnedJob) -> RunFacts:
    experiment = until_answered(lambda _: job.store.get_experiment(job.job.experiment_id))
    record = until_answered(lambda _: job.store.workspace_record())
    return RunFacts(
        job.store.tracking_uri, record, experiment.experiment_id, experiment.name, job.run_id
    )


def _check(stop: Stop) -> None:
    if stop.first is not None:
        raise _StoppedError
