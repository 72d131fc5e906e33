"""Every route of a served hub, asked by everybody: nobody learns or changes what is not theirs."""

import itertools
import re
import shutil
from hashlib import sha256

import mlflow
import pytest

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.app.served.routes.table import mlflow_lines, our_lines
from mlflow_workspace_plugin.journal.files.folder import new_writer_id
from mlflow_workspace_plugin.protocol.journal import SECRET_HEADER, Batch, to_bytes
from tests.mlflow_routes import path_of
from tests.planted import MARK, asked_about, names_any_of, plant, rows_of
from tests.served import ADMIN, PASSWORD, served_hub

MLFLOW = mlflow_lines(mlflow.__version__)
pytestmark = [
    pytest.mark.store,
    pytest.mark.skipif(MLFLOW is None, reason="MLflow before 3.17 is not served to a team."),
]
OURS = our_lines()
LINES = [*(MLFLOW or []), *OURS]
OF_WORKSPACE = ("read", "edit", "manage")
ROLES = "/hub/v1/workspaces/{workspace}/roles"
_numbers = itertools.count()


@pytest.fixture(scope="module")
def served(sqlite_template, tmp_path_factory):
    """A hub with two tenants, of which team-b holds something of everything."""
    folder = tmp_path_factory.mktemp("served")
    hub = folder / "hub"
    shutil.copytree(sqlite_template, hub)
    Workspace.create("team-a", hub=hub)
    workspace = Workspace.create("team-b", hub=hub)
    code = folder / "code"
    code.mkdir()
    ids = plant(workspace, code)
    with served_hub(hub, folder / "server.log") as server:
        with_roles(server, "default", "team-a", "team-b")
        server.ids = ids
        server.workspace = workspace
        server.add_user("stranger")
        server.add_user("outsider", team_a="manager")
        for role in ("reader", "member", "manager"):
            server.add_user(role, team_b=role)
        server.ids |= of_accounts(server, "team-b")
        yield server


def with_roles(served, *workspaces):
    """Make the roles of workspaces, which whoever asks about them first makes else."""
    from mlflow_workspace_plugin.accounts.roles import make_roles

    make_roles(served.people._accounts, workspaces)


def of_accounts(served, workspace):
    """What names somebody's account, and a role of a workspace."""
    role = served.people._accounts.store.get_role_by_name(workspace, "member")
    return {
        "username": "member",
        "role_id": str(role.id),
        "role_permission_id": str(role.permissions[0].id),
    }


def ask(session, line, ids, **headers):
    """Ask a route about what was planted, in all the ways that routes are told of it."""
    told = asked_about(ids, line.path)
    workspace = headers.pop("workspace", None)
    if workspace is not None:
        headers["X-MLFLOW-WORKSPACE"] = workspace
        told["workspace"] = workspace
    if line.path.startswith(ROLES):
        told |= {"name": "stranger", "role": "manager"}
    parameters = {name: value for name, value in told.items() if name != "locations"}
    return session.request(
        line.method,
        path_of(line.path, ids),
        params=parameters if line.method in ("GET", "DELETE") else {"workspace": workspace},
        json=None if line.method == "GET" else told,
        headers=headers,
        allow_redirects=False,
    )


def test_every_route_of_ours_has_a_line():
    """One that has none is denied, and one that is no more is not in the table."""
    # They need what only a server does.
    from mlflow_workspace_plugin.app.hub_api.api import routes as hub_routes
    from mlflow_workspace_plugin.app.pages.pages import routes as page_routes

    there = {
        (method, route.path)
        for route in [*hub_routes(), *page_routes()]
        for method in route.methods - {"HEAD"}
    }
    pages = {("GET", "/log-in"), ("POST", "/log-in"), ("POST", "/log-out")}
    pages |= {("GET", "/log-in/oidc"), ("GET", "/log-in/oidc/back")}
    assert {line[:2] for line in OURS} == there | pages


def test_nobody_gets_past_the_log_in(served):
    """Whatever is asked, in whatever workspace: all but what is public answers 401."""
    session = served.session(None)
    for line in LINES:
        for workspace in ("team-b", "nowhere") if line.kind in OF_WORKSPACE else ("team-b",):
            answer = ask(session, line, served.ids, workspace=workspace)
            is_open = line.kind in ("public", "operator")
            assert (answer.status_code == 401) is (not is_open), (line, answer.text[:300])
            assert MARK not in answer.text, line
            if not is_open:
                assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("name", ["stranger", "outsider"])
