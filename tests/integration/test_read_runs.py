"""Runs that scripts ask a served hub for: the same answers, by our layer or by MLflow's app."""

import asyncio
import math
import shutil
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
from sqlalchemy import event
from starlette.responses import Response

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.app.known_workspace import KnownWorkspace
from mlflow_workspace_plugin.app.read_runs import ReadRuns
from mlflow_workspace_plugin.app.served.routes.table import mlflow_lines
from mlflow_workspace_plugin.app.usual_requests import UsualRequests
from mlflow_workspace_plugin.hub.hub import open_hub
from mlflow_workspace_plugin.stores.workspaces import ServedWorkspaceStore
from tests.served import served_hub

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
    folder = tmp_path_factory.mktemp("get-run")
    hub = folder / "hub"
    shutil.copytree(sqlite_template, hub)
    for name in ("team-a", "team-b"):
        Workspace.create(name, hub=hub)
    with served_hub(hub, folder / "server.log") as server:
        for role in ("reader", "member"):
            server.add_user(role, team_a=role)
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


@pytest.mark.parametrize("name", ["team-a", "no-such"])
def test_workspaces_are_looked_up_beside_the_event_loop(served, name):
    """Where a database that is away would hold up all requests."""
    hub = open_hub(served.path)
    store = ServedWorkspaceStore(hub)
    threads, found = [], []

    async def as_mlflow_does(scope, receive, send):
        with suppress(MlflowException):
            found.append(store.get_workspace(name).name)
        await Response()(scope, receive, send)

    def note(*_):
        threads.append(threading.current_thread())

    event.listen(hub.engine, "before_cursor_execute", note)
    try:
        asyncio.run(_status(KnownWorkspace(as_mlflow_does, hub), "any", workspace=name))
    finally:
        event.remove(hub.engine, "before_cursor_execute", note)
    assert found == ([name] if name == "team-a" else [])
    assert threads
    assert threading.main_thread() not in threads


async def _status(app, run_id, workspace="team-a", host="127.0.0.1:5000"):
    said = {"x-mlflow-workspace": workspace, "host": host}
    headers = [(name.encode(), value.encode()) for name, value in said.items()]
    query = f"run_id={run_id}".encode()
    scope = {
        "type": "http",
        "method": "GET",
        "path": ROUTE,
        "query_string": query,
        "headers": headers,
    }
    statuses = []

    async def send(message):
        statuses.append(message.get("status"))

    await app(scope, None, send)
    return statuses[0]
