"""Connections to a server, of which none is used again that was idle for long.

Whoever is at its other end may be closing it just when the next request is sent, or has forgotten
it without a word. Long bodies are sent piece by piece.
"""

import functools
import queue
import time
from collections.abc import Iterator
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import PoolManager
from urllib3.connectionpool import HTTPConnectionPool

_IDLE_S = 20.0
"""Less than any server, or what is in between, keeps a connection that is not used."""
_PIECE = 2**16


class FreshConnections(HTTPAdapter):
    """Keeps connections as ``requests`` does, but uses none again that was idle for long.

    That is looked at for each of them: some may be idle for long while others are in use.

    A body has no end to be sent by, as long as each piece of it gets through within the timeout for
    connecting.
    """

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send a request; see ``requests``."""
        if isinstance(request.body, bytes) and len(request.body) > _PIECE:
            # It has a length by now, and is sent as it is.
            request.body = _InPieces(request.body)  # type: ignore[assignment]
        return super().send(request, *args, **kwargs)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make what keeps the connections."""
        super().init_poolmanager(*args, **kwargs)
        _keep_fresh(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> PoolManager:
        """Return what keeps the connections by a proxy."""
        manager: PoolManager = super().proxy_manager_for(proxy, **kwargs)
        _keep_fresh(manager)
        return manager


class _InPieces:
    """A body that is sent piece by piece, each of which has the whole timeout.

    Of bytes the whole would have to be sent within the timeout for connecting, which is short: over
    a slow line no long one ever would be.
    """

    def __init__(self, content: bytes) -> None:
        self._content = memoryview(content)

    def __len__(self) -> int:
        return len(self._content)

    def __iter__(self) -> Iterator[memoryview]:
        return (self._content[at : at + _PIECE] for at in range(0, len(self), _PIECE))


class _IdleConnections(queue.LifoQueue[Any]):
    """The connections of a pool that nobody uses, each with the time at which it was given back."""

    def put(self, item: Any, *args: Any, **kwargs: Any) -> None:
        super().put((item, time.monotonic()), *args, **kwargs)

    def get(self, *args: Any, **kwargs: Any) -> Any:
        connection, since = super().get(*args, **kwargs)
        if connection is not None and time.monotonic() - since > _IDLE_S:
            # It opens itself anew when it is used.
            connection.close()
        return connection


def _keep_fresh(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {
        scheme: _fresh(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
    }


@functools.cache
def _fresh(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    """Return a class of pools with idle connections of ours."""
    if pool.QueueCls is _IdleConnections:
        return pool
    return type(pool.__name__, (pool,), {"QueueCls": _IdleConnections})
