"""The snapshots of a workspace: a manifest for each, and packs of contents that they share.

A snapshot stores what no earlier one of the same folder did. Contents belong to the workspace and
not to a run, so what frees them has to know which runs name which snapshots: a run is given its
snapshot under the hub's lock, under which they are freed, too (see ``garbage``).
"""

import os
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_CONFLICT, RESOURCE_DOES_NOT_EXIST, ErrorCode

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
from mlflow_workspace_plugin.artifacts.paths import INTERNAL_FOLDER, workspace_root
from mlflow_workspace_plugin.artifacts.quiet import quietly
from mlflow_workspace_plugin.artifacts.repository import UNDER_LOCK_S, repository_at
from mlflow_workspace_plugin.bounded import TooMuchError
from mlflow_workspace_plugin.errors import (
    HubError,
    HubUnreachableError,
    SnapshotException,
    clause,
)
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.journal.use import journal_target
from mlflow_workspace_plugin.private_folder import make_private
from mlflow_workspace_plugin.runs.files.transfer import store
from mlflow_workspace_plugin.runs.search import PROPERTY_PREFIX
from mlflow_workspace_plugin.runs.snapshots import restoring
from mlflow_workspace_plugin.runs.snapshots.manifest import MOST_STORED, File, Manifest
from mlflow_workspace_plugin.runs.snapshots.memory import Memory
from mlflow_workspace_plugin.runs.snapshots.packs import DamagedPackError, pack_reader
from mlflow_workspace_plugin.runs.snapshots.taking import Taking

if TYPE_CHECKING:
    from mlflow_workspace_plugin.hub.lock import HubLock

_MANIFESTS = "manifests"
_PACKS = "packs"
_REMEDY = (
    " Name what is not code in a .amlignore file there, or take none with snapshot_directory=None."
)

SNAPSHOT_TAG = f"{PROPERTY_PREFIX}ContentSnapshotId"
"""MLflow's tag of a run that names its snapshot."""

_TRIES = 5


def location_of_snapshots(workspace: str) -> PurePosixPath:
    """Return where the snapshots of a workspace are, by the name MLflow knows of it."""
    return workspace_root(workspace) / INTERNAL_FOLDER / "snapshots"


