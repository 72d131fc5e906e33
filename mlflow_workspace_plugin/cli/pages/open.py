"""``mlflow-workspace open``: a page of the UI that is served, in the browser."""

import click

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.cli.hub_seen import seen_hub
from mlflow_workspace_plugin.cli.options import HubPlace, echo, hub_option, plain_errors
from mlflow_workspace_plugin.cli.runs.find import find_run, optional_run_argument
from mlflow_workspace_plugin.cli.which_workspace import workspace_around, workspace_option


@click.command("open")
@optional_run_argument
@workspace_option
@hub_option
@click.option("--print", "print_only", is_flag=True, help="Print the link, and open no browser.")
@plain_errors
def open_(run: str | None, workspace: str | None, hub: HubPlace, print_only: bool) -> None:  # noqa: FBT001
    """Open the browser on the page of run RUN, or of a workspace, where "ui" serves the hub.

    RUN is a run's id, the beginning of it, or its name. The link lets one browser in, as that of
    "ui" does. Of a served hub it is the page at its address, where one logs in.
    """
    from mlflow_workspace_plugin.cli.pages.browser import open_in_browser, show_page
    from mlflow_workspace_plugin.cli.pages.ui import link_to
    from mlflow_workspace_plugin.errors import UserErrorException
    from mlflow_workspace_plugin.hub.ui_address import served_ui, ui_folder

    if run is not None:
        found = find_run(run, workspace, hub)
        opened, workspace = found.hub, found.place.workspace
        page = f"experiments/{found.place.experiment_id}/runs/{found.id}"
    else:
        opened = seen_hub(_hub_around(hub) if workspace is None else hub)
        page = "experiments" if workspace is not None else ""
        workspace = None if workspace is None else opened.workspace(workspace).name
    if isinstance(opened.place, str):
        link = f"{opened.place.rstrip('/')}/{uris.ui_location(page, workspace)}"
        echo(link)
        if not print_only:
            show_page(link)
        return
    served = served_ui(opened.place)
    if served is None:
        raise UserErrorException(
            f"The UI of hub {str(opened.place)!r} is not served by you on this machine. "
            "Serve it with: mlflow-workspace ui --open"
        )
    link = link_to(served, page, workspace)
    echo(link)
    if not print_only:
        open_in_browser(link, ui_folder())


def _hub_around(hub: HubPlace) -> HubPlace:
    """Return the served hub of the workspace around, unless another hub is named."""
    found = workspace_around(hub)
    around = hub if found is None else found._hub_place
    return around if isinstance(around, str) else hub
