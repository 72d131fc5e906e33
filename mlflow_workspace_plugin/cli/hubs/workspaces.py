"""``mlflow-workspace create``, ``list``, ``show`` and ``where``."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlflow_workspace_plugin import names, uris
from mlflow_workspace_plugin.artifacts.paths import location_of, workspace_root
from mlflow_workspace_plugin.cli.completion import complete_workspaces_and_runs
from mlflow_workspace_plugin.cli.hub_seen import seen_hub
from mlflow_workspace_plugin.cli.layout import words
from mlflow_workspace_plugin.cli.options import (
    HubPlace,
    echo,
    hub_folder_option,
    hub_option,
    json_option,
    plain_errors,
    print_facts,
    print_json,
)
from mlflow_workspace_plugin.cli.runs.find import find_run, optional_run_argument
from mlflow_workspace_plugin.cli.which_workspace import workspace_option
from mlflow_workspace_plugin.hub import glance, workspace_record
from mlflow_workspace_plugin.hub.files.layout import Layout
from mlflow_workspace_plugin.hub.workspace_record import WorkspaceRecord

if TYPE_CHECKING:
    from mlflow_workspace_plugin.cli.runs.find import FoundRun
    from mlflow_workspace_plugin.hub.hub import Hub


@click.command()
@click.argument("name")
@hub_option
@click.option("--exist-ok", is_flag=True, help="Succeed if the workspace exists already.")
@click.option(
    "--write-config",
    is_flag=True,
    help="Write a config file here, which Workspace.from_config() and these commands find.",
)
@json_option
@plain_errors
def create(
    name: str,
    hub: HubPlace,
    exist_ok: bool,  # noqa: FBT001
    write_config: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Create workspace NAME, and its hub if that is its first."""
    names.fold(name)  # before a hub is made for a name that is refused
    if isinstance(hub, str):
        from mlflow_workspace_plugin.sdk.workspace import Workspace

        record = Workspace.create(name, exist_ok=exist_ok, hub=hub)._record
    else:
        hub, record = _created(name, hub, exist_ok=exist_ok)
    facts = _facts(hub, record)
    if write_config:
        facts["config_file"] = _write_config(hub, record)
    if as_json:
        print_json(facts)
        return
    echo(f"Workspace {record.display_name!r} is in hub {hub}")
    if write_config:
        echo(f"Config file {facts['config_file']} names it.")
    echo(f"export MLFLOW_TRACKING_URI={facts['tracking_uri']}")


def _created(name: str, hub: Path, *, exist_ok: bool) -> tuple[Path, WorkspaceRecord]:
    """Create a workspace of a hub in a folder, and the hub, if need be."""
    from mlflow_workspace_plugin.artifacts.repository import create_workspace
    from mlflow_workspace_plugin.errors import WorkspaceExistsError
    from mlflow_workspace_plugin.hub.hub import create_hub

    opened, notice = create_hub(hub)
    if notice:
        echo(notice, err=True)
    try:
        return opened.path, create_workspace(opened, name)
    except WorkspaceExistsError:
        if not exist_ok:
            raise
        return opened.path, opened.catalog.get(name)


@click.command("list")
@hub_option
@json_option
@plain_errors
def list_(hub: HubPlace, as_json: bool) -> None:  # noqa: FBT001
    """List the workspaces of a hub."""
    records = glance.look(hub, glance.Glance.workspaces) if isinstance(hub, Path) else None
    if records is None:
        records = seen_hub(hub).workspaces()
    rows = [_facts(hub, record) for record in records]
    if as_json:
        print_json(rows)
    else:
        _print_list(hub, rows)


@click.command()
@click.argument("name", metavar="NAME|RUN", shell_complete=complete_workspaces_and_runs)
@workspace_option
@hub_option
@json_option
@plain_errors
def show(name: str, workspace: str | None, hub: HubPlace, as_json: bool) -> None:  # noqa: FBT001
    """Show workspace NAME, its URI and what it holds; or run RUN, and how it went.

    RUN is a run's id, the beginning of it, or its name. What may be both is a workspace; with
    --workspace it is a run.
    """
    record = None if workspace is not None else _workspace_of(hub, name)
    if record is None:
        from mlflow_workspace_plugin.cli.runs.show import show_run

        show_run(_found(name, workspace, hub), as_json=as_json)
        return
    facts = _facts(hub, record) | seen_hub(hub).counts(record.name)
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)


@click.command()
@optional_run_argument
@hub_folder_option
@workspace_option
@json_option
@plain_errors
def where(run: str | None, hub: Path, workspace: str | None, as_json: bool) -> None:  # noqa: FBT001
    """Print where the rows and files of a hub, a workspace or run RUN lie.

    RUN is a run's id, the beginning of it, or its name. What MLflow stores names no folder, so that
    it stays true when the hub moves.
    """
    facts = glance.look(hub, lambda seen: _where(hub, seen, run, workspace))
    if facts is None:
        facts = _where_of_opened(run, workspace, hub)
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)


