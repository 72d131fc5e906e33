"""The connection of a process to the container of a hub's files, and what works on it."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from typing import TypeVar

from azure.core.exceptions import AzureError, ClientAuthenticationError, ResourceNotFoundError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobClient, BlobProperties, ContainerClient

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.artifacts.azure_blob.connection.codes import code_of
from mlflow_workspace_plugin.artifacts.azure_blob.connection.credentials import (
    Credential,
    default_login,
    find_credential,
)
from mlflow_workspace_plugin.artifacts.azure_blob.connection.retries import PatientRetry
from mlflow_workspace_plugin.artifacts.azure_blob.connection.session import DirectSession
from mlflow_workspace_plugin.artifacts.daemon_threads import DaemonThreads
from mlflow_workspace_plugin.errors import HubNotWritableError
from mlflow_workspace_plugin.hub.azure import AzureRoot

Result = TypeVar("Result")

BLOCK = 8 * 2**20
"""The size in bytes of the blocks of a file; a smaller file is one request."""

_FILES_AT_ONCE = 16
_BLOCKS_AT_ONCE = 8
CONNECTIONS = _FILES_AT_ONCE + _BLOCKS_AT_ONCE
"""How many requests of a process there are at once."""

_PIECE = 2**18
"""How many bytes of an answer are taken at a time: the usual 4 kB cost more than all else."""
_CONNECT_TIMEOUT_S = 10
_READ_TIMEOUT_S = 60
_SHORTEST_CONNECT_TIMEOUT_S = 5
_SHORTEST_READ_TIMEOUT_S = 10


class Container:
    """A container, the pool of connections to it, and the threads that use them.

    Files and their blocks have threads of their own, so that a file never waits for one that waits
    for it.

    Args:
        root: the place of the hub's files.
        credential: the secret for it.
        patience_s: for how many seconds a request that gets no answer is sent again.
        session: sends the requests; None is one of its own.
    """

    def __init__(
        self,
        root: AzureRoot,
        credential: Credential,
        patience_s: float,
        session: DirectSession | None = None,
    ) -> None:
        self.root = root
        self.credential = credential
        self.patience_s = patience_s
        # The SDK's own session keeps ten connections, and drops and opens those above.
        self._session = session or DirectSession(credential.service, CONNECTIONS)
        self.client = ContainerClient(
            credential.service,
            root.container,
            credential=credential.for_client(root),
            transport=RequestsTransport(
                session=self._session,
                connection_timeout=min(
                    max(patience_s, _SHORTEST_CONNECT_TIMEOUT_S), _CONNECT_TIMEOUT_S
                ),
                read_timeout=min(max(patience_s, _SHORTEST_READ_TIMEOUT_S), _READ_TIMEOUT_S),
                connection_data_block_size=_PIECE,
            ),
            # What this user trusted is this service, and not where it sends others.
            permit_redirects=False,
            retry_policy=PatientRetry(patience_s, self.is_refusal),
            # The first request of a download brings the first block.
            max_single_get_size=BLOCK,
            max_chunk_get_size=BLOCK,
        )
        self._files = DaemonThreads(_FILES_AT_ONCE, "workspace-file")
        self._blocks = DaemonThreads(_BLOCKS_AT_ONCE, "workspace-block")
        # One for each thread, and two that wait for one.
        self._room = threading.BoundedSemaphore(_BLOCKS_AT_ONCE + 2)

    def blob(self, name: str) -> BlobClient:
        """Return a client for a blob."""
        return self.client.get_blob_client(name)

    def properties(self, name: str) -> BlobProperties | None:
        """Return what is known of a blob; None where there is none.

        Raises:
            AzureError: it cannot be asked for.
        """
        try:
            return self.blob(name).get_blob_properties()
        except ResourceNotFoundError as error:
            # The answer to HEAD has no body; the container's absence shows at the first block.
            if code_of(error) not in ("", "BlobNotFound"):
                raise
            return None

    def blocks(self, name: str) -> tuple[list[str], list[str]]:
        """Return the ids of the blocks of a blob, and of those that were staged and not committed.

        Raises:
            AzureError: they cannot be asked for.
        """
        try:
            committed, staged = self.blob(name).get_block_list("all")
        except ResourceNotFoundError as error:
            if code_of(error) != "BlobNotFound":
                raise
            return [], []
        return [each.id for each in committed], [each.id for each in staged]

    def is_refusal(self, error: AzureError) -> bool:
        """Whether there is no log-in, however often one is asked for.

        That the network is away looks like that, too: then the account cannot be reached, either,
        or there was a log-in before.
        """
        if not isinstance(error, ClientAuthenticationError) or error.response is not None:
            return False
        return not (default_login().was_granted or self._session.is_unreachable())

    def refused(self, code: str) -> HubNotWritableError | None:
        """Return what it means that a request is refused, where that is known without looking.

        Args:
            code: the service's.
        """
        del code
        return None

    def for_files(self, calls: Iterable[Callable[[], object]]) -> None:
        """Do something about each of many whole files, several at once.

        Raises:
            Exception: what one of the calls raised; those that had not begun are left out.
        """
        self._files.do_all(calls)

    def for_blocks(self, calls: Iterator[Callable[[], Result]]) -> list[Result]:
        """Do something about each block of a file, several at once; return what came of it.

        The next call is only asked for when there is room for its block in memory, which all files
        of the process share.

        Raises:
            Exception: what one of the calls raised; no more are begun then.
        """
        running: list[Future[Result]] = []
        failed = threading.Event()

        def run(call: Callable[[], Result]) -> Result:
            try:
                return call()
            except BaseException:
                failed.set()
                raise
            finally:
                self._room.release()

        try:
            while not failed.is_set():
                call = self._next(calls)
                if call is None:
                    break
                running.append(self._blocks.submit(run, call))
                del call  # and its block with it
        finally:
            # So that after an error nothing of this file is sent or written any more.
            wait(running)
        return [each.result() for each in running]

    def _next(self, calls: Iterator[Callable[[], Result]]) -> Callable[[], Result] | None:
        """Take room for a block, and the call that is about it; None when there is no other."""
        self._room.acquire()
        call = None
        try:
            call = next(calls, None)
        finally:
            if call is None:
                self._room.release()
        return call


_containers: dict[tuple[AzureRoot, float | None], tuple[Credential, float, Container]] = {}
_lock = threading.Lock()


def container_of(root: AzureRoot, patience_s: float | None = None) -> Container:
    """Return the connection of this process to a place; a new one when its secret has changed.

    Args:
        root: the place.
        patience_s: for how many seconds a request that gets no answer is sent again; None is as
            long as the settings say.

    Raises:
        HubSettingsError: there is no usable credential.
    """
    seconds = settings.WAIT_S.number() if patience_s is None else patience_s
    wanted = find_credential(root), seconds
    with _lock:
        known = _containers.get((root, patience_s))
        if known is None or known[:2] != wanted:
            known = _containers[root, patience_s] = (*wanted, Container(root, *wanted))
        return known[2]


def _forget_in_child() -> None:
    # Connections and threads are the parent's.
    global _lock
    _lock = threading.Lock()
    _containers.clear()
    default_login.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
