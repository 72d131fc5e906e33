"""Runs that scripts ask a served hub for: the same answers, by our layer or by MLflow's app."""

import asyncio
import math
import threading
from contextlib import suppress

import mlflow
import pytest
from mlflow.entities import (
    Dataset,
    DatasetInput,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.server import BACKEND_STORE_URI_ENV_VAR, workspace_helpers
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from starlette.responses import Response

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.app.known_workspace import KnownWorkspace
from mlflow_workspace_plugin.app.read_runs import ReadRuns
from mlflow_workspace_plugin.app.served.routes.table import mlflow_lines
from mlflow_workspace_plugin.app.usual_requests import UsualRequests
from mlflow_workspace_plugin.errors import HubUnreachableError
from mlflow_workspace_plugin.hub.catalog import HubWorkspaceStore
from mlflow_workspace_plugin.hub.hub import open_hub
from mlflow_workspace_plugin.runs.snapshots.open import snapshots_of
from mlflow_workspace_plugin.runs.snapshots.snapshots import SNAPSHOT_TAG
from mlflow_workspace_plugin.stores.tracking import HubTrackingStore
from tests.served import hub_of_two_teams

pytestmark = [
    pytest.mark.store,
    pytest.mark.skipif(
        mlflow_lines(mlflow.__version__) is None, reason="MLflow before 3.17 is not served."
    ),
]
ROUTE = "/api/2.0/mlflow/runs/get"
AJAX_ROUTE = "/ajax-api/2.0/mlflow/runs/get"
OF_A_PAGE = {"Sec-Fetch-Site": "same-origin"}
"""What is asked by a page is answered by MLflow's app."""


@pytest.fixture(scope="module")
def served(sqlite_template, tmp_path_factory):
    """A served hub with two workspaces."""
    with hub_of_two_teams(sqlite_template, tmp_path_factory.mktemp("get-run")) as server:
        yield server


@pytest.fixture(scope="module")
def client(served):
    """Of team-a, beneath the server."""
    return Workspace.get("team-a", hub=served.path).client


def empty(client):
    return client.create_run("0").info.run_id


def full(client):
    run_id = client.create_run("0", run_name="損失 </script>").info.run_id
    values = [("loss", 0.1), ("loss", math.nan), ("up", math.inf), ("down", -math.inf), ("n", 3)]
    metrics = [Metric(key, value, step, step) for step, (key, value) in enumerate(values)]
    client.log_batch(run_id, metrics, [Param("p", "v" * 999)], [RunTag("a/b", "\u2028")])
    dataset = Dataset("d", "abc", "local", "{}")
    client.log_inputs(run_id, [DatasetInput(dataset)])
    client.set_terminated(run_id, "FAILED")
    client.get_run(run_id)
    return run_id


def deleted(client):
    run_id = full(client)
    client.delete_run(run_id)
    return run_id


def with_models(client):
    run_id = empty(client)
    model = client.create_logged_model("0", source_run_id=run_id)
    client.log_inputs(run_id, models=[LoggedModelInput(model.model_id)])
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
    client.log_metric(run_id, "of_model", 1, model_id=model.model_id)
    # What is read comes after what was logged.
    client.get_run(run_id)
    return run_id


def unknown(_client):
    return "0" * 32


@pytest.mark.parametrize("route", [ROUTE, AJAX_ROUTE])
@pytest.mark.parametrize("make", [empty, full, deleted, with_models, unknown])
def test_answers_are_mlflows(served, client, make, route):
    """To a script and to a page."""
    run_id = make(client)
    session = served.session("reader", "team-a")
    asked = (
        {"run_id": run_id},
        {"run_id": run_id, "run_uuid": run_id},
        {"run_uuid": run_id},
        {"run_id": [run_id, "x"]},
        {"run_id": run_id, "run_uuid": "x"},
        {"run_id": f"{run_id}/../x"},
        {"run_id": ""},
        {},
    )
    for params in asked:
        found = [session.get(route, params=params, headers=headers) for headers in ({}, OF_A_PAGE)]
        ours, mlflows = map(_said, found)
        assert ours == mlflows, params


def _said(answer):
    content_type = answer.headers["Content-Type"]
    is_json = content_type.startswith("application/json")
    body = _sorted(answer.json()) if is_json else answer.text
    return answer.status_code, content_type, body


def _sorted(value):
    """Rows of a table come in any order."""
    if isinstance(value, dict):
        return {name: _sorted(each) for name, each in value.items()}
    return sorted(map(_sorted, value), key=str) if isinstance(value, list) else value


def test_who_may_not_read_is_told_nothing(served, client):
    """A stranger to the workspace, nobody, and who is denied the experiment; run or not."""
    run_id = empty(client)
    foreign = Workspace.get("team-b", hub=served.path).client.create_run("0").info.run_id
    reader = served.session("reader", "team-a")
    assert reader.get(ROUTE, params={"run_id": run_id}).ok
    for run in run_id, unknown(client):
        assert (
            served.session("reader", "team-b").get(ROUTE, params={"run_id": run}).status_code == 403
        )
        assert served.session(None, "team-a").get(ROUTE, params={"run_id": run}).status_code == 401
    assert not reader.get(ROUTE, params={"run_id": foreign}).ok
    served.add_user("denied", team_a="reader")
    experiment_id = client.create_experiment("closed")
    closed = client.create_run(experiment_id).info.run_id
    served.deny("denied", "team-a", experiment_id)
    denied = served.session("denied", "team-a")
    assert denied.get(ROUTE, params={"run_id": run_id}).ok
    assert denied.get(ROUTE, params={"run_id": closed}).status_code == 403


def test_who_may_not_read_models_is_not_told_of_them(served, client):
    """As MLflow's app withholds them."""
    run_id = with_models(client)
    served.add_user("modest", team_a="reader")
    store = served.people._accounts.store
    role = store.create_role("no-models", "team-a")
    store.add_role_permission(role.id, "logged_model", "*", "DENY")
    store.assign_role_to_user(store.get_user("modest").id, role.id)
    read = {
        name: served.session(name, "team-a").get(ROUTE, params={"run_id": run_id}).json()["run"]
        for name in ("modest", "reader")
    }
    assert read["reader"]["outputs"]["model_outputs"]
    assert not read["modest"].get("outputs", {}).get("model_outputs")
    assert not read["modest"].get("inputs", {}).get("model_inputs")


def test_page_of_a_run_tells_nothing_that_is_withheld(served, client, tmp_path):
    """Names of a parent and of models that one may not read, and code, which belongs to all."""
    seen, unseen = (client.create_experiment(name) for name in ("seen", "unseen"))
    parent = client.create_run(unseen, run_name="secret-parent").info.run_id
    (tmp_path / "secret.py").write_text("secret")
    with snapshots_of(client.tracking_uri).keeping(tmp_path) as snapshot_id:
        tags = {MLFLOW_PARENT_RUN_ID: parent, SNAPSHOT_TAG: snapshot_id}
        run = client.create_run(seen, tags=tags)
    run_id = run.info.run_id
    model = client.create_logged_model(unseen, "secret-model")
    client.log_inputs(run_id, models=[LoggedModelInput(model.model_id)])
    client.create_registered_model("secret-registered")
    client.create_model_version("secret-registered", f"{run.info.artifact_uri}/model", run_id)
    client.get_run(run_id)
    served.add_user("narrow")
    store = served.people._accounts.store
    role = store.create_role("one-experiment", "team-a")
    store.add_role_permission(role.id, "experiment", seen, "READ")
    store.assign_role_to_user(store.get_user("narrow").id, role.id)
    secrets = ("secret-parent", "secret-model", "secret-registered")
    page = f"/pages/api/runs/{run_id}"
    for name, told in ("reader", secrets), ("narrow", ()):
        session = served.session(name, "team-a")
        answer = session.get(page, params={"workspace": "team-a"})
        assert answer.ok
        assert tuple(each for each in secrets if each in answer.text) == told
        for path in ("", "/file", "/zip"):
            query = {"workspace": "team-a", "path": "secret.py"}
            assert session.get(f"{page}/snapshot{path}", params=query).ok == bool(told)


def test_what_is_usual_does_not_reach_mlflow(served, client, monkeypatch):
    """A run that names models does, and so does what cannot be read here."""
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    app = ReadRuns(Response(status_code=418), UsualRequests(open_hub(served.path)))
    run_id = full(client)
    assert asyncio.run(_status(app, run_id)) == 200
    assert asyncio.run(_status(app, run_id, host="evil.test")) == 418
    assert asyncio.run(_status(app, run_id, workspace="")) == 418
    assert asyncio.run(_status(app, run_id, workspace="team-b")) == 418
    assert asyncio.run(_status(app, with_models(client))) == 418
    assert asyncio.run(_status(app, unknown(client))) == 418


def test_database_that_is_away_is_told_at_once(served, client, monkeypatch):
    """MLflow's app would ask it again."""
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    app = ReadRuns(Response(status_code=418), UsualRequests(open_hub(served.path)))
    away = HubUnreachableError("The database cannot be reached.")
    monkeypatch.setattr(HubTrackingStore, "get_run", lambda *_: _raise(away))
    assert asyncio.run(_status(app, empty(client))) == away.get_http_status_code()


def _raise(error):
    raise error


def test_mlflows_rules_of_the_route_are_those_that_are_followed_here():
    """Another rule of a later MLflow has to be looked at."""
    from mlflow.protos.service_pb2 import GetRun
    from mlflow.server import auth

    assert auth.BEFORE_REQUEST_HANDLERS[GetRun].__name__ == "validate_can_read_run"
    assert auth.AFTER_REQUEST_PATH_HANDLERS[GetRun].__name__ == "redact_get_run_model_links"


@pytest.fixture
def mlflows_store(served, monkeypatch):
    """MLflow makes its store of workspaces at the first request; yields the threads of it all."""
    threads = []
    make, ask = HubWorkspaceStore.__init__, HubWorkspaceStore.get_workspace

    def note(then):
        def noted(*arguments):
            threads.append(threading.current_thread())
            return then(*arguments)

        return noted

    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    monkeypatch.setenv(BACKEND_STORE_URI_ENV_VAR, f"workspace-hub://{served.path}")
    monkeypatch.delenv("MLFLOW_WORKSPACE_STORE_URI", raising=False)
    monkeypatch.setattr(workspace_helpers, "_workspace_store", None)
    monkeypatch.setattr(HubWorkspaceStore, "__init__", note(make))
    monkeypatch.setattr(HubWorkspaceStore, "get_workspace", note(ask))
    return threads


@pytest.mark.parametrize("name", ["team-a", "no-such", ""])
def test_workspaces_are_looked_up_beside_the_event_loop(mlflows_store, name):
    """Where a database that is away would hold up all requests, from the first one on."""
    found = []

    async def as_mlflow_does(scope, receive, send):
        with suppress(MlflowException):
            resolve = workspace_helpers.resolve_workspace_for_request_if_enabled
            found.append(resolve(scope["path"], name).name)
        await Response()(scope, receive, send)

    asyncio.run(_status(KnownWorkspace(as_mlflow_does), "any", workspace=name))
    assert found == {"team-a": ["team-a"], "": ["default"]}.get(name, [])
    assert mlflows_store
    assert threading.main_thread() not in mlflows_store


def test_what_is_of_no_workspace_waits_for_none(mlflows_store):
    """What the server can do is told while the database is away."""
    app = KnownWorkspace(Response(status_code=299))
    path = "/api/3.0/mlflow/server-info"
    assert asyncio.run(_status(app, "any", path=path)) == 299
    assert mlflows_store == []


async def _status(app, run_id, workspace="team-a", host="127.0.0.1:5000", path=ROUTE):
    said = {"x-mlflow-workspace": workspace, "host": host}
    headers = [(name.encode(), value.encode()) for name, value in said.items()]
    query = f"run_id={run_id}".encode()
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query,
        "headers": headers,
    }
    statuses = []

    async def send(message):
        statuses.append(message.get("status"))

    await app(scope, None, send)
    return statuses[0]
