"""The compute targets of a workspace: what may be one, which one is meant, and what it can reach.

An entry says which server a job is handed to, and which program runs it. It is a row of a hub that
may be anybody's, so what it says counts only if this user has said it himself, or that it may.
"""

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.errors import (
    ComputeTargetException,
    HubSettingsError,
)
from mlflow_workspace_plugin.hub import trust
from mlflow_workspace_plugin.jobs.engines.engine import Compute, Engine

if TYPE_CHECKING:
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

LOCAL = "local"
"""The compute target that each workspace has, which is this machine; and the type of such."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_HARMLESS = ("slots", "recorded")
"""Settings of an entry by which nothing is run, and nobody asked."""


def check(compute: Compute) -> None:
    """Check what is said of a compute target, but for what its engine takes.

    Raises:
        ComputeTargetException: it cannot be.
    """
    if not _NAME.fullmatch(compute.name):
        raise ComputeTargetException(
            f"{compute.name!r} cannot be the name of a compute target. Use letters, digits, "
            "hyphens, dots and underscores, a letter or digit first, 255 at most."
        )
    if compute.name == LOCAL and compute.type != LOCAL:
        raise ComputeTargetException(
            f"Compute target {LOCAL!r} is this machine, in scripts of SDK v1, too: it cannot be of "
            f"type {compute.type!r}. Give it another name."
        )
    for name, what in (("python", "interpreter"), ("hub", "hub")):
        path = compute.settings.get(name)
        # Of a folder that differs on each machine nobody could say where it is.
        if path is not None and (not str(path).startswith("/") or re.search(r"[\x00-\x1f]", path)):
            raise ComputeTargetException(
                f"The {what} of compute target {compute.name!r}, {path!r}, is no full path on its "
                "nodes. Write one that begins with '/'."
            )


def compute_named(store: "WorkspaceTrackingStore", name: str) -> Compute:
    """Return the compute target of a name.

    Args:
        store: of the workspace.
        name: as scripts give it. ``local``, in any case of its letters, is this machine.

    Raises:
        ComputeTargetException: the workspace has none of that name, or this user has not said that
            his jobs may go where it leads.
    """
    if name.lower() == LOCAL:
        name = LOCAL
    compute = store.compute(name)
    if compute is None and name == LOCAL:
        return Compute(LOCAL, LOCAL)
    if compute is None:
        known = ", ".join(sorted({LOCAL, *(each.name for each in store.computes())}))
        workspace = uris.workspace_name(store.tracking_uri)
        raise ComputeTargetException(
            f"Workspace {workspace!r} has no compute target {name!r}: it has {known}. Say where "
            f"its jobs run, with: mlflow-workspace compute add {shlex.quote(name)} --type ray "
            f"--address http://HOST:8265 (or --type slurm, or --type {LOCAL} for this machine)"
        )
    try:
        may_be_used = is_trusted(store, compute)
    except HubSettingsError as error:
        raise ComputeTargetException(error.message) from error
    if not may_be_used:
        raise ComputeTargetException(
            f"Compute target {name!r} leads to what you have not said that your jobs may use, or "
            f"it was changed since: {trust.Destination('compute', identity(compute))}. Nothing was "
            f"sent. If you know this place, run: mlflow-workspace compute trust {shlex.quote(name)}"
        )
    return compute


def runner_uri(uri: str, compute: Compute, engine: Engine) -> str:
    """Return the URI by which the nodes of a compute target find a workspace.

    Args:
        uri: of the workspace, as it is here.
        compute: the compute target.
        engine: of it.

    Raises:
        ComputeTargetException: they cannot reach the workspace's hub, or nothing says that they
            can; or the engine cannot be asked.
    """
    here = uris.parse_of_workspace(uri)
    if isinstance(here, uris.ServedWorkspaceUri):
        return _served_uri(here, compute, engine)
    hub = compute.settings.get("hub")
    if hub is not None:
        return str(uris.WorkspaceUri(Path(hub), here.name))
    if engine.runs_here:
        return uri
    shared = replace(compute, settings={**compute.settings, "hub": str(here.hub)})
    raise ComputeTargetException(
        f"Compute target {compute.name!r} runs jobs on other machines than this one, and hub "
        f"{str(here.hub)!r} is a folder: nothing says that they see it. Say where it is for them, "
        f"be it the same path on a disk that all share: {add_command(shared)}. A hub of several "
        "machines is on such a disk, or has its rows in PostgreSQL, and a folder with the same "
        "hub.toml on each."
    )


def add_command(compute: Compute) -> str:
    """Return the command by which a compute target comes to be.

    Args:
        compute: the compute target.
    """
    parts = ["mlflow-workspace", "compute", "add", compute.name, "--type", compute.type]
    if compute.address:
        parts += ["--address", compute.address]
    for name, option in (("slots", "slots"), ("python", "python"), ("hub", "hub-on-nodes")):
        if compute.settings.get(name) is not None:
            parts += [f"--{option}", str(compute.settings[name])]
    for name, value in compute.settings.get("options", {}).items():
        parts += ["--option", f"{name}={value}"]
    return shlex.join(parts)


def identity(compute: Compute) -> str:
    """Return what a compute target leads to, as a user trusts it: all that is said but its name."""
    said = {
        name: value
        for name, value in compute.settings.items()
        if name not in _HARMLESS and value not in (None, {}, [])
    }
    parts = [compute.type, *([compute.address] if compute.address else [])]
    parts += [f"{name}={json.dumps(said[name], sort_keys=True)}" for name in sorted(said)]
    return " ".join(parts)


def is_trusted(store: "WorkspaceTrackingStore", compute: Compute) -> bool:
    """Whether this user has said that his jobs may go where a compute target leads.

    Args:
        store: of the workspace.
        compute: the compute target. This machine, with its own Python, needs no saying.

    Raises:
        HubSettingsError: the record of what he trusts cannot be used.
    """
    wanted = identity(compute)
    if wanted == LOCAL:
        return True
    place = uris.parse(store.tracking_uri)
    hub = None if isinstance(place, uris.ServedWorkspaceUri) else place.hub
    return trust.is_trusted(hub, trust.Destination("compute", wanted))


def remember(compute: Compute) -> None:
    """Record that this user's jobs may go where a compute target leads.

    Args:
        compute: as this user has said it, or seen it.

    Raises:
        HubSettingsError, HubNotWritableError: the record cannot be used, or written.
    """
    if identity(compute) != LOCAL:
        trust.remember([trust.Destination("compute", identity(compute))])


def _served_uri(here: uris.ServedWorkspaceUri, compute: Compute, engine: Engine) -> str:
    """Return the URI by which nodes find a workspace of a served hub: the same as here."""
    if not engine.runs_here and uris.is_loopback(here.host):
        raise ComputeTargetException(
            f"Compute target {compute.name!r} runs jobs on other machines than this one, and the "
            f"hub's address is {here.address}, which is this machine's own. Name the hub by an "
            "address that they reach, too."
        )
    return str(here)
