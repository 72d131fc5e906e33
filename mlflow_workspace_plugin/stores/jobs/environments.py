"""The environments that were registered in a workspace, each version of them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, func, select
from sqlalchemy.dialects import postgresql, sqlite

from mlflow_workspace_plugin.hub.databases import storable
from mlflow_workspace_plugin.hub.databases.storable import NO_DATABASE_TAKES
from mlflow_workspace_plugin.hub.tables import ENVIRONMENTS, NAME_LENGTH
from mlflow_workspace_plugin.stores.connections import Connections


@dataclass(frozen=True)
class RegisteredEnvironment:
    """A version of an environment.

    Attributes:
        name: of the environment.
        version: counts from 1.
        definition: what it is, as JSON holds it.
        created_at: in milliseconds.
    """

    name: str
    version: int
    definition: Mapping[str, Any]
    created_at: int


class Environments(Connections):
    """Keeps environments."""

    def environments(self) -> list[RegisteredEnvironment]:
        """Return the newest version of each environment of the workspace, by name (ours)."""
        newest = (
            select(ENVIRONMENTS.c.name, func.max(ENVIRONMENTS.c.version).label("version"))
            .where(ENVIRONMENTS.c.workspace == self._get_active_workspace())
            .group_by(ENVIRONMENTS.c.name)
            .subquery()
        )
        is_newest = (ENVIRONMENTS.c.name == newest.c.name) & (
            ENVIRONMENTS.c.version == newest.c.version
        )
        with self._statements() as connection:
            query = self._versions().join(newest, is_newest).order_by(ENVIRONMENTS.c.name)
            return [_environment_of(row) for row in connection.execute(query)]

    def environment(self, name: str, version: int | None = None) -> RegisteredEnvironment | None:
        """Return a version of an environment; None if the workspace has none such (ours).

        Args:
            name: of the environment.
            version: which; the newest if None.
        """
        if NO_DATABASE_TAKES.search(name):
            return None
        query = self._versions().where(ENVIRONMENTS.c.name == name)
        if version is not None:
            query = query.where(ENVIRONMENTS.c.version == version)
        with self._statements() as connection:
            query = query.order_by(ENVIRONMENTS.c.version.desc()).limit(1)
            row = connection.execute(query).one_or_none()
        return None if row is None else _environment_of(row)

    def put_environment(self, name: str, definition: Mapping[str, Any]) -> int:
        """Register an environment; return its version (ours).

        The content of the newest version keeps that version.

        Args:
            name: of the environment.
            definition: what it is, as JSON holds it. No secret is in it.

        Raises:
            UnstorableValueError: the database cannot store the name, or JSON cannot hold the
                definition.
            WorkspaceNotFoundError: the workspace was deleted.
        """
        self._check_workspace()
        self._check_text("The name of an environment", name, NAME_LENGTH)
        dialect = sqlite if self._is_sqlite else postgresql
        stored = storable.as_json("The definition of an environment", definition)
        while True:
            newest = self.environment(name)
            if newest is not None and newest.definition == stored:
                return newest.version
            version = 1 if newest is None else newest.version + 1
            row = {
                "workspace": self._get_active_workspace(),
                "name": name,
                "version": version,
                "definition": stored,
                "created_at": time.time_ns() // 1_000_000,
            }
            with self._transaction() as connection:
                inserted = connection.execute(
                    dialect.insert(ENVIRONMENTS).values(row).on_conflict_do_nothing(),
                    execution_options={"preserve_rowcount": True},
                )
                # Else somebody else has registered that version just now.
                if inserted.rowcount:
                    return version

    def _versions(self) -> Select[Any]:
        return select(ENVIRONMENTS).where(ENVIRONMENTS.c.workspace == self._get_active_workspace())


def _environment_of(row: Row[Any]) -> RegisteredEnvironment:
    return RegisteredEnvironment(row.name, row.version, row.definition, row.created_at)
