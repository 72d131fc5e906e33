"""``verify`` and ``sync``: what was logged, and what became of it, said truly."""

import json
import shutil

import pytest
from click.testing import CliRunner

from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from tests import python_processes
from tests.waiting import wait_until

pytestmark = pytest.mark.databases


@pytest.fixture
def run_id(direct):
    experiment = direct.create_experiment("receipts")
    return direct.create_run(experiment, "user", 0, [], "run").info.run_id


def called(*arguments):
    """Call the command line; return what it printed as JSON, and its exit code."""
    done = CliRunner().invoke(main, [*map(str, arguments), "--json"])
    return json.loads(done.output), done.exit_code


def verified(run_id, workspace):
    place = ("--workspace", workspace.name, "--hub", workspace._hub_place)
    report, code = called("verify", run_id, *place)
    assert code == (0 if report["equal"] else 1)
    return report, {metric.pop("metric"): metric for metric in report["metrics"]}


def killed(uri, run_id, what="", count=100):
    """Let a process log and kill itself, before anything is sent; return its journal."""
    script = f"""
import os
from mlflow import MlflowClient
from mlflow_workspace_plugin.journal.sending.sender import Sender
client = MlflowClient({uri!r}, {uri!r})
client.get_run({run_id!r})
Sender._ship = lambda *_: True
for step in range({count}):
    client.log_metric({run_id!r}, "m", step, step=step)
{what}
os.kill(os.getpid(), 9)
"""
    folder = JournalFolder(uri).path
    before = set(folder.glob("*.journal"))
    assert python_processes.run(["-c", script]).returncode == -9
    (segment,) = set(folder.glob("*.journal")) - before
    return segment


@pytest.mark.hubs
def test_equal(client, run_id, workspace):
    """All values of a run that has ended are accounted for, and whose rows they are."""
    for step in range(10):
        client.log_metric(run_id, "ours", step, step=step)
    client.log_metric(run_id, "again", 1, timestamp=5, step=0)
    client.log_metric(run_id, "again", 1, timestamp=5, step=0)
    client.set_terminated(run_id)
    report, metrics = verified(run_id, workspace)
    assert report["equal"]
    assert (metrics["ours"]["logged"], metrics["ours"]["stored"]) == (10, 10)
    assert (metrics["again"]["logged"], metrics["again"]["repeated"]) == (2, 1)


def test_rows_of_others(client, direct, run_id, workspace):
    """What came without a journal is told apart."""
    from mlflow.entities import Metric

    client.log_metric(run_id, "m", 1, step=1)
    client.set_terminated(run_id)
    direct.log_metric(run_id, Metric("m", 2, 2, 2))
    _, metrics = verified(run_id, workspace)
    assert (metrics["m"]["stored"], metrics["m"]["not_ours"]) == (1, 1)


@pytest.mark.hubs
def test_waiting_then_sent(uri, client, run_id, workspace):
    """Values of a killed process wait, are listed by run, and sent by hand; then all is equal."""
    killed(uri, run_id)
    report, metrics = verified(run_id, workspace)
    assert not report["equal"]
    assert metrics["m"]["waiting"] == metrics["m"]["logged"] == 100
    (status,), _ = called("sync", "--status")
    assert (status["waiting calls"], status["runs"]) == (100, {run_id: 100})
    (sent,), code = called("sync")
    assert (sent["sent calls"], sent["runs"], code) == (100, {run_id: 100}, 0)
    assert verified(run_id, workspace)[0]["equal"]


@pytest.mark.hubs
def test_process_that_goes_on_after_its_end(uri, client, run_id, workspace):
    """What is logged by exit handlers that come later is counted with what came before."""
    script = f"""
import atexit
from mlflow import MlflowClient
atexit.register(lambda: [client.log_metric({run_id!r}, "m", i, step=i) for i in range(50, 100)])
client = MlflowClient({uri!r}, {uri!r})
for i in range(50):
    client.log_metric({run_id!r}, "m", i, step=i)
"""
    assert python_processes.run(["-c", script]).returncode == 0
    client.get_run(run_id)
    report, metrics = verified(run_id, workspace)
    assert report["equal"]
    assert (metrics["m"]["logged"], metrics["m"]["stored"]) == (100, 100)


def test_table_names_the_runs(uri, run_id):
    """For people: a line for each run."""
    killed(uri, run_id)
    said = CliRunner().invoke(main, ["sync"]).output
    assert run_id in said
    assert "100" in said
    assert "damaged" not in said
    said = CliRunner().invoke(main, ["sync", "--status"]).output
    assert said == "Nothing waits in the journals of 1 workspace.\n"


