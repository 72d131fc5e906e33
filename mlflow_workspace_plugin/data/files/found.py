"""The files of a dataset, as they are where it is resolved."""

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote, unquote, urlsplit

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from mlflow_workspace_plugin.data.definition import (
    AtUrl,
    DatasetDefinition,
    InDatastore,
    OnThisMachine,
    PathOf,
)
from mlflow_workspace_plugin.data.files import steps
from mlflow_workspace_plugin.data.files.patterns import Pattern, is_pattern
from mlflow_workspace_plugin.data.storages.find import storage_of
from mlflow_workspace_plugin.data.storages.local import LocalStorage
from mlflow_workspace_plugin.data.storages.storage import Storage, StoredFile
from mlflow_workspace_plugin.data.storages.web import web
from mlflow_workspace_plugin.errors import AzureMLException, DatasetExecutionError, clause

if TYPE_CHECKING:
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file of a dataset.

    Attributes:
        key: names it among all files that datasets may have: its datastore and path, or its URL.
        relative: where it is below the folder that the dataset is brought to, with slashes.
        stored: what is known of it.
        storage: where it is.
    """

    key: str
    relative: str
    stored: StoredFile
    storage: Storage

    def local(self) -> Path | None:
        """Return where it is on this machine; None if it is elsewhere."""
        return self.storage.local(self.stored.path)

    def content(self) -> str | None:
        """Return what tells its content from that of any other file, here or elsewhere.

        None if its storage does not say whether it is still the same.

        Raises:
            DatasetExecutionError: it is gone.
        """
        stored = self.stored
        if stored.sha256:
            return f"sha256 {stored.sha256}"
        if not stored.etag and stored.modified_ms is None:
            return None
        # Two hubs on a disk call their files by the same URIs, and servers by what comes behind
        # "?", which a URI to be shown has not.
        place = (self.key, self.storage.uri(stored.path), self.storage.root())
        return repr((*place, stored.etag, stored.size, stored.modified_ms, self._inode()))

    def _inode(self) -> tuple[int, int] | None:
        """Return what tells a file of this machine from another one that was put in its place.

        Programs that copy or unpack a file give it the time of the original.
        """
        local = self.local()
        if local is None:
            return None
        with reading(self.storage):
            status = local.stat()
        return status.st_ino, status.st_ctime_ns

    def open(self) -> BinaryIO:
        """Open it for reading.

        Raises:
            DatasetExecutionError: it is gone.
        """
        with reading(self.storage):
            return self.storage.open(self.stored.path)


@contextmanager
def reading(storage: Storage) -> Iterator[None]:
    """Say what is wrong with the files of a storage, if something is.

    Raises:
        DatasetExecutionError: a file is gone, or cannot be read or written on this machine.
    """
    try:
        yield
    except AzureMLException:
        raise
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise
        raise DatasetExecutionError(
            f"A file of the dataset is gone, or never was in {storage.uri()!r}: {clause(error)}. "
            "Put it there, or leave it out of the dataset's paths."
        ) from error
    except OSError as error:
        raise DatasetExecutionError(
            f"Files of the dataset cannot be brought to this machine: {clause(error)}. Make room, "
            "or choose another place."
        ) from error


def resolve(
    store: "WorkspaceTrackingStore | None",
    definition: DatasetDefinition,
    *,
    are_asked: bool = False,
) -> list[FoundFile]:
    """Return the files of a dataset, in the order in which they are read.

    Args:
        store: of the workspace whose datastores are named; None where none is.
        definition: of the dataset. Of its steps those on files are taken.
        are_asked: ask servers of the web for their files, which else is done when they are read:
            nothing is known of such a file.

    Raises:
        DatasetExecutionError: nothing is there for one of its paths.
        AzureMLException: a storage cannot be reached or used.
    """
    if definition.kind == "file" and definition.reader is not None:
        return _written(store, definition)
    is_alone = len(definition.paths) == 1
    opened = _Storages(store)
    found: list[FoundFile] = []
    for place in definition.paths:
        found += _found(opened, place, is_alone=is_alone, are_asked=are_asked)
    return steps.applied(definition.steps, found) if definition.kind == "file" else found


class _Storages:
    """The storages of a dataset's paths, each opened once.

    Args:
        store: of the workspace whose datastores are named; None where none is.
    """

    def __init__(self, store: "WorkspaceTrackingStore | None") -> None:
        self._store = store
        self._datastores: dict[str, Storage] = {}
        self._servers: dict[tuple[str, str], Storage] = {}
        self._disks: dict[str, Storage] = {}

    def web(self, url: str) -> tuple[Storage, str]:
        """Return the folder of a URL, and the name of the file in it."""
        server, name = web(url)
        parts = urlsplit(url)
        folder = parts._replace(path=posixpath.dirname(parts.path), query="", fragment="").geturl()
        return self._servers.setdefault((folder, parts.query), server), name

    def place(self, place: InDatastore | OnThisMachine) -> tuple[str, Storage, str]:
        """Return what comes before a storage's paths in keys, the storage, and the path in it."""
        if isinstance(place, OnThisMachine):
            root = Path(place.local).anchor
            if root not in self._disks:
                self._disks[root] = LocalStorage(Path(root))
            return root, self._disks[root], place.local[len(root) :]
        if self._store is None:
            raise DatasetExecutionError(
                f"Datastore {place.datastore!r} is one of a workspace, and this dataset knows "
                "none. Get it by Dataset.get_by_name(workspace, name)."
            )
        if place.datastore not in self._datastores:
            self._datastores[place.datastore] = storage_of(self._store, place.datastore)
        return f"{place.datastore}/", self._datastores[place.datastore], place.path


