"""``mlflow-workspace open``: a page of the UI that is served, in the browser."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlflow_workspace_plugin.cli.browser import open_in_browser
from mlflow_workspace_plugin.cli.completion import complete_runs, complete_workspaces
from mlflow_workspace_plugin.cli.options import echo, hub_option, plain_errors
from mlflow_workspace_plugin.cli.ui import link_to

if TYPE_CHECKING:
    from mlflow_workspace_plugin.hub.hub import Hub

_PAGE = (
    "SELECT experiments.workspace, experiments.experiment_id FROM runs JOIN experiments "
    "ON experiments.experiment_id = runs.experiment_id WHERE runs.run_uuid = :run_id"
)


@click.command("open")
@click.argument("run_id", metavar="RUN", required=False, shell_complete=complete_runs)
@click.option(
    "--workspace",
    "-w",
    help="Without RUN: the workspace to look at.",
    shell_complete=complete_workspaces,
)
@hub_option
@click.option("--print", "print_only", is_flag=True, help="Print the link, and open no browser.")
@plain_errors
def open_(run_id: str | None, workspace: str | None, hub: Path, print_only: bool) -> None:  # noqa: FBT001
    """Open the browser on the page of run RUN, or of a workspace, where "ui" serves the hub.

    The link lets one browser in, as that of "ui" does.
    """
    from mlflow_workspace_plugin.errors import UserErrorException
    from mlflow_workspace_plugin.hub.hub import open_hub
    from mlflow_workspace_plugin.hub.ui_address import served_ui, ui_folder

    opened = open_hub(hub)
    if run_id is not None:
        workspace, page = _page_of(opened, run_id)
    else:
        page = "experiments" if workspace is not None else ""
        workspace = None if workspace is None else opened.catalog.get(workspace).name
    served = served_ui(opened.path)
    if served is None:
        raise UserErrorException(
            f"The UI of hub {str(opened.path)!r} is not served by you on this machine. "
            "Serve it with: mlflow-workspace ui --open"
        )
    link = link_to(served, page, workspace)
    echo(link)
    if not print_only:
        open_in_browser(link, ui_folder())


def _page_of(hub: "Hub", run_id: str) -> tuple[str, str]:
    from sqlalchemy import text

    from mlflow_workspace_plugin.errors import RunNotFoundError
    from mlflow_workspace_plugin.hub.database import connected

    with connected(hub.engine) as connection:
        found = connection.execute(text(_PAGE), {"run_id": run_id}).one_or_none()
    if found is None:
        raise RunNotFoundError(
            f"Run {run_id!r} is not in hub {str(hub.path)!r}. "
            "Check the id, or name another hub with --hub."
        )
    return found.workspace, f"experiments/{found.experiment_id}/runs/{run_id}"
