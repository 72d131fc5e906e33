"""``mlflow-workspace logs``: what a run prints."""

import click

from mlflow_workspace_plugin.cli.options import HubPlace, echo, hub_option, plain_errors
from mlflow_workspace_plugin.cli.runs.find import find_run, run_argument
from mlflow_workspace_plugin.cli.which_workspace import workspace_option


@click.command()
@run_argument
@click.option("--follow", "-f", is_flag=True, help="Go on until the run ends; end as it did.")
@workspace_option
@hub_option
@click.pass_context
@plain_errors
def logs(
    context: click.Context,
    run: str,
    follow: bool,  # noqa: FBT001
    workspace: str | None,
    hub: HubPlace,
) -> None:
    """Print what run RUN has printed, on both of its streams.

    RUN is a run's id, the beginning of it, or its name. Ctrl-C ends the printing, not the run.
    Other logs of it are among its files: mlflow-workspace files RUN.
    """
    from mlflow_workspace_plugin.cli.jobs import follow as following

    found = find_run(run, workspace, hub)
    read = found.read()
    if follow:
        following.follow(context, read)
    elif not following.print_log(read):
        echo(f"Run {found.title} is {read.get_status()}, and has printed nothing.", err=True)
