"""Attacks on a running hub: tokens beyond their scope, cookies, odd addresses, foreign sources."""

import asyncio
import base64
import http.client
import io
import json
import shutil
import threading
import uuid
from hashlib import sha256
from urllib.parse import quote

import mlflow
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.datastructures import Headers

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.accounts.access import Access
from mlflow_workspace_plugin.app.served.asking.gate import Gate, gate
from mlflow_workspace_plugin.app.served.asking.who import COOKIE, SAFE_COOKIE, session_cookies
from mlflow_workspace_plugin.app.served.routes.table import mlflow_lines, our_lines
from mlflow_workspace_plugin.errors import WorkspaceNotFoundError
from mlflow_workspace_plugin.hub.databases.database import connected
from mlflow_workspace_plugin.journal.files import records
from mlflow_workspace_plugin.journal.files.folder import new_writer_id
from mlflow_workspace_plugin.journal.files.records import Kind, line, metric_body, metrics_body
from mlflow_workspace_plugin.protocol.calls import CALLS
from mlflow_workspace_plugin.protocol.journal import SECRET_HEADER, Batch, to_bytes
from mlflow_workspace_plugin.runs.snapshots.open import snapshots_of
from mlflow_workspace_plugin.runs.snapshots.snapshots import SNAPSHOT_TAG
from mlflow_workspace_plugin.stores.build import workspace_store
from tests.chromium import chromium, new_page
from tests.listener import listening
from tests.mlflow_routes import path_of
from tests.planted import MARK, plant
from tests.served import ADMIN, PASSWORD, raw, served_hub
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(
    mlflow_lines(mlflow.__version__) is None, reason="MLflow before 3.17 is not served to a team."
)
API = "/api/2.0/mlflow"
EFFECT_S = 8
"""What is changed of roles takes effect within five; the machine is busy."""


@pytest.fixture(scope="module")
def served(sqlite_template, tmp_path_factory):
    """A hub with two tenants, of which team-b holds something of everything."""
    folder = tmp_path_factory.mktemp("served")
    hub = folder / "hub"
    shutil.copytree(sqlite_template, hub)
    workspace = Workspace.create("team-a", hub=hub)
    other = Workspace.create("team-b", hub=hub)
    code = folder / "code"
    code.mkdir()
    ids = plant(other, code)
    with served_hub(hub, folder / "server.log") as server:
        server.ids = ids
        server.workspace = workspace
        server.add_user("ana", team_a="member")
        server.add_user("both", team_a="manager", team_b="manager")
        yield server


@pytest.fixture(scope="module")
def runs(served):
    """Two runs of team-a."""
    experiment = Experiment(served.workspace, "mine")
    made = []
    for name in ("one", "two"):
        run = experiment.start_logging(display_name=name, outputs=None, snapshot_directory=None)
        run.flush()
        made.append(run)
    return made


def log(session, run_id, value="1", **body):
    return session.post(
        f"{API}/runs/log-parameter",
        json={"run_id": run_id, "key": f"k{value}", "value": value, **body},
    )


def test_token_for_a_workspace_is_good_for_no_other(served):
    """Whatever its owner may: an administrator's, too, and for what belongs to no workspace."""
    for owner in ("both", ADMIN):
        session = served.session(owner, workspaces=["team-a"])
        in_other = {"X-MLFLOW-WORKSPACE": "team-b"}
        in_own = {"X-MLFLOW-WORKSPACE": "team-a"}
        search = f"{API}/experiments/search?max_results=10"
        assert session.get(search, headers=in_own).ok
        assert session.get(search, headers=in_other).status_code == 403
        assert session.get(search).status_code == 403
        answer = session.get(f"{API}/runs/get", params=served.ids, headers=in_own)
        assert MARK not in answer.text
        path = f"/api/2.0/mlflow-artifacts/artifacts/{served.ids['artifact_path']}"
        for asked in (path, path.replace("artifacts/", "artifacts/workspaces/team-b/", 1)):
            answer = session.get(asked, headers=in_own)
            assert not answer.ok
            assert MARK not in answer.text
        listed = session.get("/api/3.0/mlflow/workspaces").json()["workspaces"]
        assert [each["name"] for each in listed] == ["team-a"]
        for closed in ("/api/2.0/mlflow/users/list", "/api/3.0/mlflow/roles/list?workspace=team-a"):
            assert session.get(closed).status_code == 403
        made = session.post("/api/3.0/mlflow/workspaces", json={"name": "team-c"})
        assert made.status_code == 403


def test_token_that_may_read_changes_nothing(served, runs):
    """A cap holds whatever the roles of its owner allow, and an edit's does not delete."""
    reads = served.session("both", "team-a", cap="read")
    assert reads.get(f"{API}/runs/get", params={"run_id": runs[0].id}).ok
    assert log(reads, runs[0].id).status_code == 403
    edits = served.session("both", "team-a", cap="edit")
    assert log(edits, runs[0].id).ok
    deletion = {"run_id": runs[0].id}
    assert edits.post(f"{API}/runs/delete", json=deletion).status_code == 403
    new = {"name": "kept", "definition": {"runs": {"ids": [runs[0].id]}}}
    saved = served.session("both").post("/pages/api/views?workspace=team-a", json=new)
    view = f"/pages/api/views/{saved.json()['id']}?workspace=team-a"
    assert edits.delete(view, json={}).status_code == 403
    assert edits.get(view).ok
    for method, path in (
        ("DELETE", "/api/3.0/mlflow/datasets/d-1/records"),
        ("DELETE", "/api/3.0/mlflow/traces/tr-1/assessments/a-1"),
        ("POST", "/api/3.0/mlflow/review-queues/items/remove"),
    ):
        answer = edits.request(method, path, json={})
        assert answer.status_code == 403, path
        assert "This token may edit" in answer.text, path


