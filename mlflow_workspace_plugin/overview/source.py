"""Where what is shown comes from: a workspace of a hub, read as it is stored."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.journal.use import journal_target
from mlflow_workspace_plugin.remote.build import open_workspace_store
from mlflow_workspace_plugin.remote.files.open import open_repository

if TYPE_CHECKING:
    from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
    from mlflow_workspace_plugin.hub.hub import Hub
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore


@dataclass(frozen=True)
class Source:
    """A workspace that is looked at.

    Its store has no journal: a look never waits for what this process logs meanwhile.
    """

    store: "WorkspaceTrackingStore"

    @property
    def hub(self) -> "Hub":
        """The hub that the workspace is in.

        Raises:
            ServedHubError: it is behind a server.
        """
        return self.store.place[0]

    @property
    def workspace(self) -> str:
        """The name that MLflow knows of the workspace."""
        return self.tracking_uri.partition("?")[0].rpartition("/")[2]

    @property
    def journal_target(self) -> str:
        """What names the workspace to journals of this machine."""
        if isinstance(uris.parse(self.tracking_uri), uris.ServedWorkspaceUri):
            return self.tracking_uri
        return journal_target(self.hub, self.workspace)

    @property
    def tracking_uri(self) -> str:
        """The URI that names the workspace."""
        return self.store.tracking_uri

    def repository(self, run_id: str) -> "HubRepository":
        """Return the repository of a run's files.

        Args:
            run_id: the run.

        Raises:
            MlflowException: there is no such run in the workspace.
        """
        return self.repository_at(self.store.get_run(run_id).info.artifact_uri)

    def repository_at(self, artifact_uri: str) -> "HubRepository":
        """Return the repository at a location that a run of the workspace names.

        Args:
            artifact_uri: of the run, which was just read.

        Raises:
            UnsafeArtifactPathError: the location is not in the workspace.
            HubError: the place of the hub's files cannot be used.
        """
        return open_repository(artifact_uri, self.tracking_uri)


def source_of(tracking_uri: str) -> Source:
    """Return the workspace of a URI. It costs one query: the store is kept within a process.

    Args:
        tracking_uri: of a workspace.

    Raises:
        InvalidUriError: the URI names no workspace.
        HubError, WorkspaceNotFoundError: the hub or the workspace cannot be opened.
    """
    return Source(open_workspace_store(tracking_uri))
