"""What a shell completes: workspaces and runs."""

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from mlflow_workspace_plugin import settings, uris

_RUNS = 200


def complete_workspaces(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the workspaces of the hub whose names begin with what was typed."""
    from mlflow_workspace_plugin.hub.hub import open_hub

    try:
        records = open_hub(_hub(ctx)).catalog.list()
    except Exception:  # noqa: BLE001  a shell has no use for an error here
        return []
    names = (each.display_name for each in records)
    return [CompletionItem(each) for each in names if each.startswith(incomplete)]


def complete_runs(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the newest runs of the hub whose names or ids begin with what was typed."""
    from mlflow_workspace_plugin.hub.database import connected
    from mlflow_workspace_plugin.hub.hub import open_hub
    from mlflow_workspace_plugin.stores.run_lookup import newest_runs

    try:
        with connected(open_hub(_hub(ctx)).engine) as connection:
            found = newest_runs(connection, _RUNS)
    except Exception:  # noqa: BLE001  a shell has no use for an error here
        return []
    return [
        CompletionItem(word, help=name)
        for run_id, name in ((each.run_id, each.name) for each in found)
        for word in (name, run_id)
        if word and word.startswith(incomplete) and word.isprintable()
    ]


def _hub(ctx: click.Context) -> Path:
    # What comes behind on the line is not read yet.
    return uris.hub_folder(ctx.params.get("hub") or settings.HUB.get())
