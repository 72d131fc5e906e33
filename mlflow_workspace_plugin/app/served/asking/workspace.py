"""The workspace of a request: named once, and the same for everybody who answers it."""

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote

from mlflow.server.workspace_helpers import WORKSPACE_HEADER_NAME
from starlette.datastructures import Headers
from starlette.types import Scope

from mlflow_workspace_plugin import names
from mlflow_workspace_plugin.app.browser_images import asked_for
from mlflow_workspace_plugin.app.served.asking.refusals import Refusal
from mlflow_workspace_plugin.app.served.routes.table import Found
from mlflow_workspace_plugin.errors import (
    InvalidWorkspaceNameError,
    RoleNeededError,
    WorkspaceNotFoundError,
)
from mlflow_workspace_plugin.hub.catalog import DEFAULT_WORKSPACE
from mlflow_workspace_plugin.hub.databases.database import connected
from mlflow_workspace_plugin.stores.reads.run_lookup import workspace_of

if TYPE_CHECKING:
    from mlflow_workspace_plugin.hub.hub import Hub

_HEADER = WORKSPACE_HEADER_NAME.lower().encode()
_OF_PAGES = "/pages/"


def asked_of(scope: Scope, found: Found, hub: "Hub") -> str | Refusal:
    """Return the workspace that a request is asked of, as MLflow knows it; called from a thread.

    Whether there is one of that name is not looked at, and nothing here tells it.

    Args:
        scope: of the request.
        found: the route.
        hub: that is served.
    """
    given = _in_path(found)
    if given is None and scope["path"].startswith(_OF_PAGES):
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in query if name == "workspace"]
    elif given is None:
        given = Headers(scope=scope).getlist(WORKSPACE_HEADER_NAME)
        if not given and (image := asked_for(scope)) is not None:
            with connected(hub.engine) as connection:
                of_image = workspace_of(connection, *image)
            given = [] if of_image is None else [of_image]
    if len(given) > 1:
        return Refusal(400, "Several workspaces are named. Name one.")
    name = given[0].strip() if given else ""
    return _known_as(name, hub) if name else DEFAULT_WORKSPACE


def no_role() -> Refusal:
    """Return the refusal of a workspace in which somebody has no role, whether it is there or not.

    It says nothing of the name: what people call a workspace may not be what MLflow does.
    """
    return Refusal(
        403,
        "You have no role in this workspace, or the hub has none of this name. Ask who manages it "
        "for one. mlflow-workspace login shows the workspaces that you have a role in.",
        error=RoleNeededError,
    )


def pinned(scope: Scope, workspace: str | None) -> list[tuple[bytes, bytes]]:
    """Return the headers of a request with one that names its workspace.

    Args:
        scope: of the request.
        workspace: None to name none.
    """
    headers = [each for each in scope["headers"] if each[0] != _HEADER]
    return headers if workspace is None else [*headers, (_HEADER, workspace.encode())]


def path_in(scope: Scope, found: Found, workspace: str) -> dict[str, object]:
    """Return the path of a request with the workspace's name as MLflow knows it.

    Args:
        scope: of the request.
        found: the route.
        workspace: the name.
    """
    given = _in_path(found)
    if given is None or given == [workspace]:
        return {}
    path = scope["path"].replace(f"/workspaces/{given[0]}", f"/workspaces/{workspace}", 1)
    return {"path": path, "raw_path": quote(path).encode()}


def _in_path(found: Found) -> list[str] | None:
    given = found.parameters.get("workspace")
    return None if given is None else [given]


def _known_as(name: str, hub: "Hub") -> str:
    """Return the name that MLflow knows a workspace by, of one that people know it by."""
    if names.folded_form(name) == name:
        return name
    try:
        return hub.catalog.get(name).name
    except (InvalidWorkspaceNameError, WorkspaceNotFoundError):
        return name
