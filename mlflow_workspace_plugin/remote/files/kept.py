"""Whether a served hub keeps what was stored, once a row names it."""

from mlflow_workspace_plugin.errors import HubProtocolError
from mlflow_workspace_plugin.protocol.headers import PREFIX
from mlflow_workspace_plugin.uris import ServedWorkspaceUri


def is_kept(uri: ServedWorkspaceUri, kind: str, name: str) -> bool:
    """Whether something is stored, and stays: nothing frees it that works meanwhile.

    Args:
        uri: of the workspace.
        kind: what it is, as ``protocol.files`` has it.
        name: of it.

    Raises:
        HubError: the hub does not answer, or does not know who asks.
        MlflowException: who asks may not store anything there.
    """
    # Only now: most hubs are folders.
    from mlflow_workspace_plugin.remote.http import http_of

    http = http_of(uri)
    path = f"{PREFIX}/workspaces/{uri.name}/files/kept"
    answer = http.request("POST", path, json={"kind": kind, "name": name}, wants_object=True)
    try:
        return bool(answer.json()["is_kept"])
    except (ValueError, LookupError, TypeError) as error:
        raise HubProtocolError(
            f"The hub at {http.address} answered {path} with what this version of "
            "mlflow-workspace-plugin does not understand. Install the version of the server."
        ) from error
