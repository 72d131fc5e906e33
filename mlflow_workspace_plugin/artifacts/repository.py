"""From a stored location to the repository behind it: the one place that knows where bytes are."""

import functools
import io
import uuid
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.utils.workspace_context import get_request_workspace

from mlflow_workspace_plugin import names, uris
from mlflow_workspace_plugin.artifacts.file_space import FileSpace
from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
from mlflow_workspace_plugin.artifacts.paths import (
    ARTIFACT_ROOT,
    INTERNAL_FOLDER,
    SKILLS,
    location_of,
    workspace_of,
    workspace_root,
)
from mlflow_workspace_plugin.artifacts.staging.repository import StagingRepository
from mlflow_workspace_plugin.artifacts.staging.sender import FileSender
from mlflow_workspace_plugin.artifacts.staging.staged_files import StagedFiles
from mlflow_workspace_plugin.artifacts.uri_names import SplitUriRepository, split_tail
from mlflow_workspace_plugin.errors import (
    ArtifactRefusedError,
    ForeignFileError,
    HubError,
    HubSettingsError,
    HubUnreachableError,
    ServedHubError,
    UnsafeArtifactPathError,
    WorkspaceException,
    WorkspaceNotEmptyError,
    WorkspaceUnknownError,
    clause,
)
from mlflow_workspace_plugin.hub.azure import AzureRoot
from mlflow_workspace_plugin.hub.hub import Hub, open_hub
from mlflow_workspace_plugin.hub.workspace_record import WorkspaceRecord
from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from mlflow_workspace_plugin.journal.of_process import keeper_of
from mlflow_workspace_plugin.journal.progress import PATIENCE_S
from mlflow_workspace_plugin.journal.use import journal_target, writes_through
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

DATASTORES = "datastores"
"""The folder of a workspace that holds one for each datastore in the hub's own storage."""

ROOMS = (DATASTORES, INTERNAL_FOLDER, SKILLS)
"""Folders of a workspace that belong to all in it: data, snapshots, skills. No row names them."""

UNDER_LOCK_S = 3.0
"""For how long a storage account that does not answer is asked while others wait for a lock."""

_SENDING_PATIENCE_S = 30.0
"""Nobody waits for what is sent later: an answer may come late."""


def open_repository(artifact_uri: str, tracking_uri: str) -> HubRepository:
    """Open the repository behind a stored location, for the workspace of a tracking URI.

    Args:
        artifact_uri: a host-less ``mlflow-artifacts:`` URI.
        tracking_uri: a URI of ours. For ``workspace-hub:`` the workspace is that of the request
            being served.

    Raises:
        UnsafeArtifactPathError: the location is not in that workspace.
        HubError: the hub cannot be opened.
    """
    parsed = uris.parse(tracking_uri)
    if isinstance(parsed, uris.ServedWorkspaceUri):
        raise ServedHubError.of(str(parsed))
    workspace = parsed.name if isinstance(parsed, uris.WorkspaceUri) else get_request_workspace()
    if workspace is None:
        raise UnsafeArtifactPathError(
            f"Artifact location {artifact_uri!r} was asked for outside of any workspace. "
            "Use the tracking URI of a workspace: workspace:///path/to/hub/NAME."
        )
    hub = open_hub(parsed.hub)
    repository = open_to_log(hub, workspace, artifact_uri)
    before, tail = split_tail(artifact_uri)
    if not tail:
        return repository
    return SplitUriRepository(repository, open_to_log(hub, workspace, before), tail)


def open_served(backend_store_uri: str) -> ArtifactRepository:
    """Open the files of a hub in a folder for MLflow's own server, which keeps this one object.

    Args:
        backend_store_uri: what the server serves: a URI of ours.

    Raises:
        HubError: the hub cannot be opened.
    """
    from mlflow_workspace_plugin.artifacts.folder_repository import ServedFiles

    parsed = uris.parse(backend_store_uri)
    if isinstance(parsed, uris.ServedWorkspaceUri):
        raise ServedHubError.of(str(parsed))
    workspace = parsed.name if isinstance(parsed, uris.WorkspaceUri) else None
    return ServedFiles(open_hub(parsed.hub).folder, workspace)


def open_to_log(hub: Hub, workspace: str, artifact_uri: str) -> FileSpace:
    """Return the repository behind a stored location, where what cannot be stored now may wait.

    Args:
        hub: the hub.
        workspace: the name MLflow knows.
        artifact_uri: a host-less ``mlflow-artifacts:`` URI.

    Raises:
        UnsafeArtifactPathError: the location is not in that workspace.
        HubError: the place of the hub's files cannot be used.
    """
    location = location_of(artifact_uri, workspace)
    stored = repository_at(hub, location)
    if writes_through():
        return stored
    if hub.settings.artifact_root is not None:
        soon = repository_at(hub, location, patience_s=PATIENCE_S)
    elif staged_files_of(hub, workspace).names(location):
        # A link was in the way of what a journal delivered.
        soon = stored
    else:
        return stored
    return StagingRepository(stored, soon, location, _sender_of(hub, workspace))


