"""What every page shows: which hub and workspace it is of, and which workspaces there are."""

from typing import Any

from mlflow_workspace_plugin.app.pages.answers import Asked, reading


def _hub(asked: Asked) -> dict[str, Any]:
    hub, workspace = asked.source.hub, asked.source.workspace
    records = hub.catalog.list()
    shown = next(each.display_name for each in records if each.name == workspace)
    return {
        "hub": str(hub.path),
        "workspace": workspace,
        "workspace_name": shown,
        "workspaces": [{"workspace": each.name, "name": each.display_name} for each in records],
    }


ROUTES = [reading("/hub", _hub)]
