"""Servers of one hub: what one of them is told counts at the others, and nothing is doubled."""

import os
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import mlflow
import pytest
import requests
from sqlalchemy import text

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.accounts.tokens import Tokens
from mlflow_workspace_plugin.remote.log_ins import KeptLogIn, log_in_of
from mlflow_workspace_plugin.stores.build import open_workspace_store
from tests.fault_proxy import Cut, fault_proxy
from tests.python_processes import Popen, run
from tests.served import ADMIN, PASSWORD, ServedHub
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(
    tuple(map(int, mlflow.__version__.split(".")[:2])) < (3, 17),
    reason="a hub is served by MLflow 3.17 and later",
)

API = "/hub/v1"
TOKEN_S = float(os.environ.get("TOKEN_S", "2"))
"""The life of an access token; all that is done with them is done for six times as long."""
PROCESSES = 8

_WORKER = """
import sys, time
import requests
from mlflow_workspace_plugin.errors import HubUnreachableError
from mlflow_workspace_plugin.remote.credentials import credentials_of

address, until = sys.argv[1], time.time() + float(sys.argv[2])
credentials, tokens = credentials_of(address), set()
while time.time() < until:
    token = credentials.token()
    try:
        answer = requests.get(
            address + "/hub/v1/me", headers={"Authorization": "Bearer " + token}, timeout=20
        )
        if answer.status_code == 401:
            renewed = credentials.renewed(token)
            assert renewed is not None, "somebody has to log in again"
            continue
    except (requests.ConnectionError, HubUnreachableError):
        continue
    assert answer.json()["name"] == "alice", answer.text
    tokens.add(token)
    time.sleep(0.05)
print(len(tokens))
"""

_SCRIPT = """
import sys
import mlflow

mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment("of both")
with mlflow.start_run() as run:
    mlflow.log_params({"a": 1, "b": 2})
    for step in range(1000):
        mlflow.log_metric("m", step, step=step)
        if step % 100 == 0:
            mlflow.flush_async_logging()
            assert mlflow.get_run(run.info.run_id).data.metrics["m"] == step
    mlflow.log_text("x" * 1000, "a/b.txt")
print(run.info.run_id)
"""


@pytest.fixture(scope="module")
def servers(server, postgresql_template, tmp_path_factory):
    """Two of a hub on PostgreSQL, begun at the same time."""
    from tests.conftest import write_settings

    folder = tmp_path_factory.mktemp("served")
    hub = folder / "hub"
    (hub / "artifacts").mkdir(parents=True)
    write_settings(hub, f'database = "{server.create_database("several", postgresql_template)}"\n')
    Workspace.create("team-a", hub=hub, show_output=False)
    found = [ServedHub(hub, folder / f"log-{n}") for n in (1, 2)]
    found[0].people.add(ADMIN, PASSWORD, is_admin=True)
    found[0].add_user("alice", team_a="member")
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(ServedHub.start, found))
        yield found
    finally:
        for each in found:
            if each.process is not None:
                each.kill()
        found[0].hub.engine.dispose()


@pytest.fixture
def somebody(servers, request):
    """The name of a member of team-a, of the test's own."""
    name = f"of-{request.node.name.replace('_', '-')[:60]}"
    servers[0].add_user(name, team_a="member")
    return name


def post(server, path, by=None, **said):
    headers = {} if by is None else {"Authorization": f"Bearer {by}"}
    return requests.post(f"{server.address}{API}{path}", json=said, headers=headers, timeout=60)


def me(server, token):
    """What a server knows of who has a token."""
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{server.address}{API}/me", headers=headers, timeout=60)


def log_in(server, name):
    return post(server, "/log-in", name=name, password=PASSWORD).json()


