"""A pool of connections that waits where a PostgreSQL server has none free.

A server takes ``max_connections`` clients and turns the others away. Many short processes, such as
those of a job array, come all at once and are gone in seconds: who is turned away comes again.

Some of MLflow's methods open a second session within the first. If all connections belonged to
processes that wait for a second one, nobody would go on: who waits with one in hand soon fails, and
that connection is closed, so that another process goes on.
"""

import random
import threading
import time
import weakref
from typing import Any

from sqlalchemy import PoolProxiedConnection, QueuePool, event

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

_PAUSE_S = 0.1
_SAID_AFTER_S = 2.0
_WAIT_WITH_ONE_S = 2.0
_GIVE_BACK = "workspace_give_back"
_NONE_FREE = "53300"  # SQLSTATE's too_many_connections


class PatientPool(QueuePool):
    """SQLAlchemy's usual pool, which waits for a free connection of the server, too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._of_thread = threading.local()

    def connect(self) -> PoolProxiedConnection:
        """Return a connection: an idle one, or a new one as soon as the server takes it.

        Raises:
            Exception: the server cannot be reached, or had none free for
                ``MLFLOW_WORKSPACE_WAIT`` seconds; some two seconds if the thread holds one, which
                is closed when it is given back.
        """
        held = self._held()
        connection = self._new_or_idle([each for each in held if not each.is_detached])
        self._of_thread.held = [weakref.ref(each) for each in (*held, connection)]
        return connection

    def _held(self) -> list[PoolProxiedConnection]:
        """Return the connections that this thread has not given back."""
        known = [each() for each in getattr(self._of_thread, "held", ())]
        return [each for each in known if each is not None and each.is_valid]

    def _new_or_idle(self, held: list[PoolProxiedConnection]) -> PoolProxiedConnection:
        wait_s = 0.0 if settings.STRICT.get() == "1" else settings.WAIT_S.number()
        if held:
            # Not all at once.
            wait_s = min(wait_s, _WAIT_WITH_ONE_S * random.uniform(0.5, 1.5))  # noqa: S311
        start = time.monotonic()
        said = False
        while True:
            try:
                # Which looks anew for an idle one, too.
                return super().connect()
            except Exception as error:
                waited_s = time.monotonic() - start
                if getattr(error, "sqlstate", None) != _NONE_FREE:
                    raise
                if waited_s > wait_s:
                    for each in held:
                        if each.record_info is not None:
                            each.record_info[_GIVE_BACK] = True
                    raise
            if waited_s > _SAID_AFTER_S and not said:
                said = True
                _logger.warning(
                    "The database server has no free connection; waiting up to %.0f s for one. "
                    "For more, raise its max_connections, or put a connection pooler before it.",
                    wait_s,
                )
            time.sleep(_PAUSE_S)


@event.listens_for(PatientPool, "checkin")
def _give_back(_: Any, record: Any) -> None:
    if record.record_info.pop(_GIVE_BACK, False):
        record.invalidate()
