"""The manifests of a workspace's datasets, as files of the hub.

One that no version of a dataset names is nobody's. A version names its own under the hub's lock,
and only after it was seen to be stored; under that lock the others are freed, too.
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import PurePosixPath
from typing import TypeVar

from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from sqlalchemy import select

from mlflow_workspace_plugin.artifacts.file_space import FileSpace
from mlflow_workspace_plugin.artifacts.paths import INTERNAL_FOLDER, workspace_root
from mlflow_workspace_plugin.artifacts.quiet import quietly
from mlflow_workspace_plugin.artifacts.repository import UNDER_LOCK_S, repository_at
from mlflow_workspace_plugin.bounded import TooMuchError
from mlflow_workspace_plugin.data.files.manifest import MOST_STORED, Manifest, name_of
from mlflow_workspace_plugin.errors import HubUnreachableError
from mlflow_workspace_plugin.hub.databases.database import connected, translated_errors
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.hub.lock import locked_hub
from mlflow_workspace_plugin.hub.tables import DATASET_VERSIONS

_TRIES = 5
_Read = TypeVar("_Read")
_AT_ONCE = 50
_SUFFIX = ".json.gz"


def location_of_manifests(workspace: str) -> PurePosixPath:
    """Return where the manifests of a workspace are, by the name MLflow knows of it."""
    return workspace_root(workspace) / INTERNAL_FOLDER / "data" / "manifests"


class ManifestFiles:
    """The manifests of a workspace, wherever they are.

    Args:
        repository: at their place.
    """

    def __init__(self, repository: FileSpace) -> None:
        self._repository = repository

    def keeping(self, manifest: Manifest) -> AbstractContextManager[str]:
        """Store a manifest, and keep it for the version that names it within the block.

        Yields:
            Its name. A version of a dataset is registered within the block, and nothing else is
            done there: what it names is kept once the block is left.

        Raises:
            HubError: it cannot be stored.
        """
        raise NotImplementedError

    def read(self, name: str) -> Manifest | None:
        """Return a stored manifest; None if there is none of that name.

        Raises:
            ValueError: it is damaged, of a newer version, or holds more than is read.
        """
        content = self._read(name, b"".join)
        if content is None:
            return None
        if name_of(content) != name:
            raise ValueError("it is not what its name says")
        return Manifest.from_bytes(content)

    def is_whole(self, name: str) -> bool:
        """Whether a manifest is stored, and holds what its name says."""
        return self._is_stored(name)

    def _store(self, name: str, content: bytes) -> None:
        with quietly():
            self._repository.log_artifact_from_stream(io.BytesIO(content), f"{name}{_SUFFIX}")

    def _is_stored(self, name: str) -> bool:
        # One that is damaged, or no manifest, is written anew. Nothing is made of what anybody may
        # have stored.
        try:
            return self._read(name, _digest_of) == name
        except TooMuchError:
            return False

    def _read(self, name: str, read: Callable[[Iterator[bytes]], _Read]) -> _Read | None:
        """Read the file of a manifest; return None if there is none."""
        try:
            return read(self._repository.pieces(f"{name}{_SUFFIX}", MOST_STORED))
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
            return None


class Manifests(ManifestFiles):
    """The manifests of a workspace of a hub in a folder.

    Args:
        hub: the hub.
        workspace: the name MLflow knows.
    """

    def __init__(self, hub: Hub, workspace: str) -> None:
        location = location_of_manifests(workspace)
        super().__init__(repository_at(hub, location, is_quiet=True))
        self._under_lock = ManifestFiles(
            repository_at(hub, location, patience_s=UNDER_LOCK_S, is_quiet=True)
        )
        self._hub = hub
        self._workspace = workspace

    @contextmanager
    def keeping(self, manifest: Manifest) -> Iterator[str]:
        """Store a manifest, and keep it for the version that names it within the block.

        Within the block none is freed, and no other one can be kept.
        """
        content = manifest.to_bytes()
        name = name_of(content)
        for _ in range(_TRIES - 1):
            with locked_hub(self._hub):
                if self._is_seen(name):
                    yield name
                    return
            self._store(name, content)
        with locked_hub(self._hub):
            # Whoever freed it each time cannot now.
            if not self._is_seen(name):
                self._under_lock._store(name, content)
            yield name

    def is_kept(self, name: str, within_s: float) -> bool:
        """Whether a manifest is stored, which is kept from now on if a version names it already.

        Args:
            name: of it.
            within_s: for how many seconds to wait for who frees manifests.

        Raises:
            HubBusyError: they take longer.
        """
        with locked_hub(self._hub, within_s):
            return self._under_lock._is_stored(name)

    def _is_seen(self, name: str) -> bool:
        """Whether a manifest is stored, as far as that can be told while others wait."""
        try:
            return self._under_lock._is_stored(name)
        except HubUnreachableError:
            return False

    def unnamed(self) -> list[FileInfo]:
        """Return the stored manifests that no version of a dataset names."""
        stored = [each for each in self._repository.list_artifacts(None) if not each.is_dir]
        named = self._named() if stored else set()
        return [each for each in stored if _name(each) not in named]

    def free_unnamed(
        self, *, is_over: Callable[[], bool] = lambda: False, within_s: float | None = None
    ) -> tuple[list[FileInfo], bool]:
        """Delete the manifests that no version of a dataset names by now.

        Args:
            is_over: whether to stop now; it is asked after some files.
            within_s: for how many seconds to wait for the hub's lock; None is as long as it takes.

        Returns:
            What was freed, and whether it is all that there is.

        Raises:
            HubBusyError: others have the hub's lock for longer.
        """
        freed: list[FileInfo] = []
        found = self.unnamed()
        for start in range(0, len(found), _AT_ONCE):
            if start and is_over():
                return freed, False
            with locked_hub(self._hub, within_s):
                named = self._named()
                for each in found[start : start + _AT_ONCE]:
                    if _name(each) not in named:
                        self._repository.delete_artifacts(each.path)
                        freed.append(each)
        return freed, True

    def _named(self) -> set[str]:
        query = select(DATASET_VERSIONS.c.manifest).where(
            DATASET_VERSIONS.c.workspace == self._workspace,
            DATASET_VERSIONS.c.manifest.is_not(None),
        )
        hub = self._hub
        with translated_errors(hub.path, hub.database_uri), connected(hub.engine) as connection:
            return set(connection.scalars(query))


def _digest_of(pieces: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for each in pieces:
        digest.update(each)
    return digest.hexdigest()


def _name(stored: FileInfo) -> str:
    return PurePosixPath(stored.path).name.removesuffix(_SUFFIX)