def test_token_of_a_job_changes_its_run_and_what_that_makes(served, runs):
    """By every way in which MLflow is told of which run something is, and no other run's."""
    own, other = (each.id for each in runs)
    session = served.session("ana", "team-a", run_id=own, kind="job")
    assert session.get(f"{API}/runs/get", params={"run_id": other}).ok
    assert log(session, own, "own").ok
    for body in (
        {"run_id": other},
        {"runId": other},
        {"run_uuid": other},
        {"run_id": own, "runId": other},
        {"run_id": own, "run_uuid": other},
        {},
    ):
        sent = {"key": "stolen", "value": "1", **body}
        assert session.post(f"{API}/runs/log-parameter", json=sent).status_code == 403, body
        twice = json.dumps(json.dumps(sent))
        headers = {"Content-Type": "application/json"}
        answer = session.post(f"{API}/runs/log-parameter", data=twice, headers=headers)
        assert answer.status_code == 400, body
    made = {"experiment_id": str(runs[0].experiment.id)}
    assert session.post(f"{API}/runs/create", json=made).status_code == 403
    parent = [{"key": "mlflow.parentRunId", "value": other}]
    assert session.post(f"{API}/runs/create", json={**made, "tags": parent}).status_code == 403
    parent = [{"key": "mlflow.parentRunId", "value": own}]
    child = session.post(f"{API}/runs/create", json={**made, "tags": parent})
    child_id = child.json()["run"]["info"]["run_id"]
    assert log(session, child_id, "child").ok
    for run_id, status in ((own, 200), (child_id, 200), (other, 403)):
        path = f"{made['experiment_id']}/{run_id}/artifacts/a.txt"
        answer = session.put(f"/api/2.0/mlflow-artifacts/artifacts/{path}", data=b"a")
        assert answer.status_code == status, answer.text
        answer = session.post(
            "/ajax-api/2.0/mlflow/upload-artifact",
            params={"run_uuid": run_id, "path": "b.txt"},
            data=b"b",
        )
        assert answer.status_code == status, answer.text
    # MLflow decodes what is left of an address, and would store it below the other run.
    encoded = f"{made['experiment_id']}%252F{other}%252Fartifacts/{own}/x.txt"
    status, _ = raw(
        served,
        "PUT",
        f"/api/2.0/mlflow-artifacts/artifacts/{encoded}",
        [
            ("Authorization", session.headers["Authorization"]),
            ("X-MLFLOW-WORKSPACE", "team-a"),
        ],
        b"x",
    )
    assert status == 403
    model = {"experiment_id": made["experiment_id"], "name": "m"}
    assert session.post(f"{API}/logged-models", json=model).status_code == 403
    logged = session.post(f"{API}/logged-models", json={**model, "source_run_id": own})
    model_id = logged.json()["model"]["info"]["model_id"]
    tags = {"tags": [{"key": "a", "value": "b"}]}
    assert session.patch(f"{API}/logged-models/{model_id}/tags", json=tags).ok
    assert session.post(f"{API}/registered-models/create", json={"name": "of-job"}).ok
    source = f"{served.workspace.client.get_run(own).info.artifact_uri}/model"
    for run_id, status in ((own, 200), (other, 403)):
        version = {"name": "of-job", "source": source, "run_id": run_id}
        answer = session.post(f"{API}/model-versions/create", json=version)
        assert answer.status_code == status, answer.text
    for path, body in (
        ("/experiments/create", {"name": "of-job"}),
        ("/experiments/set-experiment-tag", {**made, "key": "a", "value": "b"}),
        ("/registered-models/set-tag", {"name": "of-job", "key": "a", "value": "b"}),
        ("/runs/delete", {"run_id": own}),
    ):
        assert session.post(f"{API}{path}", json=body).status_code == 403, path
    view = session.post("/pages/api/views?workspace=team-a", json={"name": "v"})
    assert view.status_code == 403


def new_model(served, experiment_id, run_id=None):
    """The id of a new logged model."""
    store = workspace_store(served.hub, "team-a")
    return store.create_logged_model(str(experiment_id), "model", run_id).model_id


@pytest.mark.parametrize("kind", ["terminal", "job"])
def test_values_are_logged_of_models_that_one_may_change(served, runs, kind):
    """By journals and calls as by MLflow's routes; a job does it as its owner, of any run's."""
    run_id, name = runs[0].id, f"eva-{kind}"
    experiment_id = str(runs[0].experiment.id)
    theirs = Experiment(served.workspace, f"theirs-{kind}").id
    open_one = new_model(served, experiment_id, runs[1].id)
    closed = [new_model(served, theirs), "m-" + "0" * 32]
    served.add_user(name)
    give(served, name, ("experiment", experiment_id, "EDIT"))
    scope = {"run_id": run_id, "kind": "job"} if kind == "job" else {}
    session = served.session(name, "team-a", **scope)

    def metric(key, model_id):
        return [key, 1.0, 1, 1, model_id, None, None]

    bodies = [metrics_body(run_id, 1, [metric("journal", each)]) for each in (open_one, *closed)]
    bodies += [
        records.body(Kind.TYPED, run_id, 1, [[metric("typed", each)], [], None])
        for each in (open_one, *closed)
    ]
    lines = [line(number, each) for number, each in enumerate(bodies, 1)]
    answer = session.post(
        "/hub/v1/workspaces/team-a/journal",
        data=to_bytes(Batch(new_writer_id(), 0, lines)),
        headers={SECRET_HEADER: "0" * 64},
    )
    assert answer.json()["sequence"] == len(lines)
    refused = answer.json()["refused"]
    assert {each["error_code"] for each in refused} == {"PERMISSION_DENIED"}
    assert sorted(number for each in refused for number in each["sequences"]) == [2, 3, 5, 6]
    for model_id in (open_one, *closed):
        status = 200 if model_id == open_one else 403
        metrics = [metric("call", model_id), ["call", 2.0, 2, 2, None, None, None]]
        answer = call(session, "log_values", run_id=run_id, metrics=metrics)
        assert answer.status_code == status, answer.text
        sent = {"key": "route", "value": 1.0, "timestamp": 1, "step": 1, "model_id": model_id}
        batch = {"run_id": run_id, "metrics": [sent]}
        assert session.post(f"{API}/runs/log-batch", json=batch).status_code == status
        sent |= {"run_id": run_id, "key": "one"}
        assert session.post(f"{API}/runs/log-metric", json=sent).status_code == status
    query = "SELECT model_id, metric_name FROM logged_model_metrics ORDER BY 2"
    with connected(served.hub.engine) as connection:
        stored = [
            (model, key)
            for model, key in connection.exec_driver_sql(query)
            if model in (open_one, *closed)
        ]
    assert stored == [(open_one, key) for key in ("call", "journal", "one", "route", "typed")]


