"""``mlflow-workspace create``, ``list``, ``show`` and ``where``."""

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlflow_workspace_plugin import names, uris
from mlflow_workspace_plugin.artifacts.paths import location_of, workspace_root
from mlflow_workspace_plugin.cli.completion import complete_runs, complete_workspaces
from mlflow_workspace_plugin.cli.options import (
    echo,
    hub_option,
    json_option,
    plain_errors,
    print_facts,
    print_json,
    print_table,
)
from mlflow_workspace_plugin.hub import glance, workspace_record
from mlflow_workspace_plugin.hub.layout import Layout
from mlflow_workspace_plugin.hub.workspace_record import WorkspaceRecord

if TYPE_CHECKING:
    from mlflow_workspace_plugin.hub.hub import Hub


@click.command()
@click.argument("name")
@hub_option
@click.option("--exist-ok", is_flag=True, help="Succeed if the workspace exists already.")
@json_option
@plain_errors
def create(name: str, hub: Path, exist_ok: bool, as_json: bool) -> None:  # noqa: FBT001
    """Create workspace NAME, and its hub if that is its first."""
    from mlflow_workspace_plugin.errors import WorkspaceExistsError
    from mlflow_workspace_plugin.hub.hub import create_hub

    names.fold(name)  # before a hub is made for a name that is refused
    opened, notice = create_hub(hub)
    if notice:
        echo(notice, err=True)
    try:
        record = opened.catalog.create(name)
    except WorkspaceExistsError:
        if not exist_ok:
            raise
        record = opened.catalog.get(name)
    facts = _facts(opened.path, record)
    if as_json:
        print_json(facts)
        return
    echo(f"Workspace {record.display_name!r} is in hub {opened.path}")
    echo(f"export MLFLOW_TRACKING_URI={facts['tracking_uri']}")


@click.command("list")
@hub_option
@json_option
@plain_errors
def list_(hub: Path, as_json: bool) -> None:  # noqa: FBT001
    """List the workspaces of a hub."""
    records = glance.look(hub, glance.Glance.workspaces)
    if records is None:
        records = _opened(hub).catalog.list()
    rows = [_facts(hub, record) for record in records]
    if as_json:
        print_json(rows)
    else:
        print_table(f"Workspaces of {hub}", rows)


@click.command()
@click.argument("name", shell_complete=complete_workspaces)
@hub_option
@json_option
@plain_errors
def show(name: str, hub: Path, as_json: bool) -> None:  # noqa: FBT001
    """Show workspace NAME: its URI, and what it holds."""
    opened = _opened(hub)
    record = opened.catalog.get(name)
    facts = _facts(opened.path, record) | opened.catalog.count(record.name)
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False, shell_complete=complete_runs)
@hub_option
@click.option(
    "--workspace",
    "-w",
    help="Say it for this workspace only.",
    shell_complete=complete_workspaces,
)
@json_option
@plain_errors
def where(run_id: str | None, hub: Path, workspace: str | None, as_json: bool) -> None:  # noqa: FBT001
    """Print where the rows and files of a hub, a workspace or run RUN lie.

    What MLflow stores names no folder, so that it stays true when the hub moves.
    """
    facts = glance.look(hub, lambda seen: _where(hub, seen, run_id, workspace))
    if facts is None:
        facts = _where_of_opened(_opened(hub), run_id, workspace)
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)


def _where(
    hub: Path, seen: glance.Glance, run_id: str | None, workspace: str | None
) -> dict[str, Any] | None:
    """Return what ``where`` says; None if that is an error, which needs the hub to be opened."""
    layout = Layout(hub)
    facts: dict[str, Any] = {"hub": hub, "rows": str(layout.database)}
    if run_id is None and workspace is None:
        return facts | {"files": str(layout.artifacts)}
    record = workspace and workspace_record.find(seen.workspaces(), workspace)
    if run_id is None:
        if not record:
            return None
        files = layout.artifacts / workspace_root(record.name)
        return facts | {"workspace": record.name, "files": str(files)}
    run = seen.run(run_id)
    if run is None or (workspace and (not record or record.name != run.workspace)):
        return None
    return facts | {
        "workspace": run.workspace,
        "experiment_id": run.experiment_id,
        "run_id": run.run_id,
        "files": str(layout.artifacts / location_of(run.artifact_uri, run.workspace)),
    }


def _where_of_opened(hub: "Hub", run_id: str | None, workspace: str | None) -> dict[str, Any]:
    facts: dict[str, Any] = {"hub": hub.path, "rows": hub.rows}
    if run_id is not None:
        return facts | _where_run(hub, run_id, workspace)
    if workspace is None:
        return facts | {"files": hub.place_of()}
    record = hub.catalog.get(workspace)
    return facts | {
        "workspace": record.name,
        "files": hub.place_of(workspace_root(record.name)),
    }


def _where_run(hub: "Hub", run_id: str, workspace: str | None) -> dict[str, Any]:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

    from mlflow_workspace_plugin.errors import RunNotFoundError

    records = [hub.catalog.get(workspace)] if workspace else hub.catalog.list()
    for record in records:
        client = MlflowClient(tracking_uri=_uri(hub.path, record))
        try:
            info = client.get_run(run_id).info
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
            continue
        return {
            "workspace": record.name,
            "experiment_id": info.experiment_id,
            "run_id": info.run_id,
            "files": hub.place_of(location_of(info.artifact_uri, record.name)),
        }
    looked = f"workspace {workspace!r}" if workspace else "any workspace"
    raise RunNotFoundError(
        f"Run {run_id!r} is not in {looked} of hub {str(hub.path)!r}. "
        "Check the id, or name another hub with --hub."
    )


def _opened(hub: Path) -> "Hub":
    # Only now: it takes MLflow's stores.
    from mlflow_workspace_plugin.hub.hub import open_hub

    return open_hub(hub)


def _facts(hub: Path, record: WorkspaceRecord) -> dict[str, Any]:
    created = record.created_at and datetime.fromtimestamp(record.created_at / 1000, timezone.utc)
    return {
        "name": record.display_name,
        "mlflow_name": record.name,
        "created": created.isoformat(timespec="seconds") if created else None,
        "tracking_uri": _uri(hub, record),
    }


def _uri(hub: Path, record: WorkspaceRecord) -> str:
    return str(uris.WorkspaceUri(hub, record.name))