def test_damaged_line(uri, client, run_id, workspace):
    """It is counted and named; all other values are there."""
    segment = killed(uri, run_id)
    lines = segment.read_bytes().splitlines(keepends=True)
    lines[50] = lines[50].replace(b'"m"', b'"n"')
    segment.write_bytes(b"".join(lines))
    (sent,), _ = called("sync")
    assert (sent["sent calls"], sent["damaged lines"]) == (99, 1)
    report, metrics = verified(run_id, workspace)
    assert (report["equal"], report["damaged lines"], metrics["m"]["stored"]) == (False, 1, 99)
    assert [m.step for m in client.get_metric_history(run_id, "m")] == [
        *range(50),
        *range(51, 100),
    ]


def test_count_is_independent_of_what_arrived(uri, client, run_id, workspace):
    """A process counts what it logs, so a line that vanished without a trace is missed."""
    count = "client._tracking_client.store.journal._outbox.put_logged()"
    segment = killed(uri, run_id, count)
    lines = segment.read_bytes().splitlines(keepends=True)
    del lines[50]
    segment.write_bytes(b"".join(lines))
    called("sync")
    report, metrics = verified(run_id, workspace)
    assert not report["equal"]
    assert (metrics["m"]["logged"], metrics["m"]["stored"], metrics["m"]["lost"]) == (100, 99, 1)


def test_journal_that_was_removed(uri, client, run_id, workspace, caplog):
    """Somebody empties the folder while the process runs: what is open is saved, and it goes on."""
    client.log_metric(run_id, "m", 0, step=0)
    client.get_run(run_id)
    store = client._tracking_client.store
    folder = JournalFolder(uri).path
    with store.journal.sending:
        client.log_metric(run_id, "m", 1, step=1)
        shutil.rmtree(folder)
        client.log_metric(run_id, "m", 2, step=2)
        # At that call: a process that is killed now has lost nothing.
        (segment,) = folder.glob("*.journal")
        assert segment.read_bytes().count(b"\n") == 3
    for step in range(3, 12):
        client.log_metric(run_id, "m", step, step=step)
    client.set_terminated(run_id)
    assert [metric.step for metric in client.get_metric_history(run_id, "m")] == list(range(12))
    assert verified(run_id, workspace)[0]["equal"]
    assert "lost" not in caplog.text


def test_unreadable_journal_keeps_no_other_back(uri, client, run_id, hub_path):
    """It is named; the others are sent."""
    unreadable = killed(uri, run_id)
    unreadable.unlink()
    unreadable.mkdir()
    readable = killed(uri, run_id)
    (sent,), code = called("sync")
    assert (sent["sent calls"], code) == (100, 1)
    assert unreadable.name in sent["problem"]
    assert (unreadable.exists(), readable.exists()) == (True, False)


def test_unreadable_journal_keeps_no_read_back(uri, client, run_id, caplog):
    """Of a process that reads: it is named in a warning, and stays; the others are sent."""
    unreadable = killed(uri, run_id)
    unreadable.unlink()
    unreadable.mkdir()
    readable = killed(uri, run_id)
    found = [metric.step for metric in client.get_metric_history(run_id, "m")]
    assert found == list(range(100))
    wait_until(lambda: f"{unreadable} cannot be sent" in caplog.text)
    assert (unreadable.exists(), readable.exists()) == (True, False)


@pytest.mark.hubs
def test_refused_value(client, direct, run_id, workspace):
    """Of a run that was deleted meanwhile: sync and verify count it."""
    client.log_metric(run_id, "m", 1)
    client.get_run(run_id)
    direct.delete_run(run_id)
    client.log_metric(run_id, "m", 2)
    assert client._tracking_client.store.flush(60)
    (status,), code = called("sync", "--status")
    assert (status["refused"], status["waiting calls"], code) == (1, 0, 0)
    report, metrics = verified(run_id, workspace)
    assert not report["equal"]
    assert (metrics["m"]["stored"], metrics["m"]["refused"]) == (1, 1)


def test_status_while_the_hub_is_gone(uri, run_id, hub_path):
    """What waits can be said all the same."""
    killed(uri, run_id)
    hub_path.rename(hub_path.with_name("elsewhere"))
    (status,), code = called("sync", "--status")
    assert (status["waiting calls"], code) == (100, 1)
    assert "hub" in status["problem"]


def test_unknown_run(hub_path, workspace):
    """An error that names the run and the hub."""
    done = CliRunner().invoke(main, ["verify", "0" * 32, "--hub", str(hub_path)])
    assert done.exit_code == 1
    assert "0" * 32 in done.output
