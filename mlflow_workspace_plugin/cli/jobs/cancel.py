"""``mlflow-workspace cancel``: the end of a job."""

import click

from mlflow_workspace_plugin.cli.options import HubPlace, echo, hub_option, plain_errors
from mlflow_workspace_plugin.cli.runs.find import find_run, run_argument
from mlflow_workspace_plugin.cli.which_workspace import workspace_option
from mlflow_workspace_plugin.stores.jobs import states


@click.command()
@run_argument
@click.option(
    "--force",
    is_flag=True,
    help="Do not wait for it to stop: it is canceled now, and what of it runs is killed.",
)
@workspace_option
@hub_option
@plain_errors
def cancel(
    run: str,
    force: bool,  # noqa: FBT001
    workspace: str | None,
    hub: HubPlace,
) -> None:
    """Cancel job RUN: what waits is canceled at once, what runs is told to stop.

    RUN is a run's id, the beginning of it, or its name. A script that is told to stop (SIGTERM) has
    half a minute for that, and its outputs are kept.
    """
    from mlflow_workspace_plugin.errors import UserErrorException

    found = find_run(run, workspace, hub)
    watch = found.read()._watch
    job = watch.read()
    if job is None:
        raise UserErrorException(
            f"Run {found.title} is no job: what logs to it was not started by mlflow-workspace. "
            "End that process where it runs."
        )
    if job.state in states.LAST:
        echo(f"Run {found.title} is {job.state} already.")
        return
    state = watch.cancel(force=force)
    if state == states.CANCELED:
        echo(f"Run {found.title} is canceled.")
    elif state in states.LAST:
        echo(f"Run {found.title} is {state} already.")
    else:
        echo(
            f"Run {found.title} is told to stop. mlflow-workspace logs -f {found.id} shows how it "
            "ends; --force does not wait for it."
        )
