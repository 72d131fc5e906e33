"""The compute targets of a workspace."""

import time
from typing import Any

from sqlalchemy import Row, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from mlflow_workspace_plugin.hub.databases import storable
from mlflow_workspace_plugin.hub.databases.storable import NO_DATABASE_TAKES
from mlflow_workspace_plugin.hub.tables import COMPUTES, NAME_LENGTH, TYPE_LENGTH
from mlflow_workspace_plugin.stores.connections import Connections
from mlflow_workspace_plugin.stores.jobs.compute import Compute


class Computes(Connections):
    """Keeps compute targets."""

    def computes(self) -> list[Compute]:
        """Return the compute targets of the workspace, by name (ours)."""
        of_workspace = COMPUTES.c.workspace == self._get_active_workspace()
        with self._statements() as connection:
            query = select(COMPUTES).where(of_workspace).order_by(COMPUTES.c.name)
            return [_compute_of(row) for row in connection.execute(query)]

    def compute(self, name: str) -> Compute | None:
        """Return a compute target; None if the workspace has none of that name (ours).

        Args:
            name: as scripts name it.
        """
        if NO_DATABASE_TAKES.search(name):
            return None
        of_name = (COMPUTES.c.workspace == self._get_active_workspace()) & (COMPUTES.c.name == name)
        with self._statements() as connection:
            row = connection.execute(select(COMPUTES).where(of_name)).one_or_none()
        return None if row is None else _compute_of(row)

    def put_compute(self, compute: Compute) -> None:
        """Keep a compute target, in the place of one of its name (ours).

        Args:
            compute: the target. No secret is in it.

        Raises:
            UnstorableValueError: the database cannot store one of the texts, or JSON cannot hold
                the settings.
            WorkspaceNotFoundError: the workspace was deleted.
        """
        self._check_workspace()
        self._check_text("The name of a compute target", compute.name, NAME_LENGTH)
        self._check_text("The type of a compute target", compute.type, TYPE_LENGTH)
        self._check_text("The address of a compute target", compute.address)
        dialect = sqlite if self._is_sqlite else postgresql
        changed = {
            "type": compute.type,
            "address": compute.address,
            "settings": storable.as_json(
                "The settings of a compute target", dict(compute.settings)
            ),
        }
        row = changed | {
            "workspace": self._get_active_workspace(),
            "name": compute.name,
            "created_at": time.time_ns() // 1_000_000,
        }
        with self._transaction() as connection:
            connection.execute(
                dialect.insert(COMPUTES)
                .values(row)
                .on_conflict_do_update(index_elements=["workspace", "name"], set_=changed)
            )

    def drop_compute(self, name: str) -> bool:
        """Forget a compute target; return whether there was one (ours).

        Args:
            name: as scripts name it.
        """
        if NO_DATABASE_TAKES.search(name):
            return False
        of_name = (COMPUTES.c.workspace == self._get_active_workspace()) & (COMPUTES.c.name == name)
        with self._transaction() as connection:
            return bool(connection.execute(delete(COMPUTES).where(of_name)).rowcount)


def _compute_of(row: Row[Any]) -> Compute:
    return Compute(row.name, row.type, row.address, row.settings)
