"""The workspaces that the pages of a server are asked of."""

import threading

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.hub.catalog import DEFAULT_WORKSPACE
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.overview.source import Source, source_of


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
        name = self.hub.catalog.get(workspace or DEFAULT_WORKSPACE).name
        with self._lock:
            if name not in self._opened:
                self._opened[name] = source_of(str(uris.WorkspaceUri(self.hub.path, name)))
            return self._opened[name]
