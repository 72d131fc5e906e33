"""What the page of a run asks."""

from dataclasses import asdict
from typing import Any

from mlflow_workspace_plugin.app.pages.answers import Asked, posting, reading
from mlflow_workspace_plugin.app.pages.figure_routes import names_asked
from mlflow_workspace_plugin.overview.live.tick import MOST_FOLDERS, tick, tick_json
from mlflow_workspace_plugin.overview.run.log import logs_of_run, piece_before, tail_of_log
from mlflow_workspace_plugin.overview.run.overview import (
    CHILDREN_AT_ONCE,
    children_of_run,
    overview_of_run,
)
from mlflow_workspace_plugin.overview.run.receipt import receipt_as_json

_RUN = "/runs/{run_id}"
_FARTHEST = 1 << 40
"""Behind that no log goes on, and not every file system looks there."""


def _overview(asked: Asked) -> dict[str, Any]:
    return overview_of_run(asked.source, asked.path["run_id"])


def _tick(asked: Asked) -> dict[str, Any]:
    cursor = asked.body if isinstance(asked.body, dict) else None
    folders = names_asked(asked, MOST_FOLDERS, "folders") if "folders" in asked.query else []
    return tick_json(tick(asked.source, asked.path["run_id"], cursor, folders))


def _children(asked: Asked) -> dict[str, Any]:
    offset = asked.number("offset", 0) or 0
    return children_of_run(asked.source, asked.path["run_id"], max(0, offset), CHILDREN_AT_ONCE)


def _receipt(asked: Asked) -> dict[str, Any]:
    return receipt_as_json(asked.source, asked.path["run_id"])


def _log(asked: Asked) -> dict[str, Any]:
    """Answer with the end of a log, what comes before a piece of it, or what is new behind one."""
    repository = asked.source.repository(asked.path["run_id"])
    name, before = asked.query.get("name") or None, asked.number("before")
    if name is not None and before is not None:
        return {"piece": asdict(piece_before(repository, name, min(max(0, before), _FARTHEST)))}
    seen = asked.number("seen")
    if name is not None and seen is not None:
        new = tail_of_log(repository, name, seen=(name, max(0, seen)))
        return {"piece": None if new is None else asdict(new)}
    found = tail_of_log(repository, name)
    return {"piece": None if found is None else asdict(found), "names": logs_of_run(repository)}


ROUTES = [
    reading(_RUN, _overview),
    reading(_RUN + "/children", _children),
    reading(_RUN + "/receipt", _receipt),
    reading(_RUN + "/log", _log),
    posting(_RUN + "/tick", _tick),
]
