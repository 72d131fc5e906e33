"""``mlflow-workspace gc``: free what was deleted."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlflow_workspace_plugin.cli.completion import complete_workspaces
from mlflow_workspace_plugin.cli.layout import words
from mlflow_workspace_plugin.cli.options import (
    HubPlace,
    echo,
    hub_option,
    json_option,
    older_than_option,
    plain_errors,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from mlflow.exceptions import MlflowException

    from mlflow_workspace_plugin.protocol.freeing import Part


@click.command()
@click.option(
    "--workspace",
    "-w",
    help="The workspace, by its name in the hub.",
    shell_complete=complete_workspaces,
)
@click.option(
    "--all-workspaces",
    is_flag=True,
    help="All workspaces of the hub; of a served one, all that you manage.",
)
@older_than_option("0s", "Only what was deleted longer ago, such as 30d or 1d12h.")
@click.option("--dry-run", is_flag=True, help="Say what would be freed, and free nothing.")
@hub_option
@json_option
@plain_errors
def gc(
    workspace: str | None,
    all_workspaces: bool,  # noqa: FBT001
    older_than: float,
    dry_run: bool,  # noqa: FBT001
    hub: HubPlace,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Free deleted runs, logged models and experiments for good: rows and files.

    What a version of a registered model, or of a skill, is loaded from is kept.
    """
    if (workspace is None) != all_workspaces:
        raise click.UsageError("Give either --workspace or --all-workspaces.")
    if isinstance(hub, Path):
        freed = _in_folder(hub, workspace, older_than, dry_run=dry_run)
    else:
        freed = _behind_server(hub, workspace, older_than, dry_run=dry_run)
    for note in (note for part in freed.values() for note in part.notes):
        echo(note, err=True)
    rows = [_row(name, part) for name, part in freed.items()]
    kept = [each for part in freed.values() for each in part.elsewhere]
    if as_json:
        print_json({"dry_run": dry_run, "workspaces": rows, "kept": kept})
        return
    title = "Would be freed" if dry_run else "Freed"
    print_table(title, [row for row in rows if any(row[key] for key in row if key != "workspace")])
    total = {key: sum(row[key] for row in rows) for key in ("runs", "files", "bytes", "kept")}
    echo(
        f"{'Would free' if dry_run else 'Freed'} {total['runs']:,} runs, {total['files']:,} files, "
        f"{words.size(total['bytes'])}."
    )
    if in_use := total["kept"] - len(kept):
        echo(
            f"{in_use:,} deleted runs and logged models are kept, for registered models or skills "
            "are loaded from their files."
        )
    if kept:
        print_table("Kept: their rows name files that are not their own in this hub", kept)


def _in_folder(
    hub: Path, workspace: str | None, older_than: float, *, dry_run: bool
) -> "dict[str, Part]":
    from mlflow_workspace_plugin.freeing import Freeing
    from mlflow_workspace_plugin.hub.hub import open_hub
    from mlflow_workspace_plugin.protocol.freeing import all_parts
    from mlflow_workspace_plugin.stores.garbage import workspaces_with_garbage

    opened = open_hub(hub)
    found = opened.catalog.list() if workspace is None else [opened.catalog.get(workspace)]
    # Asked once, for of many workspaces few hold any.
    some = workspaces_with_garbage(opened)
    each_one = [
        Freeing(opened, each.name, older_than, dry_run, are_rows_deleted=each.name in some)
        for each in found
    ]
    return {each.workspace: all_parts(each.part, each.first) for each in each_one}


def _behind_server(
    address: str, workspace: str | None, older_than: float, *, dry_run: bool
) -> "dict[str, Part]":
    from mlflow_workspace_plugin.remote.workspaces import ServedWorkspaces

    workspaces = ServedWorkspaces(address)
    if workspace is not None:
        name = workspaces.get(workspace).name
        return {name: workspaces.free(name, older_than, dry_run=dry_run)}
    refusals: list[MlflowException] = []
    parts = {
        each.name: _unless_refused(
            each.display_name,
            partial(workspaces.free, each.name, older_than, dry_run=dry_run),
            refusals,
        )
        for each in workspaces.list()
    }
    freed = {name: part for name, part in parts.items() if part is not None}
    if refusals and not freed:
        raise refusals[-1]
    return freed


def _unless_refused(
    name: str, free: "Callable[[], Part]", refusals: "list[MlflowException]"
) -> "Part | None":
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, ErrorCode

    try:
        return free()
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(PERMISSION_DENIED):
            raise
        refusals.append(error)
        echo(f"Workspace {name!r} is left as it is: {error.message}", err=True)
        return None


def _row(workspace: str, part: "Part") -> dict[str, Any]:
    counts = {
        key: getattr(part, key) for key in ("experiments", "runs", "models", "files", "bytes")
    }
    return {"workspace": workspace, **counts, "kept": part.in_use + len(part.elsewhere)}
