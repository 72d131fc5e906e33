"""The snapshots of a workspace, wherever its hub is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.artifacts.quiet import quietly
from mlflow_workspace_plugin.errors import SnapshotException
from mlflow_workspace_plugin.hub.hub import open_hub
from mlflow_workspace_plugin.protocol.files import SNAPSHOT
from mlflow_workspace_plugin.remote.files.kept import TRIES, keep
from mlflow_workspace_plugin.remote.files.open import repository_at
from mlflow_workspace_plugin.runs.snapshots.memory import Memory
from mlflow_workspace_plugin.runs.snapshots.snapshots import (
    SnapshotFiles,
    Snapshots,
    check_same,
    location_of_snapshots,
)
from mlflow_workspace_plugin.runs.snapshots.taking import Taking


def snapshots_of(tracking_uri: str) -> SnapshotFiles:
    """Return the snapshots of the workspace that a URI names.

    Raises:
        InvalidUriError: it names none.
        HubError: its hub cannot be opened.
    """
    parsed = uris.parse_of_workspace(tracking_uri)
    if isinstance(parsed, uris.ServedWorkspaceUri):
        return ServedSnapshots(parsed)
    return Snapshots(open_hub(parsed.hub), parsed.name)


class ServedSnapshots(SnapshotFiles):
    """The snapshots of a workspace of a served hub.

    Args:
        uri: of the workspace.
    """

    def __init__(self, uri: uris.ServedWorkspaceUri) -> None:
        super().__init__(repository_at(uri, location_of_snapshots(uri.name), is_quiet=True))
        self._uri = uri

    @contextmanager
    def keeping(self, source: "str | os.PathLike[str]") -> Iterator[str]:
        """Take a snapshot, and have the hub keep it for whom the block names it."""
        with self._taking(source), quietly():
            folder = Path(source)
            taking = Taking(folder, None, Memory(str(self._uri), folder))
            if not self._is_stored(taking, self.repository):
                self._store(taking, self.repository)
                self._is_stored(taking, self.repository)
            snapshot_id = taking.manifest.id
        yield snapshot_id

        def store() -> None:
            self._store(taking, self.repository)
            check_same(taking, snapshot_id)

        with self._taking(source), quietly():
            if not keep(self._uri, SNAPSHOT, snapshot_id, store):
                raise SnapshotException(
                    f"The snapshot of {str(source)!r} was removed in each of {TRIES} tries to "
                    "store it: its run was deleted, or somebody removes files by hand. Start "
                    "another run when that is over."
                )