def test_other_tenants_learn_and_change_nothing(served, name):
    """Neither by the other's workspace, nor by their own with the other's ids."""
    session = served.session(name)
    before = rows_of(served.hub)
    for line in LINES:
        answer = ask(session, line, served.ids, workspace="team-b")
        assert MARK not in answer.text, (line, answer.text[:300])
        assert answer.status_code != 401, line
        if line.kind in ("denied", "admin", *OF_WORKSPACE):
            assert answer.status_code == 403, (line, answer.text[:300])
    assert rows_of(served.hub) == before
    for line in LINES:
        if name == "outsider" and line.kind in OF_WORKSPACE:
            answer = ask(session, line, served.ids, workspace="team-a")
            assert MARK not in answer.text, (line, answer.text[:300])
    for table, rows in rows_of(served.hub).items():
        assert before[table] - rows == set(), table
        added = [row for row in rows - before[table] if names_any_of(row, served.ids)]
        assert added == [], table


def test_readers_see_and_change_nothing(served):
    """A reader finds what was planted, so that the search for it means something."""
    session = served.session("reader")
    before = rows_of(served.hub)
    found = []
    for line in LINES:
        answer = ask(session, line, served.ids, workspace="team-b")
        if MARK in answer.text and line.kind == "read":
            found.append(line)
        if line.kind in ("denied", "admin"):
            assert answer.status_code == 403, (line, answer.text[:300])
        if line.kind in ("edit", "manage"):
            assert not answer.ok, (line, answer.text[:300])
    assert rows_of(served.hub) == before
    assert len([line for line in found if line.path.startswith("/api/")]) >= 15, found
    assert len([line for line in found if line.path.startswith("/pages/")]) >= 12, found


@pytest.mark.parametrize("name", ["member", "manager", ADMIN])
def test_what_is_denied_is_denied_to_all(served, name):
    """Whoever asks, with whatever role."""
    session = served.session(name)
    for line in LINES:
        if line.kind == "denied" or (line.kind == "admin" and name != ADMIN):
            answer = ask(session, line, served.ids, workspace="team-b")
            assert answer.status_code == 403, (line, answer.text[:300])


@pytest.mark.parametrize("role", ["member", "manager"])
def test_what_a_role_does_not_open_changes_nothing(served, tmp_path, role):
    """A member deletes nothing of others; nobody gives roles elsewhere, or more than they have."""
    name = f"own-{next(_numbers)}"
    workspace = Workspace.create(name, hub=served.path)
    ids = plant(workspace, tmp_path)
    with_roles(served, name)
    user = f"{role}-of-{name}"
    served.people.add(user, PASSWORD)
    served.people.grant(user, name, role)
    ids |= of_accounts(served, "team-b")
    session = served.session(user)
    before = rows_of(served.hub)
    for line in LINES:
        if line.kind == "manage" and role == "member":
            answer = ask(session, line, ids, workspace=name)
            # MLflow says yes where there is nothing to delete.
            if line.is_ours:
                assert not answer.ok, (line, answer.text[:300])
        elif line.kind == "accounts":
            answer = ask(session, line, ids, workspace="team-b")
            assert MARK not in answer.text, (line, answer.text[:300])
    assert rows_of(served.hub) == before
    for line in LINES:
        # Whoever creates something may say who else has a part in it.
        if line.kind in ("read", "edit") and "create" not in line.path:
            ask(session, line, ids, workspace=name)
    before = {table: before[table] for table in rows_of(served.hub, of_accounts=True)}
    assert rows_of(served.hub, of_accounts=True) == before


def test_names_of_workspaces_cannot_be_tried_out(served):
    """Those that are there and those that are not answer the same, to all without a role."""
    for session in (served.session(None), served.session("stranger"), served.session("outsider")):
        for path in ("/api/2.0/mlflow/experiments/search?max_results=1", "/health", "/version"):
            answers = [
                session.get(path, headers={"X-MLFLOW-WORKSPACE": workspace})
                for workspace in ("team-b", "team-z", "Team_B", "Team_Z")
            ]
            there, not_there, *by_other_names = answers
            assert there.status_code == not_there.status_code
            assert there.text == not_there.text
            assert {each.text for each in by_other_names} == {there.text}


