"""``mlflow-workspace run``: an unchanged script inside a recorded run."""

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import click

from mlflow_workspace_plugin import names
from mlflow_workspace_plugin.cli.jobs.run_options import experiment_option, name_and_tag_options
from mlflow_workspace_plugin.cli.options import HubPlace, echo, hub_option, plain_errors
from mlflow_workspace_plugin.cli.which_workspace import open_workspace, workspace_option

# What only a shell understands.
_OF_A_SHELL = re.compile(r"[|&;<>$`*?~(){}\n]|^\w+=")


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@workspace_option
@experiment_option
@name_and_tag_options
@hub_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
@plain_errors
def run(
    context: click.Context,
    workspace: str | None,
    experiment: str,
    name: str | None,
    tags: dict[str, str],
    hub: HubPlace,
    command: tuple[str, ...],
) -> None:
    """Run a script, such as `train.py --rate 0.1`, inside a recorded run.

    MLflow and SDK v1 (azureml.core) find the run in it. What it prints, ./outputs and how it ended
    are kept; the exit status is the script's. A file that ends in .py is run by this Python,
    anything else as a command.

    Without --workspace it is the workspace of MLFLOW_TRACKING_URI, else of the config.json above
    this folder.
    """
    by_this_python = _by_this_python(command)
    from mlflow_workspace_plugin.alias.finder import real_sdk
    from mlflow_workspace_plugin.runner import runner
    from mlflow_workspace_plugin.sdk.experiment import Experiment

    in_workspace = open_workspace(workspace, hub)
    started = runner.create_run(
        Experiment(in_workspace, experiment), command[0], name=name, tags=tags
    )
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
    """Return the command as it is started.

    Raises:
        click.ClickException: there is no such file or program.
    """
    program = command[0]
    if program.endswith(".py"):
        if Path(program).is_file():
            return [sys.executable, *command]
        if len(command) > 1 or not re.search(r"\s", program):
            raise click.ClickException(
                f"There is no file {program!r} here, in {Path.cwd()}.{_scripts_like(program)}"
            )
    elif shutil.which(program) is not None:
        return list(command)
    if len(command) == 1 and re.search(r"\s", program.strip()):
        raise click.ClickException(
            f"There is no program {program!r}: a command and its arguments are given as words of "
            f"their own. Type: mlflow-workspace run {_as_words(program)}"
        )
    if Path(program).is_file():
        if os.access(program, os.X_OK):
            raise click.ClickException(
                f"{program!r} is not on your PATH. Type: "
                f"mlflow-workspace run {shlex.quote(f'./{program}')}"
            )
        raise click.ClickException(
            f"The file {program!r} may not be executed. Give the program that runs it, too, such "
            f"as: mlflow-workspace run bash {shlex.quote(program)}"
        )
    raise click.ClickException(
        f"There is no program {program!r}. Give a script that ends in .py, a program of your PATH, "
        "or the path of one."
    )


def _as_words(text: str) -> str:
    """Return a command, given as one text, as it is to be typed."""
    if not _OF_A_SHELL.search(text):
        try:
            return shlex.join(shlex.split(text))
        except ValueError:
            pass
    return f"sh -c {shlex.quote(text)}"


def _scripts_like(name: str) -> str:
    folder = Path(name).parent
    try:
        there = [str(folder / each.name) for each in folder.iterdir() if each.suffix == ".py"]
    except OSError:
        return ""
    return names.did_you_mean(name, there).replace("It holds", "There is")
