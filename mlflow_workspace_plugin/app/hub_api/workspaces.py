"""The workspaces of a hub: those that one may see; and, for administrators, new ones and old."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from mlflow_workspace_plugin.app.hub_api.answers import PREFIX, Asked, get, post
from mlflow_workspace_plugin.app.hub_api.sent import optional_text_of, text_of, truth_of
from mlflow_workspace_plugin.artifacts.repository import create_workspace, delete_workspace
from mlflow_workspace_plugin.errors import UserErrorException

_MAX_BODY = 64 * 1024
_MOST_TAGS = 100


def _list(asked: Asked) -> Any:
    principal = asked.principal
    if principal is None:
        raise MlflowException("Log in first.", PERMISSION_DENIED)
    found = asked.hub.catalog.list()
    return {
        "workspaces": [
            asdict(each) for each in found if asked.access.level(principal, each.name) != "none"
        ]
    }


def _create(asked: Asked) -> Any:
    said = asked.json()
    record = create_workspace(
        asked.hub,
        text_of(said, "name"),
        subscription_id=optional_text_of(said, "subscription_id"),
        resource_group=optional_text_of(said, "resource_group"),
        location=optional_text_of(said, "location"),
        tags=_tags_of(said),
    )
    return {"workspace": asdict(record)}


def _delete(asked: Asked) -> Any:
    name = asked.hub.catalog.get(asked.path["workspace"]).name
    delete_workspace(asked.hub, name, with_content=truth_of(asked.json(), "with_content"))
    return {"name": name}


def _counts(asked: Asked) -> Any:
    workspace = asked.path["workspace"]
    if asked.principal is None or not asked.access.reads_shared(asked.principal, workspace):
        raise MlflowException(
            f"Your role in workspace {workspace!r} does not let you see all that it holds. Ask a "
            "manager of it for the role of a reader.",
            PERMISSION_DENIED,
        )
    return {"counts": asked.hub.catalog.count(workspace)}


def _tags_of(said: Mapping[str, Any]) -> dict[str, str] | None:
    tags = said.get("tags")
    if tags is None:
        return None
    if not isinstance(tags, dict) or len(tags) > _MOST_TAGS:
        raise UserErrorException(f"'tags' has to be an object of at most {_MOST_TAGS} texts.")
    return {text_of({"tags": key}, "tags"): text_of(tags, key) for key in tags}


ROUTES = [
    get(f"{PREFIX}/workspaces", _list),
    post(f"{PREFIX}/workspaces", _create, _MAX_BODY),
    get(f"{PREFIX}/workspaces/{{workspace}}/counts", _counts),
    post(f"{PREFIX}/workspaces/{{workspace}}/delete", _delete, _MAX_BODY),
]
