"""What is asked of a hub's server about files."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

import requests
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, RESOURCE_CONFLICT, ErrorCode

from mlflow_workspace_plugin.artifacts.file_space import StoredFile
from mlflow_workspace_plugin.errors import (
    HubFaultError,
    HubFilesMovedError,
    HubUnreachableError,
    WrittenOnceError,
)
from mlflow_workspace_plugin.hub.azure import AzureRoot
from mlflow_workspace_plugin.protocol.files import (
    ENDS_BEFORE,
    FILES_AT_ONCE,
    HASHED_AT_ONCE,
    REPLACED,
)
from mlflow_workspace_plugin.remote.http import HubHttp, RequestOptions
from mlflow_workspace_plugin.stores.journalling.patience import wait_s

if TYPE_CHECKING:
    from typing_extensions import Unpack

Item = TypeVar("Item")
_PAUSE_S = 0.5

_FAILED = ErrorCode.Name(INTERNAL_ERROR)
_SIGNS_NOTHING = ErrorCode.Name(RESOURCE_CONFLICT)
_LARGE = 64 * 2**20
"""From this size on a hub that reads a whole file, or copies it to another disk, may take long."""
_LEAST_SPEED = 64 * 2**20
"""In bytes a second."""


@dataclass(frozen=True)
class Found:
    """What a hub says of a place.

    Attributes:
        known: the file that is there.
        is_same: whether it is the one that was asked about; None where that was not looked at.
        staged: how many bytes of that one the server has received.
        start: the place in the file that was looked at; None is its beginning, of a server that
            knows of no other.
    """

    known: StoredFile | None
    is_same: bool | None
    staged: int
    start: int | None


@dataclass(frozen=True)
class Signed:
    """A signature for a blob.

    Attributes:
        text: what stands behind its URL.
        act: what for.
        seconds: for how long it is to be used.
        known: the file that is there, if that was looked at.
        blocks: of it, and those that were staged, if they were looked at.
    """

    text: str
    act: str
    seconds: float
    known: StoredFile | None = None
    blocks: tuple[list[str], list[str]] | None = None


@dataclass(frozen=True)
class Wanted:
    """A file that is to be stored.

    Attributes:
        location: where, below the hub's root.
        act: for what a signature is wanted; ``look`` is what the hub finds right.
        size: in bytes.
    """

    location: str
    act: str
    size: int = 0


class FileCalls:
    """What is asked about the files of a workspace.

    Args:
        http: the way to the hub.
        workspace: the name MLflow knows.
        patience_s: for how long a request that gets no answer is sent again; None is as long as the
            settings say.
    """

    def __init__(self, http: HubHttp, workspace: str, patience_s: float | None = None) -> None:
        self.workspace = workspace
        self._http = http
        self._patience_s = patience_s
        self._path = f"/hub/v1/workspaces/{workspace}/files/"

    def storage(self) -> dict[str, Any]:
        """Return how files come and go."""
        return self._said("GET", "storage")

    def files(self, location: PurePosixPath, *, deep: bool) -> list[dict[str, Any]]:
        """Return what is directly in a folder, or all files below it, or the one at it.

        Raises:
            HubUnreachableError: the listing broke off, again and again.
        """
        body = {"location": str(location), "deep": deep}
        deadline: float | None = None
        while (found := self._listed(body)) is None:
            now = time.monotonic()
            if deadline is None:
                # However long it took until then.
                deadline = now + (wait_s() if self._patience_s is None else self._patience_s)
            if now + _PAUSE_S > deadline:
                raise HubUnreachableError(
                    f"The listing of files in workspace {self.workspace!r} broke off. Ask again."
                )
            time.sleep(_PAUSE_S)
        return found

    def _listed(self, body: dict[str, Any]) -> list[dict[str, Any]] | None:
        """Return what is listed; None where that breaks off, or is none of the hub's."""
        found: list[dict[str, Any]] = []
        with self._ask("POST", "list", json=body, stream=True) as answer:
            try:
                for line in answer.iter_lines():
                    entry = json.loads(line)
                    if not isinstance(entry, dict):
                        return None
                    if entry.get("end"):
                        return found
                    found.append(entry)
            except (requests.RequestException, ValueError):
                pass
        return None

    def find(self, wanted: Sequence[dict[str, Any]]) -> list[Found]:
        """Return what is at some places, each with what is asked about it.

        Args:
            wanted: ``location`` of each; with ``size`` and ``sha256`` it is compared, and with
                ``begins`` so much of it as was asked about, and with ``start`` so much from there
                on. A server of before knows nothing of either.
        """
        found: list[Found] = []
        for some in batches(wanted, FILES_AT_ONCE):
            size = sum(each.get("size", 0) for each in some)
            timeout_s = self._timeout_s(min(size, HASHED_AT_ONCE))
            answer = self._said("POST", "find", json={"files": list(some)}, timeout_s=timeout_s)
            found += (
                Found(
                    _stored_file(each["known"]),
                    each["is_same"],
                    each["staged"],
                    each.get("start"),
                )
                for each in answer["files"]
            )
        return found

    def sign_reads(self, locations: Sequence[str], root: AzureRoot | None = None) -> list[Signed]:
        """Return a signature for each of some files.

        Args:
            locations: of the files.
            root: where they are, as far as is known; by default wherever they are.

        Raises:
            HubFilesMovedError: they are elsewhere by now, or the hub signs no more.
        """
        signed: list[Signed] = []
        for some in batches(locations, FILES_AT_ONCE):
            answer = self._signed("sign-reads", {"locations": list(some)}, root)
            signed += (
                Signed(each["signature"], "read", answer["seconds"]) for each in answer["files"]
            )
        return signed

    def sign_writes(self, wanted: Sequence[Wanted], root: AzureRoot | None = None) -> list[Signed]:
        """Return a signature for each of some files that are to be stored.

        Args:
            wanted: the files.
            root: as of :meth:`sign_reads`, which says what is raised, too.
        """
        signed: list[Signed] = []
        for some in batches(wanted, FILES_AT_ONCE):
            body = {"files": [vars(each) for each in some]}
            answer = self._signed("sign-writes", body, root)
            signed += (
                Signed(
                    each["signature"],
                    each["act"],
                    answer["seconds"],
                    _stored_file(each.get("known")),
                    None if each.get("blocks") is None else tuple(each["blocks"]),
                )
                for each in answer["files"]
            )
        return signed

    def delete(self, location: PurePosixPath, path: str | None) -> None:
        """Delete a file, a folder, or everything."""
        self._said("POST", "delete", json={"location": str(location), "path": path})

    def append(self, location: str, lines: bytes, *, goes_on: bool) -> None:
        """Append lines to a file; after an error they may be there."""
        params = {"location": location, "goes_on": int(goes_on)}
        # Not again after a lost answer: they would be there twice.
        self._said("POST", "append", params=params, data=lines, again=False)

    def append_at(self, location: str, piece: bytes, at: int) -> bool:
        """Append to a file of a known size; return whether the piece is there now."""
        # A server of before knows nothing of the place, and appends.
        params = {"location": location, "goes_on": 1, "at": at}
        answer = self._said("POST", "append", params=params, data=piece)
        return bool(answer.get("is_there", True))

    def store(
        self, location: str, piece: bytes, *, offset: int, size: int, sha256: str, kind: str
    ) -> dict[str, Any]:
        """Send a file, or the next piece of it; return what the server says that it has."""
        params = {
            "location": location,
            "offset": offset,
            "size": size,
            "sha256": sha256,
            "kind": kind,
        }
        # The last request is answered when the whole is stored.
        timeout_s = self._timeout_s(size) if offset + len(piece) == size else None
        return self._said("POST", "content", params=params, data=piece, timeout_s=timeout_s)

    def content(
        self,
        location: str,
        start: int,
        size: int,
        etag: str | None = None,
        *,
        may_grow: bool = False,
    ) -> requests.Response | None:
        """Return a piece of a file, and what tells its content.

        Args:
            location: of the file.
            start: of how many bytes the piece comes behind.
            size: of how many bytes it is, at most.
            etag: of the content that it is to be of.
            may_grow: it may be of a later one, too, if the file is the same and not one in its
                place. A server of before knows of no such file.

        Returns:
            None where the file ends before, or has another content than ``etag`` says.

        Raises:
            MlflowException: ``RESOURCE_DOES_NOT_EXIST``, there is no such file.
        """
        headers = {"Range": f"bytes={start}-{start + size - 1}", "Accept-Encoding": "identity"}
        if etag is not None:
            headers["If-Match"] = etag
        try:
            params = {"location": location, "may_grow": int(may_grow)}
            return self._ask("GET", "content", params=params, headers=headers)
        except MlflowException as error:
            if error.error_code not in (ENDS_BEFORE, REPLACED):
                raise
            return None

    def _signed(self, name: str, body: dict[str, Any], root: AzureRoot | None) -> dict[str, Any]:
        try:
            answer = self._said("POST", name, json=body)
        except MlflowException as error:
            is_refusal = isinstance(error, WrittenOnceError)
            if is_refusal or error.error_code != _SIGNS_NOTHING:
                raise
            raise self._moved() from error
        if root is not None and root_of(answer) != root:
            raise self._moved()
        return answer

    def _moved(self) -> HubFilesMovedError:
        return HubFilesMovedError(
            f"The files of workspace {self.workspace!r} come and go another way than its hub has "
            "told before. Try again."
        )

    def _timeout_s(self, size: int) -> float | None:
        """Return how long an answer may take that comes after so many bytes were read or copied.

        Returns:
            None where that is no longer than any other.
        """
        if size < _LARGE:
            return None
        patience_s = wait_s() if self._patience_s is None else self._patience_s
        return patience_s + size / _LEAST_SPEED

    def _said(
        self,
        method: str,
        name: str,
        *,
        again: bool = True,
        timeout_s: float | None = None,
        **options: "Unpack[RequestOptions]",
    ) -> dict[str, Any]:
        options["wants_object"] = True
        answer = self._ask(method, name, again=again, timeout_s=timeout_s, **options)
        return dict(answer.json())

    def _ask(
        self,
        method: str,
        name: str,
        *,
        again: bool = True,
        timeout_s: float | None = None,
        **options: "Unpack[RequestOptions]",
    ) -> requests.Response:
        try:
            return self._http.request(
                method,
                self._path + name,
                patience_s=self._patience_s,
                timeout_s=timeout_s,
                again=again,
                **options,
            )
        except RestException as error:
            if error.error_code != _FAILED:
                raise
            reason = error.message.removeprefix(f"{_FAILED}: ").rstrip(".")
            raise HubFaultError(
                f"The hub failed at files of workspace {self.workspace!r}: {reason}. Tell who "
                "runs it, and try again."
            ) from error


def _stored_file(fields: dict[str, Any] | None) -> StoredFile | None:
    return None if fields is None else StoredFile(**fields)


def root_of(said: dict[str, Any]) -> AzureRoot:
    """Return where a hub says that its files are, which are in a storage account."""
    return AzureRoot(said["account"], said["container"], said["prefix"], said["service"])


def batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Return some items, so many at a time."""
    return (items[at : at + size] for at in range(0, len(items), size))
