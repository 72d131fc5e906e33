"""``mlflow-workspace gc``: free what was deleted."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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

    from mlflow_workspace_plugin.hub.workspace_record import WorkspaceRecord
    from mlflow_workspace_plugin.protocol.freeing import NextPart, Part


_PART_S = 10.0
"""After so long in a folder what was freed is counted: an error later does not hide it."""


@dataclass(frozen=True)
class _ToFree:
    """A workspace that is to be freed.

    Attributes:
        workspace: which one.
        part: frees a part of it.
        first: the part to begin with; by default the first there is.
        is_one_of_many: whether the others are freed where this one may not be.
    """

    workspace: "WorkspaceRecord"
    part: "Callable[[NextPart], Part]"
    first: "NextPart | None" = None
    is_one_of_many: bool = False


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
        to_free = _in_folder(hub, workspace, older_than, dry_run=dry_run)
    else:
        to_free = _behind_server(hub, workspace, older_than, dry_run=dry_run)
    freed, error = _freed(to_free)
    if error is not None and not any(map(_is_any, freed.values())):
        raise error
    _show(freed, dry_run=dry_run, as_json=as_json)
    if error is not None:
        raise error


def _freed(to_free: "Iterable[_ToFree]") -> "tuple[dict[str, Part], MlflowException | None]":
    """Free one workspace after the other; return what was freed, and the error that ended it.

    A workspace that one does not manage is left out, unless there is no other.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, ErrorCode

    from mlflow_workspace_plugin.protocol.freeing import Part, add_all_parts

    freed: dict[str, Part] = {}
    refusal = None
    for each in to_free:
        name = each.workspace.name
        freed[name] = Part(next=each.first)
        try:
            add_all_parts(freed[name], each.part)
        except MlflowException as error:
            is_refused = error.error_code == ErrorCode.Name(PERMISSION_DENIED)
            if not (each.is_one_of_many and is_refused):
                return freed, error
            refusal = error
            left = f"Workspace {each.workspace.display_name!r} is left as it is"
            echo(f"{left}: {error.message}", err=True)
            if not _is_any(freed[name]):
                del freed[name]
    return freed, None if freed else refusal


def _show(freed: "dict[str, Part]", *, dry_run: bool, as_json: bool) -> None:
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
) -> "Iterator[_ToFree]":
    from mlflow_workspace_plugin.freeing import Freeing
    from mlflow_workspace_plugin.hub.hub import open_hub
    from mlflow_workspace_plugin.stores.garbage import workspaces_with_garbage

    opened = open_hub(hub)
    found = opened.catalog.list() if workspace is None else [opened.catalog.get(workspace)]
    # Asked once, for of many workspaces few hold any.
    some = workspaces_with_garbage(opened)
    for each in found:
        freeing = Freeing(
            opened,
            each.name,
            older_than,
            dry_run,
            part_s=_PART_S,
            are_rows_deleted=each.name in some,
        )
        yield _ToFree(each, freeing.part, freeing.first)


def _behind_server(
    address: str, workspace: str | None, older_than: float, *, dry_run: bool
) -> "Iterator[_ToFree]":
    from mlflow_workspace_plugin.remote.workspaces import ServedWorkspaces

    workspaces = ServedWorkspaces(address)
    found = workspaces.list() if workspace is None else [workspaces.get(workspace)]
    for each in found:
        part = partial(workspaces.free, each.name, older_than_s=older_than, dry_run=dry_run)
        yield _ToFree(each, part, is_one_of_many=workspace is None)


def _counts(part: "Part") -> dict[str, int]:
    return {key: getattr(part, key) for key in ("experiments", "runs", "models", "files", "bytes")}


def _is_any(part: "Part") -> bool:
    return any(_counts(part).values())


def _row(workspace: str, part: "Part") -> dict[str, Any]:
    return {"workspace": workspace, **_counts(part), "kept": part.in_use + len(part.elsewhere)}