# To whom each route of ours is to be open, told a second time: a line that closes more is noticed.
OPENED = [
    (r"GET /hub/v1/(log-in)?|POST /hub/v1/(codes.*|log-in|log-out|refresh)", "public"),
    (r"\w+ /log-in.*|GET /pages/assets/.*", "public"),
    (r"POST /log-out|GET /hub/v1/(me|workspaces)|GET /pages(/(?!api/).*)?", "login"),
    (r"\w+ /hub/(code|v1/(tokens|password).*)", "accounts"),
    (r"\w+ /hub/v1/users.*|POST /hub/v1/workspaces(/{workspace}/delete)?", "admin"),
    (r"POST /hub/v1/workspaces/{workspace}/(gc|roles.*|files/delete)", "manage"),
    (r"GET /hub/v1/workspaces/.*|POST .*/(call/{method}|files/(list|find|sign-reads))", "read"),
    (r"POST /hub/v1/workspaces/{workspace}/(files/.*|journal|runs/{run_id}/token)", "edit"),
    (r"GET /pages/api/.*|POST /pages/api/(views/runs|runs/{run_id}/tick)", "read"),
    (r"\w+ /pages/api/views.*", "edit"),
]
WHO = ("stranger", "reader", "member", "manager", ADMIN)
OPEN_TO = {
    "public": (None, *WHO, "for-workspace", "may-read", "may-edit"),
    "login": (*WHO, "for-workspace", "may-read", "may-edit"),
    "accounts": WHO,
    "read": (*WHO[1:], "for-workspace", "may-read", "may-edit"),
    "edit": (*WHO[2:], "for-workspace", "may-edit"),
    "manage": (*WHO[3:], "for-workspace"),
    "admin": (ADMIN,),
}


def opened(line):
    """The class that a route of ours is to have."""
    asked = f"{line.method} {line.path}"
    found = [kind for pattern, kind in OPENED if re.fullmatch(pattern.replace("{", r"\{"), asked)]
    assert found, f"Nobody has said to whom {asked} is to be open. Write it."
    return found[0]


@pytest.fixture
def own(served, tmp_path):
    """A workspace of a test's own with something of everything, and who asks about it."""
    name = f"own-{next(_numbers)}"
    ids = plant(Workspace.create(name, hub=served.path), tmp_path)
    with_roles(served, name)
    users = {each: f"{each}-of-{name}" for each in ("stranger", "reader", "member", "manager")}
    for role, user in users.items():
        served.people.add(user, PASSWORD)
        if role != "stranger":
            served.people.grant(user, name, role)
    ids |= of_accounts(served, name) | {"workspace": name, "username": users["stranger"]}
    tokens = {
        "for-workspace": served.session(users["manager"], workspaces=[name]),
        "may-read": served.session(users["manager"], cap="read"),
        "may-edit": served.session(users["manager"], cap="edit"),
    }
    sessions = {each: served.session(user) for each, user in users.items()}
    return ids, {None: served.session(None), ADMIN: served.session(ADMIN), **sessions, **tokens}


def view_of(ids):
    """What makes a view of runs, which is its maker's."""
    view = {"name": f"view {next(_numbers)}", "definition": {"runs": {"ids": [ids["run_id"]]}}}
    return {"params": {"workspace": ids["workspace"]}, "json": view}


def well_formed(line, ids):
    """What is sent to a route of ours so that it has nothing to say against it."""
    number, name = next(_numbers), ids["workspace"]
    file = {"location": f"workspaces/{name}/datastores/a{number}"}
    digest = {"size": 1, "offset": 0, "sha256": sha256(b"a").hexdigest()}
    identity = {"issuer": "https://x.example", "subject": f"{number}"}
    spare = {"name": ids["username"]}
    sent = {
        "/hub/v1/password": {"before": PASSWORD, "password": PASSWORD},
        "/hub/v1/users": {"name": f"new-{number}", "password": PASSWORD},
        "/hub/v1/users/admin": {**spare, "is_admin": False},
        "/hub/v1/users/bind": {**spare, **identity},
        "/hub/v1/users/unbind": identity,
        "/hub/v1/users/remove": {"name": f"nobody-{number}"},
        "/hub/v1/workspaces": {"name": f"made-{number}"},
        "/hub/v1/log-in": {**spare, "password": PASSWORD},
        "roles": {**spare, "role": "reader"},
        "roles/remove": spare,
        "files/list": {"location": f"workspaces/{name}/datastores"},
        "files/find": {"files": [file]},
        "files/sign-reads": {"locations": [file["location"]]},
        "files/sign-writes": {"files": [{**file, "act": "write"}]},
        "files/delete": file,
        "files/kept": {"kind": "snapshot", "name": "0" * 32},
        "/pages/api/views": view_of(ids)["json"],
    }.get(line.path.removeprefix("/hub/v1/workspaces/{workspace}/"), {})
    if line.method == "GET":
        return {"params": {"workspace": name, "runs": ids["run_id"], **file}}
    if line.path.endswith(("files/content", "files/append")):
        return {"params": {**file, **digest}, "data": b"a"}
    if line.path.endswith("/journal"):
        return {"data": to_bytes(Batch(new_writer_id(), 0, []))}
    if line.path == "/log-in":
        return {"data": {**spare, "password": PASSWORD}}
    return {"params": {"workspace": name}, "json": sent}