class SnapshotFiles:
    """The snapshots of a workspace, wherever their files are.

    Args:
        repository: at their place.
    """

    def __init__(self, repository: HubRepository) -> None:
        self.repository = repository
        """Their files."""

    def keeping(self, source: "str | os.PathLike[str]") -> AbstractContextManager[str]:
        """Take a snapshot of a folder, or of a file, and keep it for whom the block names it.

        Args:
            source: the folder or file.

        Yields:
            Its id. A run is given it within the block, and nothing else is done there: what it
            names is kept once the block is left.

        Raises:
            SnapshotException: it cannot be taken or stored.
            WorkspaceNotFoundError: the workspace was deleted.
        """
        raise NotImplementedError

    def holds(self, snapshot_id: str) -> bool:
        """Whether there is such a snapshot, be it damaged."""
        try:
            return self.manifest(snapshot_id) is not None
        except ValueError:
            return True

    def is_whole(self, snapshot_id: str) -> bool:
        """Whether there is such a snapshot, which can be read, and each pack that it names."""
        return self._holds_whole(snapshot_id, self.repository) is not None

    def restore(self, snapshot_id: str, target: "str | os.PathLike[str]") -> None:
        """Write what a snapshot holds into a folder.

        Args:
            snapshot_id: of a snapshot of the workspace.
            target: the folder, made if it is missing, which has to be empty. After an error it
                may hold a part of it.

        Raises:
            SnapshotException: there is no such snapshot, it is damaged, or cannot be written.
        """
        folder = Path(target)
        with self._restoring(snapshot_id, folder) as manifest:
            make_private(folder)
            if next(folder.iterdir(), None) is not None:
                raise SnapshotException(
                    f"Snapshot {snapshot_id} cannot be restored into {str(folder)!r}, which holds "
                    "something. Name a new folder."
                )
            restoring.write_folder(manifest, self._pack, folder)

    def zip(self, snapshot_id: str, path: "str | os.PathLike[str]") -> None:
        """Write what a snapshot holds as a zip, whole or not at all, in which links are followed.

        Args:
            snapshot_id: of a snapshot of the workspace.
            path: the file; the folders that lead to it are made.

        Raises:
            SnapshotException: there is no such snapshot, it is damaged, or cannot be written.
        """
        file = Path(path)
        with self._restoring(snapshot_id, file) as manifest:
            file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".", dir=file.parent) as folder:
                unfinished = Path(folder, "snapshot.zip")
                with unfinished.open("wb") as target:
                    target.writelines(restoring.pieces_of_zip(manifest, self._pack))
                unfinished.replace(file)

    def pieces_of_zip(self, snapshot_id: str) -> Iterator[bytes]:
        """Yield what a snapshot holds as a zip, as :meth:`zip` writes it, while it is being made.

        Args:
            snapshot_id: of a snapshot of the workspace.

        Raises:
            SnapshotException: there is no such snapshot, or it is too large, which is seen before
                the first piece; it is damaged, or cannot be read.
        """
        with self._reading(snapshot_id) as manifest:
            yield from restoring.pieces_of_zip(manifest, self._pack)

    def contents(self, snapshot_id: str) -> Manifest:
        """Return what a snapshot holds.

        Raises:
            SnapshotException: there is no such snapshot, it is damaged, or cannot be read.
        """
        with self._reading(snapshot_id) as manifest:
            return manifest

    def copy_file(self, snapshot_id: str, file: File, target: BinaryIO) -> None:
        """Copy the content of a file.

        Args:
            snapshot_id: of a snapshot of the workspace.
            file: one of its :meth:`contents`.
            target: gets the content.

        Raises:
            SnapshotException: the snapshot is damaged, or cannot be read.
        """
        with (
            self._reading(snapshot_id),
            self._pack(file.pack) as where,
            pack_reader(where) as reader,
        ):
            target.writelines(reader.pieces(file))

    def manifest(self, snapshot_id: str) -> Manifest | None:
        """Return what a snapshot holds; None if there is no such one.

        Raises:
            ValueError: it is damaged, or of a newer version.
        """
        return _manifest(self.repository, snapshot_id)

    def packs(self) -> list[FileInfo]:
        """Return the packs that are stored."""
        return _files_in(self.repository, _PACKS)

    def manifests(self) -> list[FileInfo]:
        """Return the manifests that are stored."""
        return _files_in(self.repository, _MANIFESTS)

    @contextmanager
    def _taking(self, source: "str | os.PathLike[str]") -> Iterator[None]:
        """Say what was to be taken, whatever goes wrong."""
        try:
            yield
        except SnapshotException:
            raise
        except (MlflowException, OSError) as error:
            # A hub's error has a remedy of its own.
            remedy = "" if isinstance(error, HubError) else _REMEDY
            raise SnapshotException(
                f"No snapshot of {os.fspath(source)!r} could be taken: {clause(error)}.{remedy}"
            ) from error

    def _is_stored(self, taking: Taking, repository: HubRepository) -> bool:
        stored = self._holds_whole(taking.manifest.id, repository)
        if stored is not None:
            taking.memory.keep(stored)
        return stored is not None

    def _holds_whole(self, snapshot_id: str, repository: HubRepository) -> Manifest | None:
        """Return what a snapshot holds; None unless all of it is stored."""
        try:
            stored = _manifest(repository, snapshot_id)
        except ValueError:
            # It is written anew.
            return None
        if stored is None or not stored.packs <= _names(_files_in(repository, _PACKS)):
            return None
        return stored

    def _store(self, taking: Taking, repository: HubRepository) -> None:
        there = _names(_files_in(repository, _PACKS))
        # On the disk of temporary files: the names are known at the end only.
        with tempfile.TemporaryFile() as pack:
            name = taking.pack(there, pack)
            if name is not None and name not in there:
                pack.seek(0)
                _store_once(repository, pack_path(name), pack)
        manifest = taking.manifest
        with tempfile.TemporaryFile() as file:
            file.write(manifest.to_bytes())
            file.seek(0)
            _store_once(repository, manifest_path(manifest.id), file)
        taking.memory.manifest = manifest

    @contextmanager
    def _pack(self, name: str) -> Iterator[Path]:
        with ExitStack() as opened:
            with quietly():
                where = opened.enter_context(self.repository.local(pack_path(name)))
            yield where

    @contextmanager
    def _restoring(self, snapshot_id: str, target: Path) -> Iterator[Manifest]:
        """Say what could not be written, and where to."""
        try:
            with self._reading(snapshot_id) as manifest:
                yield manifest
        except OSError as error:
            raise SnapshotException(
                f"Snapshot {snapshot_id} cannot be written to {str(target)!r}: {clause(error)}. "
                "Make room there, or choose another place."
            ) from error

    @contextmanager
    def _reading(self, snapshot_id: str) -> Iterator[Manifest]:
        """Say what could not be read."""
        try:
            # Not around the block, which may be a generator's that goes on in another thread.
            with quietly():
                manifest = self.manifest(snapshot_id)
            if manifest is None:
                raise SnapshotException(
                    f"The workspace has no snapshot {snapshot_id!r}. Take its id from "
                    "run.get_snapshot_id()."
                )
            yield manifest
        except SnapshotException:
            raise
        except TooMuchError as error:
            raise SnapshotException(
                f"Snapshot {snapshot_id} in {self.repository.artifact_uri!r} is too large, or made "
                f"to be: {clause(error)}. Submit its folder again, and name what is not code in a "
                ".amlignore file there."
            ) from error
        except (ValueError, DamagedPackError) as error:
            raise SnapshotException(
                f"Snapshot {snapshot_id} in {self.repository.artifact_uri!r} is damaged: "
                f"{clause(error)}. Take it from a backup of the hub, or submit its folder again."
            ) from error
        except MlflowException as error:
            if not _is_missing(error):
                raise SnapshotException(
                    f"Snapshot {snapshot_id} cannot be read: {clause(error)}. Try again later."
                ) from error
            raise SnapshotException(
                f"Snapshot {snapshot_id} in {self.repository.artifact_uri!r} is damaged: a part of "
                "it is gone. Take it from a backup of the hub, or submit its folder again."
            ) from error


