"""What a served hub keeps of what was stored, once a row names it."""

from collections.abc import Callable

from mlflow_workspace_plugin.errors import HubProtocolError
from mlflow_workspace_plugin.protocol.headers import PREFIX
from mlflow_workspace_plugin.uris import ServedWorkspaceUri

TRIES = 5
"""How often what somebody frees is stored again."""


def keep(uri: ServedWorkspaceUri, kind: str, name: str, store: Callable[[], None]) -> bool:
    """Have a hub keep what was stored and is named by a row now.

    Who frees it may have been about it until the row named it. So the hub is asked, under its lock,
    whether it is there; and it is stored once more if it is not.

    Args:
        uri: of the workspace.
        kind: what it is, as ``protocol.files`` has it.
        name: of it.
        store: stores it once more.

    Returns:
        Whether it is kept. If not, it was freed after each of :data:`TRIES` times.

    Raises:
        HubError: the hub does not answer, or does not know who asks.
        MlflowException: who asks may not store anything there.
    """
    for _ in range(TRIES):
        if is_kept(uri, kind, name):
            return True
        store()
    return False


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
        raise HubProtocolError.of_answer(http.address, path) from error
