"""The workspaces of a hub: MLflow's own table of them, and beside it how they were named.

A workspace *is* an MLflow workspace, so a stock ``mlflow server --enable-workspaces`` sees the
same ones. What MLflow has no column for stands in one small table of ours, which MLflow's schema
check allows; a workspace that MLflow's server created has no row there and is shown by its name.
"""

import shutil
import time
from dataclasses import asdict, dataclass

from mlflow.entities.workspace import Workspace as MlflowWorkspace
from mlflow.entities.workspace import WorkspaceDeletionMode
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_STATE, RESOURCE_ALREADY_EXISTS, ErrorCode
from mlflow.store.db.utils import _get_managed_session_maker
from mlflow.store.workspace.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import BigInteger, Column, Engine, MetaData, String, Table, delete, insert, select
from sqlalchemy.orm import sessionmaker

from mlflow_workspace_plugin import names
from mlflow_workspace_plugin.errors import (
    InvalidWorkspaceNameError,
    WorkspaceException,
    WorkspaceExistsError,
    WorkspaceNotEmptyError,
    WorkspaceNotFoundError,
)
from mlflow_workspace_plugin.hub.database import database_url
from mlflow_workspace_plugin.hub.folder import HubFolder

DEFAULT_WORKSPACE = "default"

_metadata = MetaData()
_records = Table(
    "workspace_plugin_workspaces",
    _metadata,
    Column("name", String(names.MAX_LENGTH), primary_key=True),
    Column("display_name", String(255), nullable=False),
    Column("subscription_id", String(255), nullable=False),
    Column("resource_group", String(255), nullable=False),
    Column("location", String(255), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)


@dataclass(frozen=True)
class WorkspaceRecord:
    """A workspace, as it was created."""

    name: str
    """The name MLflow knows."""
    display_name: str
    """The name as it was given, such as ``Contoso_ML``."""
    subscription_id: str = "00000000-0000-0000-0000-000000000000"
    resource_group: str = "local"
    location: str = "local"
    created_at: int | None = None
    """Milliseconds since 1970; None when MLflow's server created the workspace."""


class HubWorkspaceStore(SqlAlchemyStore):
    """MLflow's store of workspaces, on the hub's own engine instead of a third one."""

    def __init__(self, engine: Engine, database_uri: str) -> None:
        super().__init__(database_uri)
        self._engine: Engine
        self._engine.dispose()
        self._engine = engine
        self.ManagedSessionMaker = _get_managed_session_maker(
            sessionmaker(bind=engine), self._db_type
        )


class Catalog:
    """The workspaces of one hub."""

    def __init__(self, folder: HubFolder, engine: Engine) -> None:
        self._folder = folder
        self._engine = engine
        self.store = HubWorkspaceStore(engine, database_url(folder.database))
        _metadata.create_all(engine)

    def list(self) -> list[WorkspaceRecord]:
        """Return all workspaces, by name."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(_records)).mappings()
            known = {row["name"]: WorkspaceRecord(**row) for row in rows}
        return [
            known.get(workspace.name, WorkspaceRecord(workspace.name, workspace.name))
            for workspace in self.store.list_workspaces()
        ]

    def get(self, name: str) -> WorkspaceRecord:
        """Return the workspace with a name as it was given, in any case, or as MLflow knows it.

        Names that merely fold to the same are not taken for one another: ``data_x`` does not open
        ``data-x``, which may be somebody else's.

        Raises:
            WorkspaceNotFoundError: there is none.
        """
        records = self.list()
        for record in records:
            if name == record.name or name.lower() == record.display_name.lower():
                return record
        hint = names.did_you_mean(name, {record.display_name for record in records})
        raise WorkspaceNotFoundError(
            f"Workspace {name!r} not found in hub {str(self._folder.path)!r}.{hint} "
            f"Create it with: mlflow-workspace create {name} --hub {self._folder.path}"
        )

    def create(
        self,
        display_name: str,
        *,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        location: str | None = None,
    ) -> WorkspaceRecord:
        """Create a workspace.

        Raises:
            InvalidWorkspaceNameError: the name breaks a rule, or a workspace of another name folds
                to the same one.
            WorkspaceExistsError: there is one of that name.
        """
        given = {
            "subscription_id": subscription_id,
            "resource_group": resource_group,
            "location": location,
        }
        record = WorkspaceRecord(
            name=names.fold(display_name),
            display_name=display_name,
            created_at=int(time.time() * 1000),
            **{key: value for key, value in given.items() if value is not None},
        )
        try:
            self.store.create_workspace(MlflowWorkspace(name=record.name))
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise
            raise self._taken(record) from None
        with self._engine.begin() as connection:
            # A row may be left of a workspace that MLflow's server deleted.
            connection.execute(delete(_records).where(_records.c.name == record.name))
            connection.execute(insert(_records).values(asdict(record)))
        return record

    def delete(self, name: str, *, with_content: bool = False) -> None:
        """Delete a workspace, with everything in it if asked to.

        Args:
            name: the name MLflow knows.
            with_content: delete its experiments, runs, models, files and all else too.

        Raises:
            WorkspaceNotEmptyError: it holds something and ``with_content`` is False.
            WorkspaceException: it is the hub's ``default`` workspace.
        """
        if name == DEFAULT_WORKSPACE:
            raise WorkspaceException(
                "Workspace 'default' belongs to every hub and cannot be deleted. "
                "Delete its experiments instead."
            )
        mode = WorkspaceDeletionMode.CASCADE if with_content else WorkspaceDeletionMode.RESTRICT
        try:
            self.store.delete_workspace(name, mode)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(INVALID_STATE):
                raise
            raise WorkspaceNotEmptyError(
                f"Workspace {name!r} was not deleted: {error.message} "
                "Nothing was removed. To delete it with everything in it, pass "
                "delete_dependent_resources=True."
            ) from error
        with self._engine.begin() as connection:
            connection.execute(delete(_records).where(_records.c.name == name))
        shutil.rmtree(self._folder.artifacts / "workspaces" / name, ignore_errors=True)

    def _taken(self, wanted: WorkspaceRecord) -> Exception:
        existing = next(record for record in self.list() if record.name == wanted.name)
        if existing.display_name.lower() == wanted.display_name.lower():
            return WorkspaceExistsError(
                f"Workspace {wanted.display_name!r} exists already in hub "
                f"{str(self._folder.path)!r}. Open it with Workspace.get, "
                "or pass exist_ok=True to create."
            )
        return InvalidWorkspaceNameError(
            f"Workspace name {wanted.display_name!r} becomes {wanted.name!r} in MLflow, which is "
            f"taken by workspace {existing.display_name!r}. Choose a name that differs in more "
            "than capitals and underscores."
        )
