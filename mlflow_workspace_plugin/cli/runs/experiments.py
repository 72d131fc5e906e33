"""``mlflow-workspace experiments``: what a workspace's runs belong to."""

import click

from mlflow_workspace_plugin.cli.layout import words
from mlflow_workspace_plugin.cli.options import (
    HubPlace,
    echo,
    hub_option,
    json_option,
    plain_errors,
    print_json,
)
from mlflow_workspace_plugin.cli.which_workspace import open_workspace, workspace_option


@click.command()
@workspace_option
@hub_option
@json_option
@plain_errors
def experiments(workspace: str | None, hub: HubPlace, as_json: bool) -> None:  # noqa: FBT001
    """List the experiments of a workspace, that with the newest run first.

    Without --workspace it is the workspace of MLFLOW_TRACKING_URI, else of the config.json above
    this folder.
    """
    from mlflow_workspace_plugin.cli.layout.tables import Column, print_columns
    from mlflow_workspace_plugin.overview.source import source_of

    found = open_workspace(workspace, hub)
    rows = source_of(found.get_mlflow_tracking_uri()).store.experiments_with_runs()
    if as_json:
        print_json(
            [
                {
                    "experiment_id": str(each.experiment_id),
                    "name": each.name,
                    "runs": each.runs,
                    "last_run": words.iso(each.last_started),
                }
                for each in rows
            ]
        )
        return
    if not rows:
        echo(f"Experiments of workspace {found.name}: none")
        return
    echo(f"Experiments of workspace {found.name}")
    print_columns(
        [
            Column("name", [each.name for each in rows], may_shrink=True),
            Column("runs", [f"{each.runs:,}" for each in rows], is_number=True),
            Column("last run", [words.ago(each.last_started) for each in rows]),
            Column("id", [str(each.experiment_id) for each in rows], is_number=True),
        ]
    )
