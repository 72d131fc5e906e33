"""What ``mlflow-workspace serve`` tells MLflow's server, whatever the environment says."""

import shutil
from importlib import metadata

import mlflow
import pytest
from sqlalchemy import make_url

from mlflow_workspace_plugin.accounts.people import People
from mlflow_workspace_plugin.app.served.preparing import Plan, prepare, server_arguments
from mlflow_workspace_plugin.app.served.routes.table import mlflow_lines
from mlflow_workspace_plugin.errors import HubSettingsError
from mlflow_workspace_plugin.hub.hub import open_hub

pytestmark = pytest.mark.skipif(
    mlflow_lines(mlflow.__version__) is None, reason="MLflow before 3.17 is not served to a team."
)

DROPPED = [
    "MLFLOW_WORKSPACE",
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_BACKEND_STORE_URI",
    "MLFLOW_READ_REPLICA_BACKEND_STORE_URI",
    "MLFLOW_REGISTRY_STORE_URI",
    "MLFLOW_STATIC_PREFIX",
    "MLFLOW_DEFAULT_ARTIFACT_ROOT",
    "MLFLOW_ARTIFACTS_DESTINATION",
    "MLFLOW_ARTIFACTS_ONLY",
    "MLFLOW_SERVE_ARTIFACTS",
    "MLFLOW_GUNICORN_OPTS",
    "MLFLOW_UVICORN_OPTS",
    "MLFLOW_EXPOSE_PROMETHEUS",
    "MLFLOW_TRACE_ARCHIVAL_CONFIG",
    "MLFLOW_WORKSPACE_STORE_URI",
    "MLFLOW_HOST",
    "MLFLOW_PORT",
    "MLFLOW_WORKERS",
    "MLFLOW_SERVER_ALLOWED_HOSTS",
    "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS",
    "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE",
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_AUTH_ADMIN_USERNAME",
    "MLFLOW_AUTH_ADMIN_PASSWORD",
    "FORWARDED_ALLOW_IPS",
    "prometheus_multiproc_dir",
    "WEB_CONCURRENCY",
    "UVICORN_ROOT_PATH",
    "UVICORN_ENV_FILE",
    "UVICORN_LIMIT_CONCURRENCY",
    "UVICORN_APP",
    "UVICORN_RELOAD",
    "UVICORN_PROXY_HEADERS",
    "UVICORN_FORWARDED_ALLOW_IPS",
    "UVICORN_UDS",
]
"""What could tell the server what to serve, to whom, and how, or is a client's."""

OWN = {
    "MLFLOW_BASIC_AUTH_FAIL_CLOSED": "true",
    "MLFLOW_SERVER_ENABLE_GRAPHQL_AUTH": "true",
    "MLFLOW_ENABLE_REMOTE_ASSISTANT": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "_MLFLOW_AUTH_ADMIN_BOOTSTRAPPED": "true",
}
"""What is as it is, whatever else was said."""

NONSENSE = "nonsense"


@pytest.fixture(scope="module")
def plan(sqlite_template, tmp_path_factory):
    """How a hub that has an administrator is to be served."""
    folder = tmp_path_factory.mktemp("served") / "100%" / "hub"
    hub = open_hub(shutil.copytree(sqlite_template, folder))
    People(hub).add("admin", "a password of the tests", is_admin=True)
    return Plan(hub, "https://hub.example.org", "127.0.0.1", 5000, 2)


def test_what_the_caller_has_set_says_nothing(plan, monkeypatch):
    """Neither what is served, nor to whom, nor how; other variables are the operator's."""
    for name in (*DROPPED, *OWN, "MLFLOW_AUTH_CONFIG_PATH", "OF_THE_OPERATOR"):
        monkeypatch.setenv(name, NONSENSE)
    environment = prepare(plan)
    assert [name for name in DROPPED if name in environment] == []
    assert {name: environment.get(name) for name in OWN} == OWN
    nonsense = {name for name, value in environment.items() if value == NONSENSE}
    assert nonsense == {"OF_THE_OPERATOR"}


def test_accounts_are_closed_until_something_opens_them(plan, monkeypatch):
    """As MLflow's own server reads the settings: nothing is granted, and nothing kept for long."""
    from mlflow.server.auth.config import read_auth_config

    folder = plan.hub.path / "server"
    folder.mkdir(exist_ok=True)
    # Whoever can write there is not to say how it is served.
    (folder / "accounts.ini").write_text("[mlflow]\ndefault_permission = MANAGE\n")
    monkeypatch.setenv("MLFLOW_AUTH_CONFIG_PATH", prepare(plan)["MLFLOW_AUTH_CONFIG_PATH"])
    monkeypatch.chdir("/")
    for name in ("MLFLOW_AUTH_ADMIN_USERNAME", "MLFLOW_AUTH_ADMIN_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    read = read_auth_config()
    assert read.default_permission == "NO_PERMISSIONS"
    assert read.grant_default_workspace_access is False
    assert 0 < read.auth_cache_ttl_seconds <= 5
    assert make_url(read.database_uri).database == str(plan.hub.path.absolute() / "accounts.db")
    assert read.authorization_function.startswith("mlflow_workspace_plugin.")
    assert (read.admin_username, read.admin_password) == (None, None)


def test_secrets_are_made_once_and_kept(plan):
    """What signs MLflow's forms is the same in all workers and after a start, and no default."""
    first, second = prepare(plan), prepare(plan)
    name = "MLFLOW_FLASK_SERVER_SECRET_KEY"
    assert first[name] == second[name]
    assert len(first[name]) >= 32
    assert first[name] == (plan.hub.path / "server" / "secret-key").read_text()


def test_arguments_say_what_is_served_and_to_whom(plan):
    """Hosts and origins are those of the address, and a proxy is believed only if it is named."""
    arguments = server_arguments(plan)

    def said(option):
        return arguments[arguments.index(option) + 1]

    assert said("--app-name") == "mlflow-workspace-served"
    assert said("--cors-allowed-origins") == "https://hub.example.org"
    hosts = said("--allowed-hosts").split(",")
    assert {"hub.example.org", "hub.example.org:443", "localhost"} <= {*hosts}
    assert "*" not in hosts
    assert {"--enable-workspaces", "--serve-artifacts"} <= {*arguments}
    assert (
        said("--default-artifact-root") == said("--artifacts-destination") == "mlflow-artifacts:/"
    )
    assert "--no-proxy-headers" in said("--uvicorn-opts").split()


@pytest.mark.parametrize("version", ["3.16.0", "3.19.0"])
def test_other_versions_of_mlflow_are_refused_before_anything_starts(
    sqlite_template, tmp_path, monkeypatch, version
):
    """Which of their routes may be open nobody has said; the message says what to install."""
    hub = open_hub(shutil.copytree(sqlite_template, tmp_path / "hub"))
    People(hub).add("admin", "a password of the tests", is_admin=True)
    found = metadata.version
    monkeypatch.setattr(
        metadata, "version", lambda name: version if name == "mlflow" else found(name)
    )
    with pytest.raises(HubSettingsError, match=r"pip install 'mlflow>=3.17,<3.19'"):
        prepare(Plan(hub, "https://hub.example.org", "127.0.0.1", 5000, 2))
