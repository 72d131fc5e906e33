"""``mlflow-workspace jobs``: what waits and what runs."""

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlflow_workspace_plugin.cli.layout import words
from mlflow_workspace_plugin.cli.options import (
    echo,
    hub_option,
    json_option,
    plain_errors,
    print_json,
)
from mlflow_workspace_plugin.cli.runs.find import SHORT_ID
from mlflow_workspace_plugin.cli.which_workspace import open_workspace, workspace_option
from mlflow_workspace_plugin.stores.jobs import states

if TYPE_CHECKING:
    from mlflow_workspace_plugin.jobs.engines.engine import EngineState
    from mlflow_workspace_plugin.sdk.workspace import Workspace
    from mlflow_workspace_plugin.stores.jobs.job import Job

_NEWEST = 50


@dataclass(frozen=True)
class ListedJob:
    """A job of the table.

    Attributes:
        job: the job.
        experiment: the name of its experiment.
        engine: what its engine says of it, if it was asked.
    """

    job: "Job"
    experiment: str
    engine: "EngineState | None"

    @property
    def position(self) -> int | None:
        """How many jobs go before it."""
        is_waiting = self.job.state in states.WAITING
        return self.engine.position if is_waiting and self.engine is not None else None

    @property
    def since(self) -> int | None:
        """When it began to wait, to run, or had ended."""
        if self.job.state in states.LAST:
            return self.job.ended_at
        is_waiting = self.job.state in states.WAITING
        return self.job.submitted_at if is_waiting else self.job.started_at

    @cached_property
    def reason(self) -> str | None:
        """Why it waits, or ended."""
        from mlflow_workspace_plugin.jobs.watch import waits_for

        if self.job.state in states.LAST:
            return self.job.cause
        return waits_for(self.job, self.engine)

    @property
    def remark(self) -> str | None:
        """What is worth to be told beside its position."""
        return self.reason if self.position is None or self.engine is None else self.engine.reason

    def as_json(self) -> dict[str, Any]:
        """Return what is known of it, for programs."""
        return {
            "run_id": self.job.run_id,
            "name": self.job.name,
            "experiment": self.experiment,
            "compute": self.job.compute,
            "engine": self.job.engine,
            "state": self.job.state,
            "position": self.position,
            "submitted": words.iso(self.job.submitted_at),
            "started": words.iso(self.job.started_at),
            "ended": words.iso(self.job.ended_at),
            "exit_code": self.job.exit_code,
            "reason": self.reason,
        }


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
    hub: Path,
    as_json: bool,  # noqa: FBT001
) -> None:
    """List the jobs of a workspace that wait or run, the newest first, and for what they wait.

    "before" is how many jobs go before one on its compute target. Without --workspace it is the
    workspace of MLFLOW_TRACKING_URI, else of the config.json above this folder.
    """
    found = open_workspace(workspace, hub)
    listed = _listed(found, compute, number, all_jobs=all_jobs)
    if as_json:
        print_json([each.as_json() for each in listed])
        return
    if not listed:
        echo(f"Jobs of workspace {found.name}: none" + ("" if all_jobs else " waits or runs"))
        return
    echo(f"Jobs of workspace {found.name}")
    _print(listed)


def _listed(
    workspace: "Workspace", compute: str | None, number: int, *, all_jobs: bool
) -> list[ListedJob]:
    from mlflow.entities import ViewType

    from mlflow_workspace_plugin.jobs.settling import WAIT_S, settle_within
    from mlflow_workspace_plugin.jobs.watch import Engines

    store = workspace.tracking_store
    wanted = None if all_jobs else states.ALL - states.LAST
    jobs = store.jobs(wanted, compute, limit=number)
    names = {each.experiment_id: each.name for each in workspace.search_experiments(ViewType.ALL)}
    engines = Engines(store)
    listed = []
    until = time.monotonic() + WAIT_S
    for job in jobs:
        said = engines.state(job)
        settled = job
        if job.state not in states.LAST:
            settled = settle_within(max(0.0, until - time.monotonic()), store, job, said)
        listed.append(ListedJob(settled, names.get(settled.experiment_id, ""), said))
    return listed


def _print(listed: list[ListedJob]) -> None:
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
