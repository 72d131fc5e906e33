"""What a client says of itself with each request."""

from mlflow_workspace_plugin.protocol.version import PROTOCOL

PREFIX = "/hub/v1"
"""Our own routes are below this."""
HAND_SHAKE = f"{PREFIX}/"
"""The route that says which protocols the hub understands, whatever who asks speaks."""
WORKSPACE = "X-MLFLOW-WORKSPACE"
"""MLflow's header: the workspace that is meant."""
VERSION = "X-Workspace-Protocol"
"""The protocol that the client speaks."""


def of_client(workspace: str, release: str) -> dict[str, str]:
    """Return the headers of each request of a client, but for who it is.

    Args:
        workspace: that it is about.
        release: the version of this package.
    """
    return {
        WORKSPACE: workspace,
        VERSION: str(PROTOCOL),
        "User-Agent": f"mlflow-workspace-plugin/{release}",
    }
