"""Requests to MLflow's routes that can be read in two ways are refused, and change nothing."""

import json
import shutil

import mlflow
import pytest

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.app.served.routes.table import mlflow_lines
from mlflow_workspace_plugin.stores.build import workspace_store
from tests.served import ADMIN, served_hub

pytestmark = pytest.mark.skipif(
    mlflow_lines(mlflow.__version__) is None, reason="MLflow before 3.17 is not served to a team."
)
API = "/api/2.0/mlflow"
ROLES = "/api/3.0/mlflow/roles"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def served(sqlite_template, tmp_path_factory):
    """A hub in which ``bob`` manages team-a, and is a member of team-b."""
    folder = tmp_path_factory.mktemp("meaning")
    hub = shutil.copytree(sqlite_template, folder / "hub")
    for name in ("team-a", "team-b"):
        Workspace.create(name, hub=hub)
    with served_hub(hub, folder / "server.log") as server:
        server.add_user("bob", team_a="manager", team_b="member")
        server.add_user("alice", team_a="member")
        yield server


@pytest.fixture(scope="module")
def runs(served):
    """A run that ``carol`` may change, and one that she may only read."""
    served.add_user("carol", team_a="reader")
    store = workspace_store(served.hub, "team-a")
    made = []
    for name in ("own", "victim"):
        experiment_id = store.create_experiment(name)
        made.append(store.create_run(experiment_id, "x", 0, [], name).info)
    served.people.own("carol", "team-a", made[0].experiment_id)
    return made


def permissions_of(served, workspace, role):
    """What a role of a workspace grants, with the number of each grant."""
    store = served.people._accounts.store
    found = next(each for each in store.list_roles([workspace]) if each.name == role)
    return found.id, [(each.id, each.permission) for each in store.list_role_permissions(found.id)]


def test_manager_of_one_workspace_changes_no_role_of_another(served):
    """What is asked about is what is changed: the number of a grant, and no role's beside it."""
    bob = served.session("bob", "team-a")
    own, [(own_grant, _), *_] = permissions_of(served, "team-a", "member")
    _, [(foreign, was), *_] = before = permissions_of(served, "team-b", "member")
    asked = {"role_id": own, "role_permission_id": foreign, "permission": "MANAGE"}
    for also in ({}, {"workspace": "team-a"}):
        answer = bob.patch(f"{ROLES}/permissions/update", json={**asked, **also})
        assert answer.status_code == 400
        assert "Name it by one" in answer.json()["message"]
        answer = bob.delete(f"{ROLES}/permissions/remove", json={**asked, **also})
        assert answer.status_code == 400
    answer = bob.delete(
        f"{ROLES}/permissions/remove",
        params={"role_permission_id": own_grant},
        json={"role_permission_id": foreign},
    )
    assert answer.status_code == 400
    made = {"role_id": own, "workspace": "team-b", "name": "mine"}
    assert bob.post(f"{ROLES}/create", json=made).status_code == 400
    del asked["role_id"]
    assert bob.patch(f"{ROLES}/permissions/update", json=asked).status_code == 403
    assert permissions_of(served, "team-b", "member") == before
    assert was != "MANAGE"
    # As MLflow's clients and its UI do it, in his own workspace.
    role = bob.post(f"{ROLES}/create", json={"name": "seen", "workspace": "team-a"}).json()["role"]
    grant = {"role_id": role["id"], "resource_type": "experiment", "resource_pattern": "*"}
    added = bob.post(f"{ROLES}/permissions/add", json={**grant, "permission": "READ"}).json()
    number = {"role_permission_id": added["role_permission"]["id"]}
    assert bob.patch(f"{ROLES}/permissions/update", json={**number, "permission": "EDIT"}).ok
    assert bob.delete(f"{ROLES}/permissions/remove", json=number).ok
    assert bob.delete(f"{ROLES}/delete", json={"role_id": role["id"]}).ok


def test_what_is_deleted_is_what_was_asked_about(served):
    """A body beside a query is not read; one that a browser says nothing of is what it says."""
    alice, bob = (served.session(each, "team-a") for each in ("alice", "bob"))
    served.add_user("dan", team_a="member")
    dan = served.session("dan", "team-a")
    for session, name in ((alice, "alices"), (dan, "dans")):
        assert session.post(f"{API}/registered-models/create", json={"name": name}).ok
    body = json.dumps({"name": "alices"})
    route = f"{API}/registered-models/delete"
    for query in ({"name": "dans"}, {}):
        for headers in ({"Content-Type": "text/plain"}, {}, JSON):
            answer = dan.delete(route, params=query, data=body, headers=headers)
            assert answer.status_code == (400 if query else 403)
    assert dan.delete(route, json={"name": "dans"}).ok
    assert alice.get(f"{API}/registered-models/get", params={"name": "alices"}).ok
    tag = {"name": "alices", "key": "k", "value": "v"}
    assert alice.post(f"{API}/registered-models/set-tag", json=tag).ok
    assert alice.delete(f"{API}/registered-models/delete-tag", json=tag).ok
    # As MLflow's UI deletes some things.
    assert bob.delete(route, data=body, headers={"Content-Type": "text/plain;charset=UTF-8"}).ok


