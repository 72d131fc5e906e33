"""A hub's database on a PostgreSQL server: its URL, which holds no secret, and its engine.

In the URL ``${NAME}`` stands for an environment variable, and nothing else may stand for a
password. It is looked up when a connection is made, so the value is in no URL, engine or message.
"""

import difflib
import importlib
import logging
import os
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from mlflow.environment_variables import (
    MLFLOW_SQLALCHEMYSTORE_ECHO,
    MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW,
    MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE,
    MLFLOW_SQLALCHEMYSTORE_POOL_SIZE,
    MLFLOW_SQLALCHEMYSTORE_POOLCLASS,
)
from sqlalchemy import URL, CreateEnginePlugin, Engine, String, event, make_url, pool
from sqlalchemy import create_engine as sqlalchemy_create_engine
from sqlalchemy.dialects import plugins
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidatePoolError

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.errors import (
    AzureMLException,
    HubBusyError,
    HubFullError,
    HubNotWritableError,
    HubSettingsError,
    HubUnreachableError,
)
from mlflow_workspace_plugin.hub.databases import unstorable
from mlflow_workspace_plugin.hub.databases.log_in import REFERENCE, log_in
from mlflow_workspace_plugin.hub.databases.patient_pool import PatientPool

DRIVER = "postgresql+psycopg"
APPLICATION_NAME = "mlflow-workspace-plugin"
_CONNECT_TIMEOUT_S = 10
# Through a network that swallows everything a connection would otherwise seem alive for hours.
_KEEPALIVE = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",  # milliseconds
}
_IDLE_S = 5.0
# A process keeps a connection for its caller and one for its journal; as many as SQLAlchemy's own
# pool would it may have when it needs them.
_KEPT = 2
_MORE = 13

_POOL_NAME = "workspace"

_SCHEMES = ("postgresql", "postgres", DRIVER)
# What libpq takes as a secret in text; files of secrets are named by other parameters.
_SECRETS = frozenset(
    {"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"}
)
# What else it knows. Not among them is what would write a file (sslkeylogfile), what SQLAlchemy or
# psycopg would take for its own, and any word that may be a secret under a name mistyped.
_OPTIONS = _SECRETS.union(
    re.findall(
        r"\w+",
        """
        host hostaddr port user dbname passfile service application_name client_encoding options
        connect_timeout keepalives keepalives_idle keepalives_interval keepalives_count
        tcp_user_timeout target_session_attrs load_balance_hosts require_auth requirepeer
        channel_binding sslmode sslnegotiation sslcompression sslcert sslkey sslcertmode sslrootcert
        sslcrl sslcrldir sslsni ssl_min_protocol_version ssl_max_protocol_version
        min_protocol_version max_protocol_version gssencmode krbsrvname gsslib gssdelegation
        oauth_issuer oauth_client_id oauth_scope
        """,
    )
)
_SEVERAL = frozenset({"host", "port"})
_QUOTED_REFERENCE = re.compile(r"%24%7B([A-Za-z_][A-Za-z0-9_]*)%7D", re.IGNORECASE)
_FORM = f"Write {DRIVER}://USER:${{PASSWORD_VARIABLE}}@HOST:PORT/DATABASE."

# Classes and codes of SQLSTATE that say that there is no session any more, or never was one.
_NO_SESSION = ("08", "28", "3D000", "53300", "57P")


def normalised(url: str) -> str:
    """Check a database URL as it was given, and return it in the form in which it is kept.

    Raises:
        HubSettingsError: it is of another database, cannot be read, or holds a secret, which the
            message does not repeat.
    """
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in _SCHEMES:
        # Anything else than the name of a scheme may be a secret.
        given = scheme if separator and re.fullmatch(r"[\w+.-]+", scheme) else "something else"
        raise HubSettingsError(
            f"The database URL of a hub names {given}, which is not supported. A hub's rows are in "
            f"PostgreSQL, or, without a URL, in SQLite. {_FORM}"
        )
    try:
        parsed = make_url(url).set(drivername=DRIVER)
    except (ArgumentError, ValueError):
        # Its own text may repeat what it could not read, a password included.
        raise HubSettingsError(
            f"Database URL {uris.redact(url)!r} cannot be read. {_FORM}"
        ) from None
    secrets = [parsed.password, *(parsed.query[name] for name in _SECRETS & parsed.query.keys())]
    if any(each and not REFERENCE.fullmatch(str(each)) for each in secrets):
        raise HubSettingsError(
            f"Database URL {uris.redact(url)!r} holds a password, which would lie readable in "
            "hub.toml. Put it into an environment variable and write ${NAME_OF_THE_VARIABLE} in "
            "its place (in single quotes in a shell), or leave it out and keep it where libpq "
            "looks: PGPASSWORD or ~/.pgpass."
        )
    authority = re.split("[/?]", url.partition("://")[2], maxsplit=1)[0]
    if authority.count("@") > 1 or re.search(r"[\x00-\x20\x7f-\x9f]", url):
        raise HubSettingsError(
            f"Database URL {uris.redact(url)!r} has a blank, or an '@' too many. Percent-encode "
            f"them. {_FORM}"
        )
    _check_options(url, parsed)
    return _text(parsed)


