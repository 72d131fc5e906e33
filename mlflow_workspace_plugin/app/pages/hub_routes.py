"""What every page shows: which hub and workspace it is of, and which workspaces there are."""

from typing import Any

from mlflow_workspace_plugin.app.pages.answers import Asked, reading
from mlflow_workspace_plugin.overview.viewer import viewer


def _hub(asked: Asked) -> dict[str, Any]:
    hub, workspace = asked.source.hub, asked.source.workspace
    records, looking = hub.catalog.list(), viewer.get()
    if looking is not None:
        seen = frozenset(looking.workspaces())
        records = [each for each in records if each.name in seen]
    shown = {each.name: each.display_name for each in records}.get(workspace, workspace)
    return {
        "hub": str(hub.path) if looking is None else looking.hub,
        "user": None if looking is None else looking.name,
        "workspace": workspace,
        "workspace_name": shown,
        "workspaces": [{"workspace": each.name, "name": each.display_name} for each in records],
    }


ROUTES = [reading("/hub", _hub)]
