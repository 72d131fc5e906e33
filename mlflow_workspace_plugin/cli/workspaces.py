"""``mlflow-workspace create``, ``list``, ``show`` and ``where``."""

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from mlflow_workspace_plugin import names, uris
from mlflow_workspace_plugin.artifacts.paths import location_of, workspace_root
from mlflow_workspace_plugin.cli.options import (
    echo,
    hub_option,
    json_option,
    plain_errors,
    print_facts,
    print_json,
    print_table,
)
from mlflow_workspace_plugin.errors import RunNotFoundError, WorkspaceExistsError
from mlflow_workspace_plugin.hub.catalog import WorkspaceRecord
from mlflow_workspace_plugin.hub.hub import Hub, create_hub, open_hub


@click.command()
@click.argument("name")
@hub_option
@click.option("--exist-ok", is_flag=True, help="Succeed if the workspace exists already.")
@json_option
@plain_errors
def create(name: str, hub: Path, exist_ok: bool, as_json: bool) -> None:  # noqa: FBT001
    """Create workspace NAME, and its hub if that is its first."""
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
    facts = _facts(opened, record)
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
    opened = open_hub(hub)
    rows = [_facts(opened, record) for record in opened.catalog.list()]
    if as_json:
        print_json(rows)
    else:
        print_table(f"Workspaces of {opened.path}", rows)


@click.command()
@click.argument("name")
@hub_option
@json_option
@plain_errors
def show(name: str, hub: Path, as_json: bool) -> None:  # noqa: FBT001
    """Show workspace NAME: its URI, and what it holds."""
    opened = open_hub(hub)
    record = opened.catalog.get(name)
    facts = _facts(opened, record) | opened.catalog.count(record.name)
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@hub_option
@click.option("--workspace", "-w", help="Say it for this workspace only.")
@json_option
@plain_errors
def where(run_id: str | None, hub: Path, workspace: str | None, as_json: bool) -> None:  # noqa: FBT001
    """Print where the rows and files of a hub, a workspace or run RUN lie.

    What MLflow stores names no folder, so that it stays true when the hub moves.
    """
    opened = open_hub(hub)
    facts: dict[str, Any] = {"hub": opened.path, "rows": opened.rows}
    if run_id is not None:
        facts |= _where_run(opened, run_id, workspace)
    elif workspace is not None:
        record = opened.catalog.get(workspace)
        facts |= {
            "workspace": record.name,
            "files": opened.place_of(workspace_root(record.name)),
        }
    else:
        facts["files"] = opened.place_of()
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)


def _where_run(hub: Hub, run_id: str, workspace: str | None) -> dict[str, Any]:
    records = [hub.catalog.get(workspace)] if workspace else hub.catalog.list()
    for record in records:
        client = MlflowClient(tracking_uri=_uri(hub, record))
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


def _facts(hub: Hub, record: WorkspaceRecord) -> dict[str, Any]:
    created = record.created_at and datetime.fromtimestamp(record.created_at / 1000, timezone.utc)
    return {
        "name": record.display_name,
        "mlflow_name": record.name,
        "created": created.isoformat(timespec="seconds") if created else None,
        "tracking_uri": _uri(hub, record),
    }


def _uri(hub: Hub, record: WorkspaceRecord) -> str:
    return str(uris.WorkspaceUri(hub.path, record.name))
