"""The token that a script shows to a served hub: found, renewed before it ends, and kept.

All processes of a user on a machine share one log-in for each hub. One of them renews it at a time,
under a lock, and the others find the new one in the file.
"""

import os
import sys
import threading
import time
from contextlib import suppress

from mlflow_workspace_plugin.errors import (
    HubSettingsError,
    HubUnreachableError,
    InvalidUriError,
    LogInNeededError,
)
from mlflow_workspace_plugin.remote.asking import ask
from mlflow_workspace_plugin.remote.log_ins import KeptLogIn, LogIn, log_in_of
from mlflow_workspace_plugin.terminal import get_logger
from mlflow_workspace_plugin.uris import ServedWorkspaceUri, is_address, parse, served_uri
from mlflow_workspace_plugin.web_answers import is_sendable

_logger = get_logger(__name__)

_REFRESH = "/hub/v1/refresh"
_UNAUTHORIZED = 401
_ASKED_TIMES = 3
_PAUSE_S = 0.5
# Who only wants to be early asks once, and then leaves a hub that is away in peace.
_LEFT_IN_PEACE_S = 10.0
_TOKEN = "MLFLOW_TRACKING_TOKEN"  # noqa: S105  the name of a variable
_URI = "MLFLOW_TRACKING_URI"
_ANY = "default"
"""A workspace: of an address it does not matter which one."""