def _found(opened: _Storages, place: PathOf, *, is_alone: bool, are_asked: bool) -> list[FoundFile]:
    if isinstance(place, AtUrl):
        server, name = opened.web(place.url)
        files = list(server.files(name)) if are_asked else [StoredFile(name, None)]
        relative = _relative_url(place.url, is_alone=is_alone)
        found = [FoundFile(str(place), relative, file, server) for file in files]
    else:
        above, storage, path = opened.place(place)
        folder, files = _listed(storage, path)
        cut = len(folder) + 1 if folder else 0
        found = [
            FoundFile(
                key := f"{above}{file.path}",
                file.path[cut:] if is_alone else key.lstrip("/"),
                file,
                storage,
            )
            for file in files
        ]
    if not found:
        raise DatasetExecutionError(_nothing(place))
    return found


def _written(
    store: "WorkspaceTrackingStore | None", definition: DatasetDefinition
) -> list[FoundFile]:
    """Return the files that a table is written to, which is done where they are read."""
    from mlflow_workspace_plugin.data.tables.written import WRITING, written

    folder = written(store, definition)
    place = OnThisMachine(str(folder))
    files = _found(_Storages(store), place, is_alone=True, are_asked=False)
    names = [step["do"] for step in definition.steps]
    behind = next(n for n, name in enumerate(names, start=1) if name in WRITING)
    # Those that end in a number in the order of it.
    files.sort(key=lambda file: (len(file.relative), file.relative))
    return steps.applied(definition.steps[behind:], files)


def sources(definition: DatasetDefinition) -> DatasetDefinition:
    """Return the definition of the files that all is made of: of a written table its own."""
    if definition.kind == "file" and definition.reader is not None:
        return replace(definition, kind="tabular", steps=())
    return definition


def single_file(definition: DatasetDefinition, files: Sequence[FoundFile]) -> str | None:
    """Return the relative path of the one file whose path a dataset was made of; else None.

    Args:
        definition: of the dataset.
        files: what it resolves to.
    """
    if len(definition.paths) != 1 or definition.steps or len(files) != 1:
        return None
    place = definition.paths[0]
    # Of a folder or a pattern the folder is meant, though there be one file in it.
    return files[0].relative if files[0].key == str(place) else None


def whole_folder(definition: DatasetDefinition, files: Sequence[FoundFile]) -> Path | None:
    """Return the folder of this machine all of whose files a dataset is; None if there is none.

    Args:
        definition: of the dataset.
        files: what it resolves to.
    """
    if len(definition.paths) != 1 or definition.steps or definition.kind != "file":
        return None
    place = definition.paths[0]
    root = files[0].storage.root()
    if not isinstance(place, InDatastore) or root is None:
        return None
    path = place.path.removesuffix("**").rstrip("/")
    is_folder = not is_pattern(path) and files[0].stored.path != path
    return root / path if is_folder else None


def _listed(storage: Storage, path: str) -> tuple[str, list[StoredFile]]:
    """Return what a path names, and the folder that it is below, which is no part of the names."""
    if not is_pattern(path):
        files = _without_folders(storage, storage.files(path))
        is_file = len(files) == 1 and files[0].path == path
        return (posixpath.dirname(path) if is_file else path), files
    pattern = Pattern(path)
    cut = len(pattern.folder) + 1 if pattern.folder else 0
    files = _without_folders(storage, storage.files(pattern.folder))
    return pattern.folder, [file for file in files if pattern.matches(file.path[cut:])]


def _without_folders(storage: Storage, files: Iterable[StoredFile]) -> list[StoredFile]:
    """Leave out the empty files that some programs store in the place of folders."""
    listed = list(files)
    # On a disk nothing is a file and a folder.
    if storage.root() is not None:
        return listed
    folders: set[str] = set()
    for file in listed:
        folder = posixpath.dirname(file.path)
        while folder and folder not in folders:
            folders.add(folder)
            folder = posixpath.dirname(folder)
    return [file for file in listed if file.size or file.path.rstrip("/") not in folders]


def _relative_url(url: str, *, is_alone: bool) -> str:
    parts = urlsplit(url)
    name = unquote(posixpath.basename(parts.path))
    if is_alone:
        return name if "/" not in name else quote(name, safe="")
    host = quote(parts.netloc.rpartition("@")[2], safe="")
    # As SDK v1 has it: the scheme and the host are folders.
    return f"{parts.scheme}%3A/%2F{host}/{unquote(parts.path).strip('/')}"


def _nothing(place: PathOf) -> str:
    if isinstance(place, AtUrl):
        return f"There is nothing at {str(place)!r}. Correct the URL, or put the file there."
    path = place.path if isinstance(place, InDatastore) else place.local
    where = f"datastore {place.datastore!r}" if isinstance(place, InDatastore) else "this machine"
    what = "No file matches" if is_pattern(path) else "There is no file or folder"
    return (
        f"{what} {path!r} in {where}. Capitals matter, '*' stays within a folder, and '**' goes "
        "through all below it. Correct the path, or upload the files."
    )