def place(url: str | URL) -> str:
    """Return the host, port and database of a URL, as they are named in messages."""
    parsed = make_url(url)
    if "service" in parsed.query and not parsed.host:
        return f"service {parsed.query['service']}"
    query = {
        key: ",".join([value] if isinstance(value, str) else value)
        for key, value in parsed.query.items()
    }
    host = parsed.host or query.get("host") or os.environ.get("PGHOST") or "localhost"
    port = parsed.port or query.get("port") or os.environ.get("PGPORT") or 5432
    return f"{host}:{port}/{parsed.database or ''}"


def create_engine(url: str) -> Engine:
    """Create an engine on a URL, with the pool that MLflow's environment variables describe.

    Raises:
        HubSettingsError: the driver is not installed.
    """
    try:
        importlib.import_module("psycopg")
    except ImportError as error:
        raise HubSettingsError(
            f"The hub's rows are in PostgreSQL, and its driver cannot be used: {error}. "
            'Install it with: pip install "psycopg[binary]"'
        ) from error
    parsed = make_url(url)
    options = {"fallback_application_name": APPLICATION_NAME}
    options |= {name: value for name, value in _KEEPALIVE.items() if name not in parsed.query}
    if "connect_timeout" not in parsed.query and "PGCONNECT_TIMEOUT" not in os.environ:
        options["connect_timeout"] = str(_CONNECT_TIMEOUT_S)
    engine = sqlalchemy_create_engine(
        parsed, connect_args=options, pool_logging_name=_POOL_NAME, **_pool_options()
    )
    _set_up(engine)
    _check_idle_connections(engine)
    return engine


def url_for_mlflow(url: str) -> str:
    """Return a form of the URL from which MLflow can make an engine, without a secret in it."""
    return _text(make_url(url).update_query_dict({"plugin": _Plugin.NAME}))


def translate(error: BaseException, hub: str, database: str | None) -> AzureMLException | None:
    """Return the error of ours for one of the driver's; None if it says nothing of the server.

    Args:
        error: what was raised.
        hub: the hub's folder.
        database: the URL of its database.
    """
    if not isinstance(error, DBAPIError) or not type(error.orig).__module__.startswith("psycopg"):
        return None
    if unstorable.is_of_content(error):
        return None
    state = getattr(error.orig, "sqlstate", None)
    lines = (line.strip(" \t.?") for line in str(error.orig).splitlines())
    reason = "; ".join(line for line in lines if line)
    where = f" ({place(database)})" if database else ""
    stored = "What was logged before is still there."
    if state == "53100":
        return HubFullError(
            f"Hub {hub!r} could not store this: the disk of its database server{where} is full "
            f"({reason}). Free some space there and log again. {stored}"
        )
    if state == "25006":
        return HubNotWritableError(
            f"Hub {hub!r} could not store this: its database{where} is read-only ({reason}). "
            f"Name the primary server, or make it writable, and log again. {stored}"
        )
    if state == "42501":
        return HubNotWritableError(
            f"Hub {hub!r} cannot be used: this user lacks a right on its database{where} "
            f"({reason}). Ask the database's owner to grant it. {stored}"
        )
    if state in ("55P03", "40P01"):
        return HubBusyError(
            f"The database of hub {hub!r}{where} stayed locked by another process ({reason}). "
            f"End that process, or log again later. {stored}"
        )
    if error.connection_invalidated or str(state or "08").startswith(_NO_SESSION):
        return HubUnreachableError(
            f"The database of hub {hub!r}{where} cannot be reached: {reason}. Check that the "
            "server runs, its address, the user and the password, and try again."
        )
    return None


class _Plugin(CreateEnginePlugin):
    """Lets an engine that MLflow makes connect as the hub's own does."""

    NAME = "mlflow_workspace_plugin"

    def __init__(self, url: URL, kwargs: dict[str, Any]) -> None:
        super().__init__(url, kwargs)
        kwargs.setdefault("poolclass", PatientPool)
        kwargs.setdefault("pool_logging_name", _POOL_NAME)

    def update_url(self, url: URL) -> URL:
        return url

    def engine_created(self, engine: Engine) -> None:
        _set_up(engine)