def test_models_that_are_denied_are_denied_as_files(served, runs):
    """What MLflow grants and denies of logged models holds for what is stored of them, too."""
    model_id = new_model(served, runs[0].experiment.id, runs[0].id)
    place = workspace_store(served.hub, "team-a").get_logged_model(model_id).artifact_location
    served.add_user("mona", team_a="member")
    give(served, "mona", ("logged_model", "*", "DENY"))
    for name, status in (("ana", 200), ("mona", 403)):
        session, path = served.session(name), "/hub/v1/workspaces/team-a/files/content"
        asked = {"location": f"{place.removeprefix('mlflow-artifacts:/')}/a.txt"}
        sent = {**asked, "size": 1, "offset": 0, "sha256": sha256(b"a").hexdigest()}
        answer = session.post(path, params=sent, data=b"a")
        assert answer.status_code == status, answer.text
        assert session.get(path, params=asked).status_code == status


def test_token_of_a_job_is_for_a_job_and_below_its_run(served, runs):
    """A run that is none would never end the token; of two parents both have to be the job's."""
    own, other = (each.id for each in runs)
    calls = "/hub/v1/workspaces/team-a"
    job = served.session("ana", "team-a", run_id=own, kind="job")
    for session in (job, served.session("ana", "team-a", workspaces=["team-a"])):
        assert session.post(f"{calls}/runs/{own}/token").status_code == 400
    new = {"run_name": None, "definition": {}, "compute": "local", "engine": "local"}
    new["experiment_id"] = str(runs[0].experiment.id)
    for parents, status in (((own, other), 403), ((other, own), 403), ((own,), 200)):
        tags = [["mlflow.parentRunId", each] for each in parents]
        answer = job.post(f"{calls}/call/create_job", json={**new, "tags": tags})
        assert answer.status_code == status, answer.text
    below = answer.json()["answer"]["info"]["run_id"]
    assert job.post(f"{calls}/runs/{below}/token").ok
    # It has ended, and needs none any more.
    ended = {"run_id": below, "force": True}
    assert job.post(f"{calls}/call/cancel_job", json=ended).ok
    assert job.post(f"{calls}/runs/{below}/token").status_code == 400


def test_calls_tell_and_change_nothing_of_another_workspaces_runs(served):
    """Each of ours that names runs answers as for a run that is nowhere."""
    session, nowhere = served.session("ana", "team-a"), "0" * 32
    arguments = {
        "log_values": {"metrics": [["m", 1.0, 1, 1, None, None, None]]},
        "set_tag_now": {"tag": ["a", "stolen"]},
        "table_places": {"table": f"{MARK}rows", "offset": 0, "limit": 9},
        "points_at": {"key": "planted", "places": []},
        "points_page": {"metric_keys": ["planted"], "offset": 0, "limit": 9},
        "count_points_up_to": {"metric_keys": ["planted"], "timestamp": 1 << 60, "step": 9},
        "chart_points": {"key": "planted"},
        "chart_points_of_runs": {"key": "planted"},
        "points_since": {"keys": None, "timestamp_ms": 0, "limit": 9},
        "run_receipts": {"writers": []},
        "job_queued": {"handle": "x"},
        "take_job": {"owner": "x", "runner": {}},
        "beat": {"owner": "x"},
        "advance_job": {"owner": "x", "state": "Running"},
        "end_job": {"owner": "x", "state": "Failed", "exit_code": 1, "cause": "x"},
    }
    for method, call in CALLS.items():
        # What a job looked like can only be said of one that was seen.
        if call.runs is None or method == "fail_lost_job":
            continue
        said = []
        for run_id in (served.ids["run_id"], nowhere):
            named = [run_id] if call.runs == "run_ids" else run_id
            answer = session.post(
                f"/hub/v1/workspaces/team-a/call/{method.lstrip('_')}",
                json={call.runs: named, **arguments.get(method, {})},
            )
            assert "What was sent is not" not in answer.text, method
            said.append((answer.status_code, answer.text.replace(run_id, "")))
        assert said[0] == said[1], method


def call(session, method, workspace="team-a", **arguments):
    """Call a method of a workspace's store."""
    return session.post(f"/hub/v1/workspaces/{workspace}/call/{method}", json=arguments)


def new_run_in(experiment_id):
    """What a new run of an experiment is created by."""
    return {
        "run_id": uuid.uuid4().hex,
        "experiment_id": experiment_id,
        "user_id": "x",
        "start_time": 1,
        "tags": [],
        "run_name": "x",
    }


def give(served, name, *permissions, workspace="team-a"):
    """Give somebody a role of their own in a workspace, which grants or denies what is said."""
    store = served.people._accounts.store
    role = store.create_role(f"of-{name}", workspace)
    for each in permissions:
        store.add_role_permission(role.id, *each)
    store.assign_role_to_user(store.get_user(name).id, role.id)


def test_errors_name_no_workspace_in_which_one_has_no_role(served):
    """Nor do they tell whether there is one: not for a token, a page, or one that was deleted."""
    session, said = served.session("ana"), []
    for name in ("team-b", "nowhere", "zzzzzz", "Team_B"):
        answer = session.post("/hub/v1/tokens", json={"workspaces": ["team-a", name]})
        said.append((answer.status_code, answer.text))
    assert said[0][0] == 403
    assert len(set(said)) == 1
    assert json.loads(said[0][1])["error"] == "RoleNeededError"
    assert session.post("/hub/v1/tokens", json={"workspaces": ["team-a"]}).ok
    answer = session.get("/pages/api/hub", params={"workspace": "team-a" + " " * 60})
    assert answer.ok
    assert "team-b" not in answer.text
    Workspace.create("zzzzzz", hub=served.path)
    store = workspace_store(served.hub, "zzzzzz")
    served.hub.catalog.delete("zzzzzz")
    with pytest.raises(WorkspaceNotFoundError, match="was deleted") as raised:
        store.workspace_record()
    assert "team-b" not in raised.value.message


