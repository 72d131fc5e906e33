"""A storage account that is used with signatures of single blobs, which the hub gives."""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from azure.storage.blob import BlobProperties

from mlflow_workspace_plugin.artifacts.azure_blob.connection.container import (
    BLOCK,
    CONNECTIONS,
    Container,
)
from mlflow_workspace_plugin.artifacts.azure_blob.connection.credentials import (
    Credential,
    keep_signatures_out_of_logs,
)
from mlflow_workspace_plugin.artifacts.azure_blob.connection.session import DirectSession
from mlflow_workspace_plugin.artifacts.azure_blob.transfer.digests import SHA256
from mlflow_workspace_plugin.artifacts.file_space import StoredFile
from mlflow_workspace_plugin.errors import HubNotWritableError
from mlflow_workspace_plugin.hub.azure import AzureRoot
from mlflow_workspace_plugin.remote.files.calls import FileCalls, Signed, Wanted

_LEFT_S = 60.0
"""A signature that is good for less is renewed before it is used."""
_FRESH_S = 30.0
_MOST = 20_000

Slot = tuple[str, str]
"""A blob, and whether it is to be read, stored or appended to."""


class Signatures:
    """The signatures that a process has.

    Args:
        calls: asks the hub.
        root: the place of the hub's files.
    """

    def __init__(self, calls: FileCalls, root: AzureRoot) -> None:
        self._calls = calls
        self._root = root
        self._before = root.prefix + "/" if root.prefix else ""
        self._lock = threading.Lock()
        self._kept: dict[Slot, tuple[Signed, float]] = {}

    def for_writing(self, wanted: Iterable[tuple[str, str, int]]) -> list[Signed]:
        """Get signatures for blobs that are to be stored.

        Args:
            wanted: the name of each, what for, and its size.
        """
        asked = list(wanted)
        signed = self._calls.sign_writes(
            [Wanted(self.location(name), act, size) for name, act, size in asked], self._root
        )
        for (name, _, _), each in zip(asked, signed, strict=True):
            self._keep((name, "append" if each.act == "append" else "write"), each)
        return signed

    def for_reading(self, names: Sequence[str]) -> None:
        """Get signatures for blobs that are to be read."""
        signed = self._calls.sign_reads([self.location(each) for each in names], self._root)
        for name, each in zip(names, signed, strict=True):
            self._keep((name, "read"), each)

    def of(self, slot: Slot) -> tuple[Signed, float]:
        """Return a signature that is good, and when it was given; a new one if need be."""
        with self._lock:
            kept = self._kept.get(slot)
        if kept is None or kept[1] + kept[0].seconds - _LEFT_S < time.monotonic():
            self._renew(slot, kept and kept[0])
            with self._lock:
                kept = self._kept[slot]
        return kept

    def act(self, name: str) -> str | None:
        """Return what the signature is for with which a blob was to be stored."""
        with self._lock:
            kept = self._kept.get((name, "write"))
        return kept and kept[0].act

    def forget(self, slot: Slot) -> None:
        """Have a new signature asked for."""
        with self._lock:
            kept = self._kept.get(slot)
            if kept is not None:
                self._kept[slot] = kept[0], -kept[0].seconds

    def drop(self, name: str) -> None:
        """Forget all about a blob that is stored."""
        with self._lock:
            for what in ("write", "read"):
                self._kept.pop((name, what), None)

    def location(self, name: str) -> str:
        """Return the path of a blob below the hub's root."""
        return name.removeprefix(self._before)

    def _renew(self, slot: Slot, old: Signed | None) -> None:
        name, what = slot
        if what == "read":
            self.for_reading([name])
        else:
            act = old.act if old is not None else "look" if what == "write" else what
            self.for_writing([(name, act, BLOCK)])

    def _keep(self, slot: Slot, signed: Signed) -> None:
        with self._lock:
            # The oldest come first.
            if len(self._kept) >= _MOST:
                for each in list(self._kept)[: _MOST // 2]:
                    del self._kept[each]
            self._kept.pop(slot, None)
            self._kept[slot] = signed, time.monotonic()


class SigningSession(DirectSession):
    """A session that signs each request for the blob that it is about.

    Nothing above it ever sees a signature, and what is sent again gets one that is still good.

    Args:
        service: the URL of the blob service.
        container: the name of the container.
        signatures: the signatures.
    """

    def __init__(self, service: str, container: str, signatures: Signatures) -> None:
        super().__init__(service, CONNECTIONS)
        self._base = f"{urlsplit(service).path.rstrip('/')}/{container}/"
        self._signatures = signatures

    def request(  # type: ignore[override]  # as the session beneath
        self, method: str, url: str, *, headers: Mapping[str, str], **options: Any
    ) -> requests.Response:
        """Sign and send a request.

        Raises:
            requests.RequestException: there is no answer.
            HubError: the hub gives no signature.
        """
        parts = urlsplit(url)
        slot = unquote(parts.path).removeprefix(self._base), _purpose(method, parts.query, headers)
        joint = "&" if parts.query else "?"
        signed, since = self._signatures.of(slot)
        answer = self._send(method, url + joint + signed.text, headers, options)
        if answer.status_code != 403 or time.monotonic() - since < _FRESH_S:
            return answer
        # The account's key was changed meanwhile, say.
        answer.close()
        self._signatures.forget(slot)
        signed, _ = self._signatures.of(slot)
        return self._send(method, url + joint + signed.text, headers, options)

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], options: dict[str, Any]
    ) -> requests.Response:
        answer = super().request(method, url, headers=headers, **options)
        # What is shown of an answer shows where it is from.
        answer.url = url.partition("?")[0]
        return answer