def _where(
    hub: Path, seen: glance.Glance, given: str | None, workspace: str | None
) -> dict[str, Any] | None:
    """Return what ``where`` says; None if that is an error, which needs the hub to be opened."""
    layout = Layout(hub)
    facts: dict[str, Any] = {"hub": hub, "rows": str(layout.database)}
    if given is None and workspace is None:
        return facts | {"files": str(layout.artifacts)}
    record = workspace and workspace_record.find(seen.workspaces(), workspace)
    if given is None:
        if not record:
            return None
        files = layout.artifacts / workspace_root(record.name)
        return facts | {"workspace": record.name, "files": str(files)}
    run = seen.run(given)
    if run is None or (workspace and (not record or record.name != run.workspace)):
        return None
    return facts | {
        "workspace": run.workspace,
        "experiment_id": run.experiment_id,
        "run_id": run.run_id,
        "files": str(layout.artifacts / location_of(run.artifact_uri, run.workspace)),
    }


def _where_of_opened(given: str | None, workspace: str | None, hub: Path) -> dict[str, Any]:
    found = None if given is None else find_run(given, workspace, hub)
    opened = _opened(hub) if found is None else found.source().hub
    facts: dict[str, Any] = {"hub": opened.path, "rows": opened.rows}
    if found is not None:
        return facts | _where_run(found)
    if workspace is None:
        return facts | {"files": opened.place_of()}
    record = opened.catalog.get(workspace)
    return facts | {
        "workspace": record.name,
        "files": opened.place_of(workspace_root(record.name)),
    }


def _opened(hub: Path) -> "Hub":
    # Only now: it takes MLflow's stores.
    from mlflow_workspace_plugin.hub.hub import open_hub

    return open_hub(hub)


def _where_run(found: "FoundRun") -> dict[str, Any]:
    info = found.workspace().client.get_run(found.id).info
    return {
        "workspace": found.place.workspace,
        "experiment_id": info.experiment_id,
        "run_id": info.run_id,
        "files": found.source().hub.place_of(location_of(info.artifact_uri, found.place.workspace)),
    }


def _workspace_of(hub: HubPlace, name: str) -> WorkspaceRecord | None:
    from mlflow_workspace_plugin.errors import HubNotFoundError, WorkspaceNotFoundError

    try:
        return seen_hub(hub).workspace(name)
    except (HubNotFoundError, WorkspaceNotFoundError):
        # A run may be meant, of the hub around.
        return None


def _found(given: str, workspace: str | None, hub: HubPlace) -> "FoundRun":
    from mlflow_workspace_plugin.errors import RunNotFoundError

    try:
        return find_run(given, workspace, hub)
    except RunNotFoundError as error:
        if workspace is None and "Did you mean" not in error.message:
            # What is said of workspaces is of more use.
            seen_hub(hub).workspace(given)
        raise


def _write_config(hub: HubPlace, record: WorkspaceRecord) -> Path:
    from mlflow_workspace_plugin.sdk import config_file

    return config_file.write(
        config_file.WorkspaceConfig(
            record.subscription_id, record.resource_group, record.display_name, _uri(hub, record)
        )
    )


def _print_list(hub: HubPlace, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the facts of workspaces, as JSON has them, so that they fit a terminal."""
    from mlflow_workspace_plugin.cli.layout.tables import Column, print_columns

    columns = [Column("name", [row["name"] for row in rows], may_shrink=True)]
    if any(row["name"] != row["mlflow_name"] for row in rows):
        columns.append(Column("in MLflow", [row["mlflow_name"] for row in rows], may_shrink=True))
    columns.append(Column("created", [_day(row["created"]) for row in rows]))
    echo(f"Workspaces of hub {hub}")
    print_columns(columns)
    uri = uris.WorkspaceUri(hub, "NAME") if isinstance(hub, Path) else _served_form(hub)
    echo(f"\nTo log to one: export MLFLOW_TRACKING_URI={uri}")


def _day(time: str | None) -> str:
    return "" if time is None else words.ago(int(datetime.fromisoformat(time).timestamp() * 1000))


def _facts(hub: HubPlace, record: WorkspaceRecord) -> dict[str, Any]:
    created = record.created_at and datetime.fromtimestamp(record.created_at / 1000, timezone.utc)
    return {
        "name": record.display_name,
        "mlflow_name": record.name,
        "created": created.isoformat(timespec="seconds") if created else None,
        "tracking_uri": _uri(hub, record),
    }


def _uri(hub: HubPlace, record: WorkspaceRecord) -> str:
    return seen_hub(hub).uri(record.name)


def _served_form(address: str) -> str:
    before, _, behind = str(uris.served_uri(address, "name")).rpartition("/name")
    return f"{before}/NAME{behind}"
