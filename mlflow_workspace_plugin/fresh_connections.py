"""Connections to a server, of which none is used again that was idle for long.

Whoever is at its other end may be closing it just when the next request is sent, or has forgotten
it without a word.
"""

import functools
import queue
import time
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import PoolManager
from urllib3.connectionpool import HTTPConnectionPool

_IDLE_S = 20.0
"""Less than any server, or what is in between, keeps a connection that is not used."""


class FreshConnections(HTTPAdapter):
    """Keeps connections as ``requests`` does, but uses none again that was idle for long.

    That is looked at for each of them: some may be idle for long while others are in use.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make what keeps the connections."""
        super().init_poolmanager(*args, **kwargs)
        _keep_fresh(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> PoolManager:
        """Return what keeps the connections by a proxy."""
        manager: PoolManager = super().proxy_manager_for(proxy, **kwargs)
        _keep_fresh(manager)
        return manager


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
