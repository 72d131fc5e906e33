"""Metrics that are logged at a served hub: the same answers and rows, here or by MLflow's app."""

import asyncio
import json

import mlflow
import pytest
from mlflow.entities import Metric

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.app.logged_metrics import LoggedMetrics
from mlflow_workspace_plugin.app.served.routes.table import mlflow_lines
from mlflow_workspace_plugin.app.usual_requests import UsualRequests
from mlflow_workspace_plugin.hub.hub import open_hub
from mlflow_workspace_plugin.stores.tracking import HubTrackingStore
from tests.served import hub_of_two_teams
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(
    mlflow_lines(mlflow.__version__) is None, reason="MLflow before 3.17 is not served to a team."
)
ONE_ROUTE = "/api/2.0/mlflow/runs/log-metric"
ROUTE = "/api/2.0/mlflow/runs/log-batch"
AJAX_ROUTE = "/ajax-api/2.0/mlflow/runs/log-batch"
START = 1_700_000_000_000
ONE = {"key": "loss", "value": 0.5, "timestamp": START, "step": 1}
MANY = [{"key": f"k{n % 7}", "value": n / 3, "timestamp": START + n, "step": n} for n in range(999)]
# NaN, other names of the same fields, and numbers as text are read by MLflow's app only.
BODIES = {
    "one": {"metrics": [ONE]},
    "many": {"metrics": MANY},
    "with what is null": {"metrics": [dict(Metric("loss", 0.5, START, 1))]},
    "of a model": {"metrics": [ONE | {"model_id": "m-0"}]},
    "the same twice": {"metrics": [ONE, ONE]},
    "no step": {"metrics": [{"key": "loss", "value": 1, "timestamp": START}]},
    "whole numbers": {"metrics": [ONE | {"value": 3, "timestamp": 0, "step": -7}]},
    "a name in Japanese": {"metrics": [ONE | {"key": "損失/β"}]},
    "with a param": {"metrics": [ONE], "params": [{"key": "p", "value": "v"}]},
    "not a number": {"metrics": [ONE | {"value": "NaN"}, ONE | {"step": 2, "value": "Infinity"}]},
    "numbers as text": {"metrics": [ONE | {"timestamp": str(START), "step": "4"}]},
    "nothing": {},
    "no metrics": {"metrics": []},
    "too many": {"metrics": MANY + MANY},
    "a name that is refused": {"metrics": [ONE, ONE | {"key": "a\0b"}]},
    "a name that leads elsewhere": {"metrics": [ONE, ONE | {"key": "../x"}]},
    "a name that is too long": {"metrics": [ONE, ONE | {"key": "x" * 300}]},
    "a value that is none": {"metrics": [ONE, ONE | {"value": "x"}]},
    "a step that no column holds": {"metrics": [ONE | {"step": 2**70}]},
    "metrics that are none": {"metrics": [1]},
}

# Of a single value, with the run.
VALUES = {
    "usual": ONE,
    "no step": {"key": "loss", "value": 1, "timestamp": START},
    "with what is null": dict(Metric("loss", 0.5, START, 1)) | {"run_id": None},
    "not a number": ONE | {"value": "NaN"},
    "a name that is refused": ONE | {"key": "a\0b"},
    "a name that is too long": ONE | {"key": "x" * 300},
    "no value": {"key": "loss", "timestamp": START},
    "a value that is none": ONE | {"value": "x"},
    "a step that is none": ONE | {"step": "x"},
    "of a model": ONE | {"model_id": "m-0"},
}


@pytest.fixture(scope="module")
def served(sqlite_template, tmp_path_factory):
    """A served hub with two workspaces."""
    with hub_of_two_teams(sqlite_template, tmp_path_factory.mktemp("log-batch")) as server:
        yield server


@pytest.fixture(scope="module")
def client(served):
    """Of team-a, beneath the server."""
    return Workspace.get("team-a", hub=served.path).client


@pytest.fixture
def app_of(served, monkeypatch):
    """Makes the layer around an app, as it is in a server."""
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    return lambda mlflow_app: LoggedMetrics(mlflow_app, UsualRequests(open_hub(served.path)))


def new_run(client):
    return client.create_run("0").info.run_id


def rows(client, run_id):
    """All values of a run, and the last of each metric."""
    latest = client.get_run(run_id).data.metrics
    history = [dict(each) for key in latest for each in client.get_metric_history(run_id, key)]
    return json.dumps([latest, sorted(history, key=str)], sort_keys=True)


@pytest.mark.parametrize("route", [ROUTE, AJAX_ROUTE])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_answers_and_rows_are_mlflows(served, client, body, route):
    """Whoever answers: a page of the server's own is answered by MLflow's app, a script here."""
    session = served.session("member", "team-a")
    found = []
    for headers in ({}, {"Origin": served.address}):
        run_id = new_run(client)
        answer = session.post(route, json={"run_id": run_id, **body}, headers=headers)
        said = answer.text.replace(run_id, "ID")
        kind = answer.headers["Content-Type"]
        found.append((answer.status_code, kind, said, rows(client, run_id)))
    assert found[0] == found[1]


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_answers_and_rows_of_one_value_are_mlflows(served, client, value):
    """As of batches."""
    session = served.session("member", "team-a")
    found = []
    for headers in ({}, {"Origin": served.address}):
        run_id = new_run(client)
        body = {**value, "run_id": run_id, "run_uuid": run_id}
        answer = session.post(ONE_ROUTE, json=body, headers=headers)
        kind = answer.headers["Content-Type"]
        said = answer.text.replace(run_id, "ID")
        found.append((answer.status_code, kind, said, rows(client, run_id)))
    assert found[0] == found[1]