class Snapshots(SnapshotFiles):
    """The snapshots of a workspace of a hub in a folder.

    Args:
        hub: the hub.
        workspace: the name MLflow knows.
    """

    def __init__(self, hub: Hub, workspace: str) -> None:
        location = location_of_snapshots(workspace)
        super().__init__(repository_at(hub, location, is_quiet=True))
        self.hub = hub
        self.workspace = workspace
        self._target = journal_target(hub, workspace)
        self._glance = repository_at(hub, location, patience_s=UNDER_LOCK_S, is_quiet=True)

    @contextmanager
    def keeping(self, source: "str | os.PathLike[str]") -> Iterator[str]:
        """Take a snapshot, and keep it for whom the block names it.

        Within the block nothing of it is freed, and none else can be kept.
        """
        self.hub.catalog.check_holds(self.workspace)
        with ExitStack() as held:
            with self._taking(source), quietly():
                folder = Path(source)
                memory = Memory(self._target, folder)
                taking = Taking(folder, self.hub.path.resolve(), memory)
                lock = self._keep(taking, held)
                snapshot_id = taking.manifest.id
            try:
                yield snapshot_id
            finally:
                was_held = lock.is_held()
        if not was_held:
            # The server was away. Others may have freed what nobody named then, and now it is.
            with self._taking(source), quietly(), ExitStack() as again:
                self._keep(taking, again)
                check_same(taking, snapshot_id)

    def is_kept(self, snapshot_id: str, within_s: float) -> bool:
        """Whether a snapshot is stored, which is kept from now on if a run names it already.

        Args:
            snapshot_id: of it.
            within_s: for how many seconds to wait for who frees snapshots.

        Raises:
            HubBusyError: they take longer.
            HubUnreachableError: the storage account is away.
        """
        with self.locked(within_s):
            return self._holds_whole(snapshot_id, self._glance) is not None

    @contextmanager
    def locked(self, within_s: float | None = None) -> "Iterator[HubLock]":
        """Keep out who frees snapshots, and all others who keep one.

        Args:
            within_s: for how many seconds to wait for them; None is as long as they take.

        Raises:
            HubBusyError: they take longer.
        """
        # Only now: they take long to import, and are there once a hub is open.
        from mlflow_workspace_plugin.hub.lock import locked_hub

        with locked_hub(self.hub, within_s) as lock:
            yield lock

    def _keep(self, taking: Taking, held: ExitStack) -> "HubLock":
        """Store what is new; return the hub's lock, which is taken."""
        for tried in range(_TRIES):
            with ExitStack() as taken:
                lock = taken.enter_context(self.locked(settings.WAIT_S.number()))
                # However sure one may be that it was stored: the hub may be another one by now, or
                # one that a backup brought back.
                try:
                    is_stored = self._is_stored(taking, self._glance)
                    if not is_stored and tried == _TRIES - 1:
                        # Whoever freed it each time cannot now.
                        self._store(taking, self._glance)
                        is_stored = self._is_stored(taking, self._glance)
                except HubUnreachableError:
                    is_stored = None
                if is_stored:
                    held.push(taken.pop_all())
                    return lock
            if tried == _TRIES - 1:
                break
            # Others are not kept waiting for an account that is away.
            if is_stored is not None or not self._is_stored(taking, self.repository):
                self._store(taking, self.repository)
        raise SnapshotException(
            f"The snapshot of {str(taking.source)!r} could not be stored in {_TRIES} tries: its "
            "storage account comes and goes, or somebody removes its files by hand. Try again when "
            "that is over."
        )


