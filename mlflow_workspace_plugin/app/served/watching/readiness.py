"""Whether a served hub can do its work now: its databases, and where its files are."""

import os
import threading
import time
from collections.abc import Callable
from math import inf

from anyio import create_task_group, move_on_after
from sqlalchemy import text

from mlflow_workspace_plugin.accounts.database import accounts_of
from mlflow_workspace_plugin.app.own_threads import OwnThreads
from mlflow_workspace_plugin.errors import clause
from mlflow_workspace_plugin.hub.databases.database import connected
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

_WITHIN_S = 5.0
_KEPT_S = 2.0
_OK = "ok"
_AWAY = "away"


class Readiness:
    """Says whether a hub is ready; asks anew when the last answer is two seconds old.

    Args:
        hub: the hub.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._parts = [
            _Part("database", self._ask_database),
            _Part("storage", self._ask_storage),
        ]

    async def parts(self) -> dict[str, str]:
        """Return of each part whether it is ``ok`` or ``away``, within five seconds."""
        # All are asked at once: one that hangs says nothing of the others.
        async with create_task_group() as group:
            for part in self._parts:
                group.start_soon(part.look)
        return {part.name: part.state for part in self._parts}

    def _ask_database(self) -> None:
        # A row, and not a number: of a file that is locked, or empty, SQLite says that, too.
        with connected(self._hub.engine) as connection:
            connection.execute(text("SELECT 1 FROM workspaces LIMIT 1")).all()
        with accounts_of(self._hub).transaction() as connection:
            connection.execute(text("SELECT 1 FROM users LIMIT 1")).all()

    def _ask_storage(self) -> None:
        root = self._hub.settings.artifact_root
        if root is not None:
            from mlflow_workspace_plugin.artifacts.repository import check_access

            check_access(root)
            return
        with self._hub.folder.files.folder() as folder:
            if not os.access(".", os.W_OK | os.X_OK, dir_fd=folder.descriptor):
                raise PermissionError("The folder of the files cannot be written.")


class _Part:
    """What a hub needs to be ready.

    Args:
        name: what it is called.
        ask: asks it; raises if it is away.
    """

    def __init__(self, name: str, ask: Callable[[], None]) -> None:
        self.name = name
        self.state = _OK
        """As it was when it was looked at last."""
        self._ask = ask
        self._asked_at = -inf
        # Whoever looks meanwhile waits.
        self._threads = OwnThreads(1)
        self._asking = threading.Lock()
        self._is_said = False

    async def look(self) -> None:
        """Find out its state, within five seconds; after those it is away."""
        with move_on_after(_WITHIN_S):
            await self._threads.run_or_abandon(self._look)
            return
        self.state = _AWAY

    def _look(self) -> None:
        # A thread that nobody waits for any more may still be at it. No others pile up behind it.
        if not self._asking.acquire(timeout=_WITHIN_S):
            return
        try:
            if time.monotonic() - self._asked_at >= _KEPT_S:
                self.state = self._found()
                self._asked_at = time.monotonic()
        finally:
            self._asking.release()

    def _found(self) -> str:
        try:
            self._ask()
        except Exception as error:  # noqa: BLE001  whatever it is, it is not ready
            if not self._is_said:
                _logger.warning("The %s is away: %s", self.name, clause(error))
            self._is_said = True
            return _AWAY
        if self._is_said:
            _logger.warning("The %s is back.", self.name)
        self._is_said = False
        return _OK
