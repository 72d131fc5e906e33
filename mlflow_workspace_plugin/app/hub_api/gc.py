"""Freeing what was deleted in a workspace: in parts, each within the time of a request."""

from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from mlflow_workspace_plugin.app.hub_api.answers import PREFIX, Asked, post
from mlflow_workspace_plugin.app.hub_api.sent import number_of, truth_of
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.freeing import Freeing
from mlflow_workspace_plugin.protocol.freeing import LONGEST_MS, NextPart, next_part_of

_PART_S = 10.0
_LOCK_S = 8.0
"""Who asks waits, and asks again."""


def _gc(asked: Asked) -> Any:
    if asked.principal is None or asked.principal.is_scoped:
        raise MlflowException(
            "This token is not for freeing what was deleted. Do it with a log-in of your own.",
            PERMISSION_DENIED,
        )
    said = asked.json()
    freeing = Freeing(
        asked.hub,
        asked.path["workspace"],
        number_of(said, "older_than_ms", 0, LONGEST_MS, default=0) / 1000,
        # Who does not say so frees nothing.
        dry_run=not truth_of(said, "free"),
        part_s=_PART_S,
        lock_s=_LOCK_S,
    )
    return {"part": freeing.part(_which(said.get("next"))).to_json()}


def _which(said: Any) -> NextPart:
    try:
        return NextPart() if said is None else next_part_of(said)
    except (TypeError, ValueError):
        raise UserErrorException(
            "'next' has to be what was answered before as the next part. Send that, or nothing."
        ) from None


ROUTES = [post(f"{PREFIX}/workspaces/{{workspace}}/gc", _gc)]
