"""The workspaces that the pages of a server are asked of."""

import threading

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.errors import WorkspaceNotFoundError
from mlflow_workspace_plugin.hub.catalog import DEFAULT_WORKSPACE
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.hub.workspace_record import find
from mlflow_workspace_plugin.overview.source import Source, source_of

_SHOWN = 100


class Sources:
    """The workspaces of a hub, each opened once.

    Args:
        hub: the hub that is served.
    """

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._opened: dict[str, Source] = {}
        self._lock = threading.Lock()

    def of(self, workspace: str | None) -> Source:
        """Return a workspace; it is looked up each time, since it may be gone.

        Args:
            workspace: its name; None or nothing stands for MLflow's default.

        Raises:
            WorkspaceNotFoundError: the hub holds none of that name.
        """
        wanted = (workspace or "").strip() or DEFAULT_WORKSPACE
        found = find(self.hub.catalog.list(), wanted)
        if found is None:
            # Which others there are is nothing that everybody who asks here may be told.
            raise WorkspaceNotFoundError(
                f"Workspace {wanted[:_SHOWN]!r} is not in this hub, or was deleted. Choose another."
            )
        name = found.name
        with self._lock:
            if name not in self._opened:
                self._opened[name] = source_of(str(uris.WorkspaceUri(self.hub.path, name)))
            return self._opened[name]
