"""``mlflow-workspace views``: the saved views of a workspace, as files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlflow_workspace_plugin.cli.layout import words
from mlflow_workspace_plugin.cli.options import (
    HubPlace,
    echo,
    hub_option,
    json_option,
    plain_errors,
    print_json,
    print_table,
)
from mlflow_workspace_plugin.cli.which_workspace import open_workspace, workspace_option

if TYPE_CHECKING:
    from mlflow_workspace_plugin.overview.source import Source


@click.group()
def views() -> None:
    """List, export and read saved views: charts, runs and columns that somebody chose."""


@views.command("list")
@workspace_option
@hub_option
@json_option
@plain_errors
def list_(workspace: str | None, hub: HubPlace, as_json: bool) -> None:  # noqa: FBT001
    """List the saved views of a workspace, and who may change each."""
    from mlflow_workspace_plugin.overview.runs import views as saved_views

    source = _source(workspace, hub)
    found = saved_views.listed(source)
    if as_json:
        print_json(found)
        return
    print_table(f"Views of workspace {source.workspace}", map(_row, found))


@views.command()
@click.argument("view")
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    default="-",
    show_default=True,
    help="Where to write it; - prints it. A file that is there is not replaced.",
)
@workspace_option
@hub_option
@plain_errors
def export(view: str, output: str, workspace: str | None, hub: HubPlace) -> None:
    """Write VIEW, by its id or its name, as a text that `views import` reads."""
    from mlflow_workspace_plugin.overview.runs import views as saved_views

    source = _source(workspace, hub)
    text = saved_views.exported(saved_views.named(source, view))
    if output == "-":
        echo(text.rstrip("\n"))
        return
    with Path(output).open("x", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    echo(f"View {view!r} is written to {output}.")


@views.command("import")
@click.argument("file", type=click.File(encoding="utf-8"))
@workspace_option
@hub_option
@plain_errors
def import_(file: Any, workspace: str | None, hub: HubPlace) -> None:
    """Save the view that FILE holds as a new one of yours; - reads standard input.

    It may come from another workspace. Runs that it names by their ids and that are not there are
    shown as missing.
    """
    from mlflow_workspace_plugin.overview.runs import views as saved_views

    source = _source(workspace, hub)
    view = saved_views.imported(source, file.read(saved_views.MOST_BYTES + 1))
    echo(f"View {view.name!r} is saved, with the id {view.id}.")


def _source(workspace: str | None, hub: HubPlace) -> "Source":
    from mlflow_workspace_plugin.overview.source import source_of

    return source_of(open_workspace(workspace, hub).get_mlflow_tracking_uri())


def _row(view: dict[str, Any]) -> dict[str, Any]:
    changes = view["definition"] is not None and view["definition"]["may_change"] == "everybody"
    return {
        "id": view["id"],
        "name": view["name"],
        "owner": view["owner"],
        "may change it": "everybody" if changes else view["owner"],
        "changed": words.ago(view["changed_at"]),
    }
