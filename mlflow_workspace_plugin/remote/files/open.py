"""From a stored location to the repository behind it, wherever its hub is."""

import functools
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.artifacts import repository as of_folders
from mlflow_workspace_plugin.artifacts.file_space import FileSpace
from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
from mlflow_workspace_plugin.artifacts.paths import location_of, workspace_of
from mlflow_workspace_plugin.artifacts.staging.repository import StagingRepository
from mlflow_workspace_plugin.artifacts.staging.sender import FileSender
from mlflow_workspace_plugin.artifacts.staging.staged_files import StagedFiles
from mlflow_workspace_plugin.artifacts.uri_names import SplitUriRepository, split_tail
from mlflow_workspace_plugin.errors import ArtifactRefusedError
from mlflow_workspace_plugin.hub.hub import open_hub
from mlflow_workspace_plugin.journal.of_process import keeper_of
from mlflow_workspace_plugin.journal.progress import PATIENCE_S
from mlflow_workspace_plugin.journal.use import writes_through
from mlflow_workspace_plugin.remote.journal_folders import folder_of
from mlflow_workspace_plugin.uris import ServedWorkspaceUri

if TYPE_CHECKING:
    from mlflow_workspace_plugin.remote.files.repository import ServedRepository

_SENDING_PATIENCE_S = 30.0
"""Nobody waits for what is sent later: an answer may come late."""


def open_repository(artifact_uri: str, tracking_uri: str) -> HubRepository:
    """Open the repository behind a stored location, for the workspace of a tracking URI.

    Args:
        artifact_uri: a host-less ``mlflow-artifacts:`` URI.
        tracking_uri: a URI of ours.

    Raises:
        UnsafeArtifactPathError: the location is not in that workspace.
        HubError: the hub cannot be opened.
    """
    parsed = uris.parse(tracking_uri)
    if not isinstance(parsed, ServedWorkspaceUri):
        return of_folders.open_repository(artifact_uri, tracking_uri)
    repository = open_to_log(parsed, artifact_uri)
    before, tail = split_tail(artifact_uri)
    if not tail:
        return repository
    return SplitUriRepository(repository, open_to_log(parsed, before), tail)


def open_to_log(uri: ServedWorkspaceUri, artifact_uri: str) -> FileSpace:
    """Return the repository behind a stored location, where what cannot be stored now may wait.

    Args:
        uri: of a served workspace.
        artifact_uri: a host-less ``mlflow-artifacts:`` URI.

    Raises:
        UnsafeArtifactPathError: the location is not in that workspace.
    """
    location = location_of(artifact_uri, uri.name)
    stored = repository_at(uri, location)
    if writes_through():
        return stored
    soon = repository_at(uri, location, patience_s=PATIENCE_S)
    return StagingRepository(stored, soon, location, _sender_of(uri))


def repository_at(
    uri: ServedWorkspaceUri,
    location: PurePosixPath,
    *,
    patience_s: float | None = None,
    is_quiet: bool = False,
) -> "ServedRepository":
    """Return the repository at a path below the place of a served hub's files.

    Args:
        uri: of the workspace that the path is in.
        location: as :func:`~mlflow_workspace_plugin.artifacts.paths.location_of` returns it.
        patience_s: for how many seconds a request that gets no answer is sent again; None is as
            long as the settings say.
        is_quiet: show no progress.
    """
    from mlflow_workspace_plugin.remote.files.repository import ServedRepository
    from mlflow_workspace_plugin.remote.http import http_of

    return ServedRepository(
        http_of(uri), uri.name, location, patience_s=patience_s, is_quiet=is_quiet
    )


def staged_files_of(uri: ServedWorkspaceUri) -> StagedFiles:
    """Return the files of a served workspace that wait on this machine for this process."""
    return StagedFiles(folder_of(str(uri)))


def open_to_send(uri: ServedWorkspaceUri, location: PurePosixPath) -> HubRepository:
    """Return the repository at a path, for sending what waited.

    Raises:
        ArtifactRefusedError: it is in another workspace.
    """
    if workspace_of(location) not in (uri.name, None):
        raise ArtifactRefusedError(
            f"A file that waits for workspace {uri.name!r} is of {str(location)!r}. Delete it."
        )
    return repository_at(uri, location, patience_s=_SENDING_PATIENCE_S, is_quiet=True)


def open_to_send_of(tracking_uri: str, artifact_uri: str) -> HubRepository:
    """Return the repository behind a stored location, where what cannot be stored now is raised.

    Args:
        tracking_uri: of the workspace, wherever its hub is.
        artifact_uri: a host-less ``mlflow-artifacts:`` URI.

    Raises:
        UnsafeArtifactPathError: the location is not in that workspace.
        HubError: the hub cannot be opened.
    """
    parsed = uris.parse(tracking_uri)
    location = location_of(artifact_uri, uris.workspace_name(tracking_uri))
    if isinstance(parsed, ServedWorkspaceUri):
        return open_to_send(parsed, location)
    return of_folders.open_to_send(open_hub(parsed.hub), location)


def flush_files(uri: ServedWorkspaceUri, timeout_s: float) -> bool:
    """Wait until the files that this process logged to a served workspace are stored.

    Args:
        uri: of the workspace.
        timeout_s: how long to wait, in seconds.

    Returns:
        Whether they are.
    """
    return writes_through() or _sender_of(uri).flush_all(timeout_s)


def _sender_of(uri: ServedWorkspaceUri) -> FileSender:
    """Return what keeps and sends files for a workspace in this process."""

    def make() -> FileSender:
        return FileSender(staged_files_of(uri), functools.partial(open_to_send, uri))

    return keeper_of(FileSender, str(uri), make)