def check_same(taking: Taking, snapshot_id: str) -> None:
    """Check that what was taken once more has the same files.

    Raises:
        SnapshotException: they were changed.
    """
    if taking.manifest.id != snapshot_id:
        raise SnapshotException(
            f"Snapshot {snapshot_id} was freed while its hub was away, and its files were changed "
            "since then. Start another run."
        )


def _manifest(repository: HubRepository, snapshot_id: str) -> Manifest | None:
    try:
        uuid.UUID(snapshot_id)
    except (ValueError, AttributeError, TypeError):
        return None
    try:
        pieces = repository.pieces(manifest_path(snapshot_id), MOST_STORED)
        manifest = Manifest.from_bytes(b"".join(pieces))
    except MlflowException as error:
        if not _is_missing(error):
            raise
        return None
    if manifest.id != snapshot_id:
        raise ValueError("it is not what its id says")
    return manifest


def _store_once(repository: HubRepository, path: str, file: BinaryIO) -> None:
    """Store a file, unless one of that name is there, which says what is in it."""
    try:
        store(repository, path, file)
    except MlflowException as error:
        # Somebody stored the same meanwhile, packed in another way.
        if error.error_code != ErrorCode.Name(RESOURCE_CONFLICT):
            raise


def _files_in(repository: HubRepository, folder: str) -> list[FileInfo]:
    return [each for each in repository.list_artifacts(folder) if not each.is_dir]


def _names(files: Iterable[FileInfo]) -> set[str]:
    return {name_of(each) for each in files}


def manifest_path(snapshot_id: str) -> str:
    """Return where the manifest of a snapshot is, below the folder of all of them."""
    return f"{_MANIFESTS}/{snapshot_id}.json.gz"


def pack_path(name: str) -> str:
    """Return where a pack is, below the folder of all snapshots."""
    return f"{_PACKS}/{name}.zip"


def name_of(stored: FileInfo) -> str:
    """Return the id of a snapshot, of its manifest; or the name of a pack, of that."""
    return PurePosixPath(stored.path).name.partition(".")[0]


def _is_missing(error: MlflowException) -> bool:
    return bool(error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST))