def append_or_keep(hub: Hub, workspace: str, artifact_uri: str, path: str, lines: bytes) -> None:
    """Append lines that a journal delivers to a file of a run, or keep them until that can be.

    A link where the file belongs keeps back nothing but them.

    Args:
        hub: the hub.
        workspace: the name MLflow knows.
        artifact_uri: of the run.
        path: of the file, below that.
        lines: as for :meth:`HubRepository.append`.

    Raises:
        UnsafeArtifactPathError: the location is not in that workspace.
        HubError: they can neither be stored nor kept.
    """
    try:
        open_to_log(hub, workspace, artifact_uri).append(path, lines)
    except ForeignFileError:
        if writes_through():
            raise
        location = location_of(artifact_uri, workspace)
        kept = f"{path}.{uuid.uuid4().hex}"
        _sender_of(hub, workspace).add(location, kept, io.BytesIO(lines))


def repository_at(
    hub: Hub,
    location: PurePosixPath,
    *,
    patience_s: float | None = None,
    is_quiet: bool = False,
) -> FileSpace:
    """Return the repository at a path below the artifact root of a hub.

    Args:
        hub: the hub.
        location: as :func:`~mlflow_workspace_plugin.artifacts.paths.location_of` returns it.
        patience_s: for how many seconds a request to a storage account that does not answer is sent
            again; None is as long as the settings say.
        is_quiet: show no progress.

    Raises:
        UnsafeArtifactPathError: a symbolic link leads out of the workspace.
        HubError: the place of the hub's files cannot be used.
    """
    root = hub.settings.artifact_root
    # Either takes long to import, and a hub has use for one of them.
    if root is None:
        from mlflow_workspace_plugin.artifacts.folder_repository import FolderRepository

        return FolderRepository(hub.folder, location)
    from mlflow_workspace_plugin.artifacts.azure_blob.repository import AzureRepository

    return AzureRepository(root, location, patience_s=patience_s, is_quiet=is_quiet)


def staged_files_of(hub: Hub, workspace: str) -> StagedFiles:
    """Return the files of a workspace that wait on this machine."""
    return StagedFiles(JournalFolder(journal_target(hub, workspace)))


def open_to_send(hub: Hub, location: PurePosixPath) -> HubRepository:
    """Return the repository at a path, for sending what waited.

    Raises:
        ArtifactRefusedError: the workspace that it is in was deleted meanwhile.
        WorkspaceUnknownError: the database does not answer, so nobody knows.
    """
    workspace = workspace_of(location)
    try:
        is_there = workspace is None or hub.catalog.holds(workspace)
    except HubUnreachableError as error:
        raise WorkspaceUnknownError(
            f"Whether workspace {workspace!r} is still there is not known: {error.message} What "
            "waits for it is sent when the database answers."
        ) from error
    if not is_there:
        raise ArtifactRefusedError(
            f"A file was logged to workspace {workspace!r} of hub {str(hub.path)!r}, which was "
            "deleted before it could be stored. Create the workspace again, or delete the file."
        )
    return repository_at(hub, location, patience_s=_SENDING_PATIENCE_S, is_quiet=True)


def flush_files(hub: Hub, workspace: str, timeout_s: float) -> bool:
    """Wait until the files that this process logged to a workspace are stored.

    Args:
        hub: the hub.
        workspace: the name MLflow knows.
        timeout_s: how long to wait, in seconds.

    Returns:
        Whether they are.
    """
    if writes_through():
        return True
    if hub.settings.artifact_root is None and not staged_files_of(hub, workspace).names():
        return True
    return _sender_of(hub, workspace).flush_all(timeout_s)


def _sender_of(hub: Hub, workspace: str) -> FileSender:
    """Return what keeps and sends files for a workspace in this process."""

    def make() -> FileSender:
        return FileSender(staged_files_of(hub, workspace), functools.partial(open_to_send, hub))

    return keeper_of(FileSender, journal_target(hub, workspace), make)


def create_workspace(hub: Hub, display_name: str, **facts: Any) -> WorkspaceRecord:
    """Create a workspace of a hub, none of whose datastores holds anything.

    Args:
        hub: the hub.
        display_name: of the workspace.
        facts: as for ``Catalog.create``.

    Raises:
        WorkspaceException: as ``Catalog.create``, or files of an earlier workspace of its name are
            left.
    """
    name = names.fold(display_name)
    if not hub.catalog.holds(name):
        refuse_with_files_left(hub, name)
    return hub.catalog.create(display_name, **facts)


