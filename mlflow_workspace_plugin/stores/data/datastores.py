"""The datastores of a workspace: a name, and where its files are."""

import time
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, insert, select, update

from mlflow_workspace_plugin.errors import DatastoreExistsError, DatastoreNotFoundError
from mlflow_workspace_plugin.hub.databases import storable
from mlflow_workspace_plugin.hub.databases.storable import NO_DATABASE_TAKES
from mlflow_workspace_plugin.hub.tables import DATASTORES, NAME_LENGTH, TYPE_LENGTH
from mlflow_workspace_plugin.stores.connections import Connections
from mlflow_workspace_plugin.stores.data.datastore_row import (
    OWN_DATASTORE,
    OWN_TYPE,
    DatastoreRow,
)

_OWN = DatastoreRow(OWN_DATASTORE, OWN_TYPE)


class Datastores(Connections):
    """Keeps datastores."""

    def datastores(self) -> list[DatastoreRow]:
        """Return the datastores of the workspace, by name; first the hub's own (ours)."""
        with self._statements() as connection:
            query = select(DATASTORES).where(self._is_datastore_here()).order_by(DATASTORES.c.key)
            return [_OWN, *map(_datastore_of, connection.execute(query))]

    def datastore(self, name: str) -> DatastoreRow | None:
        """Return a datastore; None if the workspace has none of that name (ours).

        Args:
            name: in whatever capitals.
        """
        if _key(name) == OWN_DATASTORE:
            return _OWN
        if NO_DATABASE_TAKES.search(name):
            return None
        with self._statements() as connection:
            row = connection.execute(
                select(DATASTORES).where(self._is_datastore(name))
            ).one_or_none()
        return None if row is None else _datastore_of(row)

    def put_datastore(self, row: DatastoreRow, *, overwrite: bool = True) -> DatastoreRow:
        """Keep a datastore; return it as it is kept (ours).

        Args:
            row: the datastore. No secret is in it, and its ``created_at`` is not read.
            overwrite: put it in the place of one of its name.

        Raises:
            DatastoreExistsError: there is one of its name that is another, and ``overwrite`` is
                False; or it is the one that every workspace has from the start.
            UnstorableValueError: the database cannot store one of the texts, or JSON cannot hold
                the settings.
            WorkspaceNotFoundError: the workspace was deleted.
        """
        self._check_workspace()
        # The same on each database: it is found by what it is called.
        storable.refuse("The name of a datastore", row.name, is_sqlite=False, limit=NAME_LENGTH)
        self._check_text("The type of a datastore", row.type, TYPE_LENGTH)
        self._check_text("The location of a datastore", row.location)
        if _key(row.name) == OWN_DATASTORE:
            raise DatastoreExistsError(
                f"Datastore {row.name!r} is in the hub's own storage, which no other can take the "
                "place of. Register this one under another name."
            )
        given: dict[str, Any] = {
            "name": row.name,
            "type": row.type,
            "location": row.location,
            "settings": storable.as_json("The settings of a datastore", dict(row.settings)),
        }
        new: dict[str, Any] = {
            "workspace": self._get_active_workspace(),
            "key": _key(row.name),
            "is_default": False,
            "created_at": time.time_ns() // 1_000_000,
        }
        with self._transaction() as connection:
            query = select(DATASTORES).where(self._is_datastore(row.name)).with_for_update()
            there = connection.execute(query).one_or_none()
            if there is None:
                connection.execute(insert(DATASTORES).values(given | new))
                return DatastoreRow(**given, created_at=new["created_at"])
            kept = DatastoreRow(**given, created_at=there.created_at)
            is_same = _datastore_of(there) == replace(kept, name=there.name)
            if not overwrite and not is_same:
                raise DatastoreExistsError(
                    f"Workspace {self._get_active_workspace()!r} has a datastore {there.name!r} "
                    "already. Register this one under another name, or give overwrite=True to put "
                    "it in its place."
                )
            connection.execute(update(DATASTORES).where(self._is_datastore(row.name)).values(given))
            return kept

    def drop_datastore(self, name: str) -> bool:
        """Forget a datastore, none of whose files is touched; return whether there was one (ours).

        Args:
            name: in whatever capitals. The one that is there from the start stays.
        """
        if NO_DATABASE_TAKES.search(name):
            return False
        with self._transaction() as connection:
            return bool(
                connection.execute(delete(DATASTORES).where(self._is_datastore(name))).rowcount
            )

    def default_datastore(self) -> str:
        """Return the name of the default datastore (ours)."""
        with self._statements() as connection:
            query = select(DATASTORES.c.name).where(
                self._is_datastore_here(), DATASTORES.c.is_default
            )
            # Two may be for as long as two calls overlap that set it.
            found = connection.execute(query.order_by(DATASTORES.c.key)).scalars().first()
        return OWN_DATASTORE if found is None else str(found)

    def set_default_datastore(self, name: str) -> None:
        """Make a datastore the default one (ours).

        Args:
            name: in whatever capitals.

        Raises:
            DatastoreNotFoundError: the workspace has none of that name.
        """
        with self._transaction() as connection:
            if _key(name) != OWN_DATASTORE:
                found = not NO_DATABASE_TAKES.search(name) and connection.scalar(
                    select(DATASTORES.c.key).where(self._is_datastore(name)).with_for_update()
                )
                if not found:
                    raise DatastoreNotFoundError(
                        f"Workspace {self._get_active_workspace()!r} has no datastore {name!r} "
                        "that could be its default one. ws.datastores names those that it has."
                    )
            is_default = DATASTORES.c.key == _key(name)
            connection.execute(
                update(DATASTORES).where(self._is_datastore_here()).values(is_default=is_default)
            )

    def _is_datastore_here(self) -> ColumnElement[bool]:
        return DATASTORES.c.workspace == self._get_active_workspace()

    def _is_datastore(self, name: str) -> ColumnElement[bool]:
        return self._is_datastore_here() & (DATASTORES.c.key == _key(name))


def _key(name: str) -> str:
    return name.lower()


def _datastore_of(row: Row[Any]) -> DatastoreRow:
    return DatastoreRow(row.name, row.type, row.location, row.settings, row.created_at)
