"""Many clients of a served hub: answers get lost, tokens end, its server is killed."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, suppress

import mlflow
import pytest
from click.testing import CliRunner

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.cli import main
from tests.fault_proxy import Cut, fault_proxy
from tests.python_processes import Popen
from tests.served import served_hub

pytestmark = pytest.mark.skipif(
    tuple(map(int, mlflow.__version__.split(".")[:2])) < (3, 17),
    reason="a hub is served by MLflow 3.17 and later",
)

SECONDS = float(os.environ.get("LIGHT_CLIENTS_S", "30"))
"""For how long they log; by hand 300."""
PROCESSES = 6
THREADS = 50
TOKEN_S = 20

_CLIENTS = """
import json, sys, threading, time
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

uri, until, threads = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
told, lock = {}, threading.Lock()

def be_a_client(number):
    client = MlflowClient(uri)
    run_id = client.create_run("0", tags={"client": str(number)}).info.run_id
    values = refused = 0
    is_refused = number % 10 == 0
    if is_refused:
        client.log_param(run_id, "p", "1")
    while time.time() < until or values < 20:
        client.log_metric(run_id, "loss", values, step=values)
        values += 1
        if values % 20 == 1 and is_refused:
            client.set_tag(run_id, "values", str(values))
            try:
                client.log_param(run_id, "p", "2")
            except MlflowException as error:
                assert "changing" in str(error).lower(), error
                refused += 1
        time.sleep(0.5)
    client.set_terminated(run_id)
    with lock:
        told[run_id] = [values, refused, is_refused]

started = [threading.Thread(target=be_a_client, args=(each,)) for each in range(threads)]
for each in started:
    each.start()
for each in started:
    each.join()
assert len(told) == threads
print(json.dumps(told))
"""


@pytest.fixture
def served(sqlite_template, tmp_path):
    """A hub of two workers, with a workspace ``team-a`` of which ``alice`` is a member."""
    hub = shutil.copytree(sqlite_template, tmp_path / "hub")
    Workspace.create("team-a", hub=hub)
    with served_hub(hub, tmp_path / "server.log", "--workers", "2") as server:
        server.add_user("alice", team_a="member")
        yield server


def _workers(served):
    import psutil

    found = set()
    for each in psutil.Process(served.process.pid).children(recursive=True):
        # One that was killed is there until it is looked after.
        with suppress(psutil.Error):
            if "spawn_main" in " ".join(each.cmdline()):
                found.add(each.pid)
    return found


def _wait(condition, until):
    while not condition():
        assert time.time() < until
        time.sleep(0.2)


@pytest.mark.timeout(SECONDS + 870)
def test_three_hundred_clients_lose_nothing(served, monkeypatch, tmp_path):
    """What they logged is stored once; refusals were raised; nobody is asked to log in again."""
    from mlflow_workspace_plugin.accounts.tokens import Tokens
    from mlflow_workspace_plugin.remote.log_ins import KeptLogIn, log_in_of

    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "300")
    monkeypatch.setenv("MLFLOW_WORKSPACE_EXIT_WAIT", "120")
    # Fifty threads write them into one another.
    monkeypatch.setenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    lost = []

    def fault(request):
        if random.random() < 0.1:
            lost.append(request)
            return Cut(before_answer=True)
        return None

    with fault_proxy(served.port) as proxy:
        proxy.fault = fault
        address = f"127.0.0.1:{proxy.port}"
        issued = Tokens(served.hub).issue("alice", seconds=TOKEN_S)
        KeptLogIn(f"http://{address}").change(lambda: log_in_of(issued._asdict(), "alice"))
        uri = f"workspace://{address}/team-a"
        begun = time.time()
        # A slow machine takes its time to start them.
        until = begun + 10 + SECONDS
        clients = [
            Popen(
                ["-c", _CLIENTS, uri, str(until), str(THREADS)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(PROCESSES)
        ]
        time.sleep(10 + SECONDS / 4)
        before = _workers(served)
        assert len(before) == 2
        for each in before:
            known = _workers(served)
            os.kill(each, signal.SIGKILL)
            _wait(lambda known=known: _workers(served) - known, time.time() + 120)
        time.sleep(SECONDS / 8)
        served.kill()
        time.sleep(2)
        served.start()
        outputs = [each.communicate(timeout=SECONDS + 500) for each in clients]
        proxy.fault = lambda _: None
        assert [each.returncode for each in clients] == [0] * PROCESSES, outputs
        assert not any("log in again" in error.lower() for _, error in outputs), outputs
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        sent = CliRunner().invoke(main, ["sync"])
        assert sent.exit_code == 0, sent.output
        status = json.loads(CliRunner().invoke(main, ["sync", "--status", "--json"]).output)
        kept = sum(each["refused"] for each in status)
        told = {run: each for out, _ in outputs for run, each in json.loads(out).items()}
        for run_id in list(told)[:3]:
            equal = CliRunner().invoke(main, ["verify", run_id])
            assert equal.exit_code == 0, equal.output
    assert lost
    assert len(told) == PROCESSES * THREADS
    from mlflow_workspace_plugin.stores.build import open_workspace_store

    store = open_workspace_store(f"workspace://{served.path}/team-a")
    with closing(sqlite3.connect(served.path / "hub.db")) as database:
        rows = database.execute(
            "SELECT run_uuid, count(*), sum(step) FROM metrics WHERE key = 'loss' GROUP BY run_uuid"
        ).fetchall()
    assert {run: (count, steps) for run, count, steps in rows} == {
        run: (values, values * (values - 1) // 2) for run, (values, *_) in told.items()
    }
    raised = asked = 0
    for run_id, (values, refused, is_refused) in told.items():
        run = store.get_run(run_id)
        assert (run.info.status, run.data.params) == ("FINISHED", {"p": "1"} if is_refused else {})
        raised += refused
        asked += (values + 19) // 20 if is_refused else 0
    # None was taken. Where the hub was away it was not waited for, and is kept with what it said.
    assert raised > 0
    assert raised + kept == asked
    assert len(Tokens(served.hub).list("alice")) == 1
