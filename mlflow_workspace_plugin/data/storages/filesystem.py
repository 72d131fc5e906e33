"""Files of a storage service that fsspec knows a file system of."""

import errno
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from mlflow_workspace_plugin.artifacts.file_space import StoredFile, in_order
from mlflow_workspace_plugin.data.storages.secrets import scrubbed
from mlflow_workspace_plugin.data.storages.storage import (
    Said,
    Storage,
    Uploaded,
    checked,
    silent,
    sources_of,
    watched,
)
from mlflow_workspace_plugin.errors import (
    DatastoreError,
    DatastoreUnreachableError,
    UserErrorException,
    clause,
)

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_AT_ONCE = 8
_OF_THIS_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO)
_NOT_NOW = (408, 429, 500, 502, 503, 504)
_NO_ANSWER = {"ServiceRequestError", "ServiceResponseError"}
"""Azure's errors where no answer came: of a package that only those have who use its services."""
_MODIFIED = ("last_modified", "LastModified", "mtime", "updated")
_ETAGS = ("etag", "ETag")

Item = TypeVar("Item")


class FilesystemStorage(Storage):
    """A folder of a file system of fsspec's.

    Args:
        filesystem: the file system.
        base: the path of the folder in it.
        uri: of the folder, to be shown.
    """

    def __init__(self, filesystem: "AbstractFileSystem", base: str, uri: str) -> None:
        self._filesystem = filesystem
        self._base = base.rstrip("/")
        self._uri = uri.rstrip("/")

    def files(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yield every file below a path, by path; or the one at it."""
        with self._answering(prefix):
            # What was listed before may have changed.
            self._filesystem.invalidate_cache()
            found = self._filesystem.find(self._at(prefix), detail=True)
            if isinstance(found, list):
                # What adlfs returns of a single file, or of nothing.
                found = {name: self._filesystem.info(name) for name in found}
        return in_order(
            [
                _stored_file(name[len(self._base) + 1 :], facts)
                for name, facts in found.items()
                if facts.get("type") == "file"
            ]
        )

    def upload(
        self, sources: Iterable[tuple[Path, str]], *, overwrite: bool = False, say: Said = silent
    ) -> Uploaded:
        """Store files, several at once. That one is there whole or not at all is the service's."""
        files = sources_of(sources)
        for source, _ in files:
            # Of the service's errors it would not be told.
            with source.open("rb"):
                pass
        lock = threading.Lock()
        with watched(files) as skipped:

            def put(file: tuple[Path, str]) -> None:
                source, path = file
                is_stored = False
                with self._answering(path), suppress(FileExistsError):
                    if overwrite or not self._filesystem.exists(self._at(path)):
                        # Somebody else may have stored one since.
                        self._filesystem.put_file(str(source), self._at(path), overwrite=overwrite)
                        is_stored = True
                with lock:
                    if not is_stored:
                        skipped.add(path)
                    say("uploaded" if is_stored else "skipped", path)

            _for_all(put, files)
        return Uploaded(len(files) - len(skipped), len(skipped))

    def fetch(self, files: Sequence[tuple[StoredFile, Path]], *, say: Said = silent) -> None:
        """Copy files to local paths, each whole or not at all, several at once."""
        lock = threading.Lock()

        def copy(wanted: tuple[StoredFile, Path]) -> None:
            file, place = wanted
            unfinished = place.with_name(f".download-{uuid.uuid4().hex}")
            try:
                with self._answering(file.path):
                    self._filesystem.get_file(self._at(file.path), str(unfinished))
                if file.size is not None and unfinished.stat().st_size != file.size:
                    raise DatastoreError(
                        f"{self.uri(file.path)!r} was replaced while it was read. Read it again "
                        "when its writer is done."
                    )
                unfinished.replace(place)
            finally:
                unfinished.unlink(missing_ok=True)
            with lock:
                say("downloaded", file.path)

        for folder in {place.parent for _, place in files}:
            folder.mkdir(parents=True, exist_ok=True)
        _for_all(copy, files)

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading, at any place of it."""
        with self._answering(path):
            return cast("BinaryIO", self._filesystem.open(self._at(path), "rb"))

    def uri(self, path: str = "") -> str:
        """Return the URL of a file or folder."""
        path = checked(path)
        return f"{self._uri}/{path}" if path else self._uri

    def make(self) -> None:
        """Make the folder, such as a container."""
        with self._answering(""):
            self._filesystem.invalidate_cache()
            if not self._filesystem.exists(self._base):
                self._filesystem.mkdir(self._base)

    def _at(self, path: str) -> str:
        path = checked(path)
        if "\\" in path:
            raise UserErrorException(
                f"{path!r} holds a backslash, which Azure takes for a slash. Choose another name."
            )
        return f"{self._base}/{path}" if path else self._base

    @contextmanager
    def _answering(self, path: str) -> Iterator[None]:
        """Raise errors of ours, without secrets, for those of a file system."""
        try:
            yield
        except (MlflowException, KeyboardInterrupt):
            raise
        except FileNotFoundError:
            missing = MlflowException(
                f"No such file: {scrubbed(self.uri(path))!r}.", RESOURCE_DOES_NOT_EXIST
            )
        except OSError as error:
            if error.errno in _OF_THIS_DISK:
                raise
            missing = self._failure(path, error)
        except Exception as error:  # noqa: BLE001  each file system has errors of its own
            missing = self._failure(path, error)
        else:
            return
        # Not from the error itself, whose text may hold a signature.
        raise missing

    def _failure(self, path: str, error: Exception) -> DatastoreError:
        kind = DatastoreUnreachableError if _is_away(error) else DatastoreError
        return kind(
            f"{self.uri(path)!r} cannot be used: {scrubbed(clause(error))}. Look whether the "
            "storage answers, and whether this process may use it."
        )


def _is_away(error: BaseException | None) -> bool:
    """Whether an error, or what it came from, says that a service does not answer now."""
    while error is not None:
        status = getattr(error, "status_code", None)
        if isinstance(status, int):
            return status in _NOT_NOW
        kinds = {each.__name__ for each in type(error).__mro__}
        if isinstance(error, (ConnectionError, TimeoutError)) or kinds & _NO_ANSWER:
            return True
        error = error.__cause__ or error.__context__
    return False


def _for_all(call: Callable[[Item], None], items: Sequence[Item]) -> None:
    """Call something with each of many, several at once; what begins after an error is left out."""
    failed = threading.Event()

    def run(item: Item) -> None:
        if failed.is_set():
            return
        try:
            call(item)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for done in [pool.submit(run, item) for item in items]:
            done.result()


def _stored_file(path: str, facts: dict[str, Any]) -> StoredFile:
    modified = next((facts[key] for key in _MODIFIED if facts.get(key) is not None), None)
    etag = next((str(facts[key]) for key in _ETAGS if facts.get(key)), None)
    sha256 = (facts.get("metadata") or {}).get("sha256")
    return StoredFile(path, facts.get("size"), _milliseconds(modified), etag, sha256)


def _milliseconds(moment: object) -> int | None:
    if isinstance(moment, datetime):
        return int(moment.timestamp() * 1000)
    return int(moment * 1000) if isinstance(moment, (int, float)) else None
