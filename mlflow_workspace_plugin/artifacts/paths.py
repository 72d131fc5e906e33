"""Where an artifact may lie: the stored location of a run or model, and the paths below it."""

import os
import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from mlflow_workspace_plugin import settings

if TYPE_CHECKING:
    from mlflow_workspace_plugin.errors import UnsafeArtifactPathError

ARTIFACT_ROOT = "mlflow-artifacts:/"
"""What every stored location begins with: it names no host and no folder, so that it stays true
when the hub moves, and a client without this package reads it through a server."""

INTERNAL_FOLDER = ".mlflow-workspace"
"""The folder among a run's artifacts that holds what is ours; SDK v1's calls do not list it."""

_WORKSPACES = "workspaces"
SKILLS = "skills"
_DEFAULT = "default"
_NOT_PLAIN = re.compile(r"^/|\.\.|[%\\:\x00]")
"""What a path has that leads elsewhere, on any system; most paths have none of it."""
_MOST_DECODED = 100
_SHOWN = 200
_OUTSIDE = f"{ARTIFACT_ROOT}outside-the-hub/"
_BY_NAME = ("runs", "models")
"""Schemes of URIs that name a run or a model, and no place."""


def workspace_root(workspace: str) -> PurePosixPath:
    """Return the folder, below the hub's artifact root, that holds the files of a workspace."""
    return PurePosixPath(_WORKSPACES, workspace)


def workspace_of(location: PurePosixPath) -> str | None:
    """Return the workspace that a path below the hub's artifact root is in; None if in none."""
    first, *names = location.parts or ("",)
    return names[0] if first == _WORKSPACES and names else None


def location_of(artifact_uri: str, workspace: str) -> PurePosixPath:
    """Return the path, below the hub's artifact root, of a stored ``mlflow-artifacts:`` URI.

    Args:
        artifact_uri: such as ``mlflow-artifacts:/workspaces/team-a/1/RUN/artifacts``. Those of
            skills, ``mlflow-artifacts:/skills/NAME/TOKEN``, are relative to their workspace.
        workspace: the only workspace that the caller may see. Other locations without a workspace
            are those that MLflow stored before it had any; they belong to ``default``.

    Raises:
        UnsafeArtifactPathError: it lies in another workspace, or leads out of its own, or out of
            the hub.
    """
    if artifact_uri.startswith(_OUTSIDE) or not _is_of_hub(artifact_uri):
        outside = artifact_uri.removeprefix(_OUTSIDE)
        raise _unsafe()(
            f"Artifact location {outside!r} is not below the hub's own root. A row of the hub "
            "names it, which may be anybody's, so it is not followed. If it is yours, name it, or "
            f"what it is below, in {settings.ALLOWED_LOCATIONS.name}."
        )
    # Not by the rules of URIs: "?", "#" and "%" are letters of names like all others.
    path = artifact_uri.partition(":")[2].lstrip("/")
    check_path(path)
    location = PurePosixPath(path)
    if location.parts[:1] == (SKILLS,) and workspace != _DEFAULT:
        # Where MLflow's server puts them. It lets those of default lie at the root.
        return workspace_root(workspace) / location
    if location.parts and location.parts[0].lower() != _WORKSPACES:
        owner = _DEFAULT
    else:
        owner = location.parts[1] if len(location.parts) > 1 else ""
    if owner != workspace:
        raise _unsafe()(
            f"Artifact location {artifact_uri!r} is not in workspace {workspace!r}. "
            "Open it through the tracking URI of its own workspace."
        )
    return location


def is_own(artifact_uri: str, workspace: str) -> bool:
    """Whether a stored location is below the hub's own root, and in a workspace."""
    try:
        location_of(artifact_uri, workspace)
    except _unsafe():
        return False
    return True


def followed(location: str | None) -> str | None:
    """Return the location of files, as a row has it, in a form that may be given to MLflow.

    MLflow opens what it is given: any folder of this machine, and any server, to which it sends
    the user's secrets. What is not below the hub's own root is given as a location that
    :func:`location_of` refuses, unless the user allows it.
    """
    if not location or _is_of_hub(location) or _split(location).scheme in _BY_NAME:
        return location
    return location if _is_allowed(location) else f"{_OUTSIDE}{location}"


def check_path(path: str | None, *, is_only_here: bool = False) -> None:
    """Check that a path stays below the place it is relative to, however often it is decoded.

    Args:
        path: the path as the caller gave it; None and empty mean the place itself.
        is_only_here: only this system reads it: ``c:x`` names a drive on Windows alone.

    Raises:
        UnsafeArtifactPathError: it is absolute or climbs with ``..``, as POSIX or Windows reads
            it, or it contains NUL.
    """
    decoded = path or ""
    for _ in range(_MOST_DECODED):
        if not _NOT_PLAIN.search(decoded):
            return
        windows = PureWindowsPath(decoded)
        if (
            "\x00" in decoded
            or decoded.startswith("/")
            or windows.root
            or (windows.drive and (os.name == "nt" or not is_only_here))
            or ".." in windows.parts
        ):
            raise _unsafe()(
                f"Artifact path {path!r} is absolute, names a drive or leads out of its place. "
                "Give a path relative to them, without '..', separated by '/'."
            )
        once_more = unquote(decoded)
        if once_more == decoded:
            return
        decoded = once_more
    raise _unsafe()(
        f"Artifact path {(path or '')[:_SHOWN]!r} is encoded more than {_MOST_DECODED} times. "
        "Give it as it is."
    )


def _is_of_hub(location: str) -> bool:
    parsed = _split(location)
    return parsed.scheme == "mlflow-artifacts" and not parsed.netloc


def _is_allowed(location: str) -> bool:
    place = _without_file_scheme(location)
    decoded = place
    while (once_more := unquote(decoded)) != decoded:
        decoded = once_more
    if ".." in PureWindowsPath(decoded).parts or not (decoded.startswith("/") or ":" in decoded):
        return False
    allowed = map(_without_file_scheme, settings.ALLOWED_LOCATIONS.get().split())
    return any(f"{place}/".startswith(f"{each.rstrip('/')}/") for each in allowed)


def _without_file_scheme(location: str) -> str:
    parsed = _split(location)
    return parsed.path if parsed.scheme == "file" and not parsed.netloc else location


def _split(location: str) -> SplitResult:
    try:
        return urlsplit(location)
    except ValueError:
        return SplitResult("", "", location, "", "")


def _unsafe() -> "type[UnsafeArtifactPathError]":
    # Only now: errors are MLflow's, which takes a second to import.
    from mlflow_workspace_plugin.errors import UnsafeArtifactPathError

    return UnsafeArtifactPathError
