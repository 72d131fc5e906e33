"""Requests to a served hub: each is bounded in time, says who asks, and is understood.

Neither MLflow's own retries, which may take a quarter of an hour and send a thing twice, nor what
``requests`` finds in the environment (a password in a netrc file, cookies, redirections that would
hand the token to another server) has a part in it.
"""

import contextlib
import functools
import http.cookiejar
import os
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

import requests
from mlflow.environment_variables import MLFLOW_TRACKING_SERVER_CERT_PATH
from mlflow.exceptions import MlflowException, RestException

from mlflow_workspace_plugin import errors
from mlflow_workspace_plugin.errors import (
    AzureMLException,
    HubProtocolError,
    HubUnreachableError,
)
from mlflow_workspace_plugin.fresh_connections import FreshConnections
from mlflow_workspace_plugin.protocol import headers as protocol_headers
from mlflow_workspace_plugin.protocol.statuses import Meaning, Said, understood
from mlflow_workspace_plugin.remote.asking import reason_of_tls
from mlflow_workspace_plugin.remote.credentials import credentials_of
from mlflow_workspace_plugin.stores.journalling.patience import wait_s
from mlflow_workspace_plugin.uris import ServedWorkspaceUri
from mlflow_workspace_plugin.web_answers import AnswerTooLongError, Bearer, content_within

if TYPE_CHECKING:
    from typing_extensions import Unpack

_CONNECT_S = 5.0
_ASK_S = 10.0
_LEAST_S = 0.1
"""Who may not wait is told all the same what answers at once."""
_AT_ONCE = 32
_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_NO_ROUTE = "is no route of it"
_LONGEST = 512 * 2**20
_WHOLE_S = 60.0
"""For an answer to come to its end, after the time within which it has to begin."""


class UnansweredError(HubUnreachableError):
    """A request was not answered, or by something that is not the hub.

    Attributes:
        may_be_done: whether what was asked may be done all the same.
        after_s: the hub asks to be left in peace for so long.
    """

    may_be_done = False
    after_s = 0.0


class RequestOptions(TypedDict, total=False):
    """What goes with a request, and what is made of its answer.

    Attributes:
        json: what is sent as JSON.
        params: what is sent with the address.
        data: what is sent as it is.
        headers: more of them.
        stream: leave what is answered to be read by the caller.
        wants_object: an answer that is no object of JSON's is none of the hub's.
    """

    json: Any
    params: Any
    data: bytes | None
    headers: Mapping[str, str] | None
    stream: bool
    wants_object: bool


