"""The hub that a command looks into, be it a folder or behind a server."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.cli.options import HubPlace
from mlflow_workspace_plugin.hub.workspace_record import WorkspaceRecord

if TYPE_CHECKING:
    from mlflow_workspace_plugin.hub.hub import Hub
    from mlflow_workspace_plugin.remote.workspaces import ServedWorkspaces
    from mlflow_workspace_plugin.stores.reads.run_lookup import RunPlace


class SeenHub(Protocol):
    """What commands look up in a hub; each name of a workspace is the one that MLflow knows."""

    place: HubPlace

    def workspaces(self) -> list[WorkspaceRecord]:
        """Return the workspaces, of a served hub those that one may see."""

    def workspace(self, name: str) -> WorkspaceRecord:
        """Return the workspace of a name; raises ``WorkspaceNotFoundError``."""

    def uri(self, workspace: str) -> str:
        """Return the URI that names a workspace."""

    def counts(self, workspace: str) -> dict[str, int]:
        """Return how much of each kind a workspace holds."""

    def runs_called(self, given: str, workspace: str | None) -> "list[RunPlace]":
        """Return the runs that a text may mean, newest first; None is any workspace."""

    def newest_runs(self, limit: int, workspace: str | None) -> "list[RunPlace]":
        """Return the newest runs that are not deleted; None is any workspace."""


def seen_hub(hub: HubPlace) -> SeenHub:
    """Return the hub that ``--hub`` names.

    Raises:
        HubError: it cannot be opened.
    """
    return _InFolder(hub) if isinstance(hub, Path) else _BehindServer(hub)


class _InFolder:
    def __init__(self, folder: Path) -> None:
        self.place: HubPlace = folder
        self._folder = folder

    @cached_property
    def _hub(self) -> "Hub":
        # Only now: it takes MLflow's stores.
        from mlflow_workspace_plugin.hub.hub import open_hub

        return open_hub(self._folder)

    def workspaces(self) -> list[WorkspaceRecord]:
        return self._hub.catalog.list()

    def workspace(self, name: str) -> WorkspaceRecord:
        return self._hub.catalog.get(name)

    def uri(self, workspace: str) -> str:
        return str(uris.WorkspaceUri(self._folder, workspace))

    def counts(self, workspace: str) -> dict[str, int]:
        return self._hub.catalog.count(workspace)

    def runs_called(self, given: str, workspace: str | None) -> "list[RunPlace]":
        from mlflow_workspace_plugin.hub.databases.database import connected, translated_errors
        from mlflow_workspace_plugin.runs.search import OWN_ID_TAG
        from mlflow_workspace_plugin.stores.reads.run_lookup import runs_called

        hub = self._hub
        with translated_errors(hub.path, hub.database_uri), connected(hub.engine) as connection:
            return runs_called(connection, given, OWN_ID_TAG, workspace)

    def newest_runs(self, limit: int, workspace: str | None) -> "list[RunPlace]":
        from mlflow_workspace_plugin.hub.databases.database import connected, translated_errors
        from mlflow_workspace_plugin.stores.reads.run_lookup import newest_runs

        hub = self._hub
        with translated_errors(hub.path, hub.database_uri), connected(hub.engine) as connection:
            return newest_runs(connection, limit, workspace)


class _BehindServer:
    def __init__(self, address: str) -> None:
        self.place: HubPlace = address
        self._address = address

    @cached_property
    def _workspaces(self) -> "ServedWorkspaces":
        from mlflow_workspace_plugin.remote.workspaces import ServedWorkspaces

        return ServedWorkspaces(self._address)

    def workspaces(self) -> list[WorkspaceRecord]:
        return self._workspaces.list()

    def workspace(self, name: str) -> WorkspaceRecord:
        return self._workspaces.get(name)

    def uri(self, workspace: str) -> str:
        return str(uris.served_uri(self._address, workspace))

    def counts(self, workspace: str) -> dict[str, int]:
        return self._workspaces.counts(workspace)

    def runs_called(self, given: str, workspace: str | None) -> "list[RunPlace]":
        from mlflow_workspace_plugin.remote.build import open_workspace_store
        from mlflow_workspace_plugin.runs.search import OWN_ID_TAG

        found = [
            run
            for each in self._names(workspace)
            for run in open_workspace_store(self.uri(each)).runs_called(given, OWN_ID_TAG)
        ]
        # As of one workspace: an id is one run's, and deleted ones are meant last.
        found = [each for each in found if each.run_id == given] or found
        found = [each for each in found if not each.is_deleted] or found
        return sorted(found, key=lambda each: each.start_time or 0, reverse=True)

    def newest_runs(self, limit: int, workspace: str | None) -> "list[RunPlace]":
        from mlflow_workspace_plugin.remote.build import open_workspace_store

        found = [
            run
            for each in self._names(workspace)
            for run in open_workspace_store(self.uri(each)).newest_runs(limit)
        ]
        return sorted(found, key=lambda each: each.start_time or 0, reverse=True)[:limit]

    def _names(self, workspace: str | None) -> list[str]:
        if workspace is not None:
            return [workspace]
        return [each.name for each in self.workspaces()]
