"""``mlflow-workspace jobs``: what waits and what runs."""

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
)
from mlflow_workspace_plugin.cli.runs.find import SHORT_ID
from mlflow_workspace_plugin.cli.which_workspace import open_workspace, workspace_option

if TYPE_CHECKING:
    from mlflow_workspace_plugin.overview.computes.queue import QueuedJob

_NEWEST = 50


@click.command()
@click.option("--compute", metavar="NAME", help="Only the jobs of this compute target.")
@click.option("--all", "all_jobs", is_flag=True, help="Also those that have ended.")
@click.option(
    "-n",
    "--number",
    type=click.IntRange(1),
    default=_NEWEST,
    show_default=True,
    help="How many jobs, of the newest.",
)
@workspace_option
@hub_option
@json_option
@plain_errors
def jobs(
    compute: str | None,
    all_jobs: bool,  # noqa: FBT001
    number: int,
    workspace: str | None,
    hub: HubPlace,
    as_json: bool,  # noqa: FBT001
) -> None:
    """List the jobs of a workspace that wait or run, the newest first, and for what they wait.

    "before" is how many jobs go before one on its compute target. Without --workspace it is the
    workspace of MLFLOW_TRACKING_URI, else of the config.json above this folder.
    """
    from mlflow_workspace_plugin.overview.computes.queue import queued_jobs

    found = open_workspace(workspace, hub)
    listed = queued_jobs(found.tracking_store, compute=compute, limit=number, with_ended=all_jobs)
    if as_json:
        print_json([_as_json(each) for each in listed])
        return
    if not listed:
        echo(f"Jobs of workspace {found.name}: none" + ("" if all_jobs else " waits or runs"))
        return
    echo(f"Jobs of workspace {found.name}")
    _print(listed)


def _as_json(listed: "QueuedJob") -> dict[str, Any]:
    """Return what is known of a job, for programs."""
    facts = listed.facts()
    del facts["experiment_id"]
    times = ("submitted", "started", "ended")
    return facts | {name: words.iso(facts[name]) for name in times}


def _print(listed: "list[QueuedJob]") -> None:
    from mlflow_workspace_plugin.cli.layout.tables import (
        Column,
        cut,
        print_columns,
        terminal_width,
    )

    jobs = [each.job for each in listed]
    columns = [
        Column("run", [each.run_id[:SHORT_ID] for each in jobs]),
        Column("name", [each.name or "" for each in jobs], may_shrink=True),
        Column("experiment", [each.experiment for each in listed], may_shrink=True),
        Column("compute", [each.compute for each in jobs], may_shrink=True),
        Column(
            "state",
            [each.state for each in jobs],
            styles=[words.COLOURS.get(each.state, "") for each in jobs],
        ),
        Column("since", [words.ago(each.since) for each in listed]),
    ]
    positions = ["" if each.position is None else str(each.position) for each in listed]
    if any(positions):
        columns.append(Column("before", positions, is_number=True))
    print_columns(columns)
    remarks = [(each.job, each.remark) for each in listed if each.remark]
    if remarks:
        click.echo()
    for job, remark in remarks:
        said = " ".join(remark.split())
        click.echo(cut(f"{job.run_id[:SHORT_ID]} {job.state}: {said}", terminal_width()))
