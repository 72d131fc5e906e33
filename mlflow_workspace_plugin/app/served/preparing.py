"""What has to be there before MLflow's server starts on a hub, made by one process under its lock.

The workers would make it all at the same time. Nothing of it is taken from what is there already
but for keys: whoever can write the hub's folder is not to say how it is served.
"""

import configparser
import importlib
import importlib.metadata
import io
import os
import secrets
import shlex
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.accounts.database import accounts_of
from mlflow_workspace_plugin.accounts.people import People
from mlflow_workspace_plugin.app.served.configuration import Served, hosts_of
from mlflow_workspace_plugin.app.served.oidc.options import OidcOptions
from mlflow_workspace_plugin.app.served.routes.table import mlflow_lines
from mlflow_workspace_plugin.app.served.watching.metrics import FOLDER_VARIABLE
from mlflow_workspace_plugin.artifacts.paths import ARTIFACT_ROOT
from mlflow_workspace_plugin.artifacts.repository import server_destination
from mlflow_workspace_plugin.errors import HubSettingsError
from mlflow_workspace_plugin.hub.accounts import accounts_url
from mlflow_workspace_plugin.hub.files.tree import OpenFolder
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.hub.lock import locked_hub

OLDEST_MLFLOW = Version("3.17")
AUTHORIZATION = "mlflow_workspace_plugin.app.served.asking.identity:authorization"
_SETTINGS, _SECRET, _TOKEN = "accounts.ini", "secret-key", "metrics-token"
_OWNER_ONLY = 0o700
_LOCK_S = 60.0
_CACHE_S = 5
# In MLflow's patterns a bracket that stands for itself is in brackets.
_THIS_MACHINE = "localhost", "localhost:*", "127.0.0.1", "127.0.0.1:*", "[::1]", "[[]::1]:*"
_STOP_S = 30
# Longer than a client that goes by our own rules keeps a connection that it does not use.
_KEEP_ALIVE_S = 75
_HANGS_S = 60
# Twice as many as a worker has threads: some of MLflow's methods take a second connection.
_KEPT_CONNECTIONS, _MORE_CONNECTIONS = 8, 64

