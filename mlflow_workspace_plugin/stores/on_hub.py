"""What the stores of a hub have in common."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from mlflow.store.db.utils import _get_managed_session_maker
from mlflow.store.tracking.dbmodels.models import (
    SqlExperiment,
    SqlLoggedModel,
    SqlRun,
    SqlTraceTag,
)
from mlflow.utils.mlflow_tags import MLFLOW_ARTIFACT_LOCATION, MLFLOW_TRACE_ARCHIVE_LOCATION
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.orm.attributes import set_committed_value

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.artifacts.paths import followed
from mlflow_workspace_plugin.hub.databases.database import engine_of, translated_sessions
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.stores.trace_places import refuse_moves

SessionMaker = Callable[..., AbstractContextManager[Any]]

_LOCATIONS = {
    SqlRun: "artifact_uri",
    SqlExperiment: "artifact_location",
    SqlLoggedModel: "artifact_location",
}
_LOCATION_TAGS = (MLFLOW_ARTIFACT_LOCATION, MLFLOW_TRACE_ARCHIVE_LOCATION)


class OnHub:
    """Puts one of MLflow's SQL stores on the engine of a hub."""

    _hub: Hub
    ManagedSessionMaker: SessionMaker

    @classmethod
    def _get_or_create_engine(cls, db_uri: str) -> Engine:
        return engine_of(db_uri)

    def _open_sessions(self) -> None:
        """Let what fails in a session of the store name the hub, the reason and the remedy.

        And let no session believe a row that names files which are not the hub's, nor move a trace.
        """
        sessions = sessionmaker(bind=self._hub.engine)
        event.listen(sessions, "loaded_as_persistent", _follow_own_only)
        event.listen(sessions, "before_flush", refuse_moves)
        engine = self._hub.engine
        # It waits for its locks only, for as long as it was told to.
        self._is_bounded = engine.dialect.name == "sqlite"
        self.ManagedSessionMaker = translated_sessions(
            _get_managed_session_maker(sessions, engine.dialect.name),
            engine,
            self._hub.path,
            self._hub.database_uri,
        )


class Pinned:
    """Pins one of MLflow's workspace-aware stores to the workspace that its URI names.

    Whatever MLflow's context or environment says the active workspace is, it is this one.
    """

    _hub: Hub
    _workspace: str

    @property
    def tracking_uri(self) -> str:
        """The URI that names the workspace (ours)."""
        return str(uris.WorkspaceUri(self._hub.path, self._workspace))

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
        """Refuse to create in a workspace that is gone."""
        self._hub.catalog.check_holds(self._workspace)


def _follow_own_only(_session: Session, row: Any) -> None:
    """Give MLflow no location to open that is not the hub's own; what is stored stays as it is."""
    kind = type(row)
    column = _LOCATIONS.get(kind)
    if column is None:
        if kind is not SqlTraceTag or row.key not in _LOCATION_TAGS:
            return
        column = "value"
    stored = row.__dict__.get(column)
    location = followed(stored)
    if location != stored:
        set_committed_value(row, column, location)
