"""What the stores of a hub have in common."""

import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Engine

from mlflow_workspace_plugin.errors import WorkspaceNotFoundError
from mlflow_workspace_plugin.hub.database import engine_of, translated_sessions
from mlflow_workspace_plugin.hub.hub import Hub

SessionMaker = Callable[..., AbstractContextManager[Any]]


class OnHub:
    """Puts one of MLflow's SQL stores on the engine of a hub."""

    _hub: Hub
    ManagedSessionMaker: SessionMaker

    @classmethod
    def _get_or_create_engine(cls, db_uri: str) -> Engine:
        return engine_of(db_uri)

    def _name_errors(self) -> None:
        """Let what fails in a session of the store name the hub, the reason and the remedy."""
        self.ManagedSessionMaker = translated_sessions(
            self.ManagedSessionMaker, self._hub.path, self._hub.database_uri
        )


class Pinned:
    """Pins one of MLflow's workspace-aware stores to the workspace that its URI names.

    Whatever MLflow's context or environment says the active workspace is, it is this one.
    """

    _hub: Hub
    _workspace: str

    @property
    def supports_workspaces(self) -> bool:
        """False: a server must not take this store for one that follows each request."""
        return False

    def _get_active_workspace(self) -> str:
        return self._workspace

    def _with_workspace_field(self, instance: Any) -> Any:
        if hasattr(instance, "workspace"):
            self._check_workspace()
            instance.workspace = self._workspace
        return instance

    def _check_workspace(self) -> None:
        """Refuse to create in a workspace that is gone; no foreign key does."""
        if not self._hub.catalog.holds(self._workspace):
            raise WorkspaceNotFoundError(
                f"Workspace {self._workspace!r} of hub {str(self._hub.path)!r} was deleted. "
                f"Create it again with: mlflow-workspace create {self._workspace} "
                f"--hub {shlex.quote(str(self._hub.path))}"
            )
