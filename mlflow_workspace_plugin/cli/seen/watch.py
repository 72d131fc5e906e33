"""``mlflow-workspace watch``: a run in the terminal, as it goes on."""

import sys
from typing import TYPE_CHECKING

import click

from mlflow_workspace_plugin.cli.options import HubPlace, echo, hub_option, plain_errors
from mlflow_workspace_plugin.cli.runs.find import find_run, run_argument
from mlflow_workspace_plugin.cli.which_workspace import workspace_option

if TYPE_CHECKING:
    from mlflow_workspace_plugin.cli.seen.followed import Followed

_EVERY_S = 1.0
_BY_CTRL_C = 130


@click.command()
@run_argument
@click.option("--once", is_flag=True, help="Show it as it is now, and end.")
@workspace_option
@hub_option
@click.pass_context
@plain_errors
def watch(
    context: click.Context,
    run: str,
    once: bool,  # noqa: FBT001
    workspace: str | None,
    hub: HubPlace,
) -> None:
    """Show how run RUN goes on: its status, its metrics with a curve of each, the end of its log.

    RUN is a run's id, the beginning of it, or its name. It goes on until the run ends, and ends as
    that did; Ctrl-C ends the watching, not the run. Into a file or a pipe, a line is printed of
    what is new.
    """
    from mlflow_workspace_plugin.cli.seen import showing
    from mlflow_workspace_plugin.cli.seen.followed import Followed
    from mlflow_workspace_plugin.overview.source import source_of

    found = find_run(run, workspace, hub)
    source = source_of(found.workspace().get_mlflow_tracking_uri())
    followed = Followed(source, found.id, found.place.experiment)
    if once:
        followed.look()
        showing.show_once(followed)
        return
    show = showing.on_terminal if sys.stdout.isatty() else showing.in_lines
    try:
        show(followed, _EVERY_S)
    except KeyboardInterrupt:
        echo(f"Run {found.id} goes on. To end it: mlflow-workspace cancel {found.id}", err=True)
        context.exit(_BY_CTRL_C)
    context.exit(_exit_code(followed))


def _exit_code(followed: "Followed") -> int:
    """Return what the command of the run ended with, if that is known; else whether it failed."""
    from mlflow_workspace_plugin.stores.jobs import states

    failed = int(followed.head["status"] != states.COMPLETED)
    return followed.head.get("exit_code") or failed
