"""What the token of a job may change: its run, and what the run makes below it.

It reads what its owner may read. What it changes by MLflow's own routes is found in the request;
where that does not say of which run something is, it may not.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from mlflow.store.tracking.dbmodels.models import SqlLoggedModel
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from sqlalchemy import select

from mlflow_workspace_plugin.app.served.asking.refusals import Refusal
from mlflow_workspace_plugin.app.served.routes.table import Found, JobUse, Line
from mlflow_workspace_plugin.hub.databases.database import connected
from mlflow_workspace_plugin.hub.databases.storable import NO_DATABASE_TAKES

if TYPE_CHECKING:
    from mlflow_workspace_plugin.accounts.access import Access
    from mlflow_workspace_plugin.accounts.principal import Principal
    from mlflow_workspace_plugin.hub.hub import Hub

# MLflow takes the names of its fields in both ways of writing them.
_RUN = ("run_id", "runId", "run_uuid", "runUuid")
_SOURCE_RUN = ("source_run_id", "sourceRunId")
_MODEL = ("model_id", "modelId")
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_MODELS = "models"
_BY_BODY: tuple[JobUse, ...] = ("run", "child", "source", "version")


def is_asked(line: Line, principal: "Principal") -> bool:
    """Whether what was sent has to be looked at.

    Args:
        line: of the route.
        principal: who asks.
    """
    return principal.run_id is not None and line.kind != "read" and line.job in _BY_BODY


def refused(
    found: Found,
    query_string: bytes,
    body: Mapping[str, Any],
    *,
    principal: "Principal",
    workspace: str,
    access: "Access",
    hub: "Hub",
) -> Refusal | None:
    """Return the refusal of what a job's token may not change; called from a thread.

    Args:
        found: the route.
        query_string: of the request.
        body: what was sent; empty where it need not be looked at.
        principal: who asks.
        workspace: of which it is asked.
        access: knows which runs a principal may change.
        hub: that is served.
    """
    if found.line.job in ("name", "handler"):
        return None
    query = parse_qsl(query_string.decode("latin-1"))
    given = [*query, *body.items()]
    runs = _runs(found, given, body, hub)
    if runs and all(access.may(principal, workspace, run_id=each, level="edit") for each in runs):
        return None
    return Refusal(
        403,
        f"The token of a job changes run {principal.run_id} and what that makes below it, and "
        "nothing else. Do this with a log-in of your own.",
    )


def _runs(
    found: Found, given: list[tuple[str, Any]], body: Mapping[str, Any], hub: "Hub"
) -> list[str]:
    """Return the runs that a request changes; none where that cannot be said."""
    use = found.line.job
    if use in ("run", "query", "version"):
        runs = _texts(value for name, value in given if name in _RUN)
        if runs or use != "version":
            return runs
        models = _texts(value for name, value in given if name in _MODEL)
        return [run for each in models for run in _source_runs(each, hub)]
    if use == "source":
        return _texts(value for name, value in given if name in _SOURCE_RUN)
    if use == "child":
        tags = body.get("tags")
        pairs = [each for each in tags if isinstance(each, dict)] if isinstance(tags, list) else []
        return _texts(
            each.get("value") for each in pairs if each.get("key") == MLFLOW_PARENT_RUN_ID
        )
    if use == "model":
        return _source_runs(found.parameters.get("model_id", ""), hub)
    if use == "path":
        return _runs_of_path(next(iter(found.parameters.values()), ""), hub)
    return []


def _runs_of_path(path: str, hub: "Hub") -> list[str]:
    """Return the run that a path of MLflow's artifacts is of: ``EXPERIMENT/RUN/artifacts/...``."""
    # As MLflow reads it, which decodes it until nothing changes.
    while (decoded := unquote(path)) != path:
        path = decoded
    names = path.split("/")
    if names[0] == "workspaces":
        names = names[2:]
    if len(names) > 2 and names[1] == _MODELS:
        return _source_runs(names[2], hub)
    return [names[1]] if len(names) > 2 and _RUN_ID.fullmatch(names[1]) else []


def _source_runs(model_id: str, hub: "Hub") -> list[str]:
    if NO_DATABASE_TAKES.search(model_id):
        return []
    source = select(SqlLoggedModel.source_run_id).where(SqlLoggedModel.model_id == model_id)
    with connected(hub.engine) as connection:
        run_id = connection.execute(source).scalar()
    return [] if run_id is None else [run_id]


def _texts(values: Any) -> list[str]:
    """Return values, as MLflow takes them; what is no text is nobody's run."""
    return [each if isinstance(each, str) else "" for each in values]
