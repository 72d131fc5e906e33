"""``mlflow-workspace submit``: a script or command that is queued, and run elsewhere or later."""

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlflow_workspace_plugin import names
from mlflow_workspace_plugin.cli.jobs import follow as following
from mlflow_workspace_plugin.cli.jobs.run_options import experiment_option, name_and_tag_options
from mlflow_workspace_plugin.cli.options import HubPlace, echo, hub_option, plain_errors
from mlflow_workspace_plugin.cli.runs.find import SHORT_ID, title
from mlflow_workspace_plugin.cli.which_workspace import open_workspace, workspace_option

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.environments.environment import Environment
    from mlflow_workspace_plugin.sdk.workspace import Workspace

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@workspace_option
@experiment_option
@name_and_tag_options
@click.option(
    "--compute",
    "-c",
    metavar="NAME",
    default="local",
    show_default=True,
    help="The compute target: this machine, or what mlflow-workspace compute list shows.",
)
@click.option(
    "--source",
    "-s",
    metavar="DIR",
    type=_FOLDER,
    default=Path(),
    show_default="this folder",
    help="The folder that it is run in a copy of, but for what its .amlignore names.",
)
@click.option("--requirements", metavar="FILE", type=_FILE, help="Packages of pip that it needs.")
@click.option("--conda", metavar="FILE", type=_FILE, help="A conda specification of what it needs.")
@click.option("--env", metavar="NAME", help="An environment that was registered.")
@click.option("--gpus", type=click.IntRange(0), default=0, help="How many GPUs it needs.")
@click.option("--wait", is_flag=True, help="Wait until it ends, and end as it did.")
@click.option("--follow", "-f", is_flag=True, help="As --wait, and show what it prints.")
@hub_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
@plain_errors
def submit(
    context: click.Context,
    workspace: str | None,
    experiment: str,
    name: str | None,
    tags: dict[str, str],
    compute: str,
    source: Path,
    requirements: Path | None,
    conda: Path | None,
    env: str | None,
    gpus: int,
    wait: bool,  # noqa: FBT001
    follow: bool,  # noqa: FBT001
    hub: HubPlace,
    command: tuple[str, ...],
) -> None:
    """Queue a script, such as `train.py --rate 0.1`, to be run as a job.

    A file of the source folder that ends in .py is run by the job's Python, anything else as a
    command; one text with spaces is for a shell. It is run in a copy of the folder, in this Python
    if no environment is named. What it prints, ./outputs, ./logs and how it ended are kept.

    Without --workspace it is the workspace of MLFLOW_TRACKING_URI, else of the config.json above
    this folder.
    """
    from mlflow_workspace_plugin.jobs.definition import Definition
    from mlflow_workspace_plugin.sdk.experiment import Experiment
    from mlflow_workspace_plugin.sdk.runs.submitting import submit_definition

    what = _what(command, source)
    in_workspace = open_workspace(workspace, hub)
    environment = _environment(in_workspace, requirements, conda, env)
    needed = {} if environment is None else environment._requirements().to_json()
    definition = Definition(**what, environment=needed, target=compute, gpus=gpus)
    in_experiment = Experiment(in_workspace, experiment)
    run = submit_definition(in_experiment, definition, source, name=name, tags={**tags})
    short = run.id[:SHORT_ID]
    page = in_workspace.where_to_look(
        f"experiments/{in_experiment.id}/runs/{run.id}", f"open {short}"
    )
    echo(
        f"Run {title(run.display_name, run.id)} of experiment {experiment!r} in workspace "
        f"{in_workspace.name!r} is {run.get_status()} on compute target {compute!r}: {page}",
        err=True,
    )
    if not follow:
        # For a script that goes on with it.
        click.echo(run.id)
    if wait or follow:
        following.follow(context, run, quietly=not follow)


def _what(command: tuple[str, ...], source: Path) -> dict[str, Any]:
    """Return the script and its arguments, or the command, as a job's definition has them.

    Raises:
        click.ClickException: there is no such script.
    """
    first = command[0]
    if len(command) == 1 and re.search(r"\s", first.strip()) and not _is_file(first, source):
        program = first.split()[0]
        if program.endswith(".py") and _is_file(program, source):
            raise click.ClickException(
                f"{first!r} is one text, which a shell runs as a command: it finds no program "
                f"{program!r}. Leave out the quotes around all of it: mlflow-workspace submit "
                f"{first.strip()}"
            )
        return {"command": first}
    if not first.endswith(".py"):
        return {"command": list(command)}
    script = _script(first, source)
    if script is None:
        raise click.ClickException(
            f"There is no file {first!r} in {str(source.absolute())!r}."
            + names.did_you_mean(first, (each.name for each in source.glob("*.py")))
            + (
                f" Name the folder that it is in: --source {shlex.quote(str(Path(first).parent))}"
                if Path(first).is_file()
                else " The folder that it is in is named by --source."
            )
        )
    return {"script": script, "arguments": list(command[1:])}


def _is_file(given: str, source: Path) -> bool:
    return Path(given).is_file() or (source / given).is_file()


def _script(given: str, source: Path) -> str | None:
    """Return the path of a script in the source folder, however it was named; None without one."""
    if not Path(given).is_absolute() and (source / given).is_file():
        return given
    here = Path(os.path.abspath(given))  # noqa: PTH100  a link stays what it is called
    folder = Path(os.path.abspath(source))  # noqa: PTH100
    if here.is_file() and here.is_relative_to(folder):
        return str(here.relative_to(folder))
    return None


def _environment(
    workspace: "Workspace", requirements: Path | None, conda: Path | None, name: str | None
) -> "Environment | None":
    """Return the environment that the options name; None for this Python.

    Raises:
        click.UsageError: they name several.
        UserErrorException: the file cannot be used, or there is no such environment.
    """
    if len([each for each in (requirements, conda, name) if each is not None]) > 1:
        raise click.UsageError("Give one of --requirements, --conda and --env.")
    from mlflow_workspace_plugin.sdk.environments.environment import Environment

    if requirements is not None:
        return Environment.from_pip_requirements(requirements.stem, str(requirements))
    if conda is not None:
        return Environment.from_conda_specification(conda.stem, str(conda))
    return None if name is None else Environment.get(workspace, name)
