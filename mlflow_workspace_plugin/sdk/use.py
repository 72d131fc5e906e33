"""One line to begin with."""

import os

import mlflow
from mlflow.environment_variables import MLFLOW_REGISTRY_URI

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.sdk.workspace import Workspace
from mlflow_workspace_plugin.terminal import tell


def use(name: str, hub: "str | os.PathLike[str] | None" = None) -> Workspace:
    """Make a workspace the one that MLflow logs to, in this process and in those it starts.

    The workspace is created if it is missing. Models are registered in it, too, and if the script
    moves on to another tracking URI, in that one; a registry that the user has set is left. One
    line on the stream for errors says where to look, unless ``MLFLOW_WORKSPACE_QUIET=1``. (Ours.)

    Args:
        name: the workspace, as Azure ML or MLflow would call it.
        hub: the folder of its hub; by default what ``MLFLOW_WORKSPACE_HUB`` says, else a folder of
            the user's.

    Returns:
        The workspace.

    Raises:
        InvalidWorkspaceNameError: the name breaks a rule.
        HubError: the hub cannot be made or used; the subclass says why.
    """
    workspace = Workspace.create(name, hub=hub, exist_ok=True, show_output=False)
    mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
    if not MLFLOW_REGISTRY_URI.get():
        # Of an empty one MLflow takes the tracking URI, whatever that is then. It looks for one of
        # Spark's at each call otherwise, which takes longer than all else of a logging call.
        mlflow.set_registry_uri("")
    if settings.QUIET.get() != "1":
        tell(f"Workspace {workspace.name}: {workspace.where_to_look()}\n")
    return workspace