def test_what_is_denied_is_denied_however_its_number_is_written(served, runs):
    """An experiment of which MLflow denies 5 is denied as 05, too, and no number is a fault."""
    denied, path = str(runs[0].experiment.id), "/pages/api/experiments/"
    served.add_user("dora", team_a="member")
    give(served, "dora", ("experiment", denied, "DENY"))
    session = served.session("dora")
    for each in (denied, f"0{denied}", f"00{denied}", "9" * 3000):
        status = session.get(path + each, params={"workspace": "team-a"}).status_code
        assert status == 403, each
    for each in (denied, f"0{denied}", f"00{denied}"):
        assert call(session, "create_run_of", **new_run_in(each)).status_code == 403, each
    everything = served.session("ana").get(f"{path}0{denied}", params={"workspace": "team-a"})
    assert everything.ok


def test_one_run_opens_no_list_of_all(served, runs):
    """Who may read one experiment compares its runs, and is not told of those of others."""
    served.add_user("sole")
    give(served, "sole", ("experiment", str(runs[0].experiment.id), "READ"))
    session = served.session("sole")
    query = {"workspace": "team-a", "runs": runs[0].id}
    for method, path in (
        ("POST", "/pages/api/views/runs"),
        ("GET", "/pages/api/views"),
        ("GET", f"/pages/api/views/{'0' * 32}"),
        ("GET", "/pages/api/experiments"),
        ("GET", "/pages/api/computes"),
        ("GET", "/pages/api/computes/room"),
    ):
        body = {"runs": {"limit": 100}} if method == "POST" else None
        answer = session.request(method, path, params=query, json=body)
        assert answer.status_code == 403, (path, answer.text)
    assert session.get("/pages/api/compare", params=query).ok
    assert session.get(f"/pages/api/runs/{runs[0].id}", params=query).ok


def test_role_that_grants_nothing_opens_nothing_of_all(served, runs):
    """Data, code, skills and saved views are for those who may read all experiments, or more."""
    served.add_user("bare")
    give(served, "bare", ("experiment", str(runs[0].experiment.id), "DENY"))
    served.add_user("rita", team_a="reader")
    base = "/hub/v1/workspaces/team-a"
    place = "workspaces/team-a/datastores/workspacefiles/of-all.txt"
    stored = served.session("both").post(
        f"{base}/files/content",
        params={"location": place, "size": 1, "offset": 0, "sha256": sha256(b"a").hexdigest()},
        data=b"a",
    )
    assert stored.ok
    for name, status in (("bare", 403), ("rita", 200)):
        session = served.session(name)
        for room in ("datastores", ".mlflow-workspace", "skills"):
            asked = {"location": f"workspaces/team-a/{room}", "deep": True}
            answer = session.post(f"{base}/files/list", json=asked)
            assert answer.status_code == status, (name, room, answer.text)
        content = session.get(f"{base}/files/content", params={"location": place})
        assert content.status_code == status
        assert session.get(f"{base}/counts").status_code == status
        for method in ("views", "datastores"):
            assert call(session, method).status_code == status, (name, method)
        assert call(session, "workspace_record").ok


def test_readers_journal_is_not_looked_at(served):
    """Nothing of it is unpacked or kept: what was logged waits for the role of a member."""
    if "rita" not in [each.name for each in served.people.list()]:
        served.add_user("rita", team_a="reader")
    writer, lines = new_writer_id(), [line(1, metric_body("0" * 32, 1, "m", 1.0, 1, 1))]
    for content in (to_bytes(Batch(writer, 0, lines)), b"no journal"):
        answer = served.session("rita").post(
            "/hub/v1/workspaces/team-a/journal", data=content, headers={SECRET_HEADER: "0" * 64}
        )
        assert answer.status_code == 403, answer.text
        assert "waits until then" in answer.text
    with connected(served.hub.engine) as connection:
        journals = connection.exec_driver_sql("SELECT writer FROM workspace_plugin_journals")
        assert writer not in journals.scalars().all()


def test_reader_is_told_which_role_is_missing(served, runs):
    """By the class of the error, whatever it is that a reader may not change."""
    served.add_user("rhea", team_a="reader")
    session = served.session("rhea")
    for answer in (
        call(session, "put_environment", name="e", definition={}),
        call(session, "set_tag_now", run_id=runs[0].id, tag=["a", "b"]),
        session.post(
            "/hub/v1/workspaces/team-a/files/kept", json={"kind": "manifest", "name": "0" * 64}
        ),
    ):
        assert answer.status_code == 403, answer.text
        assert answer.json()["error"] == "RoleNeededError"


def test_more_values_than_honest_clients_send_are_refused(served):
    """Before anything is made of them, however few bytes they are."""
    session = served.session("ana")
    many = [0] * 600_000
    for answer in (
        call(session, "log_values", run_id="x", metrics=many),
        session.post("/hub/v1/workspaces/team-a/files/list", json={"location": many}),
    ):
        assert answer.status_code == 400
        assert "too large" in answer.json()["message"]


def test_runs_that_a_call_names_are_looked_up_at_once(served, runs):
    """So many of them, and no more; a denied one among those that are nowhere is found."""
    session, unknown = served.session("ana"), [f"{number:032x}" for number in range(40_000)]
    answer = call(session, "runs_of_ids", run_ids=unknown)
    assert answer.status_code == 400
    assert "in parts" in answer.text
    answer = call(session, "runs_of_ids", run_ids=unknown[:1000])
    assert (answer.status_code, answer.json()["answer"]) == (200, [])
    served.add_user("dana", team_a="member")
    give(served, "dana", ("experiment", str(runs[0].experiment.id), "DENY"))
    named = [*unknown[:1000], runs[0].id]
    assert call(served.session("dana"), "runs_of_ids", run_ids=named).status_code == 403


