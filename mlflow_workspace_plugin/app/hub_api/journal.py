"""The routes that take journals: what clients logged, stored as if they had the database."""

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from mlflow_workspace_plugin.app.hub_api.answers import PREFIX, Asked, busy, get, post, refusal
from mlflow_workspace_plugin.errors import (
    JournalBehindError,
    JournalNotYoursError,
    RoleNeededError,
)
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.protocol.journal import (
    MAX_BODY_BYTES,
    SECRET_HEADER,
    InvalidBatchError,
    TooLargeError,
    from_bytes,
    is_secret,
    is_writer,
    reply_to_json,
)
from mlflow_workspace_plugin.stores.deliveries.reception import MayWrite, Reception

# How long a request may take: nothing more of it is begun after that, and the rest comes again.
_SECONDS = 2.0
# How many are stored at a time, and how many wait for their turn, for how long. SQLite takes one
# writer; while it writes, the next is looked at.
_AT_ONCE_ON_SQLITE = 2
_AT_ONCE = 6
_WAITING = 6
_TURN_S = 1.0


class _BusyError(Exception):
    """There is too much to do."""


class _Counter:
    """Takes journals of one hub, a few at a time."""

    def __init__(self, hub: Hub) -> None:
        self.reception = Reception(hub)
        is_sqlite = hub.engine.dialect.name == "sqlite"
        at_once = _AT_ONCE_ON_SQLITE if is_sqlite else _AT_ONCE
        self._turns = threading.BoundedSemaphore(at_once)
        self._places = threading.BoundedSemaphore(at_once + _WAITING)

    @contextmanager
    def turn(self) -> Iterator[Reception]:
        """Wait for a turn.

        Raises:
            _BusyError: it does not come soon.
        """
        if not self._places.acquire(blocking=False):
            raise _BusyError
        try:
            if not self._turns.acquire(timeout=_TURN_S):
                raise _BusyError
            try:
                yield self.reception
            finally:
                self._turns.release()
        finally:
            self._places.release()


_counters: dict[Hub, _Counter] = {}
_lock = threading.Lock()


def _counter_of(hub: Hub) -> _Counter:
    counter = _counters.get(hub)
    if counter is None:
        # The first requests come at once, and there is to be one.
        with _lock:
            counter = _counters.get(hub) or _counters.setdefault(hub, _Counter(hub))
    return counter


def _take(asked: Asked) -> Any:
    """Store what was sent."""
    workspace, secret = asked.path["workspace"], asked.headers.get(SECRET_HEADER)
    if not is_secret(secret):
        return _no_secret()
    try:
        _check_may_write(asked, workspace)
        with _counter_of(asked.hub).turn() as reception:
            # In its turn only: what was sent may be a thousand times as long.
            batch = from_bytes(asked.body)
            may_write = MayWrite(
                lambda runs: _writable(asked, workspace, runs),
                lambda models: _writable_models(asked, workspace, models),
            )
            reply = reception.receive(workspace, secret, batch, may_write, _SECONDS)
    except _BusyError:
        return busy("This hub has too much to store just now. Nothing was stored; send it again.")
    except TooLargeError as error:
        return refusal(413, "REQUEST_LIMIT_EXCEEDED", f"{error} Send less at a time.")
    except InvalidBatchError as error:
        line = {} if error.line is None else {"line": error.line}
        return refusal(400, "INVALID_PARAMETER_VALUE", str(error), **line)
    except JournalBehindError as error:
        return refusal(409, "RESOURCE_CONFLICT", error.message, sequence=error.sequence)
    except JournalNotYoursError as error:
        return refusal(403, "PERMISSION_DENIED", error.message)
    return reply_to_json(reply)


def _tell(asked: Asked) -> Any:
    """Say how far a writer is."""
    writer, secret = asked.path["writer"], asked.headers.get(SECRET_HEADER)
    if not is_secret(secret):
        return _no_secret()
    if not is_writer(writer):
        return refusal(400, "INVALID_PARAMETER_VALUE", "That is no writer of a journal.")
    try:
        reply = _counter_of(asked.hub).reception.reply(asked.path["workspace"], secret, writer)
    except JournalNotYoursError as error:
        return refusal(403, "PERMISSION_DENIED", error.message)
    return reply_to_json(reply)


def _ping(asked: Asked) -> Any:
    """Say that journals can be sent."""
    _counter_of(asked.hub).reception.ping()
    return {}


def _check_may_write(asked: Asked, workspace: str) -> None:
    """Refuse who may change no run of the workspace, before anything is made of what they sent.

    Raises:
        RoleNeededError: what was logged is to wait.
    """
    principal = asked.principal
    if principal is None or not asked.access.writes_somewhere(principal, workspace):
        raise RoleNeededError.to_write(workspace)


def _writable(asked: Asked, workspace: str, runs: Collection[str]) -> set[str]:
    """Return those of some runs that who asks may write to.

    Raises:
        RoleNeededError: none of them, nor anything else in the workspace: a role was taken away,
            which may be given back, so that what was logged is to wait.
    """
    principal = asked.principal
    found = (
        set() if principal is None else asked.access.may_runs(principal, workspace, runs, "edit")
    )
    if not found and (
        principal is None or asked.access.level(principal, workspace) not in ("edit", "manage")
    ):
        raise RoleNeededError.to_write(workspace)
    return found


def _writable_models(asked: Asked, workspace: str, models: Collection[str]) -> set[str]:
    """Return those of some logged models that who asks may write to."""
    principal = asked.principal
    if principal is None:
        return set()
    return asked.access.may_models(principal, workspace, models, "edit")


def _no_secret() -> Response:
    message = f"The header {SECRET_HEADER} does not hold the secret of a journal."
    return refusal(400, "INVALID_PARAMETER_VALUE", message)


_PATH = PREFIX + "/workspaces/{workspace}/journal"

ROUTES: list[BaseRoute] = [
    post(_PATH, _take, MAX_BODY_BYTES),
    get(_PATH, _ping),
    get(_PATH + "/{writer}", _tell),
]
