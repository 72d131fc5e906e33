"""The model registries: of a whole hub for a server, of one workspace for everybody else."""

from typing import Any
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.store.model_registry.dbmodels.models import SqlModelVersion
from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore

from mlflow_workspace_plugin.artifacts.paths import followed
from mlflow_workspace_plugin.hub.accounts import forget_model
from mlflow_workspace_plugin.hub.databases.database import uses_of
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.stores.on_hub import OnHub, Pinned
from mlflow_workspace_plugin.stores.retries.created_meanwhile import prompt_created_or_found
from mlflow_workspace_plugin.stores.retries.lost_races import counted_sessions, written_again

_MODEL_ID_PREFIX = "m-"


@written_again(WorkspaceAwareSqlAlchemyStore)
class HubRegistryStore(OnHub, WorkspaceAwareSqlAlchemyStore):
    """The models of all workspaces of a hub; the one in use is that of the request."""

    CREATE_MODEL_VERSION_RETRIES = 100
    """MLflow tries the next number three times, which is too few for four writers at a time."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        with uses_of(hub.engine):
            super().__init__(hub.database_uri)
        self._open_sessions()
        self.ManagedSessionMaker = counted_sessions(self.ManagedSessionMaker)

    def delete_registered_model(self, name: str) -> None:
        """Delete a registered model, and what was granted of it: the next one may be anybody's."""
        super().delete_registered_model(name)
        with self.ManagedSessionMaker(read_only=False) as session:
            workspace = self._get_active_workspace()
            forget_model(self._hub.folder, session.connection(), workspace, name)

    def get_model_version_download_uri(self, name: str, version: str) -> str | None:
        """Return where the files of a model version are; what is not the hub's is not followed."""
        return followed(super().get_model_version_download_uri(name, version))


@prompt_created_or_found
class WorkspaceRegistryStore(Pinned, HubRegistryStore):
    """The models of one workspace, whatever MLflow's active workspace is."""

    def __init__(self, hub: Hub, workspace: str, tracking_uri: str) -> None:
        self._workspace = workspace
        self._tracking_uri = tracking_uri
        super().__init__(hub)

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: list[Any] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        local_model_path: str | None = None,
        model_id: str | None = None,
    ) -> ModelVersion:
        """Create a model version, finding logged models through this registry's own tracking URI.

        MLflow looks ``models:/m-...`` sources up at the process's tracking URI, which need not be
        that of the client in use.
        """
        resolved, source_model = source, _logged_model_id(source)
        if source_model is not None:
            model = MlflowClient(tracking_uri=self._tracking_uri).get_logged_model(source_model)
            resolved = model.artifact_location
            run_id = run_id or model.source_run_id
        elif not run_id and model_id:
            client = MlflowClient(tracking_uri=self._tracking_uri)
            run_id = client.get_logged_model(model_id).source_run_id
        # With a run known or none to be found, MLflow has nothing left to look up.
        version = super().create_model_version(
            name, resolved, run_id, tags, run_link, description, local_model_path
        )
        if resolved != source:
            self._set_source(version, source)
        return version

    def _set_source(self, version: ModelVersion, source: str) -> None:
        with self.ManagedSessionMaker(read_only=False) as session:
            self._get_query(session, SqlModelVersion).filter(
                SqlModelVersion.name == version.name,
                SqlModelVersion.version == int(version.version),
            ).update({SqlModelVersion.source: source})
        version._source = source


def _logged_model_id(source: str) -> str | None:
    parts = urlsplit(source)
    name = parts.path.strip("/")
    is_model_id = name.startswith(_MODEL_ID_PREFIX) and "/" not in name and "@" not in name
    return name if parts.scheme == "models" and is_model_id else None