def refuse_with_files_left(hub: Hub, name: str) -> None:
    """Refuse to make a workspace that would show the files of an earlier one as its own.

    MLflow's own server deletes the rows of a workspace, and no files. Where nobody can say whether
    there are files, that is said.

    Args:
        hub: the hub.
        name: the name MLflow knows.

    Raises:
        WorkspaceException: files are in its datastores, or its other rooms.
    """
    place = hub.place_of(workspace_root(name))
    try:
        for room in ROOMS:
            location = workspace_root(name) / room
            # Behind somebody's link nothing is the workspace's.
            with suppress(ForeignFileError):
                files = repository_at(hub, location, patience_s=PATIENCE_S).files()
                if next(files, None) is not None:
                    raise WorkspaceException(
                        f"Workspace {name!r} was not created: files of an earlier workspace of "
                        f"that name are in {hub.place_of(location)!r}, and would be its own. Move "
                        "them away or remove them, or choose another name."
                    )
    except HubError as error:
        _logger.warning(
            "Whether files of an earlier workspace %r are left in %r is not known: %s",
            name,
            place,
            clause(error),
        )


def delete_workspace(hub: Hub, name: str, *, with_content: bool) -> None:
    """Delete a workspace of a hub, and then its files.

    Args:
        hub: the hub.
        name: the name MLflow knows.
        with_content: as for ``Catalog.delete``.

    Raises:
        WorkspaceException: as ``Catalog.delete``, or files of it remain.
        WorkspaceNotEmptyError: files are in a datastore of it and ``with_content`` is False.
    """
    if not with_content:
        refuse_with_data(hub, name)
    hub.catalog.delete(name, with_content=with_content)
    remove_files(hub, name)


def remove_files(hub: Hub, name: str) -> None:
    """Remove all files of a workspace that was deleted.

    Args:
        hub: the hub.
        name: the name MLflow knew.

    Raises:
        WorkspaceException: some remain.
    """
    root = hub.settings.artifact_root
    if root is None:
        from mlflow_workspace_plugin.artifacts.folder_repository import remove_workspace_files

        remove_workspace_files(hub.folder, name)
        return
    from mlflow_workspace_plugin.artifacts.azure_blob.repository import WorkspaceFiles

    try:
        WorkspaceFiles(root, name).remove()
    except HubError as error:
        raise WorkspaceException(
            f"Workspace {name!r} was deleted, but files of it remain in "
            f"{hub.place_of(workspace_root(name))!r}: {error.message} Remove them by hand."
        ) from error


def refuse_with_data(hub: Hub, name: str) -> None:
    """Refuse to delete a workspace in whose datastores files are, or will be when they are sent.

    Args:
        hub: the hub.
        name: the name MLflow knows.

    Raises:
        WorkspaceNotEmptyError: there are.
    """
    location = workspace_root(name) / DATASTORES
    # What waits is known though the account be away.
    if not _waiting_below(hub, name, location):
        # Behind somebody's link nothing is the workspace's, and nothing is removed.
        with suppress(ForeignFileError):
            if next(repository_at(hub, location).files(), None) is not None:
                raise _with_data(hub, name, location)
        return
    raise _with_data(hub, name, location)


def _with_data(hub: Hub, name: str, location: PurePosixPath) -> WorkspaceNotEmptyError:
    return WorkspaceNotEmptyError(
        f"Workspace {name!r} was not deleted: files are in its datastores, in "
        f"{hub.place_of(location)!r}. Nothing was removed. To delete it with everything in it, "
        "pass delete_dependent_resources=True."
    )


def _waiting_below(hub: Hub, name: str, location: PurePosixPath) -> bool:
    """Whether a file waits on this machine that belongs below a location."""
    staged = staged_files_of(hub, name)
    for each in staged.names():
        with suppress(ValueError):
            file = staged.read(each)
            if file is not None and location in file.location.parents:
                return True
    return False


def link_workspace(hub: Hub, name: str, elsewhere: Path) -> None:
    """Keep the files of a workspace in another folder, to which a link leads from the hub's.

    Raises:
        HubSettingsError: the files of the hub are in a storage account.
        WorkspaceException, HubError: as ``link_workspace_files``.
    """
    if hub.settings.artifact_root is not None:
        raise HubSettingsError(
            f"Hub {str(hub.path)!r} keeps its files in {hub.place_of()!r}, and no folder of a "
            "workspace can be linked there. Set artifacts in hub.toml to another place."
        )
    from mlflow_workspace_plugin.artifacts.folder_repository import link_workspace_files

    link_workspace_files(hub.folder, name, elsewhere)


def check_access(root: AzureRoot) -> None:
    """Check that a place for files is there and answers to this process.

    Raises:
        HubError: it does not; the message says why.
    """
    from mlflow_workspace_plugin.artifacts.azure_blob.repository import Access

    Access(root).check()


def server_destination(hub: Hub) -> tuple[str, dict[str, str]]:
    """Return where MLflow's own server finds a hub's files, and variables with the secret for it.

    Of a hub in a folder it asks us for them: given the folder, it would follow the links in it.

    Raises:
        HubSettingsError: there is no usable credential.
    """
    root = hub.settings.artifact_root
    if root is None:
        return ARTIFACT_ROOT, {}
    from mlflow_workspace_plugin.artifacts.azure_blob.connection.credentials import find_credential

    return root.for_mlflow, find_credential(root).for_mlflow(root)
