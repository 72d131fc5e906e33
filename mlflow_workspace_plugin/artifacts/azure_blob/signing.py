"""Signatures for single blobs, which let somebody without a credential do one thing to one of them.

A signature is a SAS: of the account's key, or, where this process logs in, of a key that the
account delegates to it for some hours. With a SAS of its own a process can sign nothing.
"""

import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob import BlobServiceClient, UserDelegationKey, generate_blob_sas

from mlflow_workspace_plugin.artifacts.azure_blob.connection.container import (
    Container,
    container_of,
)
from mlflow_workspace_plugin.artifacts.azure_blob.connection.credentials import Credential
from mlflow_workspace_plugin.artifacts.azure_blob.connection.faults import translate
from mlflow_workspace_plugin.hub.azure import AzureRoot
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

Act = Literal["create", "write", "append", "read"]
"""What a signature is for. Only ``write`` lets its holder replace what is there."""

RIGHTS: dict[str, str] = {"create": "c", "write": "w", "append": "ac", "read": "r"}
"""The service's permissions for each act."""

GIVEN_S = 10 * 60
"""For how long the holder of a signature is to use it."""

_LIFE_S = 15 * 60
"""For how long the service takes it: a request that was begun in time may end later."""

_KEY_LIFE = timedelta(hours=6)
_KEY_LEFT = timedelta(hours=1)

Delegate = Callable[[datetime, datetime], UserDelegationKey]
"""Asks the account for a key that is valid between two times."""


class Signer:
    """Signs for the blobs of a container.

    Args:
        root: the place of the hub's files.
        credential: the secret for it.
        delegate: gets a key of the account's, where the credential is none.
    """

    def __init__(self, root: AzureRoot, credential: Credential, delegate: Delegate) -> None:
        self.root = root
        self.credential = credential
        self._delegate = delegate
        self._lock = threading.Lock()
        self._key: tuple[UserDelegationKey, datetime] | None = None

    def sign(self, name: str, act: Act) -> str:
        """Return what is to stand behind the URL of a blob, for so long as ``GIVEN_S``.

        Raises:
            AzureError: the account delegates no key.
        """
        now = datetime.now(timezone.utc)
        return str(
            generate_blob_sas(
                self.root.account,
                self.root.container,
                name,
                permission=RIGHTS[act],
                expiry=now + timedelta(seconds=_LIFE_S),
                protocol="https" if self.credential.service.startswith("https:") else None,
                **self._secret(now),
            )
        )

    def _secret(self, now: datetime) -> dict[str, Any]:
        if self.credential.key is not None:
            return {"account_key": self.credential.key}
        with self._lock:
            if self._key is None or self._key[1] < now + _KEY_LEFT:
                until = now + _KEY_LIFE
                # The clock of the account may be behind.
                self._key = self._delegate(now - timedelta(minutes=15), until), until
            return {"user_delegation_key": self._key[0]}


_signers: dict[AzureRoot, tuple[Credential, Signer | None]] = {}
_lock = threading.Lock()


def signer_of(root: AzureRoot) -> Signer | None:
    """Return what signs for the blobs of a place; None where this process cannot.

    Raises:
        HubError: whether it can is not known, as the account does not answer.
    """
    container = container_of(root)
    with _lock:
        known = _signers.get(root)
    if known is None or known[0] != container.credential:
        known = container.credential, _signer(root, container)
        with _lock:
            _signers[root] = known
    return known[1]


def _signer(root: AzureRoot, container: Container) -> Signer | None:
    credential = container.credential
    if credential.sas is not None:
        return None
    signer = Signer(root, credential, _delegate_of(root, credential))
    try:
        signer.sign("nothing", "read")
    except AzureError as error:
        # Its roles may let it read and write, and not delegate.
        if not (isinstance(error, HttpResponseError) and error.status_code == 403):
            failure = error
        else:
            _logger.warning(
                "Storage account %r delegates no key to %s, so files go through this server. Give "
                "it the role Storage Blob Delegator on the account.",
                root.account,
                credential.source,
            )
            return None
    else:
        return signer
    raise translate(failure, container)


def _delegate_of(root: AzureRoot, credential: Credential) -> Delegate:
    def delegate(start: datetime, until: datetime) -> UserDelegationKey:
        with BlobServiceClient(credential.service, credential.for_client(root)) as client:
            return client.get_user_delegation_key(start, until)

    return delegate


def _forget_in_child() -> None:
    global _lock
    _lock = threading.Lock()
    _signers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
