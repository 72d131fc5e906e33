"""Logging in at a served hub from this machine, asking it about accounts, and logging out."""

import getpass
import re
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from mlflow_workspace_plugin import errors, uris
from mlflow_workspace_plugin.errors import (
    AccountError,
    AzureMLException,
    HubUnreachableError,
    InvalidUriError,
    LogInEndedError,
    TooManyAttemptsError,
)
from mlflow_workspace_plugin.remote.asking import Reply, ask
from mlflow_workspace_plugin.remote.credentials import credentials_of
from mlflow_workspace_plugin.remote.log_ins import KeptLogIn, LogIn, log_in_of

_API = "/hub/v1"
_UNAUTHORIZED = 401
_TOO_MANY = 429
_LONG_S = 366 * 86_400.0
_FORMS = "Write HOST or HOST:PORT, or https://HOST, or the URI of one of its workspaces."


def address_of(text: str) -> str:
    """Return the address of a hub, as people write it: a host, a URL, or a workspace's URI.

    Raises:
        InvalidUriError: it is none.
    """
    found = re.fullmatch(r"(?:(https?|workspace)://)?([^/?#]+)(/[^?#]*)?(\?scheme=https?)?", text)
    if found is None:
        raise InvalidUriError(f"{uris.redact(text)!r} is no address of a hub. {_FORMS}")
    scheme, host, _, query = found.groups()
    if scheme is None and "://" in text:
        raise InvalidUriError(f"{uris.redact(text)!r} is no address of a hub. {_FORMS}")
    if scheme in ("http", "https"):
        query = f"?scheme={scheme}"
    # The name of a workspace has nothing to do with it.
    uri = uris.parse(f"workspace://{host}/default{query or ''}")
    if not isinstance(uri, uris.ServedWorkspaceUri):
        raise InvalidUriError(f"{uris.redact(text)!r} is no address of a hub. {_FORMS}")
    return uri.address