# Settings of clients, which would stop or mislead a server, and whatever else than this command
# could tell MLflow's what to serve, to whom, and how.
_NOT_PASSED_ON = (
    *("MLFLOW_WORKSPACE", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_BACKEND_STORE_URI"),
    *("MLFLOW_READ_REPLICA_BACKEND_STORE_URI", "MLFLOW_REGISTRY_STORE_URI", "MLFLOW_STATIC_PREFIX"),
    *("MLFLOW_DEFAULT_ARTIFACT_ROOT", "MLFLOW_ARTIFACTS_DESTINATION", "MLFLOW_ARTIFACTS_ONLY"),
    *("MLFLOW_SERVE_ARTIFACTS", "MLFLOW_GUNICORN_OPTS", "MLFLOW_UVICORN_OPTS"),
    *("MLFLOW_EXPOSE_PROMETHEUS", "MLFLOW_TRACE_ARCHIVAL_CONFIG", "MLFLOW_WORKSPACE_STORE_URI"),
    *("MLFLOW_HOST", "MLFLOW_PORT", "MLFLOW_WORKERS", "MLFLOW_SERVER_ALLOWED_HOSTS"),
    *("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE"),
    *("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"),
    *("MLFLOW_AUTH_ADMIN_USERNAME", "MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_ENABLE_REMOTE_ASSISTANT"),
    *("FORWARDED_ALLOW_IPS", "prometheus_multiproc_dir", "WEB_CONCURRENCY"),
)
# Each of uvicorn's options is a variable, too: UVICORN_ROOT_PATH, for one, closes every route.
_OF_UVICORN = "UVICORN_"


@dataclass(frozen=True)
class Plan:
    """How a hub is to be served.

    Attributes:
        hub: the hub.
        public_url: where it is reached.
        host: the address to listen on.
        port: the port to listen on.
        workers: how many processes answer.
        trusted_proxies: whose word on where a request comes from is taken.
        certificate: the files of a TLS certificate and its key.
        access_log: whether each request is written to standard output.
        oidc: the provider of identities that people may log in by.
    """

    hub: Hub
    public_url: str
    host: str
    port: int
    workers: int
    trusted_proxies: tuple[str, ...] = ()
    certificate: tuple[Path, Path] | None = None
    access_log: bool = True
    oidc: OidcOptions | None = None


def prepare(plan: Plan) -> dict[str, str]:
    """Make what the server needs; return its environment.

    Raises:
        HubSettingsError: MLflow is too old, something is not installed, or nobody has an account.
        HubError: the hub cannot be used; the subclass says why.
    """
    hub = plan.hub
    _check_versions()
    if plan.oidc is not None:
        _check_oidc()
    accounts_of(hub)
    if not any(each.is_admin for each in People(hub).list()):
        raise HubSettingsError(
            f"Hub {str(hub.path)!r} has no administrator, who could let others in. Make one: "
            + uris.typed("user add NAME --admin", hub.path)
        )
    with locked_hub(hub, _LOCK_S), _own_folder(hub) as folder:
        _write(folder, _SETTINGS, _accounts_settings(hub).encode())
        secret = _kept(folder, _SECRET)
        _kept(folder, _TOKEN)
        numbers = f"metrics-{socket.gethostname()}-{plan.port}"
        # Of the server before, which has ended: the port is free.
        with suppress(FileNotFoundError):
            folder.remove(numbers)
        os.close(folder.enter(numbers, make=True))
        place = folder.path
    served = Served(hub.path, plan.public_url, place / _TOKEN, plan.access_log, plan.oidc)
    return {
        **{key: value for key, value in os.environ.items() if _is_passed_on(key)},
        **_defaults(secret),
        **server_destination(hub)[1],
        **served.to_environment(),
        FOLDER_VARIABLE: str(place / numbers),
        "MLFLOW_AUTH_CONFIG_PATH": str(place / _SETTINGS),
        # Of basic-auth MLflow's own command does so: there is an administrator.
        "_MLFLOW_AUTH_ADMIN_BOOTSTRAPPED": "true",
        "MLFLOW_BASIC_AUTH_FAIL_CLOSED": "true",
        "MLFLOW_SERVER_ENABLE_GRAPHQL_AUTH": "true",
        "MLFLOW_ENABLE_REMOTE_ASSISTANT": "false",
        # They need a plain database URI, and take eight processes.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # What a team looks at on its own server is nobody else's business.
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def server_arguments(plan: Plan) -> list[str]:
    """Return the arguments of MLflow's command that serve a hub as planned."""
    # As our own layer has it, which looks first.
    hosts = [*hosts_of(plan.public_url), *_THIS_MACHINE]
    return [
        "server",
        *("--backend-store-uri", str(uris.HubUri(plan.hub.path))),
        "--enable-workspaces",
        "--serve-artifacts",
        # MLflow's defaults for both are folders below the working directory.
        *("--default-artifact-root", ARTIFACT_ROOT),
        *("--artifacts-destination", server_destination(plan.hub)[0]),
        *("--host", plan.host),
        *("--port", str(plan.port)),
        *("--workers", str(plan.workers)),
        *("--app-name", "mlflow-workspace-served"),
        *("--allowed-hosts", ",".join(hosts)),
        *("--cors-allowed-origins", plan.public_url),
        *("--uvicorn-opts", _uvicorn_options(plan)),
    ]


def _is_passed_on(name: str) -> bool:
    return name not in _NOT_PASSED_ON and not name.startswith(_OF_UVICORN)


def _uvicorn_options(plan: Plan) -> str:
    # The access log is ours. Who is at work when the server is stopped is answered.
    options = ["--log-level", "warning", "--no-access-log", "--no-server-header"]
    options += ["--timeout-graceful-shutdown", str(_STOP_S)]
    options += ["--timeout-keep-alive", str(_KEEP_ALIVE_S)]
    # A worker that is busy is not one that hangs; by default it is killed after 5 s.
    options += ["--timeout-worker-healthcheck", str(_HANGS_S)]
    if plan.trusted_proxies:
        options += ["--proxy-headers", "--forwarded-allow-ips", ",".join(plan.trusted_proxies)]
    else:
        options.append("--no-proxy-headers")
    if plan.certificate is not None:
        certificate, key = map(str, plan.certificate)
        options += ["--ssl-certfile", certificate, "--ssl-keyfile", key]
    return shlex.join(options)


def _check_versions() -> None:
    found = importlib.metadata.version("mlflow")
    if Version(found) < OLDEST_MLFLOW or mlflow_lines(found) is None:
        raise HubSettingsError(
            f"A hub is served with accounts by MLflow 3.17 or 3.18, and {found} is installed: "
            "which of its routes may be open is not known. Install one of them with: "
            "pip install 'mlflow>=3.17,<3.19'"
        )


def _check_oidc() -> None:
    try:
        importlib.import_module("mlflow_workspace_plugin.app.served.oidc.provider")
    except ImportError as error:
        raise HubSettingsError(
            f"Logging in by a provider of identities needs more than is installed: {error}. "
            "Install it with: pip install authlib joserfc"
        ) from error


def _accounts_settings(hub: Hub) -> str:
    parser = configparser.ConfigParser()
    url = accounts_url(hub.folder, hub.settings.database)
    parser["mlflow"] = {
        "default_permission": "NO_PERMISSIONS",
        # It holds no secret. A % would begin a reference.
        "database_uri": url.replace("%", "%%"),
        "authorization_function": AUTHORIZATION,
        "grant_default_workspace_access": "false",
        "auth_cache_ttl_seconds": f"{_CACHE_S}",
    }
    written = io.StringIO()
    written.write("# Made anew whenever the hub is served.\n")
    parser.write(written)
    return written.getvalue()


def _defaults(secret: str) -> Mapping[str, str]:
    """Return what the environment may set otherwise."""
    known = {
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secret,
        "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": f"{_KEPT_CONNECTIONS}",
        "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": f"{_MORE_CONNECTIONS}",
        # A request is not kept waiting for a database: the client comes again.
        "MLFLOW_WORKSPACE_WAIT": "5",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        # MLflow's own code is what these would be about.
        "PYTHONWARNINGS": "ignore",
    }
    return {name: value for name, value in known.items() if not os.environ.get(name)}


@contextmanager
def _own_folder(hub: Hub) -> Iterator[OpenFolder]:
    with hub.folder.tree.folder() as top:
        alone = OpenFolder(top.descriptor, top.path, _OWNER_ONLY)
        with alone.child(hub.folder.server.name, make=True) as folder:
            # It may have been there with other rights.
            os.fchmod(folder.descriptor, _OWNER_ONLY)
            yield folder


def _write(folder: OpenFolder, name: str, content: bytes) -> None:
    with folder.writing(name) as file:
        file.write(content)


def _kept(folder: OpenFolder, name: str) -> str:
    """Return a secret that was made once."""
    try:
        with folder.open(name) as file:
            if kept := file.read().decode().strip():
                return kept
    except FileNotFoundError:
        pass
    made = secrets.token_urlsafe(32)
    _write(folder, name, made.encode())
    return made
