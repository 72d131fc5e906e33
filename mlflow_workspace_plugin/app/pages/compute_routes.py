"""Routes of the page about compute targets and their queues."""

import time
from typing import Any

from mlflow_workspace_plugin.app.pages.answers import Asked, reading
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.overview.computes import queue


def _computes(asked: Asked) -> dict[str, Any]:
    return {**queue.overview_of_computes(asked.source), "now": time.time_ns() // 1_000_000}


def _room(asked: Asked) -> dict[str, Any]:
    name = asked.query.get("compute")
    if not name:
        raise UserErrorException("No compute target is named. Give its name.")
    return queue.overview_of_room(asked.source, name)


ROUTES = [reading("/computes", _computes), reading("/computes/room", _room)]