def test_reader_makes_no_experiment(served):
    """Experiment 0, which a workspace has made of it on demand, is made by who may make one."""
    served.hub.catalog.create("team-new")
    served.add_user("rose", team_new="reader")
    session = served.session("rose")
    path = "/pages/api/experiments/0"
    assert session.get(path, params={"workspace": "team-new"}).status_code == 403
    answer = call(session, "create_run_of", "team-new", **new_run_in("0"))
    assert answer.status_code == 403
    job = {"run_name": None, "definition": {}, "compute": "local", "engine": "local", "tags": []}
    answer = call(session, "create_job", "team-new", experiment_id="0", **job)
    assert answer.status_code == 403
    with connected(served.hub.engine) as connection:
        made = "SELECT count(*) FROM experiments WHERE workspace = 'team-new'"
        assert connection.exec_driver_sql(made).scalar_one() == 0


def test_workspace_made_again_shows_nothing_of_the_earlier_one(served):
    """What no row names goes with it, or nobody makes another of its name while it is there."""
    admin, workspaces = served.session(ADMIN), "/api/3.0/mlflow/workspaces"
    base, room = "/hub/v1/workspaces/again/files", "workspaces/again/.mlflow-workspace"
    asked = {"size": 1, "offset": 0, "sha256": sha256(b"a").hexdigest()}
    for mode, status in (("RESTRICT", 201), ("SET_DEFAULT", 500)):
        if mode == "RESTRICT":
            served.hub.catalog.create("again")
        code = {"location": f"{room}/snapshots/code", **asked}
        assert admin.post(f"{base}/content", params=code, data=b"a").ok
        deleted = admin.delete(f"{workspaces}/again", params={"mode": mode})
        assert deleted.status_code == 204, deleted.text
        made = admin.post(workspaces, json={"name": "again"})
        assert made.ok is (status == 201), made.text
        if made.ok:
            listed = admin.post(f"{base}/list", json={"location": room, "deep": True})
            assert listed.text.splitlines() == ['{"end": true}']
        else:
            assert "of an earlier workspace" in made.text


def test_deleting_files_takes_more_than_storing_them(served, runs):
    """As by MLflow's route: no member's of what others made, and by no token without deleting."""
    run = runs[1]
    run.upload_file("kept.txt", io.BytesIO(b"kept"))
    run.flush()
    place = str(served.workspace.client.get_run(run.id).info.artifact_uri).partition(":/")[2]
    path = "/hub/v1/workspaces/team-a/files/delete"
    for session in (
        served.session("ana", "team-a"),
        served.session("both", "team-a", cap="edit"),
        served.session("both", "team-a", run_id=run.id, kind="job"),
    ):
        for body in (
            {"location": place},
            {"location": place, "path": "kept.txt"},
            {"location": "workspaces/team-a/datastores"},
            {"location": "workspaces/team-a/.mlflow-workspace"},
        ):
            answer = session.post(path, json=body)
            assert answer.status_code == 403, answer.text
    of_manager = served.session("both", "team-a")
    assert of_manager.post(path, json={"location": place, "path": "kept.txt"}).ok


def test_what_all_share_is_written_once(served, runs):
    """By no job, and by no token without deleting, the code of others is made useless."""
    snapshots = snapshots_of(served.workspace.get_mlflow_tracking_uri())
    code = served.hub.path.parent / "code"
    with snapshots.keeping(code) as snapshot_id:
        runs[0].set_tags({SNAPSHOT_TAG: snapshot_id})
    below = "workspaces/team-a/.mlflow-workspace/snapshots"
    (pack,) = snapshots.packs()
    evil = b"evil"
    for session in (
        served.session("ana", "team-a"),
        served.session("both", "team-a", cap="edit"),
        served.session("both", "team-a", run_id=runs[1].id, kind="job"),
    ):
        for name in (pack.path, f"manifests/{snapshot_id}.json.gz"):
            place = f"{below}/{name}"
            asked = {"location": place, "size": len(evil), "offset": 0}
            for kind in ("artifact", "data"):
                answer = session.post(
                    "/hub/v1/workspaces/team-a/files/content",
                    params={**asked, "sha256": sha256(evil).hexdigest(), "kind": kind},
                    data=evil,
                )
                assert answer.status_code == 409, answer.text
            for more in ({}, {"at": 0}):
                appended = {"location": place, **more}
                path = "/hub/v1/workspaces/team-a/files/append"
                assert session.post(path, params=appended, data=evil).status_code == 409
            path = f"/api/2.0/mlflow-artifacts/artifacts/{place.partition('team-a/')[2]}"
            assert session.put(path, data=evil).status_code in (400, 403, 409)
    assert snapshots.is_whole(snapshot_id)
    snapshots.restore(snapshot_id, served.hub.path.parent / "restored")


def test_numbers_that_are_none_are_refused(served):
    """Whoever sends them, and however long they are: none of them is a fault of the server's."""
    session = served.session("ana", "team-a")
    spoken = {"X-Workspace-Protocol": "9" * 5000}
    assert served.session(None).post("/hub/v1/codes", headers=spoken, json={}).status_code == 426
    files = "/hub/v1/workspaces/team-a/files"
    place = "workspaces/team-a/datastores/x"
    known = f'{{"location": "{place}", "sha256": "{"a" * 64}", "size": 1e999}}'
    assert session.post(f"{files}/find", data=f'{{"files": [{known}]}}').status_code == 400
    served.session("both", "team-a").post(
        f"{files}/content",
        params={"location": place, "size": 1, "offset": 0, "sha256": sha256(b"a").hexdigest()},
        data=b"a",
    )
    ranges = {"Range": f"bytes=0-{'9' * 5000}"}
    answer = session.get(f"{files}/content", params={"location": place}, headers=ranges)
    assert answer.status_code == 200, answer.text


def test_cookie_that_another_host_may_have_set_is_none():
    """By HTTPS only the name counts that a browser takes from the hub itself."""
    planted, own = f"{COOKIE}=planted", f"{SAFE_COOKIE}=own"
    both = Headers({"cookie": f"{planted}; {own}"})
    assert session_cookies(both, is_https=True) == ["own"]
    assert session_cookies(Headers({"cookie": planted}), is_https=True) == []
    assert session_cookies(both, is_https=False) == ["planted"]


