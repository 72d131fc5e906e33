"""Where what ended processes left is sent, wherever its workspace is."""

from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath
from typing import NamedTuple

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.artifacts import repository
from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
from mlflow_workspace_plugin.hub.databases.database import connected
from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from mlflow_workspace_plugin.journal.files.secret import JournalSecret
from mlflow_workspace_plugin.journal.sending.target import Target
from mlflow_workspace_plugin.remote.files import open as files
from mlflow_workspace_plugin.remote.http import http_of
from mlflow_workspace_plugin.remote.journal_target import JournalTarget
from mlflow_workspace_plugin.stores.build import open_workspace_store
from mlflow_workspace_plugin.stores.reads.receipts import stored_sequences
from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore


class Destination(NamedTuple):
    """Where the journals and the files of a workspace are sent.

    Attributes:
        target: takes records.
        stored: returns the sequence of the last stored record of each of some writers.
        open_files: opens the repository at a path, for sending.
    """

    target: Target
    stored: Callable[[set[str]], dict[str, int]]
    open_files: Callable[[PurePosixPath], HubRepository]


def destination_of(folder: JournalFolder) -> Destination:
    """Return where what waits in a folder of journals is sent.

    Args:
        folder: the folder.

    Raises:
        HubError, WorkspaceNotFoundError: the hub or the workspace cannot be opened.
    """
    uri = uris.parse(folder.target)
    if isinstance(uri, uris.ServedWorkspaceUri):
        target = JournalTarget(http_of(uri).ask, uri.name, JournalSecret(folder))
        return Destination(target, target.last_sequences, partial(files.open_to_send, uri))
    return beneath(open_workspace_store(folder.target))


def beneath(store: WorkspaceTrackingStore) -> Destination:
    """Return where what waits for a workspace of a hub in a folder is sent.

    Args:
        store: of the workspace, without a journal.
    """
    open_files = partial(repository.open_to_send, store.place[0])
    return Destination(store, partial(_stored, store), open_files)


def _stored(store: WorkspaceTrackingStore, names: set[str]) -> dict[str, int]:
    with connected(store.engine) as connection:
        return stored_sequences(connection, names)