def test_run_is_named_by_one_name(served, runs):
    """However a run is named: by whom may change one, the other is not changed by any route."""
    own, victim = (each.run_id for each in runs)
    carol = served.session("carol", "team-a")
    names = (
        {"runId": victim, "run_uuid": own},
        {"run_id": own, "run_uuid": victim},
        {"run_id": None, "run_uuid": own, "runUuid": victim},
        {"run_uuid": own, "runUuid": victim},
    )
    metric = {"key": "k", "value": 1, "timestamp": 1}
    routes = (
        ("set-tag", {"key": "k", "value": "v"}),
        ("log-parameter", {"key": "k", "value": "v"}),
        ("log-metric", metric),
        ("update", {"status": "KILLED", "run_name": "taken"}),
        ("log-batch", {"metrics": [metric]}),
    )
    for route, fields in routes:
        for named in names:
            answer = carol.post(f"{API}/runs/{route}", json={**named, **fields})
            assert answer.status_code == 400, (route, named, answer.text)
        twice = json.dumps({"run_id": own, **fields})[:-1] + f', "run_id": "{victim}"}}'
        answer = carol.post(f"{API}/runs/{route}", data=twice, headers=JSON)
        assert answer.status_code in (400, 403), (route, answer.text)
    for query in ({"run_id": own, "run_uuid": victim}, {"run_id": [own, victim]}):
        answer = carol.post(
            "/ajax-api/2.0/mlflow/upload-artifact", params={**query, "path": "x"}, data=b"x"
        )
        assert answer.status_code == 400, query
    told = served.session(ADMIN, "team-a").get(f"{API}/runs/get", params={"run_id": victim})
    run = told.json()["run"]
    assert run["info"]["run_name"] == "victim"
    assert run["info"]["status"] == "RUNNING"
    assert run["data"].keys() <= {"tags"}
    assert "k" not in {each["key"] for each in run["data"]["tags"]}
    files = served.session(ADMIN, "team-a").get(f"{API}/artifacts/list", params={"run_id": victim})
    assert not files.json().get("files")
    # As MLflow's clients do it.
    for route, fields in routes[:-1]:
        both = {"run_id": own, "run_uuid": own, **fields}
        assert carol.post(f"{API}/runs/{route}", json=both).ok, route
    answer = carol.post(
        "/ajax-api/2.0/mlflow/upload-artifact", params={"run_uuid": own, "path": "x"}, data=b"x"
    )
    assert answer.ok


def test_address_and_body_name_the_same(served, runs):
    """MLflow asks about the logged model of the address, and finishes that of the body."""
    store = workspace_store(served.hub, "team-a")
    own, victim = (store.create_logged_model(each.experiment_id, "model").model_id for each in runs)
    carol = served.session("carol", "team-a")
    path = f"{API}/logged-models/{own}"
    foreign = {"model_id": victim, "status": "LOGGED_MODEL_UPLOAD_FAILED"}
    assert carol.patch(path, json=foreign).status_code == 400
    del foreign["model_id"]
    assert carol.patch(path, json={**foreign, "modelId": victim}).status_code == 400
    assert store.get_logged_model(victim).status.name == "PENDING"
    assert carol.patch(path, json={"model_id": own, "status": "LOGGED_MODEL_READY"}).ok


def test_bodies_that_can_be_read_in_two_ways_are_refused(served, runs):
    """Names given twice, JSON within JSON, what is no object, and a body of what only reads."""
    carol = served.session("carol", "team-a")
    path, named = f"{API}/runs/set-tag", {"run_id": runs[0].run_id}
    body = json.dumps({**named, "key": "k", "value": "v"})
    for odd in (
        json.dumps(body),
        f"[{body}]",
        body[:-1] + ', "key": "other"}',
        "null",
        body[:-1],
        "\ufeff" + body,
    ):
        answer = carol.post(path, data=odd.encode(), headers=JSON)
        assert answer.status_code == 400, odd
        assert "What was sent is not taken" in answer.json()["message"], odd
    utf_16 = carol.post(path, data=body.encode("utf-16"), headers=JSON)
    assert utf_16.status_code == 400
    assert carol.post(path, data=body, headers={"Content-Type": "text/json"}).status_code == 400
    assert carol.post(path, data=body, params=named, headers=JSON).status_code == 400
    kind = {"Content-Type": "application/json; charset=utf-8"}
    assert carol.post(path, data=body, headers=kind).ok
    reads = carol.get(f"{API}/metrics/get-history", json={**named, "metric_key": "m"})
    assert reads.status_code == 400
    assert "only reads" in reads.json()["message"]


def test_path_of_a_listing_leads_nowhere_else(served, runs):
    """Who is denied an experiment does not list its files by another way of writing it."""
    denied = runs[1].experiment_id
    served.add_user("eve", team_a="member")
    served.deny("eve", "team-a", denied)
    eve = served.session("eve", "team-a")
    listing = "/api/2.0/mlflow-artifacts/artifacts"
    assert eve.get(listing, params={"path": denied}).status_code == 403
    for odd in (f"./{denied}", f"x/../{denied}", f"%2e/{denied}", f".//{denied}"):
        assert eve.get(listing, params={"path": odd}).status_code == 400, odd
    assert eve.get(listing, params={"path": f"{runs[0].experiment_id}/"}).ok


def test_bodies_are_bounded_before_anything_is_made_of_them(served, runs):
    """A few MB of JSON are gigabytes of objects, and of GraphQL a multiple."""
    carol = served.session("carol", "team-a")
    search = f"{API}/runs/search"
    many = b'{"experiment_ids": [' + b"[]," * 2**20 + b"[]]}"
    answer = carol.post(search, data=many, headers=JSON)
    assert answer.status_code == 413
    assert "values. Send less at a time." in answer.json()["message"]
    long = b'{"filter": "' + b" " * 2**24 + b'"}'
    assert carol.post(search, data=long, headers=JSON).status_code == 413
    query = {"query": "{" + "a " * 2**19 + "}"}
    assert carol.post("/graphql", json=query).status_code == 413
    assert carol.post(search, json={"experiment_ids": [runs[0].experiment_id]}).ok