def test_role_is_gone_within_seconds(served, runs):
    """What is withdrawn, or denied for one experiment, is closed to MLflow's routes and to ours."""
    served.add_user("eve", team_a="member")
    session = served.session("eve", "team-a")
    run = runs[0]
    own = f"/pages/api/runs/{run.id}?workspace=team-a"
    every = "/pages/api/experiments?workspace=team-a"
    assert session.get(own).ok
    assert session.get(every).ok
    admin = served.session(ADMIN)
    role = admin.post(
        "/api/3.0/mlflow/roles/create", json={"name": "closed", "workspace": "team-a"}
    ).json()["role"]
    denial = {
        "role_id": role["id"],
        "resource_type": "experiment",
        "resource_pattern": str(run.experiment.id),
        "permission": "DENY",
    }
    assert admin.post("/api/3.0/mlflow/roles/permissions/add", json=denial).ok
    assigned = {"username": "eve", "role_id": role["id"]}
    assert admin.post("/api/3.0/mlflow/roles/assign", json=assigned).ok
    wait_until(lambda: session.get(own).status_code == 403, EFFECT_S)
    wait_until(lambda: session.get(every).status_code == 403, EFFECT_S)
    assert session.get(f"{API}/runs/get", params={"run_id": run.id}).status_code == 403
    served.people.withdraw("eve", "team-a")
    search = f"{API}/experiments/search?max_results=10"
    wait_until(lambda: session.get(search).status_code == 403, EFFECT_S)
    served.people.remove("eve")
    wait_until(lambda: session.get("/version").status_code == 401, EFFECT_S)


def log_in(served, name="ana", password=PASSWORD, **form):
    """What a browser does with the page for logging in."""
    browser = requests.Session()
    headers = {"Origin": served.address}
    answer = browser.post(
        f"{served.address}/log-in",
        data={"name": name, "password": password, **form},
        headers=headers,
        allow_redirects=False,
        timeout=60,
    )
    return browser, answer


def test_browser_logs_in_by_the_page(served, runs):
    """It is sent there, holds a cookie that no script reads, and sees what its user may."""
    page = requests.get(
        f"{served.address}/pages/?workspace=team-a",
        headers={"Accept": "text/html"},
        allow_redirects=False,
        timeout=60,
    )
    assert page.status_code == 303
    assert page.headers["Location"] == "/log-in?next=/pages/%3Fworkspace%3Dteam-a"
    shown = requests.get(served.address + page.headers["Location"], timeout=60)
    assert "default-src 'none'" in shown.headers["Content-Security-Policy"]
    assert 'value="/pages/?workspace=team-a"' in shown.text
    browser, answer = log_in(served, next="/pages/?workspace=team-a", place="")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/pages/?workspace=team-a"
    cookies = answer.raw.headers.getlist("Set-Cookie")
    assert len(cookies) == 1
    assert "httponly" in cookies[0].lower()
    assert "samesite=lax" in cookies[0].lower()
    assert browser.get(f"{served.address}/", timeout=60).ok
    hub = browser.get(f"{served.address}/pages/api/hub?workspace=team-a", timeout=60).json()
    assert hub["user"] == "ana"
    assert [each["workspace"] for each in hub["workspaces"]] == ["team-a"]
    assert str(served.path) not in json.dumps(hub)
    answer = browser.post(
        f"{served.address}/log-out",
        headers={"Origin": served.address},
        allow_redirects=False,
        timeout=60,
    )
    assert answer.status_code == 303
    browser.cookies.set(cookies[0].partition("=")[0], cookies[0].partition("=")[2].split(";")[0])
    url = f"{served.address}/version"
    wait_until(lambda: browser.get(url, timeout=60).status_code == 401, EFFECT_S)


def test_link_to_a_page_of_mlflow_survives_the_log_in(served, runs):
    """Who opens one is asked to log in, and then sees that run in MLflow's own UI."""
    run = runs[0]
    served.workspace.client.log_param(run.id, "of-the-link", "1")
    link = f"#/experiments/{run.experiment.id}/runs/{run.id}?workspace=team-a"
    with chromium() as browser:
        page = new_page(browser)
        page.goto(f"{served.address}/{link}")
        page.get_by_label("Name").fill("ana")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.get_by_text("of-the-link").first.wait_for()
        assert page.url == f"{served.address}/{link}"
        page.goto(f"{served.address}/pages/runs/{run.id}?workspace=team-a")
        page.get_by_role("link", name="ana").click()
        page.get_by_role("button", name="Log out").click()
        page.get_by_label("Password").wait_for()
        assert page.context.cookies() == []


def test_wrong_password_gives_no_cookie(served):
    """It is said to who types it, with the same words for a name that nobody has."""
    said = set()
    for name in ("ana", "nobody"):
        _, answer = log_in(served, name, "wrong")
        assert answer.status_code == 401
        assert "Set-Cookie" not in answer.headers
        said.add(answer.text)
    assert len(said) == 1


@pytest.mark.parametrize(
    "there",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/%0d%0aSet-Cookie: a=b\r\nX: y",
        "evil.example",
        "/log-out",
    ],
)
def test_log_in_leads_to_this_hub_only(served, there):
    """A link that somebody sent does not lead to another site after the password was typed."""
    _, answer = log_in(served, next=there, place="#/experiments/1")
    location = answer.headers["Location"]
    assert location == "/#/experiments/1" or location.startswith("/%0d%0aSet-Cookie")
    assert "evil" not in location
    assert len(answer.raw.headers.getlist("Set-Cookie")) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {},
    ],
)
def test_page_of_another_site_changes_nothing(served, runs, headers):
    """With the cookie that the browser adds: not by MLflow's routes, nor ours, nor the log-in."""
    browser, _ = log_in(served)
    for path, body in (
        (f"{API}/runs/set-tag", {"run_id": runs[1].id, "key": "forged", "value": "1"}),
        ("/ajax-api/2.0/mlflow/runs/set-tag", {"run_id": runs[1].id, "key": "f", "value": "1"}),
        ("/pages/api/views?workspace=team-a", {"name": "forged"}),
        ("/hub/v1/tokens", {}),
        ("/hub/code", {}),
        ("/log-out", {}),
    ):
        answer = browser.post(
            f"{served.address}{path}",
            json=body,
            headers={**headers, "X-MLFLOW-WORKSPACE": "team-a"},
            allow_redirects=False,
            timeout=60,
        )
        assert answer.status_code == 403, (path, answer.text)
    forged = requests.post(
        f"{served.address}/log-in",
        data={"name": "ana", "password": PASSWORD},
        headers=headers,
        timeout=60,
    )
    assert forged.status_code == 403


