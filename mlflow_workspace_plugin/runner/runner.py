"""Runs a command inside a run, and records how it went."""

import shlex
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from mlflow.entities import RunStatus
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_SOURCE_NAME, MLFLOW_SOURCE_TYPE

from mlflow_workspace_plugin.errors import AzureMLAggregatedException
from mlflow_workspace_plugin.runner.output import STANDARD_LOG, Output, Shipping
from mlflow_workspace_plugin.runner.process import Ended, run_process
from mlflow_workspace_plugin.runner.variables import OUTPUTS, environment_of
from mlflow_workspace_plugin.runs import tag_text
from mlflow_workspace_plugin.runs.files.captured_folders import CapturedOutputs, WatchedLogs
from mlflow_workspace_plugin.runs.git_facts import git_properties
from mlflow_workspace_plugin.runs.reason import reason_of
from mlflow_workspace_plugin.sdk.experiment import Experiment
from mlflow_workspace_plugin.sdk.runs import outer_run
from mlflow_workspace_plugin.sdk.runs.run import Run
from mlflow_workspace_plugin.stores.process import run_lines
from mlflow_workspace_plugin.terminal import get_logger

EXIT_CODE_TAG = f"{tag_text.OURS}exit_code"
"""The exit code of a run's process."""

_LOGS = "./logs"
_SAID_BY_THE_SCRIPT = ("FAILED", "KILLED")

_logger = get_logger(__name__)


class Outcome(NamedTuple):
    """How the command of a run ended.

    Attributes:
        status: ``FINISHED``, ``FAILED`` or ``KILLED``: MLflow's words, which SDK v1's come from.
        exit_code: as a shell says it.
        cause: why it did not finish; empty if it did.
    """

    status: str
    exit_code: int
    cause: str


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
    with run_lines.unsaid():
        return Run.start_logging(
            experiment,
            outputs=False,
            display_name=name,
            tags={**of_source, **(tags or {})},
            properties=properties,
        )


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

    The first run that they begin by ``start_logging`` is this one, while it is empty. If one of
    them ends it as failed or canceled, that stays, though the exit code is 0; and another exit
    code fails it, whatever they said.

    Args:
        run: an existing run, which goes on.
        command: the program and its arguments.
        environment: its environment variables, to which those of the run are added.
        stdout: where its standard output is passed on to.
        stderr: where its standard error is passed on to.

    Raises:
        OSError: the command cannot be started; the run has failed, with that as its cause.
        mlflow.exceptions.MlflowException: its end cannot be recorded.
    """
    try:
        with (
            _captured_folders(run),
            _kept_output(run, stdout, stderr) as output,
            outer_run.offered(run) as offer,
        ):
            ended = run_process(command, environment_of(run, environment) | offer, output)
    except BaseException as error:
        run.fail(error)
        raise
    outcome = _outcome(command, ended, output.last_words)
    client = run.experiment.workspace.client
    client.set_tag(run.id, EXIT_CODE_TAG, str(outcome.exit_code))
    said = client.get_run(run.id)
    if not outcome.cause and said.info.status in _SAID_BY_THE_SCRIPT:
        cause = reason_of(said.data.tags) or "The script said so. Its exit code is 0."
        outcome = Outcome(said.info.status, outcome.exit_code, cause)
    # What the script said of its own failure is closer to it.
    is_said = outcome.status == said.info.status and reason_of(said.data.tags) is not None
    run.end_as(outcome.status, None if is_said else outcome.cause or None)
    return outcome


@contextmanager
def _captured_folders(run: Run) -> Iterator[None]:
    outputs, logs = CapturedOutputs(run, OUTPUTS), WatchedLogs(run, _LOGS)
    logs.start()
    try:
        yield
    finally:
        logs.stop()
        try:
            outputs.upload()
        except AzureMLAggregatedException as error:
            _logger.warning("Run %s lacks files of %s:\n%s", run.id, OUTPUTS, error)


@contextmanager
def _kept_output(run: Run, stdout: BinaryIO | None, stderr: BinaryIO | None) -> Iterator[Output]:
    log = Path(tempfile.mkdtemp(prefix="mlflow-workspace-run-"), Path(STANDARD_LOG).name)
    output = Output(log, stdout, stderr)
    shipping = Shipping(run, STANDARD_LOG, log)
    shipping.start()
    try:
        yield output
    finally:
        output.close()
        try:
            shipping.stop()
            shutil.rmtree(log.parent)
        except (MlflowException, OSError) as error:
            _logger.warning("Run %s lacks %s, which is in %s: %s", run.id, STANDARD_LOG, log, error)


def _outcome(command: Sequence[str], ended: Ended, last_words: str) -> Outcome:
    if ended.stopped_by is not None:
        cause = f"Stopped by {_name(ended.stopped_by)}."
        return Outcome(RunStatus.to_string(RunStatus.KILLED), ended.exit_code, cause)
    if ended.returncode == 0:
        return Outcome(RunStatus.to_string(RunStatus.FINISHED), 0, "")
    shown = shlex.join(command)
    if ended.returncode < 0:
        cause = f"{shown} was ended by {_name(signal.Signals(-ended.returncode))}."
        if ended.returncode == -signal.SIGKILL:
            cause += " The system sends it when memory runs out."
    else:
        cause = f"{shown} ended with exit code {ended.returncode}."
    if last_words:
        cause += f" Its last words: {last_words}"
    return Outcome(RunStatus.to_string(RunStatus.FAILED), ended.exit_code, cause)


def _name(number: signal.Signals) -> str:
    return "Ctrl-C (SIGINT)" if number == signal.SIGINT else f"{number.name} ({number.value})"