def test_who_may_not_write_stores_nothing(served, client):
    """A reader, a stranger to the workspace, nobody, and a token of another run; run or not."""
    run_id, other = new_run(client), new_run(client)
    elsewhere = Workspace.get("team-b", hub=served.path).client
    foreign = new_run(elsewhere)
    sent = {"run_id": run_id, "metrics": [ONE]}
    member = served.session("member", "team-a")
    assert served.session("reader", "team-a").post(ROUTE, json=sent).status_code == 403
    one = {"run_id": run_id, **ONE}
    assert served.session("reader", "team-a").post(ONE_ROUTE, json=one).status_code == 403
    assert served.session("member", "team-b").post(ROUTE, json=sent).status_code == 403
    assert served.session(None, "team-a").post(ROUTE, json=sent).status_code == 401
    of_job = served.session("member", "team-a", run_id=other, workspaces=["team-a"])
    assert of_job.post(ROUTE, json=sent).status_code == 403
    assert not member.post(ROUTE, json={**sent, "run_id": foreign}).ok
    assert not member.post(ROUTE, json={**sent, "run_id": "0" * 32}).ok
    client.delete_run(other)
    assert not member.post(ROUTE, json={**sent, "run_id": other}).ok
    assert "loss" not in client.get_run(run_id).data.metrics
    assert "loss" not in elsewhere.get_run(foreign).data.metrics
    assert member.post(ROUTE, json=sent).ok
    assert client.get_run(run_id).data.metrics == {"loss": 0.5}


def test_role_that_was_taken_away_writes_no_more(served, client):
    """Within the time that a standing is kept."""
    served.add_user("leaver", team_a="member")
    session = served.session("leaver", "team-a")
    run_id = new_run(client)
    sent = {"run_id": run_id, "metrics": [ONE]}
    assert session.post(ROUTE, json=sent).ok
    served.people.grant("leaver", "team-a", "reader")
    wait_until(lambda: session.post(ROUTE, json=sent).status_code == 403)


def test_what_is_usual_does_not_reach_mlflow(app_of, client):
    """Nor does more of a long body than is looked at: MLflow's app is given all of it."""
    given = []

    async def mlflow_app(_scope, receive, send):
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        given.append(body)
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app = app_of(mlflow_app)
    run_id = new_run(client)
    usual = json.dumps({"run_id": run_id, "metrics": [dict(Metric("loss", 0.5, START, 1))]})
    assert asyncio.run(_status(app, [usual.encode()])) == 200
    assert given == []
    assert client.get_run(run_id).data.metrics == {"loss": 0.5}
    long = [b"{" + b" " * 700_000] * 4
    assert asyncio.run(_status(app, long)) == 299
    assert asyncio.run(_status(app, [usual.encode()], content_type="text/plain")) == 299
    assert given == [b"".join(long), usual.encode()]


@pytest.mark.parametrize(
    "asked",
    [{"workspace": ""}, {"workspace": "no-such"}, {"host": "evil.test"}],
    ids=str,
)
def test_what_mlflow_refuses_it_is_asked(app_of, client, asked):
    """A host that is not one of the server's; no workspace, and one that is none."""
    app = app_of(_teapot)
    body = json.dumps({"run_id": new_run(client), "metrics": [ONE]}).encode()
    assert asyncio.run(_status(app, [body])) == 200
    assert asyncio.run(_status(app, [body], **asked)) == 418


async def _teapot(_scope, _receive, send):
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_fault_of_ours_is_in_the_log(app_of, client, monkeypatch, caplog):
    """Whoever runs the server can find out what went wrong."""
    app = app_of(_teapot)
    monkeypatch.setattr(HubTrackingStore, "_write_rows", lambda *_: 1 / 0)
    body = json.dumps({"run_id": new_run(client), "metrics": [ONE]}).encode()
    assert asyncio.run(_status(app, [body])) == 500
    assert "division by zero" in caplog.text


async def _status(
    app, pieces, content_type="application/json", workspace="team-a", host="127.0.0.1:5000"
):
    said = {"content-type": content_type, "x-mlflow-workspace": workspace, "host": host}
    headers = [(name.encode(), value.encode()) for name, value in said.items()]
    scope = {"type": "http", "method": "POST", "path": ROUTE, "headers": headers}
    left = [
        {"type": "http.request", "body": each, "more_body": number < len(pieces)}
        for number, each in enumerate(pieces, 1)
    ]
    statuses = []

    async def receive():
        return left.pop(0)

    async def send(message):
        statuses.append(message.get("status"))

    await app(scope, receive, send)
    return statuses[0]