def test_workspace_cannot_be_named_twice(served):
    """Two headers, or one that only WSGI takes for it, do not make two layers read two names."""
    token = ("Authorization", f"Bearer {served.token('ana')}")
    target = f"{API}/experiments/search?max_results=10"
    own, other = ("X-MLFLOW-WORKSPACE", "team-a"), ("X-MLFLOW-WORKSPACE", "team-b")
    underscore = ("X_MLFLOW_WORKSPACE", "team-b")
    for headers in ([own, other], [other, own], [own, underscore], [underscore, own]):
        status, text = raw(served, "GET", target, [token, *headers])
        assert MARK.encode() not in text
        assert (status == 200) is (underscore in headers), text
    status, _ = raw(served, "GET", target, [token, token, own])
    assert status == 400


def test_long_addresses_are_refused_before_anything_is_made_of_them(served):
    """By nobody known, too: which route one is of is not looked for, which takes its time."""
    long = "/ajax-api/3.0/mlflow/mcp-servers/" + "a/versions/" * 1000
    assert raw(served, "DELETE", long, [])[0] == 400

    class NoTable:
        def find(self, method, path):
            raise AssertionError(path)

    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": long, "headers": [], "query_string": b""}
    asyncio.run(Gate(None, None, None, NoTable(), None)(scope, None, send))
    assert sent[0]["status"] == 400


def test_bodies_are_read_beside_the_event_loop(served, runs, monkeypatch):
    """What the gate has to look at keeps no other request waiting, and is of a bounded size."""
    threads, answered = set(), []
    real = json.loads

    def loads(*args, **options):
        threads.add(threading.get_ident())
        return real(*args, **options)

    async def app(scope, receive, send):
        answered.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 299, "headers": []})

    guarded = gate(app, served.hub, Access(served.hub))
    token = served.token("ana", run_id=runs[0].id, kind="job", workspaces=["team-a"])
    headers = [(b"authorization", f"Bearer {token}".encode()), (b"x-mlflow-workspace", b"team-a")]

    def status_of(body):
        sent = []

        async def receive():
            return {"type": "http.request", "body": body}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": f"{API}/runs/log-batch",
            "query_string": b"",
            "headers": headers,
        }
        asyncio.run(guarded(scope, receive, send))
        return sent[0]["status"]

    body = json.dumps({"run_id": runs[0].id}).encode()
    monkeypatch.setattr(json, "loads", loads)
    assert status_of(body) == 299
    assert answered == [body]
    assert threads
    assert threading.get_ident() not in threads
    many = body[:-1] + b', "metrics": [' + b"[]," * 1_000_000 + b"[]]}"
    assert status_of(many) == 413
    assert status_of(json.dumps(many.decode()).encode()) == 400
    assert len(answered) == 1


@pytest.mark.parametrize("host", ["evil.example", "169.254.169.254", "127.0.0.1.evil.example", ""])
def test_other_hosts_are_refused(served, host):
    """A site whose name leads here (DNS rebinding) is answered by nothing but the health."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.putrequest("GET", "/", skip_host=True)
    connection.putheader("Host", host)
    connection.endheaders()
    assert connection.getresponse().status in (400, 403)
    connection.close()


def test_server_asks_nowhere_that_a_user_names(served, runs):
    """Sources, locations and hooks that name another server are refused, or never followed."""
    session = served.session("both", "team-a")
    with listening() as listener:
        address = f"http://{listener.address}"
        run_id = runs[0].id
        session.post(f"{API}/registered-models/create", json={"name": "ssrf"})
        for source in (
            f"{address}/model",
            f"{address}/model#",
            f"mlflow-artifacts:{address.removeprefix('http:')}/model",
            "s3://bucket/model",
            "file:///etc",
            "/etc",
            "dbfs:/model",
            "http:/\\169.254.169.254/latest",
            "wasbs://c@evil.example/m",
        ):
            for run in ({"run_id": run_id}, {}):
                body = {"name": "ssrf", "source": source, **run}
                answer = session.post(f"{API}/model-versions/create", json=body)
                assert not answer.ok, (source, answer.text)
                assert answer.status_code < 500, (source, answer.text)
            twice = json.dumps(json.dumps({"name": "ssrf", "source": source}))
            headers = {"Content-Type": "application/json"}
            answer = session.post(f"{API}/model-versions/create", data=twice, headers=headers)
            assert not answer.ok
        made = session.post(
            f"{API}/experiments/create",
            json={"name": "elsewhere", "artifact_location": f"{address}/here"},
        )
        if made.ok:
            run = session.post(f"{API}/runs/create", json=made.json()).json()["run"]["info"]
            asking = {"run_id": run["run_id"], "path": "a"}
            for path in (f"{API}/artifacts/list", "/get-artifact"):
                assert not session.get(path, params=asking).ok
        hook = {"name": "h", "url": f"{address}/hook", "events": []}
        assert session.post("/api/2.0/mlflow/webhooks", json=hook).status_code == 403
        assert listener.connections == 0


@pytest.mark.parametrize("asked", [10**9, 2**31, 2**63, 10**30])
def test_no_list_is_longer_than_its_route_has_it(served, runs, asked):
    """Whoever asks for more in one answer is refused, or gets no more than that."""
    session = served.session("ana", "team-a")
    experiment, run_id = str(runs[0].experiment.id), runs[0].id
    for method, path, sent in (
        ("GET", "experiments/search", {}),
        ("POST", "runs/search", {"experiment_ids": [experiment]}),
        ("GET", "registered-models/search", {}),
        ("GET", "model-versions/search", {}),
    ):
        given = {**sent, "max_results": asked}
        asking = {"params": given} if method == "GET" else {"json": given}
        answer = session.request(method, f"{API}/{path}", **asking)
        assert answer.status_code == 400, (path, answer.text[:300])
    for path in (f"experiments/{experiment}", f"runs/{run_id}/rows", "compare"):
        target = f"/pages/api/{path}?workspace=team-a&runs={run_id}&id=x"
        for name in ("limit", "points", "offset"):
            answer = session.get(f"{target}&{name}={asked}")
            assert answer.status_code < 500, (answer.request.url, answer.text[:300])


def test_files_are_never_shown_as_pages(served, runs):
    """A file of HTML is downloaded, whatever serves it: nothing that was logged runs here."""
    markup = b"<script>document.title='owned'</script>"
    runs[0].upload_file("page.html", io.BytesIO(markup))
    session = served.session("ana", "team-a")
    path = f"{runs[0].experiment.id}/{runs[0].id}/artifacts/page.html"
    for target in (
        f"/get-artifact?run_id={runs[0].id}&path=page.html",
        f"/api/2.0/mlflow-artifacts/artifacts/{path}",
        f"/pages/api/runs/{runs[0].id}/file?workspace=team-a&path=page.html",
    ):
        answer = session.get(target)
        assert answer.content == markup
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Disposition"].startswith("attachment")


def test_image_of_a_page_is_found_without_its_workspace(served, runs):
    """Browsers do not say which one an image is of: it is the run's, for who has a role there."""
    runs[0].upload_file("a.txt", io.BytesIO(b"an image"))
    session = served.session("ana")
    found = session.get(f"/get-artifact?run_id={runs[0].id}&path=a.txt")
    assert found.content == b"an image"
    answer = session.get("/get-artifact", params={**served.ids, "path": "outputs"})
    assert answer.status_code == 403
    not_there = session.get(f"/get-artifact?run_id={'0' * 32}&path=a.txt")
    assert not_there.text == answer.text


