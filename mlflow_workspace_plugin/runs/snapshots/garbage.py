"""Freeing the snapshots that no run of a workspace names any more, and the packs they shared.

A run names its snapshot under the hub's lock, and only after it was seen to be stored; so under
that lock what nobody names is nobody's. It is held for a few files at a time.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice

from mlflow.entities import FileInfo

from mlflow_workspace_plugin.errors import SnapshotException
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.runs.snapshots.snapshots import SNAPSHOT_TAG, Snapshots, name_of
from mlflow_workspace_plugin.stores.garbage import named_snapshots

_AT_ONCE = 50


class SnapshotGarbage:
    """What is left of snapshots in a workspace that no run names.

    Args:
        hub: the hub.
        workspace: the name MLflow knows.
    """

    def __init__(self, hub: Hub, workspace: str) -> None:
        self._snapshots = Snapshots(hub, workspace)
        # By the ids of snapshots, the packs that they need: a manifest never changes what it holds.
        self._needed: dict[str, set[str]] = {}

    def find(self, without: Collection[str] = ()) -> list[FileInfo]:
        """Return the manifests that no run names, and then the packs that only those need.

        Args:
            without: the ids of runs that will be freed before.

        Raises:
            SnapshotException: a snapshot that a run names cannot be read, so that nobody knows
                which packs it needs.
        """
        manifests = self._snapshots.manifests()
        packs = self._snapshots.packs()
        if not (manifests or packs):
            return []
        named = self._named(without)
        needed = self._packs_of(named)
        return [
            *(each for each in manifests if name_of(each) not in named),
            *(each for each in packs if name_of(each) not in needed),
        ]

    def free(
        self, *, is_over: Callable[[], bool] = lambda: False, within_s: float | None = None
    ) -> tuple[list[FileInfo], bool]:
        """Free it, but for what a run names by now; raises as :meth:`find`.

        Manifests go before packs: what remains after a kill is found the next time.

        Args:
            is_over: whether to stop now; it is asked after some files.
            within_s: for how many seconds to wait for the hub's lock; None is as long as it takes.

        Returns:
            What was freed, and whether it is all that there is.

        Raises:
            HubBusyError: others have the hub's lock for longer.
        """
        freed: list[FileInfo] = []
        left = iter(self.find())
        while some := list(islice(left, _AT_ONCE)):
            with self._snapshots.locked(within_s) as lock:
                named = self._named()
                kept = named | self._packs_of(named)
                for each in some:
                    if name_of(each) in kept:
                        continue
                    if not lock.is_held():
                        # The server was away: a run may name it by now.
                        more, is_all = self.free(is_over=is_over, within_s=within_s)
                        return freed + more, is_all
                    self._snapshots.repository.delete_artifacts(each.path)
                    freed.append(each)
            if is_over():
                return freed, False
        return freed, True

    def _named(self, without: Collection[str] = ()) -> set[str]:
        hub, workspace = self._snapshots.hub, self._snapshots.workspace
        return named_snapshots(hub, workspace, SNAPSHOT_TAG, without)

    def _packs_of(self, snapshots: Iterable[str]) -> set[str]:
        return {pack for each in snapshots for pack in self._of(each)}

    def _of(self, snapshot_id: str) -> Iterator[str]:
        if snapshot_id not in self._needed:
            try:
                manifest = self._snapshots.manifest(snapshot_id)
            except ValueError as error:
                raise SnapshotException(
                    f"No snapshot of workspace {self._snapshots.workspace!r} was freed: "
                    f"{snapshot_id}, which a run names, cannot be read: {error}. Install the "
                    "version that stored it, restore it from a backup, or delete the run."
                ) from error
            # Nobody can restore one without a manifest, and older versions had none.
            self._needed[snapshot_id] = set() if manifest is None else manifest.packs
        yield from self._needed[snapshot_id]
