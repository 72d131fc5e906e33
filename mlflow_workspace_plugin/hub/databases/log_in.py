"""Logging in to a PostgreSQL server: what it is told, and what it says when it lets nobody in."""

import os
import re
import select
import time
from typing import Any

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.errors import HubSettingsError

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""What stands for an environment variable."""

_OLDEST = 15
_WITH_TLS = ("require", "verify-ca", "verify-full")
# Libpq's way to answer no request for a password in clear text, and what its error repeats of it in
# any language.
_NOT_IN_CLEAR = "!password"
_LIBPQ_THAT_REFUSES = 16_00_00
# English, or PgBouncer's, which has no other language.
_NONE_FREE = (
    "too many clients already",
    "too many connections for",
    "remaining connection slots are reserved",
    "no more connections allowed",
)
# In what libpq writes of the messages of a connection.
_STATE = re.compile(rb'\tErrorResponse\t S "[^"]*"(?: V "[^"]*")? C "([0-9A-Z]{5})"')
_LOOK_S = 5.0

# What servers said, in any language, and whether it means that they have no connection free.
_known_words: dict[str, bool] = {}
_KNOWN_AT_MOST = 100


def log_in(dialect: Any, arguments: list[Any], parameters: dict[str, Any]) -> Any:
    """Return a new connection to a server.

    References are looked up here, so that their values are in no URL, engine or message. A password
    goes out in clear text only through TLS, or to this machine.

    Args:
        dialect: SQLAlchemy's, of psycopg.
        arguments: what it passes to psycopg.
        parameters: what it passes by name. The engine keeps them, so they are left as they are.

    Raises:
        HubSettingsError: a variable is not set, the server is too old, or it asks for the password
            in clear text and offers no TLS.
        psycopg.Error: there is no connection. It is a ``TooManyConnections`` if the server has none
            free.
    """
    values = {
        name: REFERENCE.sub(_value_of, value) if isinstance(value, str) else value
        for name, value in parameters.items()
    }
    if values.get("host"):
        # Else PGHOSTADDR, or a service, would send to another place what is meant for this one.
        values.setdefault("hostaddr", "")
    connection = _connect_safely(dialect, arguments, values)
    version = connection.info.server_version
    if 0 < version < _OLDEST * 10_000:
        told = connection.info.parameter_status("server_version")
        where = f"{connection.info.host}:{connection.info.port}"
        connection.close()
        raise HubSettingsError(
            f"The database server at {where} is PostgreSQL {told}, and a hub's rows need "
            f"PostgreSQL {_OLDEST} or newer. Upgrade the server, or name another one."
        )
    return connection


def _value_of(reference: "re.Match[str]") -> str:
    value = os.environ.get(reference[1])
    if value is None:
        raise HubSettingsError(
            f"The hub's database URL refers to the environment variable {reference[1]}, which is "
            "not set. Set it, or correct hub.toml."
        )
    return value


def _connect_safely(dialect: Any, arguments: list[Any], values: dict[str, Any]) -> Any:
    if _is_local(values) or _is_encrypted(values):
        return _connect(dialect, arguments, values)
    methods = str(_given(values, "require_auth", "PGREQUIREAUTH"))
    if methods and not _allow_clear_text(methods):
        return _connect(dialect, arguments, values)
    encrypted = values | {"sslmode": "require"}
    if methods:
        return _connect(dialect, arguments, encrypted)
    if dialect.loaded_dbapi.pq.version() < _LIBPQ_THAT_REFUSES:
        raise HubSettingsError(
            "PostgreSQL's library in psycopg is too old to keep a password from being sent in "
            "clear text. Write sslmode=require into the hub's database URL, or upgrade it with: "
            'pip install -U "psycopg[binary]"'
        )
    try:
        return _connect(dialect, arguments, values | {"require_auth": _NOT_IN_CLEAR})
    except dialect.loaded_dbapi.OperationalError as error:
        if f'"{_NOT_IN_CLEAR}"' not in str(error):
            raise
        refused = error
    # Only now is it known where that was, for a service file may have named it.
    place = {name: _known_of(refused, name) for name in ("host", "hostaddr", "port")}
    if place["host"].startswith(("/", "@")) or uris.is_loopback(place["hostaddr"]):
        return _connect(dialect, arguments, values | place)
    try:
        return _connect(dialect, arguments, encrypted)
    except dialect.loaded_dbapi.OperationalError as error:
        if getattr(error.pgconn, "ssl_in_use", False):
            raise
        raise HubSettingsError(
            f"The database server at {place['host'] or place['hostaddr']} asks for the password "
            f"in clear text, and it was not sent, as there is no TLS: {_sentence(error)}. Turn TLS "
            "on there, or let it use scram-sha-256."
        ) from None


def _is_local(values: dict[str, Any]) -> bool:
    """Whether all places named are on this machine. A service may name others."""
    if _given(values, "service", "PGSERVICE"):
        return False
    named = _given(values, "hostaddr", "PGHOSTADDR") or _given(values, "host", "PGHOST")
    return all(
        each.startswith(("/", "@")) or uris.is_loopback(each)
        for each in filter(None, named.split(","))
    )


def _is_encrypted(values: dict[str, Any]) -> bool:
    return (
        _given(values, "sslmode", "PGSSLMODE") in _WITH_TLS
        # Which means sslmode=verify-full.
        or _given(values, "sslrootcert", "PGSSLROOTCERT") == "system"
    )


def _allow_clear_text(methods: str) -> bool:
    given = [each.strip() for each in methods.split(",")]
    return "password" in given or (given[0].startswith("!") and _NOT_IN_CLEAR not in given)


def _given(values: dict[str, Any], name: str, variable: str) -> str:
    return str(values[name] if name in values else os.environ.get(variable, ""))


def _connect(dialect: Any, arguments: list[Any], values: dict[str, Any]) -> Any:
    psycopg = dialect.loaded_dbapi
    try:
        return dialect.connect(*arguments, **values, cursor_factory=psycopg.ClientCursor)
    except psycopg.OperationalError as error:
        if error.sqlstate is None and _has_none_free(psycopg, error, values):
            raise psycopg.errors.TooManyConnections(str(error)) from None
        raise


def _has_none_free(psycopg: Any, error: Exception, values: dict[str, Any]) -> bool:
    """Whether a server refused a connection because it has none free.

    Libpq gives the code of such an error to nobody, and its words are of the server's language. So
    words that are not known are learnt: by another try, of which libpq writes down the messages.
    """
    words = str(error)
    if any(each in words for each in _NONE_FREE):
        return True
    if words in _known_words:
        return _known_words[words]
    if isinstance(error, psycopg.errors.ConnectionTimeout) or not hasattr(os, "memfd_create"):
        return False
    state, said = _try_again(psycopg, values)
    if said and said in words:
        if len(_known_words) >= _KNOWN_AT_MOST:
            _known_words.clear()
        _known_words[words] = state == b"53300"
    # Who is let in now was not a moment ago.
    return state in (b"53300", b"00000")


def _try_again(psycopg: Any, values: dict[str, Any]) -> tuple[bytes | None, str]:
    """Connect once more; return the SQLSTATE that the server tells, and what libpq says of it."""
    pq = psycopg.pq
    deadline = time.monotonic() + _LOOK_S
    # Without what psycopg and SQLAlchemy keep for themselves.
    of_libpq = {name: each for name, each in values.items() if isinstance(each, (str, int))}
    # Only in memory: the proof of a password is among the messages.
    messages = os.memfd_create("messages")
    try:
        connection = pq.PGconn.connect_start(psycopg.conninfo.make_conninfo(**of_libpq).encode())
        try:
            connection.trace(messages)
            while (status := connection.connect_poll()) in (
                pq.PollingStatus.READING,
                pq.PollingStatus.WRITING,
            ):
                is_read = status == pq.PollingStatus.READING
                socket = [connection.socket]
                left_s = max(0, deadline - time.monotonic())
                if not any(select.select(socket * is_read, socket * (not is_read), [], left_s)):
                    return None, ""
            connection.untrace()
            if status == pq.PollingStatus.OK:
                return b"00000", ""
            said = connection.error_message.decode(errors="replace").strip()
        finally:
            connection.finish()
        with open(messages, "rb", closefd=False) as written:
            written.seek(0)
            states = _STATE.findall(written.read())
        return (states[-1] if states else None), said
    except (psycopg.OperationalError, OSError):
        return None, ""
    finally:
        os.close(messages)


def _known_of(error: Any, name: str) -> str:
    try:
        return (getattr(error.pgconn, name) or b"").decode(errors="replace")
    except Exception:  # noqa: BLE001  an older psycopg keeps nothing of it
        return ""


def _sentence(error: Exception) -> str:
    lines = (line.strip(" \t.?") for line in str(error).splitlines())
    return "; ".join(line for line in lines if line)
