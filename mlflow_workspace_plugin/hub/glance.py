"""A look into a hub that is opened in no other way: for commands that only say what is there.

Opening a hub takes MLflow's stores, whose import takes seconds. A hub whose rows are in its folder,
that this user may use, and that the installed versions made, can be asked by SQLite's own driver.
Of every other hub nothing is said here: it is opened, which says what is wrong with it.
"""

import json
import os
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple, TypeVar

from mlflow_workspace_plugin.hub.files.layout import JOURNAL_MODES, Layout
from mlflow_workspace_plugin.hub.files.tree import Tree
from mlflow_workspace_plugin.hub.revisions import (
    OUR_TABLES,
    OUR_VERSION,
    PREFIX,
    VERSION_TABLE,
    is_of_mlflow,
)
from mlflow_workspace_plugin.hub.workspace_record import WorkspaceRecord

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Answer = TypeVar("Answer")

_WRITERS_AT_ONCE = 500

_WORKSPACES = """
    SELECT workspaces.name, named.name, named.display_name, named.subscription_id,
        named.resource_group, named.location, named.created_at, named.tags
    FROM workspaces LEFT JOIN workspace_plugin_workspaces AS named ON named.name = workspaces.name
    ORDER BY workspaces.name
"""
_RUN = """
    SELECT runs.run_uuid, coalesce(runs.name, ''), experiments.workspace,
        CAST(experiments.experiment_id AS TEXT), runs.artifact_uri
    FROM runs JOIN experiments ON experiments.experiment_id = runs.experiment_id
    JOIN workspaces ON workspaces.name = experiments.workspace
"""
_NEWEST = f"""
    {_RUN} WHERE runs.lifecycle_stage = 'active' AND (:workspace IS NULL OR workspace = :workspace)
    AND (substr(runs.run_uuid, 1, :length) = :start OR substr(runs.name, 1, :length) = :start)
    ORDER BY runs.start_time DESC, runs.run_uuid LIMIT :limit
"""


class RunRow(NamedTuple):
    """What the hub's tables say of a run."""

    run_id: str
    name: str
    workspace: str
    experiment_id: str
    artifact_uri: str


class Glance:
    """A hub that is looked into, by a connection that changes nothing."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def workspaces(self) -> list[WorkspaceRecord]:
        """Return all workspaces, by name, as ``Catalog.list`` does."""
        return [_record(*row) for row in self._connection.execute(_WORKSPACES)]

    def run(self, run_id: str) -> RunRow | None:
        """Return the run of an id; None when the hub holds none."""
        found = self._connection.execute(f"{_RUN} WHERE runs.run_uuid = ?", (run_id,)).fetchone()
        return found and RunRow(*found)

    def newest_runs(self, workspace: str | None, start: str, limit: int) -> list[RunRow]:
        """Return the newest runs whose ids or names begin with a text.

        Args:
            workspace: the name MLflow knows; None is all workspaces.
            start: the text; an empty one takes all.
            limit: how many.
        """
        wanted = {"workspace": workspace, "start": start, "length": len(start), "limit": limit}
        return [RunRow(*each) for each in self._connection.execute(_NEWEST, wanted)]

    def stored_sequences(self, writers: Iterable[str]) -> dict[str, int]:
        """Return the sequence of the last stored record of each of some writers of journals."""
        wanted = sorted(writers)
        found: dict[str, int] = {}
        for first in range(0, len(wanted), _WRITERS_AT_ONCE):
            part = wanted[first : first + _WRITERS_AT_ONCE]
            found |= self._connection.execute(
                "SELECT writer, sequence FROM workspace_plugin_writers "
                f"WHERE writer IN ({', '.join('?' * len(part))})",
                part,
            )
        return found


def look(hub: Path, ask: Callable[[Glance], Answer], *, wait_s: float = 1.0) -> Answer | None:
    """Look into a hub.

    Args:
        hub: its folder.
        ask: is called with it, and returns what is wanted.
        wait_s: for how long others may keep its database locked.

    Returns:
        What ``ask`` returned; None where the hub has to be opened, which may fail and then says
        why.

    Raises:
        ForeignFileError: a link is in the place of ``hub.toml``.
    """
    try:
        layout = Layout(hub)
        if not _is_plain(layout):
            return None
        # Not as read-only: that would leave the files behind that the last one else removes.
        address = f"{layout.database.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(address, timeout=wait_s, uri=True)) as connection:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            return ask(Glance(connection)) if _is_of_installed(connection) else None
    except (OSError, ValueError, sqlite3.Error):
        return None


def _record(
    known: str,
    name: str | None,
    display_name: str,
    subscription_id: str,
    resource_group: str,
    location: str,
    created_at: int,
    tags: str,
) -> WorkspaceRecord:
    if name is None:
        return WorkspaceRecord(known, known)
    facts = subscription_id, resource_group, location, created_at
    return WorkspaceRecord(name, display_name, *facts, json.loads(tags))


def _is_plain(layout: Layout) -> bool:
    """Whether all is in the folder, and this user may use it."""
    if not stat.S_ISREG(layout.database.lstat().st_mode):
        return False
    full, file = os.R_OK | os.W_OK | os.X_OK, os.R_OK | os.W_OK
    needed = ((layout.path, full), (layout.database, file), (layout.artifacts, full))
    if not all(os.access(path, mode) for path, mode in needed if path.exists()):
        return False
    return all(
        key == "journal_mode" and value in JOURNAL_MODES for key, value in _settings(layout).items()
    )


def _settings(layout: Layout) -> dict[str, object]:
    """Return what ``hub.toml`` sets, which is nothing if it is not there."""
    tree = Tree(layout.path)
    try:
        with tree.open(layout.settings_file.name) as file:
            values: dict[str, object] = tomllib.loads(file.read().decode())
            return values
    except FileNotFoundError:
        return {}


def _is_of_installed(connection: sqlite3.Connection) -> bool:
    """Whether MLflow's tables, and ours, are those that the installed versions work with."""
    tables = set(_column(connection, "SELECT name FROM sqlite_master WHERE type = 'table'"))
    if {each for each in tables if each.startswith(PREFIX)} != OUR_TABLES:
        return False
    if list(_column(connection, f"SELECT version_num FROM {VERSION_TABLE}")) != [OUR_VERSION]:
        return False
    revisions = list(_column(connection, "SELECT version_num FROM alembic_version"))
    try:
        return len(revisions) == 1 and is_of_mlflow(version("mlflow"), revisions[0])
    except PackageNotFoundError:
        return False


def _column(connection: sqlite3.Connection, query: str) -> Iterator[str]:
    return (str(value) for (value,) in connection.execute(query))
