"""The database is away: training goes on, and nothing is missing afterwards.

``OUTAGE_S`` says for how many seconds at most; ``POINTS`` how many values wait in the test of
memory.
"""

import json
import os
import resource
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.jobs.liveness import settle
from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from mlflow_workspace_plugin.stores.build import open_workspace_store
from mlflow_workspace_plugin.stores.tags.own_tags import CONFLICT_TAG
from tests import python_processes
from tests.jobs import TELL, until
from tests.postgres import postgresql

OUTAGE_S = float(os.environ.get("OUTAGE_S", "30"))
POINTS = int(os.environ.get("POINTS", "300000"))
STORED_S = 300 + POINTS / 5_000  # at most

pytestmark = pytest.mark.timeout(600 + 2 * STORED_S)
CLI = ("-m", "mlflow_workspace_plugin.cli")


@pytest.fixture
def own_server():
    """A PostgreSQL server that this test may stop."""
    with postgresql() as server:
        yield server


@pytest.fixture
def workspace(own_server, tmp_path):
    """A workspace whose rows are on that server."""
    url = own_server.create_database("hub")
    from mlflow_workspace_plugin.hub.hub import create_hub

    create_hub(tmp_path / "hub", database=url)
    return Workspace.create("team-a", hub=tmp_path / "hub")


def values(client, run_id, key="m"):
    return [metric.value for metric in client.get_metric_history(run_id, key)]


def log_for(seconds, client, run_id, first=0):
    """Log 200 values a second; return how many were logged, and how long each call took."""
    took, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.perf_counter()
        client.log_metric(run_id, "m", first + len(took), step=first + len(took))
        took.append(time.perf_counter() - start)
        time.sleep(0.005)
    return first + len(took), took


def reopened(workspace):
    """Open the store beneath the journal, after the server was stopped."""
    # A connection is taken for alive for some seconds after its last use.
    workspace._hub.engine.dispose()
    return open_workspace_store(workspace.get_mlflow_tracking_uri())


def percentile_99(took):
    return sorted(took)[int(len(took) * 0.99)]


def test_stopped_during_a_training(own_server, uri, tmp_path):
    """Lightning trains on; exit code 0, and every value it logged is there."""
    script = tmp_path / "train.py"
    script.write_text(TRAINING)
    report = tmp_path / "report.json"
    with (tmp_path / "errors").open("w") as errors:
        training = python_processes.Popen([script, uri, report], stderr=errors)
    while not report.with_suffix(".begun").exists():
        assert training.poll() is None, (tmp_path / "errors").read_text()
        time.sleep(0.1)
    own_server.stop()
    time.sleep(OUTAGE_S / 2)
    own_server.start()
    assert training.wait(timeout=300) == 0, (tmp_path / "errors").read_text()
    logged = json.loads(report.read_text())
    client = MlflowClient(uri, uri)
    run = client.get_run(logged["run_id"])
    assert run.info.status == "FINISHED"
    found = client.get_metric_history(logged["run_id"], "loss_of_batch")
    assert [metric.value for metric in found] == logged["losses"]


TRAINING = """
import json, pathlib, sys, time
import lightning
import torch
from lightning.pytorch.loggers import MLFlowLogger

uri, report = sys.argv[1], pathlib.Path(sys.argv[2])
losses = []


class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 1)

    def training_step(self, batch, index):
        loss = self.layer(batch).square().mean()
        losses.append(float(loss.detach()))
        self.logger.log_metrics({"loss_of_batch": losses[-1]}, step=len(losses))
        report.with_suffix(".begun").touch()
        time.sleep(0.05)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.001)


logger = MLFlowLogger("outage", tracking_uri=uri)
trainer = lightning.Trainer(
    max_epochs=1, logger=logger, accelerator="cpu", enable_checkpointing=False,
    enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1,
)
trainer.fit(Model(), torch.utils.data.DataLoader(torch.randn(400, 8)))
report.write_text(json.dumps({"run_id": logger.run_id, "losses": losses}))
"""


