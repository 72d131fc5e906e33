"""Whether a served hub can do its work now: its database, and where its files are."""

import os
import threading
import time
from collections.abc import Callable

from anyio import CapacityLimiter, move_on_after, to_thread
from sqlalchemy import text

from mlflow_workspace_plugin.errors import clause
from mlflow_workspace_plugin.hub.databases.database import connected
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

_WITHIN_S = 5.0
_KEPT_S = 2.0
_AWAY = "away"


class Readiness:
    """Says whether a hub is ready; asks anew when the last answer is two seconds old.

    Args:
        hub: the hub.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._parts: dict[str, Callable[[], None]] = {
            "database": self._ask_database,
            "storage": self._ask_storage,
        }
        self._kept: tuple[float, dict[str, str]] | None = None
        self._limiter: CapacityLimiter | None = None
        self._asking = threading.Lock()

    async def parts(self) -> dict[str, str]:
        """Return of each part whether it is ``ok`` or ``away``, within five seconds."""
        if self._limiter is None:
            # Whoever asks meanwhile waits: a part that hangs takes one thread only.
            self._limiter = CapacityLimiter(1)
        with move_on_after(_WITHIN_S):
            return await to_thread.run_sync(
                self._asked, abandon_on_cancel=True, limiter=self._limiter
            )
        return dict.fromkeys(self._parts, _AWAY)

    def _asked(self) -> dict[str, str]:
        # A thread that nobody waits for any more may still be at it.
        with self._asking:
            if self._kept is not None and time.monotonic() - self._kept[0] < _KEPT_S:
                return self._kept[1]
            before = {} if self._kept is None else self._kept[1]
            found = {name: _state(name, ask, before.get(name)) for name, ask in self._parts.items()}
            self._kept = (time.monotonic(), found)
            return found

    def _ask_database(self) -> None:
        with connected(self._hub.engine) as connection:
            connection.execute(text("SELECT 1"))

    def _ask_storage(self) -> None:
        root = self._hub.settings.artifact_root
        if root is not None:
            from mlflow_workspace_plugin.artifacts.repository import check_access

            check_access(root)
            return
        with self._hub.folder.files.folder() as folder:
            if not os.access(".", os.W_OK | os.X_OK, dir_fd=folder.descriptor):
                raise PermissionError("The folder of the files cannot be written.")


def _state(name: str, ask: Callable[[], None], before: str | None) -> str:
    try:
        ask()
    except Exception as error:  # noqa: BLE001  whatever it is, it is not ready
        if before != _AWAY:
            _logger.warning("The %s is away: %s", name, clause(error))
        return _AWAY
    if before == _AWAY:
        _logger.warning("The %s is back.", name)
    return "ok"
