"""The stores of workspaces: as one of them sees it, and as a server has all of a hub."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

from mlflow.entities.workspace import Workspace as MlflowWorkspace
from mlflow.entities.workspace import WorkspaceDeletionMode
from mlflow.exceptions import MlflowException
from mlflow.store.workspace.abstract_store import AbstractStore

from mlflow_workspace_plugin.artifacts.repository import (
    refuse_with_data,
    refuse_with_files_left,
    remove_files,
)
from mlflow_workspace_plugin.errors import WorkspaceException, WorkspaceNotFoundError
from mlflow_workspace_plugin.hub.catalog import HubWorkspaceStore
from mlflow_workspace_plugin.hub.hub import Hub

Found: TypeAlias = MlflowWorkspace | MlflowException
"""A workspace, or why there is none."""

_of_request: ContextVar[tuple[str, Found] | None] = ContextVar("of_request", default=None)


class ServedWorkspaceStore(HubWorkspaceStore):
    """All workspaces of a hub, which a server makes and deletes with their files.

    Args:
        hub: the hub.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        super().__init__(hub.engine, hub.folder, hub.database_uri)

    def get_workspace(self, workspace_name: str) -> MlflowWorkspace:
        """Return a workspace: what was found of it, within :func:`found_already`.

        Raises:
            MlflowException: there is none, or the database does not answer.
        """
        name, found = _of_request.get() or (None, None)
        if found is None or name != workspace_name:
            return super().get_workspace(workspace_name)
        if isinstance(found, MlflowException):
            raise found
        return found

    def create_workspace(self, workspace: MlflowWorkspace) -> MlflowWorkspace:
        """Create a workspace.

        Raises:
            WorkspaceException: files of an earlier one of its name are left.
        """
        if not self._hub.catalog.holds(workspace.name):
            refuse_with_files_left(self._hub, workspace.name)
        return super().create_workspace(workspace)

    def delete_workspace(
        self,
        workspace_name: str,
        mode: WorkspaceDeletionMode = WorkspaceDeletionMode.RESTRICT,
    ) -> None:
        """Delete a workspace; and its files, which nothing would name any more.

        ``SET_DEFAULT`` keeps them: they are of runs that go on.

        Raises:
            WorkspaceNotEmptyError: files are in its datastores, and the mode is another one.
            WorkspaceException: files remain.
        """
        if mode != WorkspaceDeletionMode.CASCADE:
            refuse_with_data(self._hub, workspace_name)
        super().delete_workspace(workspace_name, mode)
        if mode != WorkspaceDeletionMode.SET_DEFAULT:
            remove_files(self._hub, workspace_name)


@contextmanager
def found_already(name: str, found: Found) -> Iterator[None]:
    """Let nobody ask the database for a workspace again, in this context.

    MLflow's server looks a request's workspace up in its event loop, where a database that is
    slow, or away, would hold up all other requests.

    Args:
        name: of the workspace.
        found: what there is of it.
    """
    reset = _of_request.set((name, found))
    try:
        yield
    finally:
        _of_request.reset(reset)


class PinnedWorkspaceStore(AbstractStore):
    """What ``mlflow.list_workspaces`` and its kin see under a ``workspace://`` URI: one workspace.

    The others of the hub do not exist from there, and none is created, changed or deleted.
    """

    def __init__(self, hub: Hub, workspace: str) -> None:
        self._hub = hub
        self._workspace = workspace

    def list_workspaces(self) -> list[MlflowWorkspace]:
        """Return the one workspace."""
        return [self.get_default_workspace()]

    def get_workspace(self, workspace_name: str) -> MlflowWorkspace:
        """Return the one workspace.

        Raises:
            WorkspaceNotFoundError: another one was asked for.
        """
        if workspace_name != self._workspace:
            raise WorkspaceNotFoundError(
                f"Workspace {workspace_name!r} not found: the tracking URI names workspace "
                f"{self._workspace!r}. Use the URI of the workspace you mean."
            )
        return self.get_default_workspace()

    def get_default_workspace(self) -> MlflowWorkspace:
        """Return the one workspace."""
        return self._hub.catalog.store.get_workspace(self._workspace)

    def create_workspace(self, workspace: MlflowWorkspace) -> MlflowWorkspace:
        """Refuse.

        Raises:
            WorkspaceException: always, naming what does create workspaces.
        """
        raise self._refusal(f"mlflow-workspace create {workspace.name} --hub {self._hub.path}")

    def update_workspace(self, workspace: MlflowWorkspace) -> MlflowWorkspace:
        """Refuse.

        Raises:
            WorkspaceException: always.
        """
        self.get_workspace(workspace.name)
        raise self._refusal(f"mlflow-workspace ui --hub {self._hub.path}")

    def delete_workspace(
        self,
        workspace_name: str,
        mode: WorkspaceDeletionMode = WorkspaceDeletionMode.RESTRICT,
    ) -> None:
        """Refuse.

        Raises:
            WorkspaceException: always, naming what does delete workspaces.
        """
        self.get_workspace(workspace_name)
        raise self._refusal("Workspace.get(...).delete()")

    def _refusal(self, remedy: str) -> WorkspaceException:
        return WorkspaceException(
            f"The workspaces of hub {str(self._hub.path)!r} cannot be changed through the URI of "
            f"one of them. Use: {remedy}"
        )
