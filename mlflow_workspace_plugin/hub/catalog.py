"""The workspaces of a hub: MLflow's own table of them, and beside it how they were named.

A workspace *is* an MLflow workspace, so a stock ``mlflow server --enable-workspaces`` sees the
same ones. What MLflow has no column for stands in one small table of ours, which MLflow's schema
check allows; a workspace that MLflow's server created has no row there and is shown by its name.
"""

import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from functools import cached_property
from typing import Any, TypeVar

from mlflow.entities import Experiment as MlflowExperiment
from mlflow.entities.workspace import Workspace as MlflowWorkspace
from mlflow.entities.workspace import WorkspaceDeletionMode
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_STATE, ErrorCode
from mlflow.store.db.base_sql_model import Base
from mlflow.store.db.utils import _get_managed_session_maker
from mlflow.store.model_registry.dbmodels.models import SqlRegisteredModel
from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlRun
from mlflow.store.workspace.dbmodels.models import SqlWorkspace
from mlflow.store.workspace.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import (
    Connection,
    Engine,
    Select,
    delete,
    distinct,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.orm import sessionmaker

from mlflow_workspace_plugin import names
from mlflow_workspace_plugin.errors import (
    HubUnreachableError,
    InvalidWorkspaceNameError,
    WorkspaceException,
    WorkspaceExistsError,
    WorkspaceNotEmptyError,
    WorkspaceNotFoundError,
)
from mlflow_workspace_plugin.hub.accounts import forget_roles
from mlflow_workspace_plugin.hub.databases import postgresql
from mlflow_workspace_plugin.hub.databases.database import (
    transaction,
    translated_errors,
    translated_sessions,
    uses_of,
)
from mlflow_workspace_plugin.hub.files.folder import HubFolder
from mlflow_workspace_plugin.hub.lock import locked
from mlflow_workspace_plugin.hub.tables import (
    CHARTS,
    COMPUTES,
    DATASET_VERSIONS,
    DATASETS,
    DATASTORES,
    ENVIRONMENTS,
    JOBS,
    JOURNALS,
    RECEIPTS,
    REFUSALS,
    VIEWS,
    WORKSPACES,
)
from mlflow_workspace_plugin.hub.workspace_record import WorkspaceRecord, find

DEFAULT_WORKSPACE = "default"
_AT_ONCE_S = 1.0

Found = TypeVar("Found")

_NAME = "name_in_mlflow"
_ALL = (
    select(SqlWorkspace.name.label(_NAME), WORKSPACES)
    .outerjoin_from(SqlWorkspace, WORKSPACES, WORKSPACES.c.name == SqlWorkspace.name)
    .order_by(SqlWorkspace.name)
)


def _datasets_of(workspace: str) -> Select[Any]:
    """Return the query for how many datasets are registered in a workspace."""
    of_workspace = DATASET_VERSIONS.c.workspace == workspace
    return select(func.count(distinct(DATASET_VERSIONS.c.name))).where(of_workspace)


class HubWorkspaceStore(SqlAlchemyStore):
    """MLflow's store of workspaces, on the hub's own engine instead of a third one."""

    def __init__(self, engine: Engine, folder: HubFolder, url: str) -> None:
        # MLflow looks at the database through an engine of its own. Who waits for a connection
        # holds none, lest all processes hold one and wait for a second.
        engine.dispose()
        of_mlflow = url if engine.dialect.name == "sqlite" else postgresql.url_for_mlflow(url)
        with uses_of(engine):
            super().__init__(of_mlflow)
        self._folder = folder
        self._workspace_uri = url
        self._engine: Engine
        self._engine.dispose()
        self._engine = engine
        self.ManagedSessionMaker = translated_sessions(
            _get_managed_session_maker(sessionmaker(bind=engine), self._db_type),
            engine,
            folder.path,
            url,
        )

    def create_workspace(self, workspace: MlflowWorkspace) -> MlflowWorkspace:
        """Create a workspace, in which nobody has a role that was in an earlier one of its name."""
        with self.ManagedSessionMaker(read_only=False) as session:
            if session.get(SqlWorkspace, workspace.name) is None:
                forget_roles(self._folder, session.connection(), workspace.name)
        return super().create_workspace(workspace)

    def delete_workspace(
        self,
        workspace_name: str,
        mode: WorkspaceDeletionMode = WorkspaceDeletionMode.RESTRICT,
    ) -> None:
        """Delete a workspace, with what of ours is its; jobs go where their runs go.

        Datasets go nowhere: they name what lies in the workspace itself.
        """
        if mode != WorkspaceDeletionMode.CASCADE:
            self._refuse_with_datasets(workspace_name)
        super().delete_workspace(workspace_name, mode)
        with self.ManagedSessionMaker(read_only=False) as session:
            forget(session.connection(), workspace_name)
            forget_roles(self._folder, session.connection(), workspace_name)

    def _refuse_with_datasets(self, workspace: str) -> None:
        with self.ManagedSessionMaker() as session:
            count = session.connection().execute(_datasets_of(workspace)).scalar_one()
        if count:
            raise MlflowException(
                f"Cannot delete workspace '{workspace}': {count} registered dataset(s) are in it. "
                "Unregister them before deleting the workspace.",
                INVALID_STATE,
            )


_OF_WORKSPACES = (
    COMPUTES,
    ENVIRONMENTS,
    DATASTORES,
    DATASET_VERSIONS,
    DATASETS,
    VIEWS,
    JOURNALS,
    REFUSALS,
)


def forget(connection: Connection, workspace: str) -> None:
    """Delete what of ours is left of a workspace that MLflow does not know any more.

    Args:
        connection: in a transaction.
        workspace: the name MLflow knew.
    """
    connection.execute(delete(WORKSPACES).where(WORKSPACES.c.name == workspace))
    for table in _OF_WORKSPACES:
        connection.execute(delete(table).where(table.c.workspace == workspace))
    for table in (RECEIPTS, JOBS, CHARTS):
        connection.execute(delete(table).where(table.c.run_uuid.not_in(select(SqlRun.run_uuid))))
    # MLflow's server may have moved its runs to another workspace.
    place = (
        select(SqlExperiment.workspace)
        .join_from(SqlRun, SqlExperiment, SqlExperiment.experiment_id == SqlRun.experiment_id)
        .where(SqlRun.run_uuid == JOBS.c.run_uuid)
        .scalar_subquery()
    )
    moved = update(JOBS).where(JOBS.c.workspace == workspace).values(workspace=place)
    connection.execute(moved)


class Catalog:
    """The workspaces of one hub."""

    def __init__(self, folder: HubFolder, engine: Engine, url: str) -> None:
        self._folder = folder
        self._engine = engine
        self._url = url

    @cached_property
    def store(self) -> HubWorkspaceStore:
        """MLflow's store of the workspaces; who only logs has no use for it."""
        return HubWorkspaceStore(self._engine, self._folder, self._url)

    def list(self) -> list[WorkspaceRecord]:
        """Return all workspaces, by name."""
        # In one query, so that one that is made just now is there with its name, or not at all.
        rows = self._read(lambda connection: connection.execute(_ALL).mappings().all())
        return [
            WorkspaceRecord(row[_NAME], row[_NAME])
            if row["name"] is None
            else WorkspaceRecord(**{key: value for key, value in row.items() if key != _NAME})
            for row in rows
        ]

    def holds(self, name: str) -> bool:
        """Whether there is a workspace of that name, as MLflow knows it."""
        query = select(SqlWorkspace.name).where(SqlWorkspace.name == name)
        return self._read(lambda connection: connection.execute(query).first()) is not None

    def check_holds(self, name: str) -> None:
        """Refuse to create something in a workspace that is gone; no foreign key does.

        Args:
            name: the name MLflow knows.

        Raises:
            WorkspaceNotFoundError: there is none of that name.
        """
        if not self.holds(name):
            raise WorkspaceNotFoundError(
                f"Workspace {name!r} of hub {str(self._folder.path)!r} was deleted. "
                f"Create it again with: mlflow-workspace create {name} "
                f"--hub {shlex.quote(str(self._folder.path))}"
            )

    def get(self, name: str) -> WorkspaceRecord:
        """Return the workspace of a name, as :func:`~.workspace_record.find` finds it.

        Raises:
            WorkspaceNotFoundError: there is none.
        """
        records = self.list()
        wanted = str(name)
        found = find(records, wanted)
        if found is not None:
            return found
        hint = names.did_you_mean(wanted, {record.display_name for record in records})
        raise WorkspaceNotFoundError(
            f"Workspace {name!r} not found in hub {str(self._folder.path)!r}.{hint} Create it "
            f"with: mlflow-workspace create {shlex.quote(wanted)} "
            f"--hub {shlex.quote(str(self._folder.path))}"
        )

    def create(
        self,
        display_name: str,
        *,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        location: str | None = None,
        tags: dict[str, str] | None = None,
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
            tags=dict(tags or {}),
            **{key: value for key, value in given.items() if value is not None},
        )
        # Most often it is there, and that shows without the lock, for which all have to queue.
        self._refuse_taken(record)
        with self._locked():
            self._refuse_taken(record)
            # Our row first: without MLflow's it is no workspace, and is replaced by the next try.
            with self._transaction() as connection:
                forget(connection, record.name)
                connection.execute(insert(WORKSPACES).values(asdict(record)))
            self.store.create_workspace(MlflowWorkspace(name=record.name))
        return record

    def delete(self, name: str, *, with_content: bool = False) -> None:
        """Delete a workspace, with everything in it if asked to, but for its files.

        Args:
            name: the name MLflow knows.
            with_content: delete its experiments, runs, models and all else too.

        Raises:
            WorkspaceNotFoundError: it is gone already.
            WorkspaceNotEmptyError: it holds something and ``with_content`` is False. A ``Default``
                experiment in which nothing was logged does not count.
            WorkspaceException: it is the hub's ``default`` workspace.
        """
        if name == DEFAULT_WORKSPACE:
            raise WorkspaceException(
                "Workspace 'default' belongs to every hub and cannot be deleted. "
                "Delete its experiments instead."
            )
        mode = WorkspaceDeletionMode.CASCADE if with_content else WorkspaceDeletionMode.RESTRICT
        with self._locked():
            if not self.holds(name):
                raise WorkspaceNotFoundError(
                    f"Workspace {name!r} of hub {str(self._folder.path)!r} was deleted already."
                )
            self._drop_unused_default(name)
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

    def count(self, name: str) -> dict[str, int]:
        """Return how many experiments, runs, registered models and datasets a workspace holds.

        Args:
            name: the name MLflow knows.
        """
        of_workspace = SqlExperiment.workspace == name
        queries = {
            "experiments": select(func.count()).select_from(SqlExperiment).where(of_workspace),
            "runs": select(func.count())
            .select_from(SqlRun)
            .join(SqlExperiment, SqlExperiment.experiment_id == SqlRun.experiment_id)
            .where(of_workspace),
            "registered_models": select(func.count())
            .select_from(SqlRegisteredModel)
            .where(SqlRegisteredModel.workspace == name),
            "datasets": _datasets_of(name),
        }
        return self._read(
            lambda connection: {
                key: connection.execute(query).scalar_one() for key, query in queries.items()
            }
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._translated_errors(), locked(self._folder, self._engine):
            yield

    def _read(self, read: Callable[[Connection], Found]) -> Found:
        """Read in a transaction: a second time where a connection of before had ended."""
        began = time.monotonic()
        try:
            with self._transaction() as connection:
                return read(connection)
        except HubUnreachableError:
            # If it was not at once, the server is away. The next connection is a new one.
            if time.monotonic() - began > _AT_ONCE_S:
                raise
        with self._transaction() as connection:
            return read(connection)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._translated_errors(), transaction(self._engine) as connection:
            yield connection

    def _translated_errors(self) -> AbstractContextManager[None]:
        return translated_errors(self._folder.path, self._url)

    def _drop_unused_default(self, name: str) -> None:
        used = [
            exists().where(key.parent == SqlExperiment.experiment_id)
            for table in Base.metadata.tables.values()
            for key in table.foreign_keys
            if key.column is SqlExperiment.__table__.c.experiment_id
        ]
        with self._transaction() as connection:
            connection.execute(
                delete(SqlExperiment)
                .where(SqlExperiment.workspace == name)
                .where(SqlExperiment.name == MlflowExperiment.DEFAULT_EXPERIMENT_NAME)
                .where(not_(or_(*used)))
            )

    def _refuse_taken(self, wanted: WorkspaceRecord) -> None:
        existing = {each.name: each for each in self.list()}.get(wanted.name)
        if existing is None:
            return
        if existing.display_name.lower() == wanted.display_name.lower():
            raise WorkspaceExistsError(
                f"Workspace {wanted.display_name!r} exists already in hub "
                f"{str(self._folder.path)!r}. Open it with Workspace.get, "
                "or create it with exist_ok=True (--exist-ok)."
            )
        raise InvalidWorkspaceNameError(
            f"Workspace name {wanted.display_name!r} becomes {wanted.name!r} in MLflow, which is "
            f"taken by workspace {existing.display_name!r}. Choose a name that differs in more "
            "than capitals and underscores."
        )