class SignedContainer(Container):
    """A container of which the hub says what is in it, and gives signatures for each blob.

    Args:
        root: the place of the hub's files.
        service: the URL of the blob service.
        calls: asks the hub.
        patience_s: for how many seconds a request that gets no answer is sent again.
    """

    def __init__(self, root: AzureRoot, service: str, calls: FileCalls, patience_s: float) -> None:
        self.signatures = Signatures(calls, root)
        session = SigningSession(service, root.container, self.signatures)
        super().__init__(root, _OfHub("the hub", service), patience_s, session)
        self._calls = calls
        self._lock = threading.Lock()
        self._looked: dict[str, BlobProperties | None] = {}
        self._staged: dict[str, tuple[list[str], list[str]]] = {}

    def look(self, name: str, size: int) -> BlobProperties | None:
        """Have the hub look at a blob that is to be stored, and sign for it."""
        (signed,) = self.signatures.for_writing([(name, "look", size)])
        if signed.blocks is not None:
            with self._lock:
                self._staged[name] = signed.blocks
        return properties(signed.known)

    def note(self, name: str, known: BlobProperties | None) -> None:
        """Keep what is known of a blob for the next question about it."""
        with self._lock:
            self._looked[name] = known

    def forget(self, name: str) -> None:
        """Forget all about a blob that was stored or read."""
        self.signatures.drop(name)
        with self._lock:
            self._looked.pop(name, None)
            self._staged.pop(name, None)

    def properties(self, name: str) -> BlobProperties | None:
        """Return what the hub knows of a blob; None where there is none."""
        with self._lock:
            if name in self._looked:
                return self._looked.pop(name)
        (found,) = self._calls.find([{"location": self.signatures.location(name)}])
        return properties(found.known)

    def blocks(self, name: str) -> tuple[list[str], list[str]]:
        """Return the ids of the blocks of a blob, and of those that are staged, as the hub says."""
        with self._lock:
            known = self._staged.pop(name, None)
        if known is None:
            self.look(name, BLOCK)
            with self._lock:
                known = self._staged.pop(name)
        return known

    def refused(self, code: str) -> HubNotWritableError:
        """Return what it means that the account refuses what the hub signed."""
        return HubNotWritableError(
            f"Storage account {self.root.account!r}, which holds the hub's files, refused a "
            f"request that the hub had signed ({code or 'no code'}). Its firewall may let only "
            "the server in, or its clock or its keys are not the server's. Tell who runs the hub."
        )


def properties(known: StoredFile | None) -> BlobProperties | None:
    """Return what is known of a file in the form in which it is known of a blob."""
    if known is None:
        return None
    found = BlobProperties(metadata={} if known.sha256 is None else {SHA256: known.sha256})
    # The SDK's class says that they are never unknown.
    found.size = known.size or 0
    found.etag = known.etag or ""
    return found


class _OfHub(Credential):
    """No credential: the session signs."""

    def for_client(self, root: AzureRoot) -> None:
        """Return None: requests go out as they are."""
        del root
        keep_signatures_out_of_logs()


def _purpose(method: str, query: str, headers: Mapping[str, str]) -> str:
    if method in ("GET", "HEAD"):
        return "read"
    if "comp=appendblock" in query or headers.get("x-ms-blob-type") == "AppendBlob":
        return "append"
    return "write"