def test_what_a_role_opens_is_open(served, own):
    """Each route of ours, to all whom it is for: by their roles, and by tokens for less."""
    ids, sessions = own
    for line in OURS:
        kind = opened(line)
        for who in OPEN_TO[kind]:
            names = {**ids, "method": "views", "writer": new_writer_id()}
            if line.path.endswith("{workspace}/delete"):
                Workspace.create(names["workspace"] + "-too", hub=served.path)
                names["workspace"] += "-too"
            # A view is changed by who made it.
            if kind == "edit" and "{view_id}" in line.path:
                made = sessions[who].post("/pages/api/views", **view_of(names))
                names["view_id"] = made.json()["id"]
            # A token for less deletes nothing, and frees nothing.
            if who in ("may-edit", "for-workspace") and (
                line.method == "DELETE" or line.path.endswith("/gc")
            ):
                continue
            answer = sessions[who].request(
                line.method,
                path_of(line.path, names),
                headers={SECRET_HEADER: "0" * 64, "Origin": served.address},
                allow_redirects=False,
                **well_formed(line, names),
            )
            assert answer.status_code not in (401, 403), (who, line, answer.text[:300])


def test_administrator_may_all_that_is_not_denied(served, own):
    """Of MLflow's routes, too: each answers what is asked of it, whatever that is.

    But for a view that somebody else made.
    """
    ids, sessions = own
    last = [line for line in LINES if line.method == "DELETE" and "/workspaces/" in line.path]
    for line in [*(each for each in LINES if each not in last), *last]:
        if "{view_id}" in line.path:
            continue
        if line.kind not in ("denied", "operator", "public") and not line.path.startswith(
            "/ajax-api/"
        ):
            headers = {"workspace": ids["workspace"], "Origin": served.address}
            answer = ask(sessions[ADMIN], line, ids, **headers)
            assert answer.status_code not in (401, 403), (line, answer.text[:300])


@pytest.mark.parametrize("scope", ["elsewhere", "may-read", "job"])
def test_token_for_less_opens_no_more(served, own, scope):
    """For another workspace, for reading, or for a job's run: by no route, whoever has it."""
    ids, sessions = own
    name, session = ids["workspace"], sessions["may-read"]
    if scope == "elsewhere":
        session = served.session(ADMIN, workspaces=["team-a"])
    if scope == "job":
        run = Workspace.get(name, hub=served.path).client.create_run(ids["experiment_id"])
        scoped = {"workspaces": [name], "run_id": run.info.run_id, "kind": "job"}
        session = served.session(f"member-of-{name}", **scoped)
    with_roles(served, *(each.name for each in served.hub.catalog.list()))
    before = rows_of(served.hub)
    closed = {
        "elsewhere": ("accounts", "admin", "denied", *OF_WORKSPACE),
        "may-read": ("accounts", "admin", "denied", "edit", "manage"),
        "job": ("accounts", "admin", "denied", "edit", "manage"),
    }[scope]
    for line in LINES:
        if line.path.startswith("/ajax-api/"):
            continue
        # A job registers models, and what answers asks by itself of which run something is.
        if scope == "job" and line.job in ("name", "handler"):
            continue
        answer = ask(session, line, ids, workspace=name)
        assert answer.status_code != 401 or line.kind == "public", line
        assert scope != "elsewhere" or MARK not in answer.text, line
        if line.kind in closed:
            assert answer.status_code == 403, (line, answer.text[:300])
    assert rows_of(served.hub) == before
