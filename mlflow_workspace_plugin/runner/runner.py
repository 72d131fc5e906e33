"""Runs a command inside a run, and records how it went."""

import logging
import shlex
import shutil
import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from mlflow.entities import RunStatus
from mlflow.exceptions import MlflowException
from mlflow.utils.git_utils import get_git_commit
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_SOURCE_NAME, MLFLOW_SOURCE_TYPE

from mlflow_workspace_plugin.runner.output import STANDARD_LOG, Output, Shipping
from mlflow_workspace_plugin.runner.process import Ended, run_process
from mlflow_workspace_plugin.runner.variables import OUTPUTS, environment_of
from mlflow_workspace_plugin.sdk.experiment import Experiment
from mlflow_workspace_plugin.sdk.run import Run

EXIT_CODE_TAG = "mlflow.workspace.exit_code"
"""The exit code of a run's process. MLflow's UI hides tags that begin with ``mlflow.``."""

_logger = logging.getLogger(__name__)


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


def create_run(experiment: Experiment, script: str, folder: Path) -> Run:
    """Create the run of a command.

    Args:
        experiment: where.
        script: what is run, under which name the run's source is shown.
        folder: its working directory; the run is tagged with the git commit it is at, if any.
    """
    tags = {MLFLOW_SOURCE_NAME: script, MLFLOW_SOURCE_TYPE: "JOB"}
    commit = get_git_commit(str(folder))
    if commit:
        tags[MLFLOW_GIT_COMMIT] = commit
    return experiment.start_logging(outputs=False, snapshot_directory=None, tags=tags)


def execute(
    run: Run,
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    stdout: BinaryIO | None = None,
    stderr: BinaryIO | None = None,
) -> Outcome:
    """Run a command inside a run, wait for it, and end the run as the command ended.

    MLflow and ``Run.get_context`` find the run in the command's processes, and ``azureml`` is
    served there. What they print is stored as ``user_logs/std_log.txt`` while it grows.

    Args:
        run: an existing run, which goes on.
        command: the program and its arguments.
        folder: its working directory, in which ``outputs`` is made (SDK v1).
        environment: its environment variables, to which those of the run are added.
        stdout: where its standard output is passed on to.
        stderr: where its standard error is passed on to.

    Raises:
        OSError: the command cannot be started; the run has failed, with that as its cause.
        mlflow.exceptions.MlflowException: its end cannot be recorded.
    """
    try:
        (folder / OUTPUTS).mkdir(exist_ok=True)
        ended, last_words = _execute(run, command, folder, environment, stdout, stderr)
    except BaseException as error:
        run.fail(error)
        raise
    outcome = _outcome(command, ended, last_words)
    _record(run, outcome)
    return outcome


def _execute(
    run: Run,
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    stdout: BinaryIO | None,
    stderr: BinaryIO | None,
) -> tuple[Ended, str]:
    kept = Path(tempfile.mkdtemp(prefix="mlflow-workspace-run-"))
    log = kept / Path(STANDARD_LOG).name
    output = Output(log, stdout, stderr)
    shipping = Shipping(run, STANDARD_LOG, log)
    shipping.start()
    try:
        ended = run_process(command, folder, environment_of(run, environment), output)
    finally:
        output.close()
        try:
            shipping.stop()
            shutil.rmtree(kept)
        except (MlflowException, OSError) as error:
            _logger.warning("%s of run %s is in %s: %s", STANDARD_LOG, run.id, log, error)
    return ended, output.last_words


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


def _record(run: Run, outcome: Outcome) -> None:
    client = run.experiment.workspace.client
    client.set_tag(run.id, EXIT_CODE_TAG, str(outcome.exit_code))
    if outcome.cause:
        run.fail(outcome.cause, _set_status=False)
    client.set_terminated(run.id, outcome.status)