class HubHttp:
    """Asks a served hub about one workspace. All methods may be called by any thread.

    Args:
        uri: of the workspace.
    """

    def __init__(self, uri: ServedWorkspaceUri) -> None:
        self.uri = uri
        self.address = uri.address
        self._credentials = credentials_of(self.address)
        self._headers = protocol_headers.of_client(uri.name, _release())

    @property
    def token(self) -> str | None:
        """The token of who asks; None if nobody is logged in."""
        token: str | None = self._credentials.token()
        return token

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Ask once, and return the answer, whatever its status is.

        Raises:
            HubUnreachableError: there is none.
        """
        return self._asked(method, path, data=body, headers=headers, timeout_s=_ASK_S)

    def call(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float | None = None,
        **options: "Unpack[RequestOptions]",
    ) -> requests.Response:
        """Ask once, and return the answer if it is that what was asked is done.

        Args:
            method: HTTP's.
            path: below the hub's address.
            timeout_s: how long to wait for the answer to begin, and for each part of it; by default
                as long as a call may wait.
            options: as :class:`RequestOptions` says.

        Raises:
            UnansweredError: the hub did not answer, or cannot now.
            LogInNeededError: it does not know who asks.
            MlflowException: it refuses what was asked; of the class that the hub raised, where that
                is one of ours.
        """
        wants_object = options.pop("wants_object", False)
        timeout_s = wait_s() if timeout_s is None else timeout_s
        response = self._asked(method, path, timeout_s=timeout_s, **options)
        is_page = "html" in response.headers.get("Content-Type", "").lower()
        is_fine = response.ok and not is_page
        said = understood(
            response.status_code,
            b"" if is_fine else _content_of(response),
            response.headers.get("Content-Type", ""),
        )
        if said.meaning is not Meaning.DONE:
            raise self._error(response, said, path)
        if wants_object and not _is_object(response):
            # Of whoever is in between, who may have passed on what was asked.
            raise self._unanswered("something answered that is not the hub", may_be_done=True)
        return response

    def request(
        self,
        method: str,
        path: str,
        *,
        patience_s: float | None = None,
        timeout_s: float | None = None,
        again: bool = True,
        **options: "Unpack[RequestOptions]",
    ) -> requests.Response:
        """Ask, again and again while the hub is away; see :meth:`call`.

        Args:
            method: as for a call.
            path: as for a call.
            patience_s: for how long; by default as long as a call may wait.
            timeout_s: as for a call, and patience begins with its first end without an answer; by
                default as long as there is patience.
            again: ask again, though what was asked may be done.
            options: as for a call.
        """
        patience_s = wait_s() if patience_s is None else patience_s
        deadline = time.monotonic() + patience_s
        has_begun = timeout_s is None
        pause = _PAUSE_S
        while True:
            left_s = max(deadline - time.monotonic(), 1.0)
            try:
                asked_s = left_s if timeout_s is None else timeout_s
                return self.call(method, path, timeout_s=asked_s, **options)
            except HubUnreachableError as error:
                wait = pause
                if not has_begun:
                    has_begun, deadline = True, time.monotonic() + patience_s
                # Any other is of a log-in that cannot be renewed now: the hub did nothing then.
                if isinstance(error, UnansweredError):
                    wait = max(pause, min(error.after_s, _LONGEST_PAUSE_S))
                    if error.may_be_done and not again:
                        raise
                if time.monotonic() + wait > deadline:
                    raise
            time.sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _asked(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """Ask once, but again with another token where the hub does not know the first any more."""
        token = self._credentials.token()
        response = self._sent(method, path, token, **kwargs)
        if response.status_code == requests.codes.unauthorized and token is not None:
            renewed = self._credentials.renewed(token)
            if renewed is not None:
                response.close()
                response = self._sent(method, path, renewed, **kwargs)
        return response

    def _sent(
        self,
        method: str,
        path: str,
        token: str | None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float,
        stream: bool = False,
        **kwargs: Any,
    ) -> requests.Response:
        end = time.monotonic() + timeout_s + _WHOLE_S
        try:
            response = _session_of(self.address).request(
                method,
                self.address + path,
                headers={**self._headers, **(headers or {})},
                auth=Bearer(token),
                timeout=(min(_CONNECT_S, max(timeout_s, _LEAST_S)), max(timeout_s, _LEAST_S)),
                allow_redirects=False,
                verify=MLFLOW_TRACKING_SERVER_CERT_PATH.get() or None,
                stream=True,
                **kwargs,
            )
        except requests.exceptions.RequestException as error:
            raise self._unanswered(_reason(error), may_be_done=_was_sent(error)) from error
        try:
            if not stream:
                _read(response, end)
        except requests.exceptions.RequestException as error:
            # What is answered has arrived.
            raise self._unanswered(_reason(error), may_be_done=True) from error
        return response

    def _unanswered(self, reason: str, *, may_be_done: bool = False) -> UnansweredError:
        error = UnansweredError(f"The hub at {self.address} cannot be reached: {reason}.")
        error.may_be_done = may_be_done
        return error

    def _error(self, response: requests.Response, said: Said, path: str) -> MlflowException:
        """Return the error that an answer to who asked for a path is."""
        message = str((said.error or {}).get("message") or "").strip()
        if said.meaning is Meaning.LOG_IN:
            return self._credentials.needed()
        if said.meaning is Meaning.UPGRADE:
            return HubProtocolError(message)
        if said.meaning is Meaning.REFUSED and said.error is not None:
            if _is_of_no_route(path, response.status_code, message):
                return HubProtocolError.of_route(path)
            return _refusal(said.error)
        reason = message.rstrip(".") or _reason_of_status(response.status_code)
        error = self._unanswered(reason, may_be_done=said.may_be_done)
        # A date is what some proxies say; it is asked again as usual then.
        with contextlib.suppress(ValueError):
            error.after_s = float(response.headers.get("Retry-After", 0))
        return error


@functools.lru_cache(maxsize=256)
def http_of(uri: ServedWorkspaceUri) -> HubHttp:
    """Return what asks a served hub about a workspace."""
    return HubHttp(uri)


def _is_of_no_route(path: str, status: int, message: str) -> bool:
    """Whether a server of before says that it has no such route of ours, and no remedy."""
    is_ours = path.startswith(f"{protocol_headers.PREFIX}/")
    return is_ours and status == requests.codes.forbidden and _NO_ROUTE in message


def _refusal(said: dict[str, Any]) -> MlflowException:
    """Return the error that a hub has told of, of its class if that is one of ours."""
    known = getattr(errors, str(said.get("error")), None)
    if isinstance(known, type) and issubclass(known, AzureMLException):
        return known(str(said.get("message", "")))
    error: MlflowException = RestException(
        {"error_code": said["error_code"], "message": str(said.get("message", ""))}
    )
    return error


def _reason_of_status(status: int) -> str:
    if status == requests.codes.request_entity_too_large:
        return (
            "what is in front of it takes no request that is as long (413), so who runs the hub "
            "has to let it take more (of nginx: client_max_body_size)"
        )
    return f"something answered with status {status} that is not the hub"


def _read(response: requests.Response, end: float) -> None:
    with response:
        # Where ``requests`` itself keeps what it reads, without limits.
        response._content = content_within(response, _LONGEST, end)


def _is_object(response: requests.Response) -> bool:
    # It is read by who asked, and may be long.
    return response.content.lstrip()[:1] == b"{"


def _content_of(response: requests.Response) -> bytes:
    try:
        if not response._content_consumed:
            _read(response, time.monotonic() + _WHOLE_S)
    except requests.exceptions.RequestException:
        # Cut off, or without an end: nobody's word.
        return b""
    content: bytes = response.content
    return content


_sessions: dict[tuple[int, str], requests.Session] = {}
_lock = threading.Lock()


def _session_of(address: str) -> requests.Session:
    """Return the connections of this process to a hub."""
    key = os.getpid(), address
    session = _sessions.get(key)
    if session is None:
        with _lock:
            session = _sessions.setdefault(key, _new_session())
    return session


def _new_session() -> requests.Session:
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, FreshConnections(pool_maxsize=_AT_ONCE, max_retries=0))
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    return session


def _new_lock() -> None:
    global _lock
    # The parent's connections are the parent's, and its lock may be held.
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


@functools.cache
def _release() -> str:
    from importlib.metadata import version

    return version("mlflow-workspace-plugin")


def _was_sent(error: requests.exceptions.RequestException) -> bool:
    """Whether a request may have arrived that nobody answered."""
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.SSLError):
        return False
    if isinstance(error, requests.exceptions.ProxyError | requests.exceptions.InvalidURL):
        return False
    if isinstance(error, requests.exceptions.InvalidHeader):
        return False
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return type(reason).__name__ not in ("NewConnectionError", "NameResolutionError")


def _reason(error: requests.exceptions.RequestException) -> str:
    """Return why a request was not answered, without what ``requests`` says of its own objects."""
    if isinstance(error, requests.exceptions.SSLError):
        return reason_of_tls(error)
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "no connection within the time that a call may take"
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer within the time that a call may take"
    if isinstance(error, requests.exceptions.InvalidHeader):
        return "the token that is kept for it is none, so log in again"
    if isinstance(error, AnswerTooLongError):
        return f"what it answers is longer than {_LONGEST // 2**20} MiB"
    if not _was_sent(error):
        return "nobody takes connections there"
    if any(isinstance(each, TimeoutError) for each in getattr(error.args[0], "args", ())):
        # An answer that is waited for in vain is a ``Timeout``.
        return "what was sent did not get through in time"
    return "the connection ended before the answer"
