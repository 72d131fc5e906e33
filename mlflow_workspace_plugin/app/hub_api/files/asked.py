"""What requests about files name: places of a workspace, numbers of bytes, hashes."""

import re
from pathlib import PurePosixPath
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from mlflow_workspace_plugin.app.hub_api.answers import Asked
from mlflow_workspace_plugin.app.hub_api.files.owners import Level, may
from mlflow_workspace_plugin.artifacts.file_space import FileSpace
from mlflow_workspace_plugin.artifacts.paths import ARTIFACT_ROOT, location_of
from mlflow_workspace_plugin.artifacts.repository import repository_at
from mlflow_workspace_plugin.errors import RoleNeededError, UserErrorException
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.protocol.files import FILES_AT_ONCE

_PATIENCE_S = 5.0
"""Who asks waits, too, and asks again."""
_LONGEST = 2_000
_VERBS: dict[Level, str] = {"read": "read", "edit": "store", "manage": "delete"}
_SHA256 = re.compile(r"[0-9a-f]{64}")


def location_asked(
    asked: Asked, text: Any, level: Level, *, is_removal: bool = False
) -> PurePosixPath:
    """Return a place that was asked about, if who asks may do there what they ask.

    Raises:
        UnsafeArtifactPathError: it is in no place of the workspace.
        RoleNeededError: who asks may store nothing in the workspace.
        MlflowException: ``PERMISSION_DENIED``; what is nobody's is nobody's to read, either.
    """
    if not isinstance(text, str) or not 0 < len(text) <= _LONGEST:
        raise UserErrorException("location is to be a path below the hub's root.")
    workspace = asked.path["workspace"]
    location = location_of(f"{ARTIFACT_ROOT}{text}", workspace)
    principal, access = asked.principal, asked.access
    if principal is None or not may(
        asked.hub, access, principal, workspace, location, level, is_removal=is_removal
    ):
        if level == "edit" and (
            principal is None or not access.writes_somewhere(principal, workspace)
        ):
            raise RoleNeededError.to_write(workspace)
        raise MlflowException(
            f"There is no place {text!r} in workspace {workspace!r} where you may "
            f"{_VERBS[level]} files. It may be of a run that is not "
            "there. Ask a manager of the workspace for access.",
            PERMISSION_DENIED,
        )
    return location


def objects_of(asked: Asked, name: str) -> list[dict[str, Any]]:
    """Return a list of objects that was sent under a name.

    Raises:
        UserErrorException: it is none, or too long.
    """
    found = list_of(asked, name)
    if not all(isinstance(each, dict) for each in found):
        raise UserErrorException(f"{name} is to be a list of objects.")
    return found


def list_of(asked: Asked, name: str) -> list[Any]:
    """Return a list that was sent under a name.

    Raises:
        UserErrorException: it is none, or too long.
    """
    found = asked.json().get(name)
    if not isinstance(found, list) or len(found) > FILES_AT_ONCE:
        raise UserErrorException(f"{name} is to be a list of at most {FILES_AT_ONCE}.")
    return found


def bytes_of(given: Any, name: str) -> int:
    """Return a number of bytes.

    Raises:
        UserErrorException: what was given is none; the message has the name.
    """
    try:
        number = int(given)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if not 0 <= number < 2**63:
        raise UserErrorException(f"{name} is to be a number of bytes.")
    return number


def sha256_of(given: Any) -> str:
    """Return a SHA-256 in hexadecimal digits.

    Raises:
        UserErrorException: what was given is none.
    """
    if not isinstance(given, str) or not _SHA256.fullmatch(given):
        raise UserErrorException("sha256 is to be a SHA-256 in hexadecimal digits.")
    return given


def place_at(hub: Hub, location: PurePosixPath) -> FileSpace:
    """Return the files below a place."""
    return repository_at(hub, location, patience_s=_PATIENCE_S, is_quiet=True)


def above(hub: Hub, location: PurePosixPath) -> tuple[FileSpace, str]:
    """Return the folder that a place is in, and its name there."""
    return place_at(hub, location.parent), location.name
