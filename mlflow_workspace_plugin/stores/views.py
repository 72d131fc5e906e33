"""The saved views of a workspace: charts, runs and columns that somebody chose, under a name."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from mlflow_workspace_plugin.hub.databases import storable
from mlflow_workspace_plugin.hub.databases.storable import NO_DATABASE_TAKES
from mlflow_workspace_plugin.hub.tables import NAME_LENGTH, VIEW_ID_LENGTH, VIEWS
from mlflow_workspace_plugin.stores.connections import Connections
from mlflow_workspace_plugin.stores.retries.lost_races import written_again


@dataclass(frozen=True)
class View:
    """A saved view of a workspace.

    Attributes:
        id: 32 hexadecimal digits, which a link names.
        name: as people call it; several may be called the same.
        owner: who saved it.
        definition: what it shows, as JSON.
        created_at: when it was saved first, in milliseconds since 1970.
        changed_at: when it was changed last.
    """

    id: str
    name: str
    owner: str
    definition: Mapping[str, Any] = field(default_factory=dict)
    created_at: int = 0
    changed_at: int = 0


class _Views(Connections):
    """All about them, by one transaction a call."""

    _check_workspace: Callable[[], None]

    def views(self) -> list[View]:
        """Return the views of the workspace, by name (ours)."""
        of_workspace = VIEWS.c.workspace == self._get_active_workspace()
        with self._statements() as connection:
            query = select(VIEWS).where(of_workspace).order_by(VIEWS.c.name, VIEWS.c.id)
            return [_view_of(row) for row in connection.execute(query)]

    def view(self, id: str) -> View | None:  # noqa: A002
        """Return a view; None if the workspace has none of that id (ours)."""
        if NO_DATABASE_TAKES.search(id):
            return None
        with self._statements() as connection:
            row = connection.execute(select(VIEWS).where(self._is_view(id))).one_or_none()
        return None if row is None else _view_of(row)

    def put_view(self, view: View) -> View:
        """Keep a view, in the place of one of its id; return it as it is kept (ours).

        Args:
            view: the view. Its times are not read: it keeps when it was saved first.

        Raises:
            UnstorableValueError: the database cannot store one of the texts, or JSON cannot hold
                the definition.
            WorkspaceNotFoundError: the workspace was deleted.
        """
        self._check_workspace()
        _check("The id of a view", view.id, VIEW_ID_LENGTH)
        _check("The name of a view", view.name, NAME_LENGTH)
        _check("The owner of a view", view.owner, NAME_LENGTH)
        dialect = sqlite if self._is_sqlite else postgresql
        now = time.time_ns() // 1_000_000
        changed = {
            "name": view.name,
            "owner": view.owner,
            "definition": _stored(view),
            "changed_at": now,
        }
        of_view = {"workspace": self._get_active_workspace(), "id": view.id, "created_at": now}
        with self._transaction() as connection:
            row = connection.execute(
                dialect.insert(VIEWS)
                .values(changed | of_view)
                .on_conflict_do_update(index_elements=["workspace", "id"], set_=changed)
                .returning(VIEWS)
            ).one()
        return _view_of(row)

    def change_view(self, view: View) -> View | None:
        """Change a view, unless it was changed or dropped since it was read (ours).

        Args:
            view: as it was read, but for its name and its definition.

        Returns:
            As it is kept; None if it was changed or dropped meanwhile.

        Raises:
            UnstorableValueError: the database cannot store the name, or JSON cannot hold the
                definition.
        """
        _check("The name of a view", view.name, NAME_LENGTH)
        if NO_DATABASE_TAKES.search(view.id):
            return None
        wanted = {"name": view.name, "definition": _stored(view)}
        # Later than before, so that two changes within a millisecond are two.
        changed_at = max(time.time_ns() // 1_000_000, view.changed_at + 1)
        is_view = self._is_view(view.id)
        with self._transaction() as connection:
            row = connection.execute(select(VIEWS).where(is_view).with_for_update()).one_or_none()
            if row is None:
                return None
            is_as_read = row.changed_at == view.changed_at
            if not is_as_read and (row.name, row.definition) != tuple(wanted.values()):
                return None
            if is_as_read:
                statement = update(VIEWS).where(is_view).values(wanted | {"changed_at": changed_at})
                row = connection.execute(statement.returning(VIEWS)).one()
        return _view_of(row)

    def drop_view(self, id: str) -> bool:  # noqa: A002
        """Forget a view; return whether there was one of that id (ours)."""
        if NO_DATABASE_TAKES.search(id):
            return False
        with self._transaction() as connection:
            return bool(connection.execute(delete(VIEWS).where(self._is_view(id))).rowcount)

    def _is_view(self, id: str) -> ColumnElement[bool]:  # noqa: A002
        return (VIEWS.c.workspace == self._get_active_workspace()) & (VIEWS.c.id == id)


@written_again(_Views)
class Views(_Views):
    """Keeps the saved views of a workspace.

    Each call is stored when it returns, whatever waits in a journal, and may be made again after
    its answer was lost.
    """


def _check(what: str, text: str, limit: int) -> None:
    # The same on each database: it is found by what it is called.
    storable.refuse(what, text, is_sqlite=False, limit=limit)


def _stored(view: View) -> Any:
    return storable.as_json("The definition of a view", dict(view.definition))


def _view_of(row: Row[Any]) -> View:
    return View(row.id, row.name, row.owner, row.definition, row.created_at, row.changed_at)
