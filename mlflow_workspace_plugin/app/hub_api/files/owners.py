"""Whose a file is, by where it is stored: what decides who may read or write it.

Not the path says so, but the row of a run, a logged model or an experiment that names the place: a
path may have any run's id in it. What no row names is nobody's, but for the rooms of a workspace.
"""

import re
import threading
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from cachetools import LRUCache
from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlLoggedModel, SqlRun
from sqlalchemy import select

from mlflow_workspace_plugin.accounts.access import Access
from mlflow_workspace_plugin.accounts.principal import Principal
from mlflow_workspace_plugin.artifacts.paths import (
    ARTIFACT_ROOT,
    is_own,
    location_of,
    workspace_root,
)
from mlflow_workspace_plugin.artifacts.repository import ROOMS
from mlflow_workspace_plugin.hub.databases.database import connected
from mlflow_workspace_plugin.hub.hub import Hub

Level = Literal["read", "edit", "manage"]

_RUN = re.compile(r"[0-9a-f]{32}")
_MODEL = re.compile(r"m-[0-9a-f]{32}")
_MOST_KNOWN = 50_000


class Owner(NamedTuple):
    """Whose the files below a place are."""

    place: PurePosixPath
    id: str
    """Of a run, or of a logged model."""
    run_id: str | None
    """Of the run, or of that which the model came from."""
    is_run: bool


# Where a run's files are never changes.
_known: LRUCache[tuple[Path, str, str], Owner] = LRUCache(_MOST_KNOWN)
_lock = threading.Lock()


def may(
    hub: Hub,
    access: Access,
    principal: Principal,
    workspace: str,
    location: PurePosixPath,
    level: Level,
    *,
    is_removal: bool = False,
) -> bool:
    """Whether somebody may read or write what is at a place.

    A job stores what it makes for all, such as its outputs and the code of jobs that it starts, as
    its owner; it removes nothing of that.

    Args:
        hub: the hub.
        access: knows the roles.
        principal: who asks.
        workspace: as MLflow knows it.
        location: as :func:`~mlflow_workspace_plugin.artifacts.paths.location_of` returns it.
        level: what for.
        is_removal: whether files are to be removed.
    """
    root = workspace_root(workspace)
    is_below = root in location.parents
    parts = location.relative_to(root).parts if is_below else location.parts
    if not parts or location == root:
        return False
    if is_below and parts[0] in ROOMS:
        if not is_removal:
            principal = principal._replace(run_id=None)
        if level == "read":
            return access.reads_shared(principal, workspace)
        return access.may(principal, workspace, level=level)
    owner = _owner(hub, workspace, location, parts)
    if owner is None:
        experiments = _experiments(hub, workspace, location)
        return bool(experiments) and all(
            access.may(principal, workspace, experiment_id=each, level=level)
            for each in experiments
        )
    # A job changes the files of what its own run made.
    is_of_run = owner.is_run or (principal.run_id is not None and level != "read")
    if is_of_run and not (
        owner.run_id and access.may(principal, workspace, run_id=owner.run_id, level=level)
    ):
        return False
    return owner.is_run or bool(access.may_models(principal, workspace, [owner.id], level))


def _owner(
    hub: Hub, workspace: str, location: PurePosixPath, parts: tuple[str, ...]
) -> Owner | None:
    """Return the run or logged model to which a place belongs."""
    for part in parts:
        if not (_RUN.fullmatch(part) or _MODEL.fullmatch(part)):
            continue
        key = hub.path, workspace, part
        with _lock:
            owner = _known.get(key)
        if owner is None and (owner := _asked(hub, workspace, part)) is not None:
            with _lock:
                _known[key] = owner
        if owner is not None and (location == owner.place or owner.place in location.parents):
            return owner
    return None


def _asked(hub: Hub, workspace: str, part: str) -> Owner | None:
    is_run = _RUN.fullmatch(part) is not None
    columns: tuple[Any, ...]
    if is_run:
        columns = (SqlRun.artifact_uri, SqlRun.run_uuid)
        is_it, table = SqlRun.run_uuid == part, SqlRun
    else:
        model = SqlLoggedModel
        columns = (model.artifact_location, model.source_run_id)
        is_it, table = model.model_id == part, model
    query = (
        select(*columns)
        .join_from(table, SqlExperiment, SqlExperiment.experiment_id == table.experiment_id)
        .where(is_it, SqlExperiment.workspace == workspace)
    )
    with connected(hub.engine) as connection:
        row = connection.execute(query).first()
    if row is None or not is_own(row[0] or "", workspace):
        return None
    return Owner(location_of(row[0], workspace), part, row[1], is_run)


def _experiments(hub: Hub, workspace: str, location: PurePosixPath) -> list[str]:
    """Return the experiments in whose folder a place is, such as that of a trace."""
    above = [location, *location.parents][:-1]
    query = select(SqlExperiment.experiment_id).where(
        SqlExperiment.workspace == workspace,
        SqlExperiment.artifact_location.in_([f"{ARTIFACT_ROOT}{each}" for each in above]),
    )
    with connected(hub.engine) as connection:
        return [str(each) for each in connection.execute(query).scalars()]
