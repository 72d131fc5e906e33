"""``mlflow-workspace compute``: the compute targets of a workspace, which scripts name."""

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.cli.options import (
    HubPlace,
    echo,
    hub_option,
    json_option,
    plain_errors,
    print_json,
)
from mlflow_workspace_plugin.cli.which_workspace import open_workspace, workspace_option

if TYPE_CHECKING:
    from mlflow_workspace_plugin.jobs.engines.engine import Compute
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

_AT_ONCE = 8


@click.group()
def compute() -> None:
    """Say where jobs run: on this machine, a Ray cluster, Slurm."""


@compute.command()
@click.argument("name")
@click.option(
    "--type",
    "type_",
    metavar="TYPE",
    required=True,
    help="What runs its jobs: local, ray, slurm, or what an installed package adds.",
)
@click.option("--address", help="Of a Ray cluster's dashboard, such as http://ray-head:8265.")
@click.option(
    "--slots",
    type=click.IntRange(1, 10_000),
    help="How many of its jobs run at once. Ray and Slurm decide that by themselves.",
)
@click.option("--python", help="The Python of its nodes, with this package; by default, this one.")
@click.option(
    "--hub-on-nodes",
    metavar="DIR",
    help="The hub's folder as its nodes see it; the same as here, if all share that disk.",
)
@click.option(
    "options",
    "--option",
    metavar="NAME=VALUE",
    multiple=True,
    help="For Ray: cpus=2, gpus=1, of each job. For Slurm, of sbatch: partition=gpu, time=2:00:00.",
)
@workspace_option
@hub_option
@plain_errors
def add(
    name: str,
    type_: str,
    address: str | None,
    slots: int | None,
    python: str | None,
    hub_on_nodes: str | None,
    options: Sequence[str],
    workspace: str | None,
    hub: HubPlace,
) -> None:
    """Let jobs that name compute target NAME run there from now on.

    Scripts stay as they are. A target of that name that is there already is changed. It holds no
    secret: a cluster's token is kept by `compute token`.
    """
    from mlflow_workspace_plugin.jobs import computes
    from mlflow_workspace_plugin.jobs.engines.engine import Compute
    from mlflow_workspace_plugin.jobs.engines.find import engine_of

    said = {
        "slots": slots,
        "python": python,
        "hub": hub_on_nodes,
        "options": dict(map(_pair, options)),
    }
    store = open_workspace(workspace, hub).tracking_store
    new = Compute(name, type_, address, {key: value for key, value in said.items() if value})
    computes.check(new)
    engine_of(new)  # which refuses what it cannot take
    before = store.compute(name)
    if before is not None and "recorded" in before.settings:
        # What a notebook said of sizes, which it may ask for.
        settings = {**new.settings, "recorded": before.settings["recorded"]}
        new = replace(new, settings=settings)
    store.put_compute(new)
    computes.remember(new)
    where = f"{type_} at {address}" if address else type_
    was = f" It was {before.type}." if before is not None and before.type != type_ else ""
    echo(f"Jobs for compute target {name!r} run on {where}.{was}")
    for note in _notes(new, store):
        echo(note)


@compute.command("list")
@workspace_option
@hub_option
@json_option
@plain_errors
def list_(workspace: str | None, hub: HubPlace, as_json: bool) -> None:  # noqa: FBT001
    """List the compute targets of a workspace, and how much runs there."""
    from concurrent.futures import ThreadPoolExecutor

    from mlflow_workspace_plugin.overview.computes.queue import targets

    found = open_workspace(workspace, hub)
    store = found.tracking_store
    # Each may be a server that does not answer.
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        rows = list(pool.map(lambda each: _row(store, each), targets(store)))
    if as_json:
        print_json(rows)
        return
    _print_rows(found.name, rows)


@compute.command()
@click.argument("name")
@workspace_option
@hub_option
@plain_errors
def remove(name: str, workspace: str | None, hub: HubPlace) -> None:
    """Forget compute target NAME. Jobs that it has already go on."""
    from mlflow_workspace_plugin.errors import ComputeTargetException

    found = open_workspace(workspace, hub)
    if not found.tracking_store.drop_compute(name):
        raise ComputeTargetException(
            f"Workspace {found.name!r} has no compute target {name!r} to be removed. "
            f"{uris.typed('compute list', hub)} shows them."
        )
    echo(f"Compute target {name!r} is removed.")


