"""``mlflow-workspace gc``: free what was deleted."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlflow_workspace_plugin.cli.completion import complete_workspaces
from mlflow_workspace_plugin.cli.layout import words
from mlflow_workspace_plugin.cli.options import (
    echo,
    hub_folder_option,
    json_option,
    older_than_option,
    plain_errors,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from mlflow_workspace_plugin.hub.hub import Hub
    from mlflow_workspace_plugin.stores.garbage import Garbage, Piece


@click.command()
@click.option(
    "--workspace",
    "-w",
    help="The workspace, by its name in the hub.",
    shell_complete=complete_workspaces,
)
@click.option("--all-workspaces", is_flag=True, help="All workspaces of the hub.")
@older_than_option("0s", "Only what was deleted longer ago, such as 30d or 1d12h.")
@click.option("--dry-run", is_flag=True, help="Say what would be freed, and free nothing.")
@hub_folder_option
@json_option
@plain_errors
def gc(
    workspace: str | None,
    all_workspaces: bool,  # noqa: FBT001
    older_than: float,
    dry_run: bool,  # noqa: FBT001
    hub: Path,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Free deleted runs, logged models and experiments for good: rows and files.

    What a version of a registered model, or of a skill, is loaded from is kept.
    """
    if (workspace is None) != all_workspaces:
        raise click.UsageError("Give either --workspace or --all-workspaces.")
    from mlflow_workspace_plugin.hub.hub import open_hub
    from mlflow_workspace_plugin.stores.garbage import (
        NOTHING,
        find_garbage,
        workspaces_with_garbage,
    )

    opened = open_hub(hub)
    found = opened.catalog.list() if workspace is None else [opened.catalog.get(workspace)]
    # Asked once, for of many workspaces few hold any.
    some = workspaces_with_garbage(opened)
    garbage = {
        each.name: find_garbage(opened, each.name, older_than) if each.name in some else NOTHING
        for each in found
    }
    elsewhere: list[Piece] = []
    rows = [
        _collect(opened, name, each, elsewhere, dry_run=dry_run) for name, each in garbage.items()
    ]
    kept = [each._asdict() for each in elsewhere]
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


def _collect(
    hub: "Hub", workspace: str, garbage: "Garbage", elsewhere: "list[Piece]", *, dry_run: bool
) -> dict[str, Any]:
    from mlflow_workspace_plugin.stores.garbage import NOTHING, free, sizes_of_files

    sizes = list(sizes_of_files(hub, workspace, garbage))
    left = list(garbage.elsewhere)
    if garbage is not NOTHING and not dry_run:
        left += free(hub, workspace, garbage)
    # Runs that are to be freed are gone by now, or would be.
    gone = [each.id for each in garbage.runs if each not in left]
    sizes += _collect_snapshots(hub, workspace, gone, dry_run=dry_run)
    sizes += _collect_manifests(hub, workspace, dry_run=dry_run)
    elsewhere += left
    return {
        "workspace": workspace,
        "experiments": sum(each not in left for each in garbage.experiments),
        "runs": sum(each not in left for each in garbage.runs),
        "models": sum(each not in left for each in garbage.models),
        "files": len(sizes),
        "bytes": sum(sizes),
        "kept": len(garbage.kept) + len(left),
    }


def _collect_snapshots(hub: "Hub", workspace: str, gone: list[str], *, dry_run: bool) -> list[int]:
    from mlflow_workspace_plugin.errors import SnapshotException
    from mlflow_workspace_plugin.runs.snapshots.garbage import SnapshotGarbage

    snapshots = SnapshotGarbage(hub, workspace)
    try:
        found = snapshots.find(without=gone)
        if found and not dry_run:
            snapshots.free()
    except SnapshotException as error:
        echo(error.message, err=True)
        return []
    return [each.file_size or 0 for each in found]


def _collect_manifests(hub: "Hub", workspace: str, *, dry_run: bool) -> list[int]:
    """Free the lists of files of datasets' versions that were unregistered."""
    from mlflow_workspace_plugin.data.files.manifests import Manifests

    manifests = Manifests(hub, workspace)
    found = manifests.unnamed()
    if found and not dry_run:
        manifests.free_unnamed()
    return [each.file_size or 0 for each in found]