def test_a_log_in_is_good_renewed_and_ended_at_both(servers, somebody):
    """Whichever of them was asked; one token that is renewed at both gives the same new one."""
    first, second = servers
    begun = log_in(first, somebody)
    assert me(second, begun["access"]).json()["name"] == somebody
    renewed = post(second, "/refresh", refresh=begun["refresh"]).json()
    again = post(first, "/refresh", refresh=begun["refresh"]).json()
    assert again["access"] == renewed["access"]
    assert me(first, renewed["access"]).json()["name"] == somebody
    assert post(first, "/log-out", token=renewed["access"]).ok
    wait_until(lambda: me(second, renewed["access"]).status_code == 401, 60)
    assert post(second, "/refresh", refresh=renewed["refresh"]).status_code == 401
    begun = log_in(second, somebody)
    (listed,) = Tokens(first.hub).list(somebody)
    assert me(first, begun["access"]).ok
    revoked = post(first, "/tokens/revoke", log_in(first, ADMIN)["access"], id=listed.id)
    assert revoked.ok, revoked.text
    wait_until(lambda: me(second, begun["access"]).status_code == 401, 60)


def test_a_role_that_one_withdraws_is_none_at_the_other(servers, somebody):
    """And one that it grants is one; wrong passwords are counted for both together."""
    first, second = servers
    own, admin = log_in(second, somebody)["access"], log_in(first, ADMIN)["access"]
    roles = "/workspaces/team-a/roles"
    for path, level in (("/remove", None), ("", "read")):
        given = post(first, roles + path, admin, name=somebody, role="reader")
        assert given.ok, given.text
        wait_until(lambda level=level: me(second, own).json()["workspaces"].get("team-a") == level)
    said = Counter()
    while not said[429]:
        for each in servers:
            wrong = post(each, "/log-in", name=somebody, password="wrong")
            said[wrong.status_code] += 1
        assert said[401] <= 30
    wrong = [post(each, "/log-in", name=somebody, password=PASSWORD) for each in servers]
    assert [each.status_code for each in wrong] == [429, 429]


def test_a_script_that_comes_to_both_stores_all_once(servers, somebody):
    """Each request goes to the other one: a run, values, files, and a log-in that is renewed."""
    with fault_proxy(*(each.port for each in servers)) as proxy:
        address = f"http://127.0.0.1:{proxy.port}"
        issued = Tokens(servers[0].hub).issue(somebody, seconds=2)
        KeptLogIn(address).change(lambda: log_in_of(issued._asdict(), somebody))
        uri = f"workspace://{address[7:]}/team-a"
        done = run(["-c", _SCRIPT, uri], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stderr
        asked = {each.target.partition("?")[0] for each in proxy.requests}
    assert f"{API}/workspaces/team-a/journal" in asked
    run_id = done.stdout.split()[-1]
    store = open_workspace_store(f"workspace://{servers[0].path}/team-a")
    found = store.get_metric_history(run_id, "m")
    assert [each.value for each in found] == list(range(1000))
    assert store.get_run(run_id).data.params == {"a": "1", "b": "2"}
    assert store.get_run(run_id).info.status == "FINISHED"
    with store._statements() as connection:
        of_run = {"run_id": run_id}
        query = "SELECT sum(stored) FROM workspace_plugin_receipts WHERE run_uuid = :run_id"
        assert connection.execute(text(query), of_run).scalar_one() == 1000


def test_many_processes_stay_logged_in_while_answers_are_lost(servers):
    """Eight share one log-in, every third answer is lost, and nobody has to log in again."""
    hub = servers[0].hub
    count = [0]

    def fault(_):
        count[0] += 1
        return Cut(before_answer=True) if count[0] % 3 == 0 else None

    with fault_proxy(*(each.port for each in servers)) as proxy:
        proxy.fault = fault
        behind = f"http://127.0.0.1:{proxy.port}"
        issued = Tokens(hub).issue("alice", seconds=int(TOKEN_S))
        KeptLogIn(behind).change(lambda: log_in_of(issued._asdict(), "alice"))
        started = [
            Popen(
                ["-c", _WORKER, behind, str(6 * TOKEN_S)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(PROCESSES)
        ]
        outputs = [each.communicate(timeout=240) for each in started]
        assert [each.returncode for each in started] == [0] * PROCESSES, outputs
    assert count[0] > 3 * PROCESSES
    assert max(int(out) for out, _ in outputs) >= 3, "the token was renewed again and again"
    (log_in,) = [each for each in Tokens(hub).list("alice") if each.id == issued.id]
    assert log_in.used_at is not None
