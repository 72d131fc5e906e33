"""The hub's own storage: a folder of a workspace, beside that of its runs."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from mlflow_workspace_plugin.artifacts.file_space import StoredFile
from mlflow_workspace_plugin.artifacts.paths import ARTIFACT_ROOT, location_of, workspace_root
from mlflow_workspace_plugin.artifacts.repository import DATASTORES
from mlflow_workspace_plugin.data.storages.own_files import OwnFiles
from mlflow_workspace_plugin.data.storages.storage import (
    Said,
    Storage,
    Uploaded,
    checked,
    silent,
    sources_of,
    watched,
)
from mlflow_workspace_plugin.errors import HubUnreachableError, UnsafeArtifactPathError


class HubStorage(Storage):
    """A folder of the hub's own storage.

    Args:
        own: opens the files of the workspace.
        workspace: the name MLflow knows.
        name: of the datastore.
        keeps: keep on this machine what cannot be stored now; otherwise that is an error.
    """

    def __init__(self, own: OwnFiles, workspace: str, name: str, *, keeps: bool = True) -> None:
        folder = checked(name.lower())
        if not folder or "/" in folder:
            raise UnsafeArtifactPathError(
                f"Datastore {name!r} has no folder of its own in the hub's storage: its name is no "
                "name of a folder. Register one under another name."
            )
        self._own = own
        location = workspace_root(workspace) / DATASTORES / folder
        self._uri = f"{ARTIFACT_ROOT}{location}"
        if keeps:
            self._space = own.to_log(self._uri)
        else:
            self._space = own.at(location_of(self._uri, workspace))

    def files(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yield every file below a path, by path; or the one at it."""
        return self._space.files(checked(prefix))

    def upload(
        self, sources: Iterable[tuple[Path, str]], *, overwrite: bool = False, say: Said = silent
    ) -> Uploaded:
        """Store files, each whole or not at all; while the account is away they are kept."""
        files = sources_of(sources)
        if files:
            # Whether it was deleted cannot be known while the database is away.
            with suppress(HubUnreachableError):
                self._own.check_there()
        there: set[str] = set()
        if files and not overwrite:
            there = self._space.present([path for _, path in files])
        for path in sorted(there):
            say("skipped", path)
        new = [(source, path) for source, path in files if path not in there]
        left, lock = {path for _, path in new}, threading.Lock()

        def told(_: Path, path: str) -> None:
            with lock:
                left.remove(path)
                say("uploaded", path)

        with watched(new) as skipped:
            waiting = self._space.put_files(new, told, overwrite=overwrite) if new else []
            # Others have stored them since.
            skipped |= left - set(waiting)
        for path in sorted(skipped):
            say("skipped", path)
        for path in waiting:
            say("kept", path)
        return Uploaded(len(new) - len(left), len(there | skipped), len(waiting))

    def fetch(self, files: Sequence[tuple[StoredFile, Path]], *, say: Said = silent) -> None:
        """Copy files to local paths, several at once from an account."""
        for folder in {place.parent for _, place in files}:
            folder.mkdir(parents=True, exist_ok=True)
        lock = threading.Lock()

        def told(path: str, _: Path) -> None:
            with lock:
                say("downloaded", path)

        self._space.fetch_files([(file.path, place) for file, place in files], told)

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading, at any place of it."""
        return self._space.open_file(checked(path))

    def uri(self, path: str = "") -> str:
        """Return the URI by which MLflow finds a file or folder."""
        return str(PurePosixPath(self._uri, checked(path)))

    def local(self, path: str) -> Path | None:
        """Return where a file is, unless others could put a link there."""
        place = self._space.in_place(checked(path))
        return place if place is not None and place.is_file() else None

    def root(self) -> Path | None:
        """Return the folder that the files are in, unless others could put links there."""
        return self._space.in_place()
