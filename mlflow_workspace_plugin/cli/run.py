"""``mlflow-workspace run``: an unchanged script inside a recorded run."""

import os
import sys
from pathlib import Path

import click

from mlflow_workspace_plugin.alias.finder import real_sdk
from mlflow_workspace_plugin.cli.options import echo, hub_option, plain_errors
from mlflow_workspace_plugin.cli.which_workspace import open_workspace, workspace_option

# Of MLflow, whose import takes a second.
_EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@workspace_option
@click.option(
    "--experiment",
    "-e",
    default=lambda: os.environ.get(_EXPERIMENT) or "Default",
    show_default=f"${_EXPERIMENT}, else Default",
    help="The experiment; created if there is none of that name.",
)
@hub_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
@plain_errors
def run(
    context: click.Context,
    workspace: str | None,
    experiment: str,
    hub: Path,
    command: tuple[str, ...],
) -> None:
    """Run a script, such as `train.py --rate 0.1`, inside a recorded run.

    MLflow and SDK v1 (azureml.core) find the run in it. What it prints, ./outputs and how it ended
    are kept; the exit status is the script's. A file that ends in .py is run by this Python,
    anything else as a command.

    Without --workspace it is the workspace of MLFLOW_TRACKING_URI, else of the config.json above
    this folder.
    """
    from mlflow_workspace_plugin.runner import runner
    from mlflow_workspace_plugin.sdk.experiment import Experiment

    by_this_python = _by_this_python(command)
    in_workspace = open_workspace(workspace, hub)
    started = runner.create_run(Experiment(in_workspace, experiment), command[0])
    _say(
        f"Run {started.id} of experiment {experiment!r} in workspace {in_workspace.name!r}: "
        f"{started.get_portal_url()}"
    )
    if real_sdk() is not None:
        _say("The real azureml-core is installed here: what it logs does not reach this run.")
    outcome = runner.execute(
        started,
        by_this_python,
        os.environ,
        stdout=sys.stdout.buffer,
        stderr=sys.stderr.buffer,
    )
    if outcome.cause:
        _say(f"Run {started.id} is {outcome.status}: {outcome.cause}")
    context.exit(outcome.exit_code)


def _say(text: str) -> None:
    echo(text, err=True)


def _by_this_python(command: tuple[str, ...]) -> list[str]:
    if not command[0].endswith(".py"):
        return list(command)
    if not Path(command[0]).is_file():
        raise click.ClickException(f"There is no file {command[0]!r} here, in {Path.cwd()}.")
    return [sys.executable, *command]