def test_dead_network(own_server, client, run_id):
    """Values are logged as quickly as before; another call waits no longer than 6 s."""
    count, before = log_for(2, client, run_id)
    with own_server.paused():
        count, during = log_for(OUTAGE_S, client, run_id, count)
        others = (
            lambda: client.log_param(run_id, "p", 1),
            lambda: client.set_tag(run_id, "t", 1),
            lambda: client.get_run(run_id),
            lambda: client.set_terminated(run_id),
        )
        for call in others:
            start = time.monotonic()
            call()
            assert time.monotonic() - start < 6
        known = client.get_run(run_id)
        assert (known.info.status, known.data.params) == ("FINISHED", {"p": "1"})
        assert known.data.metrics == {"m": count - 1}
    # Of the same order: a call that waited for the network would take seconds.
    assert percentile_99(during) < 10 * percentile_99(before) + 0.01
    assert values(client, run_id) == list(map(float, range(count)))
    run = client.get_run(run_id)
    assert (run.info.status, run.data.params, run.data.tags["t"]) == ("FINISHED", {"p": "1"}, "1")


def test_away_from_the_first_value_to_the_end(own_server, workspace, uri, run_id):
    """The process ends in good time, says what is left and how to send it; sync sends it."""
    script = f"""
from mlflow import MlflowClient
client = MlflowClient({uri!r}, {uri!r})
client.get_run({run_id!r})
print("ready", flush=True)
input()
for step in range(1_000):
    client.log_metric({run_id!r}, "m", step, step=step)
client.log_param({run_id!r}, "p", 1)
client.set_terminated({run_id!r})
"""
    process = python_processes.Popen(
        ["-c", script],
        env=os.environ | {"MLFLOW_WORKSPACE_EXIT_WAIT": "3"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    own_server.stop()
    start = time.monotonic()
    _, said = process.communicate("\n", timeout=60)
    assert process.returncode == 0
    assert time.monotonic() - start < 20
    last = said.strip().splitlines()[-1]
    assert "1002 calls" in last
    assert str(JournalFolder(uri).path) in last
    assert "mlflow-workspace sync" in last
    own_server.start()
    status = sync("--status")
    assert [row["waiting calls"] for row in status] == [1002]
    assert [row["sent calls"] for row in sync()] == [1002]
    store = reopened(workspace)
    assert values(store, run_id) == list(map(float, range(1_000)))
    run = store.get_run(run_id)
    assert (run.info.status, run.data.params) == ("FINISHED", {"p": "1"})
    assert [row["sent calls"] for row in sync()] == [0]


def sync(*arguments):
    command = [*CLI, "sync", "--json", *arguments]
    done = python_processes.run(command, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0
    return json.loads(done.stdout)


def test_conflict_that_is_found_later(own_server, uri, client, run_id, caplog):
    """A param that another client set meanwhile: a tag of the run and a warning, no exception."""
    client.log_metric(run_id, "m", 1)
    own_server.stop()
    client.log_param(run_id, "p", 1)
    own_server.start()
    open_workspace_store(uri)
    direct = MlflowClient(uri, uri)._tracking_client.store
    deadline = time.monotonic() + 30
    while direct.get_run(run_id).data.params != {"p": "1"}:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    own_server.stop()
    client.log_param(run_id, "p", 2)
    own_server.start()
    while CONFLICT_TAG not in client.get_run(run_id).data.tags:
        assert time.monotonic() < deadline + 30
        time.sleep(0.1)
    assert "Changing param values" in client.get_run(run_id).data.tags[CONFLICT_TAG]
    assert "refused" in caplog.text


def test_call_that_needs_an_answer(own_server, client, run_id, monkeypatch):
    """It waits as long as it may, then names the target and what waits; in time it gets it."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "2")
    experiment = client.get_run(run_id).info.experiment_id
    own_server.stop()
    client.log_metric(run_id, "m", 1)
    with pytest.raises(MlflowException, match=r"did not answer for 2 s.*1 calls wait in"):
        client.create_run(experiment)
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "30")
    later = threading.Timer(3, own_server.start)
    later.start()
    assert client.create_run(experiment).info.run_id
    later.join()
    assert values(client, run_id) == [1]


def test_silent_server_keeps_no_call_for_ever(own_server, client, run_id, monkeypatch):
    """A call that needs an answer gives up in its time, on a network that swallows everything."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "2")
    experiment = client.get_run(run_id).info.experiment_id
    client.log_metric(run_id, "m", 1)
    with own_server.paused():
        start = time.monotonic()
        with pytest.raises(MlflowException, match="did not answer for 2 s"):
            client.create_run(experiment)
        assert time.monotonic() - start < 15
    assert values(client, run_id) == [1]


def test_start_while_the_database_is_away(own_server, workspace, uri, run_id):
    """A script that starts then waits for it, and says so."""
    script = f"""
import mlflow
mlflow.set_tracking_uri({uri!r})
with mlflow.start_run(run_id={run_id!r}):
    mlflow.log_metric("m", 1)
"""
    own_server.stop()
    process = python_processes.Popen(["-c", script], stderr=subprocess.PIPE, text=True)
    said = iter(process.stderr.readline, "")
    assert any("Trying for 60 s" in line for line in said)
    own_server.start()
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 0, rest
    assert "Trying for 60 s" not in rest
    store = reopened(workspace)
    assert values(store, run_id) == [1]


def test_first_file_of_a_run(own_server, client, run_id, tmp_path):
    """The run is known, so its artifacts can be logged while the database is away."""
    client.log_metric(run_id, "m", 1)
    file = tmp_path / "file.txt"
    file.write_text("content")
    own_server.stop()
    client.log_artifact(run_id, file)
    own_server.start()
    assert [entry.path for entry in client.list_artifacts(run_id)] == ["file.txt"]


def test_memory_while_values_wait(own_server, client, run_id):
    """It does not grow with their number: they are on disk."""
    client.log_metric(run_id, "m", 0, step=0)
    client.get_run(run_id)
    own_server.stop()
    batch = 1_000
    for first in range(1, 20_000, batch):
        client.log_batch(run_id, [Metric("m", i, i, i) for i in range(first, first + batch)])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for first in range(20_001, POINTS, batch):
        client.log_batch(run_id, [Metric("m", i, i, i) for i in range(first, first + batch)])
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    own_server.start()
    assert client._tracking_client.store.flush(STORED_S)
    assert client.get_run(run_id).data.metrics == {
        "m": float((POINTS - 1) // batch * batch + batch)
    }
    assert grown_mb < 50


def test_sqlite_that_another_process_keeps_locked(hub_path, tmp_path):
    """Values are logged as before; a param waits 6 s at most; all is stored when it is let go."""
    workspace = Workspace.create("team-a", hub=hub_path)
    uri = workspace.get_mlflow_tracking_uri()
    client = MlflowClient(uri, uri)
    run_id = client.create_run(client.create_experiment("locked")).info.run_id
    with closing(sqlite3.connect(hub_path / "hub.db", isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        count, during = log_for(OUTAGE_S, client, run_id)
        start = time.monotonic()
        client.log_param(run_id, "p", 1)
        assert time.monotonic() - start < 6
        connection.execute("ROLLBACK")
    assert percentile_99(during) < 0.05
    assert values(client, run_id) == list(map(float, range(count)))
    assert client.get_run(run_id).data.params == {"p": "1"}


SMALL_DISK = """
set -e
mount -t tmpfs -o size={size} tmpfs {folder}
export MLFLOW_WORKSPACE_JOURNAL_DIR={folder}
{python} {script} {folder}
"""


def log_on_small_disk(hub_path, folder, what):
    """Log 5,000 values while SQLite is locked; return what the process said, and the run."""
    workspace = Workspace.create("team-a", hub=hub_path)
    folder.mkdir()
    script = folder.with_suffix(".py")
    script.write_text(ON_SMALL_DISK.format(uri=workspace.get_mlflow_tracking_uri(), what=what))
    shell = SMALL_DISK.format(size="64k", folder=folder, python=sys.executable, script=script)
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", shell], stderr=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    client = workspace.client
    (run,) = client.search_runs(client.get_experiment_by_name("disk").experiment_id)
    return done.stderr, client, run.info.run_id


def verify(run_id, hub_path):
    command = [*CLI, "verify", "--json", run_id, "--hub", hub_path]
    done = python_processes.run(command, stdout=subprocess.PIPE, text=True)
    said = json.loads(done.stdout)
    assert done.returncode == (0 if said["equal"] else 1)
    return said


@pytest.mark.parametrize("what", ["full", "read-only"])
def test_journal_that_cannot_be_written(hub_path, tmp_path, what):
    """One warning; the values wait in memory, and are stored when the database is back."""
    said, client, run_id = log_on_small_disk(hub_path, tmp_path / "disk", what)
    assert said.count("cannot be written") == 1
    assert values(client, run_id) == list(map(float, range(5_000)))
    assert client.get_run(run_id).info.status == "FINISHED"
    assert verify(run_id, hub_path)["equal"]


def test_memory_that_is_used_up(hub_path, tmp_path):
    """Values that come then are dropped, counted and named by verify; the run ends all the same."""
    said, client, run_id = log_on_small_disk(hub_path, tmp_path / "disk", "little memory")
    assert "were dropped" in said
    found = values(client, run_id)
    assert found == list(map(float, range(len(found))))
    assert client.get_run(run_id).info.status == "FINISHED"
    (receipt,) = verify(run_id, hub_path)["metrics"]
    assert 0 < receipt["dropped"] == 5_000 - len(found)
    assert receipt["logged"] == 5_000


ON_SMALL_DISK = """
import pathlib, sqlite3, subprocess, sys
from mlflow import MlflowClient

folder = pathlib.Path(sys.argv[1])
client = MlflowClient({uri!r}, {uri!r})
run_id = client.create_run(client.create_experiment("disk")).info.run_id
if {what!r} == "little memory":
    from mlflow_workspace_plugin.journal import outbox

    outbox._MEMORY_BYTES = 10_000
if {what!r} != "full":
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
database = client._tracking_client.store.engine.url.database
other = sqlite3.connect(database, isolation_level=None)
other.execute("BEGIN EXCLUSIVE")
for step in range(5_000):
    client.log_metric(run_id, "m", step, step=step)
other.execute("ROLLBACK")
client.set_terminated(run_id)
"""


def test_machines_that_share_a_folder(hub_path):
    """Two containers, whose processes have equal ids: the journal of the one that lives is left."""
    workspace = Workspace.create("team-a", hub=hub_path)
    uri = workspace.get_mlflow_tracking_uri()
    client = MlflowClient(uri, uri)
    run_id = client.create_run("0").info.run_id
    folder = JournalFolder(uri).path
    script = f"""
import os, sys
from mlflow import MlflowClient
client = MlflowClient({uri!r}, {uri!r})
client.log_metric({run_id!r}, sys.argv[1], 1)
print(os.getpid(), flush=True)
input()
client.log_metric({run_id!r}, sys.argv[1], 2)
if sys.argv[1] == "dies":
    os.kill(os.getpid(), 9)
print("logged", flush=True)
input()
"""

    def container(name):
        # The first process of a container is its shell, for it cannot be killed from within.
        shell = ("unshare", "--pid", "--fork", "--kill-child", "sh", "-c", '"$@"; true', "sh")
        return subprocess.Popen(
            [*shell, sys.executable, "-c", script, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    lives, dies = container("lives"), container("dies")
    assert lives.stdout.readline() == dies.stdout.readline() != ""
    dies.communicate("\n", timeout=60)
    lives.stdin.write("\n")
    lives.stdin.flush()
    assert lives.stdout.readline() == "logged\n"
    assert values(client, run_id, "dies") == [1, 2]
    assert len(list(folder.glob("*.journal"))) == 1
    lives.communicate("\n", timeout=60)
    assert values(client, run_id, "lives") == [1, 2]
    assert not list(folder.glob("*.journal"))


COUNTS = """
import mlflow
mlflow.start_run()
for number in range(20):
    if number == 10:
        tell("command")
        while not os.path.exists(f"{FOLDER}/go"):
            time.sleep(0.05)
    mlflow.log_metric("m", number, step=number)
open("outputs/model", "w").close()
print("last words")
sys.exit(3)
"""


def test_stopped_while_jobs_end(own_server, workspace, new_job, tmp_path):
    """How they ended is true, and all of them is there: of one that waits for it, and not."""
    patient, impatient = new_job(TELL + COUNTS), new_job(TELL + COUNTS)
    patient.start(MLFLOW_WORKSPACE_WAIT="1")
    patient.pid("command")
    (tmp_path / "command").unlink()
    impatient.start(MLFLOW_WORKSPACE_WAIT="1", MLFLOW_WORKSPACE_END_WAIT="1")
    impatient.pid("command")
    own_server.stop()
    (tmp_path / "go").touch()
    assert impatient.wait() == 82
    until(lambda: "waits for its hub" in patient.said)
    own_server.start()
    assert patient.wait() == 1
    for job in (patient, impatient):
        job.store = reopened(workspace)
        settled = until(lambda job=job: (found := settle(job.store, job.row)).ended_at and found)
        assert (settled.stored_state, settled.exit_code) == ("Failed", 3)
        assert (job.status, job.log().splitlines().count("last words")) == ("FAILED", 1)
        assert "outputs/model" in job.files
        assert values(MlflowClient(job.uri, job.uri), job.id) == list(range(20))