class Credentials:
    """Who this process is at a served hub. All methods may be called by any thread.

    Args:
        address: of the hub, such as ``https://hub.example.org``.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._kept = KeptLogIn(address)
        self._log_in: LogIn | None = None
        self._unkept: tuple[LogIn, LogIn] | None = None
        """What was exchanged and could not be kept, behind what is kept in its place."""
        self._ended: str | None = None
        self._lock = threading.RLock()
        self._warned = False
        self._away_until = 0.0
        self._in_vain: HubUnreachableError | None = None
        """Of who asked last and had no answer."""

    def token(self) -> str | None:
        """Return the token to be shown now; None if nobody is logged in.

        MLflow's variable comes first, as it does with MLflow. A log-in that is about to end is
        renewed, if the hub can be reached.
        """
        said = self.of_environment()
        if said is not None:
            return said
        log_in = self._log_in
        if log_in is None:
            log_in = self._log_in = self._read()
        if log_in is None:
            return None
        is_away = time.monotonic() < self._away_until
        if log_in.is_fresh() or log_in.refresh is None or is_away:
            return log_in.access
        try:
            return self._renewed(log_in.access, times=1) or log_in.access
        except HubUnreachableError:
            return log_in.access

    def renewed(self, refused: str) -> str | None:
        """Return another token than one that the hub does not take any more.

        Args:
            refused: what it did not take.

        Returns:
            None if somebody has to log in again.

        Raises:
            HubUnreachableError: the hub does not answer.
        """
        said = self.of_environment()
        if said is not None:
            return None if said == refused else said
        return self._renewed(refused, _ASKED_TIMES)

    def of_environment(self) -> str | None:
        """Return MLflow's variable, if it is meant for this hub: it goes with the tracking URI."""
        # Of a file, or a secret of a cluster, it may have the end of its line.
        token = os.environ.get(_TOKEN, "").strip()
        if not token or not self._is_meant():
            return None
        if not is_sendable(token):
            self._warn(
                f"{_TOKEN} holds what is no token, and is not used. Set it to the token alone."
            )
            return None
        return token

    def needed(self) -> LogInNeededError:
        """Return the error of who asks as nobody whom the hub knows; it names what to do."""
        is_used = self.of_environment() is not None
        variable = _TOKEN if is_used or os.environ.get(_TOKEN, "").strip() else None
        return LogInNeededError.of(self._address, variable, is_used=is_used)

    def renew_lock(self) -> None:
        """Forget who holds the lock: called in a forked child, which has no other thread."""
        self._lock = threading.RLock()

    def _renewed(self, refused: str, times: int) -> str | None:
        before = self._in_vain
        with self._lock:
            known = self._log_in
            is_renewed = known is not None and known.access != refused and known.is_fresh()
            if self._in_vain is not None and self._in_vain is not before and not is_renewed:
                # Another thread asked while this one waited: it would wait as long for the same.
                raise HubUnreachableError(self._in_vain.message)
            log_in = self._log_in
            # Another thread, or process, has renewed it meanwhile; or the user has logged in.
            if log_in is None or log_in.access == refused or not log_in.is_fresh():
                log_in = self._read()
            if log_in is not None and (log_in.access == refused or not log_in.is_fresh()):
                try:
                    log_in = self._refreshed(log_in, refused, times)
                except HubUnreachableError as error:
                    self._in_vain = error
                    self._away_until = time.monotonic() + _LEFT_IN_PEACE_S
                    raise
            self._log_in = log_in
        return None if log_in is None else log_in.access

    def _refreshed(self, log_in: LogIn, refused: str, times: int) -> LogIn | None:
        """Exchange a refresh token, unless another process does so first.

        Raises:
            HubUnreachableError: the hub does not answer, or there is no place for what it would
                give: one that is exchanged and not kept is exchanged again by the next process,
                which the hub takes for a copy.
        """
        if log_in.refresh is None or log_in.refresh == self._ended:
            return None
        found: LogIn | None = None
        latest: LogIn | None = None

        def changed() -> LogIn | None:
            nonlocal found, latest
            latest = self._read()
            if latest is None or latest.refresh is None:
                return None
            newest = self._behind(latest)
            if newest.access != refused and newest.is_fresh():
                found = newest
                return None if newest is latest else newest
            if newest.refresh == self._ended:
                return None
            self._kept.check_place(latest)
            found = self._exchanged(newest, times)
            return found

        try:
            self._kept.change(changed)
        except TimeoutError as error:
            raise HubUnreachableError(
                f"Another process renews the log-in at {self._address}, and does not end."
            ) from error
        except (OSError, HubSettingsError) as error:
            if found is None:
                raise HubUnreachableError(
                    f"The log-in at {self._address} is not renewed, since the new one could not be "
                    f"kept: {error}. Make room for it at {str(self._kept.file)!r}."
                ) from error
            if latest is not None:
                # It is good in this process, which keeps it as soon as there is room.
                self._unkept = latest, found
            self._warn(f"The log-in at {self._address} cannot be kept: {error}")
        return found

    def _behind(self, latest: LogIn) -> LogIn:
        """Return what the log-in that is kept was exchanged for, if that could not be kept."""
        if self._unkept is not None and self._unkept[0] == latest:
            return self._unkept[1]
        return latest

    def _exchanged(self, log_in: LogIn, times: int) -> LogIn | None:
        """Return the log-in with its next tokens; None if it has ended.

        Raises:
            HubUnreachableError: the hub does not answer.
        """
        reason = "it does not answer"
        for tried in range(times):
            # Where the answer was lost, the same token is answered the same.
            if tried:
                time.sleep(_PAUSE_S * tried)
            try:
                reply = ask(self._address, "POST", _REFRESH, body={"refresh": log_in.refresh})
            except HubUnreachableError as error:
                reason = error.message
                continue
            if reply.status == _UNAUTHORIZED and reply.is_refusal:
                self._ended = log_in.refresh
                self._warn(f"{reply.message.replace('HOST', self._address)}")
                return None
            with suppress(KeyError, TypeError, ValueError):
                if reply.is_done and reply.said is not None:
                    new = log_in_of(reply.said, log_in.name)
                    return LogIn(**{**vars(new), "kept": log_in.kept})
            reason = f"The hub at {self._address} cannot renew a log-in now (HTTP {reply.status})."
        raise HubUnreachableError(reason)

    def _read(self) -> LogIn | None:
        try:
            return self._kept.read()
        except HubSettingsError as error:
            self._warn(error.message)
            return None

    def _is_meant(self) -> bool:
        with suppress(InvalidUriError):
            said = _uri_of_token()
            uri = served_uri(said, _ANY) if is_address(said) else parse(said)
            return isinstance(uri, ServedWorkspaceUri) and uri.address == self._address
        return False

    def _warn(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            _logger.warning("%s", message)


def _uri_of_token() -> str:
    """Return the tracking URI that MLflow's token came with.

    ``mlflow.set_tracking_uri`` writes to the variable, too, and says nothing of the token.
    """
    loaded = sys.modules.get("mlflow_workspace_plugin.entry_points")
    token, uri = getattr(loaded, "STARTED_WITH", (None, None))
    if uri and token == os.environ.get(_TOKEN):
        return str(uri)
    return os.environ.get(_URI, "")


_credentials: dict[str, Credentials] = {}


def credentials_of(address: str) -> Credentials:
    """Return who this process is at a served hub; the same ones each time.

    Args:
        address: of the hub, such as ``https://hub.example.org``.
    """
    return _credentials.setdefault(address, Credentials(address))


def _renew_locks() -> None:
    for each in _credentials.values():
        each.renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
