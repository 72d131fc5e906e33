"""The files of the hub's own storage, wherever the hub is."""

from pathlib import PurePosixPath
from typing import Protocol

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.artifacts import repository
from mlflow_workspace_plugin.artifacts.file_space import FileSpace
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.remote.files import open as served


class OwnFiles(Protocol):
    """Opens files of a workspace."""

    def to_log(self, artifact_uri: str) -> FileSpace:
        """Return the repository behind a location, where what cannot be stored now may wait."""
        ...

    def at(self, location: PurePosixPath) -> FileSpace:
        """Return the repository at a path."""
        ...

    def check_there(self) -> None:
        """Refuse a workspace that was deleted.

        Raises:
            WorkspaceNotFoundError: it was.
        """
        ...


class OfFolder:
    """Opens files of a workspace of a hub in a folder.

    Args:
        hub: the hub.
        workspace: the name MLflow knows.
    """

    def __init__(self, hub: Hub, workspace: str) -> None:
        self._hub = hub
        self._workspace = workspace

    def to_log(self, artifact_uri: str) -> FileSpace:
        """Return the repository behind a location, where what cannot be stored now may wait."""
        return repository.open_to_log(self._hub, self._workspace, artifact_uri)

    def at(self, location: PurePosixPath) -> FileSpace:
        """Return the repository at a path."""
        return repository.repository_at(self._hub, location)

    def check_there(self) -> None:
        """Refuse a workspace that was deleted."""
        self._hub.catalog.check_holds(self._workspace)


class OfServer:
    """Opens files of a workspace of a served hub.

    Args:
        uri: of the workspace.
    """

    def __init__(self, uri: uris.ServedWorkspaceUri) -> None:
        self._uri = uri

    def to_log(self, artifact_uri: str) -> FileSpace:
        """Return the repository behind a location, where what cannot be stored now may wait."""
        return served.open_to_log(self._uri, artifact_uri)

    def at(self, location: PurePosixPath) -> FileSpace:
        """Return the repository at a path."""
        return served.repository_at(self._uri, location)

    def check_there(self) -> None:
        """Do nothing: the server takes no file of a workspace that it does not have."""