def test_credentials_of_any_kind_are_refused_or_good(served):
    """What is no log-in answers 401 or 400, and tells no more."""
    basic = base64.b64encode(f"ana:{PASSWORD}".encode()).decode()
    wrong = base64.b64encode(b"ana:wrong").decode()
    for header, status in {
        f"Basic {basic}": 200,
        f"Basic {wrong}": 401,
        "Basic !!!": 400,
        "Basic": 401,
        "Bearer": 401,
        "Bearer mws_none": 401,
        "Bearer " + "a" * 100_000: (400, 431),
        "Digest username=ana": 400,
        "ana": 400,
    }.items():
        answer = requests.get(
            f"{served.address}/version", headers={"Authorization": header}, timeout=60
        )
        expected = status if isinstance(status, tuple) else (status,)
        assert answer.status_code in expected, (header[:40], answer.text[:200])
        if answer.status_code == 401:
            assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


@pytest.fixture(scope="module", params=["member", "manager", "admin"])
def fuzzing(request, served):
    """Who asks anything; the classes of routes for that role; the workspaces that are named.

    Managers and administrators do so in a workspace of its own, of which nothing is missed.
    """
    role, name = request.param, f"fuzzing-{request.param}"
    if role == "member":
        served.add_user(name, team_a=role)
        workspaces = ["team-a", "team-b", "Team_A", "x", "default"]
        return served.session(name, "team-a"), None, workspaces
    workspace = f"fuzzed-by-{role}"
    Workspace.create(workspace, hub=served.path)
    if role == "admin":
        served.add_user(name, admin=True)
        kinds = ("admin", "accounts", "manage")
    else:
        served.add_user(name, **{workspace: role})
        kinds = ("accounts", "manage", "edit")
    return served.session(name, workspace), kinds, [workspace, workspace.title(), "x"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        "run_id",
        "runs",
        "experiment_id",
        "name",
        "path",
        "paths",
        "files",
        "id",
        "text",
        "cursor",
        "limit",
        "offset",
        "definition",
        "records",
        "workspace",
        "seconds",
        "method",
        "token",
        "role",
        "password",
        "before",
        "is_admin",
        "issuer",
        "subject",
        "cap",
        "tags",
        "with_content",
    ]
)
VALUES = JSON | st.sampled_from(["of-nobody", "reader", "read", PASSWORD, "https://x.example"])
TAME = {"/hub/v1/log-in", "/log-in"}
"""Those that count wrong passwords are asked by their own tests."""
DELETION = "/hub/v1/workspaces/{workspace}/delete"


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_nothing_that_is_sent_makes_our_routes_fail(served, runs, fuzzing, data):
    """Whatever stands in an address, a query, or a body: a refusal, and never a fault."""
    session, kinds, workspaces = fuzzing
    lines = [each for each in our_lines() if each.path not in TAME]
    line = data.draw(
        st.sampled_from([each for each in lines if kinds is None or each.kind in kinds])
    )
    named = [each for each in workspaces if line.path != DELETION or each != workspaces[0]]
    text = st.text(max_size=30).map(lambda each: each.encode("utf-8", "replace").decode())
    ids = {
        **{name: data.draw(text) or "x" for name in ("path", "version", "view_id", "writer")},
        "method": data.draw(st.sampled_from(["put_view", "job", "__init__", "create_run", "x"])),
        "run_id": data.draw(st.sampled_from([runs[0].id, served.ids["run_id"], "x", "0" * 32])),
        "experiment_id": data.draw(st.sampled_from(["1", "-1", "9" * 30, "x"])),
        "workspace": data.draw(st.sampled_from(named)),
    }
    answer = session.request(
        line.method,
        quote(path_of(line.path, ids)),
        params={"workspace": workspaces[0], **data.draw(st.dictionaries(FIELDS, text, max_size=4))},
        data=data.draw(
            st.binary(max_size=60)
            | st.dictionaries(FIELDS, VALUES, max_size=4).map(
                lambda each: json.dumps(each).encode()
            )
        ),
        headers={"Content-Type": "application/json", "X-Workspace-Protocol": "1"},
        allow_redirects=False,
    )
    assert answer.status_code < 500, (line, answer.request.url, answer.text[:500])
    # Administrators may see all that there is.
    assert MARK not in answer.text or (kinds is not None and "admin" in kinds)