plugins.register(_Plugin.NAME, __name__, _Plugin.__name__)


def _check_options(url: str, parsed: URL) -> None:
    """Refuse what is not known: it would be written down, and may be a secret."""
    given = parse_qsl(url.partition("?")[2], keep_blank_values=True)
    names = [name for name, _ in given]
    if unknown := [name for name, value in given if name not in _OPTIONS or not value]:
        known = difflib.get_close_matches(unknown[0], _OPTIONS, 1)
        hint = f" Did you mean {known[0]}?" if known else ""
        raise HubSettingsError(
            f"Database URL {uris.redact(url)!r} has an option without a value, or one that "
            f"PostgreSQL's library or this version does not know.{hint} Correct or remove it: it "
            "would be written into hub.toml. A secret is in an environment variable, and ${NAME} "
            "in its place, or where libpq looks: PGPASSWORD or ~/.pgpass."
        )
    parts = {"host": parsed.host, "port": parsed.port, "user": parsed.username}
    parts |= {"password": parsed.password, "dbname": parsed.database}
    twice = {name for name in names if names.count(name) > 1} - _SEVERAL
    twice |= {name for name, value in parts.items() if value and name in names}
    if twice:
        raise HubSettingsError(
            f"Database URL {uris.redact(url)!r} says twice what {', '.join(sorted(twice))} is. "
            "Remove one of them."
        )


def _text(url: URL) -> str:
    """Return the URL as text in which references stay readable."""
    return _QUOTED_REFERENCE.sub(r"${\1}", url.render_as_string(hide_password=False))


def _pool_options() -> Mapping[str, Any]:
    options = {
        "pool_size": MLFLOW_SQLALCHEMYSTORE_POOL_SIZE.get(),
        "max_overflow": MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW.get(),
        "pool_recycle": MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE.get(),
        "echo": MLFLOW_SQLALCHEMYSTORE_ECHO.get(),
    }
    given = {key: value for key, value in options.items() if value}
    name = MLFLOW_SQLALCHEMYSTORE_POOLCLASS.get()
    if not name:
        return {"poolclass": PatientPool, "pool_size": _KEPT, "max_overflow": _MORE} | given
    chosen = getattr(pool, name, None)
    if not isinstance(chosen, type) or not issubclass(chosen, pool.Pool):
        raise HubSettingsError(
            f"{MLFLOW_SQLALCHEMYSTORE_POOLCLASS.name} is {name!r}, which is no pool of "
            "SQLAlchemy's. Unset it, or name one, such as QueuePool or NullPool."
        )
    return given | {"poolclass": chosen}


def _set_up(engine: Engine) -> None:
    """Let connections look up the URL's references, and send values as MLflow is written for.

    That is psycopg2's way: the server sees literals without a type. MLflow compares numbers with
    text, and 3.15 could otherwise read no version of a model. Nothing is prepared on the server
    then, which suits connection poolers.
    """
    _log_lost_connections_for_debugging(engine)
    # SQLAlchemy would say of all text that it is VARCHAR.
    engine.dialect.colspecs = {**engine.dialect.colspecs, String: String}

    @event.listens_for(engine, "do_connect")
    def _do_connect(
        dialect: Any, _record: Any, arguments: list[Any], parameters: dict[str, Any]
    ) -> Any:
        return log_in(dialect, arguments, parameters)


def _log_lost_connections_for_debugging(engine: Engine) -> None:
    """Keep the stacks off the screen that SQLAlchemy's pool logs as errors.

    It does so when it cannot reset or close a connection that was lost meanwhile, as behind a
    pooler that was restarted. Nothing follows from that: another one takes its place.
    """
    logger: Any = engine.pool.logger
    # With echo it is SQLAlchemy's own kind of logger, which says all that it was asked to.
    if isinstance(logger, logging.Logger) and _for_debugging not in logger.filters:
        logger.addFilter(_for_debugging)


def _for_debugging(record: logging.LogRecord) -> bool:
    if record.exc_info:
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    return logging.getLogger(record.name).isEnabledFor(record.levelno)


def _check_idle_connections(engine: Engine) -> None:
    """Look whether a connection is alive only after it was idle, not at each use.

    SQLAlchemy's own check costs a round trip for each unit of work.
    """

    @event.listens_for(engine, "checkin")
    def _note(_connection: Any, record: Any) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _check(connection: Any, record: Any, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("used", time.monotonic()) <= _IDLE_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            # The others were lost with it; they are as old.
            raise InvalidatePoolError("The server closed an idle connection.") from error