@compute.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@workspace_option
@hub_option
@plain_errors
def trust(name: str, yes: bool, workspace: str | None, hub: HubPlace) -> None:  # noqa: FBT001
    """Let jobs of yours go where compute target NAME leads.

    One that somebody else added, or changed, is used only after that. Nothing is sent meanwhile,
    nor here.
    """
    from mlflow_workspace_plugin.jobs import computes

    target = _target(name, workspace, hub)
    if computes.identity(target) != computes.LOCAL:
        echo(f"Compute target {name!r} has jobs run, and a token of yours sent if it asks, by:")
        echo(f"  {ascii(computes.identity(target))[1:-1]}")
        if not yes:
            click.confirm("Do you know this place, and may it?", abort=True)
        computes.remember(target)
    echo(f"Compute target {name!r} is trusted, until it leads elsewhere.")


@compute.command()
@click.argument("name")
@workspace_option
@hub_option
@plain_errors
def token(name: str, workspace: str | None, hub: HubPlace) -> None:
    """Keep the token of compute target NAME, a Ray cluster, in a file that is yours only.

    It is asked for, or read from standard input.
    """
    from mlflow_workspace_plugin.errors import ComputeTargetException
    from mlflow_workspace_plugin.jobs.engines.ray import token as ray_token
    from mlflow_workspace_plugin.jobs.engines.ray.dashboard import Dashboard

    target = _target(name, workspace, hub)
    if target.type != "ray":
        raise ComputeTargetException(
            f"Compute target {name!r} is of type {target.type!r}, which takes no token: a Ray "
            "cluster does."
        )
    address = Dashboard(name, target.address).address
    if sys.stdin.isatty():
        given = click.prompt(f"Token for {address}", hide_input=True)
    else:
        given = sys.stdin.read()
    file = ray_token.keep(address, given.strip())
    echo(f"The token for {address} is in {file}")


def _target(name: str, workspace: str | None, hub: HubPlace) -> "Compute":
    """Return a compute target, trusted or not."""
    from mlflow_workspace_plugin.errors import ComputeTargetException

    found = open_workspace(workspace, hub)
    target = found.tracking_store.compute(name)
    if target is None:
        raise ComputeTargetException(
            f"Workspace {found.name!r} has no compute target {name!r}. "
            f"{uris.typed('compute list', hub)} shows them."
        )
    return target


def _pair(option: str) -> tuple[str, str]:
    name, is_pair, value = option.partition("=")
    if not is_pair or not re.fullmatch(r"[a-z][a-z-]*", name) or not value:
        raise click.BadParameter(
            f"{option!r} is not NAME=VALUE, such as partition=gpu.", param_hint="--option"
        )
    return name, value


def _notes(target: "Compute", store: "WorkspaceTrackingStore") -> list[str]:
    """Return what is worth to be known of a new compute target."""
    from mlflow_workspace_plugin.errors import AzureMLException
    from mlflow_workspace_plugin.jobs.computes import LOCAL, runner_uri
    from mlflow_workspace_plugin.jobs.engines.find import engine_of

    if target.type == LOCAL:
        return []
    notes = []
    if target.settings.get("slots"):
        notes.append("Its slots are recorded, and not used: it decides what runs at once.")
    if not target.settings.get("python"):
        notes.append(f"Its nodes run jobs with {sys.executable}; --python names another.")
    try:
        runner_uri(store.tracking_uri, target, engine_of(target))
    except AzureMLException as error:
        notes.append(f"It takes no job yet. {error.message}")
    return notes


def _row(store: "WorkspaceTrackingStore", target: "Compute") -> dict[str, Any]:
    from mlflow_workspace_plugin.overview.computes.queue import room_of

    room = room_of(store, target)
    return {
        "name": target.name,
        "type": target.type,
        "address": target.address,
        "settings": dict(target.settings),
        **room.capacity._asdict(),
        "note": room.note,
    }


def _print_rows(workspace: str, rows: Sequence[dict[str, Any]]) -> None:
    from mlflow_workspace_plugin.cli.layout.tables import Column, print_columns

    def column(heading: str, key: str, *, is_number: bool = False) -> Column:
        cells = ["" if row[key] is None else str(row[key]) for row in rows]
        return Column(heading, cells, is_number=is_number, may_shrink=not is_number)

    columns = [column("name", "name"), column("type", "type")]
    if any(row["address"] for row in rows):
        columns.append(column("address", "address"))
    columns += [column(key, key, is_number=True) for key in ("slots", "busy", "waiting")]
    echo(f"Compute targets of workspace {workspace!r}")
    print_columns(columns)
    for row in rows:
        if row["note"]:
            echo(f"\n{row['name']}: {row['note']}")