def here() -> str:
    """Return what is said of this machine to whoever looks at log-ins."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "somebody"
    return f"{user} on {socket.gethostname()}"


class Ways(NamedTuple):
    """How people log in at a hub.

    Attributes:
        password: whether by a password.
        provider: the name of a provider of identities that does it in a browser.
    """

    password: bool = True
    provider: str | None = None


def ways_of(address: str) -> Ways:
    """Return how people log in at a hub.

    Raises:
        HubUnreachableError: the hub does not answer.
    """
    reply = ask(address, "GET", f"{_API}/log-in")
    said = reply.said or {}
    provider = said.get("provider")
    if not reply.is_done or not isinstance(provider, str):
        # Perhaps a server that is older than the question: it takes passwords.
        return Ways()
    return Ways(said.get("password") is not False, provider[:100])


def log_in(address: str, name: str, password: str, *, keyring: bool = False) -> Path:
    """Log in by a password; return the file that says so from then on.

    Raises:
        LogInEndedError: name or password is wrong.
        HubUnreachableError: the hub does not answer.
    """
    body = {"name": name, "password": password, "label": here()}
    said = _done(address, ask(address, "POST", f"{_API}/log-in", body=body))
    return _keep(address, said, name, keyring=keyring)


def log_in_by_code(
    address: str, show: Callable[[str, str], None], *, keyring: bool = False
) -> Path:
    """Log in by a code that somebody types in a browser; return the file that says so.

    Args:
        address: of the hub.
        show: called with the code, and the address of the page where it is typed.
        keyring: keep it in the system's keyring.

    Raises:
        LogInEndedError: nobody said yes in time.
        HubUnreachableError: the hub does not answer.
    """
    code = _done(address, ask(address, "POST", f"{_API}/codes", body={"label": here()}))
    show(str(code["shown"]), f"{address}{code['page']}")
    end = time.monotonic() + float(code["seconds"])
    said: Mapping[str, Any] = {"waiting": True}
    while time.monotonic() < end:
        time.sleep(float(code["ask_each"]))
        # What is lost is asked for again; what was given is not given twice.
        with suppress(HubUnreachableError):
            if said.get("waiting"):
                body = {"code": code["code"]}
                said = _done(address, ask(address, "POST", f"{_API}/codes/redeem", body=body))
            if not said.get("waiting"):
                return _keep(address, said, None, keyring=keyring)
    if not said.get("waiting"):
        return _keep(address, said, None, keyring=keyring)
    raise LogInEndedError(
        f"Nobody said yes in time. Log in again: mlflow-workspace login {address}"
    )


def keep_token(address: str, token: str, *, keyring: bool = False) -> Path:
    """Keep the token of a machine; return the file.

    Raises:
        LogInEndedError: the hub does not take it.
    """
    said = {"access": token, "refresh": None, "seconds": _LONG_S}
    return _keep(address, said, None, keyring=keyring)


def log_out(address: str) -> LogIn | None:
    """End the log-in of this machine at a hub; return it, or None if there was none.

    One that cannot be renewed is the token of a machine, which others may use as well: it is
    forgotten here only.

    Raises:
        HubUnreachableError: the hub does not answer. The log-in is forgotten here all the same.
    """
    kept = KeptLogIn(address)
    try:
        found = kept.read()
    finally:
        kept.remove()
    if found is not None and found.refresh is not None:
        _done(address, ask(address, "POST", f"{_API}/log-out", body={"token": found.refresh}))
    return found


def asked(
    address: str, method: str, path: str, body: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Ask a hub as who is logged in there; return what it says.

    Args:
        address: of the hub.
        method: HTTP's.
        path: behind ``/hub/v1``.
        body: what is sent, as JSON.

    Raises:
        LogInEndedError: nobody is logged in.
        AzureMLException: the hub refuses; of the class that it names, if that is one of ours.
        HubUnreachableError: it does not answer.
    """
    credentials = credentials_of(address)
    token = credentials.token()
    if token is None:
        raise LogInEndedError(
            f"Nobody is logged in at {address} here. Log in: mlflow-workspace login {address}"
        )
    reply = ask(address, method, _API + path, body=body, token=token)
    if reply.status == _UNAUTHORIZED:
        renewed = credentials.renewed(token)
        if renewed is not None:
            reply = ask(address, method, _API + path, body=body, token=renewed)
    return _done(address, reply)


def _keep(address: str, said: Mapping[str, Any], name: str | None, *, keyring: bool) -> Path:
    """Keep what a hub gave to who logged in, once it is known whom it stands for."""
    try:
        new = log_in_of(dict(said), name or "")
    except (KeyError, TypeError, ValueError):
        raise _odd(address) from None
    if not new.name:
        me = _done(address, ask(address, "GET", f"{_API}/me", token=new.access))
        new = replace(new, name=str(me.get("name", "")))
    kept = KeptLogIn(address)
    kept.change(lambda: replace(new, kept="keyring") if keyring else new)
    return kept.file


def _done(address: str, reply: Reply) -> dict[str, Any]:
    """Return what a hub says, if what was asked is done."""
    if reply.is_done and reply.said is not None:
        return reply.said
    raise _error(address, reply)


def _error(address: str, reply: Reply) -> AzureMLException:
    if reply.status == _TOO_MANY and reply.message:
        return TooManyAttemptsError(reply.message)
    if not reply.is_refusal:
        return HubUnreachableError(
            f"The hub at {address} cannot answer now (HTTP {reply.status}). Check that this is "
            "the address of a served hub, and try again."
        )
    if reply.status == _UNAUTHORIZED:
        return LogInEndedError(said_of_host(reply.message, address))
    known = getattr(errors, str((reply.said or {}).get("error")), None)
    if isinstance(known, type) and issubclass(known, AzureMLException):
        return known(reply.message)
    return AccountError(reply.message)


def said_of_host(message: str, address: str) -> str:
    """Return what a hub said, with its address where it says only that there is one."""
    return message.replace("mlflow-workspace login HOST", f"mlflow-workspace login {address}")


def _odd(address: str) -> HubUnreachableError:
    return HubUnreachableError(
        f"What answers at {address} is no hub that this version knows. Check the address."
    )
