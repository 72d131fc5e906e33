"""What a call waits for, and the end of a process: nothing without a limit, and in which order."""

import gc
import os
import signal
import sqlite3
import subprocess
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from mlflow.entities import RunStatus

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.errors import NoAnswerError
from mlflow_workspace_plugin.journal import end_wait
from mlflow_workspace_plugin.journal.end_wait import EndWait
from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from mlflow_workspace_plugin.journal.sending.replay import replay
from mlflow_workspace_plugin.journal.sending.sender import Sender
from tests import python_processes
from tests.waiting import wait_until

LEAVING = """
import os, sys
from mlflow import MlflowClient
from mlflow_workspace_plugin.journal.sending.sender import Sender

uri, run_id = sys.argv[1:]
client = MlflowClient(uri, uri)
client.get_run(run_id)
Sender._ship = lambda *_: True
Sender.hurry = lambda *_: None
for step in range(3_000):
    client.log_metric(run_id, "m", step, step=step)
client._tracking_client.store.journal._progress.away = True
client.set_tag(run_id, "t", "old")
client.set_terminated(run_id, "FAILED")
os.kill(os.getpid(), 9)
"""


def leave(uri: str, run_id: str) -> None:
    """Log values, a tag and an end in a process that is killed before it has sent any."""
    assert python_processes.run(["-c", LEAVING, uri, run_id]).returncode == -signal.SIGKILL


@contextmanager
def another_sends(uri: str, store):
    """What was left is sent by another process, at the end of the block only."""
    folder = JournalFolder(uri)
    leftovers = list(folder.leftovers())
    assert leftovers
    yield folder
    for leftover in leftovers:
        list(replay(folder, leftover, store))


@pytest.mark.databases
def test_end_of_a_run_that_cannot_be_looked_up(direct, client, run_id, monkeypatch):
    """It is kept while the database is away, though nothing is known of the run, and stored."""
    store = client._tracking_client.store
    with monkeypatch.context() as away:
        away.setattr(Sender, "_ship", lambda *_: True)
        away.setattr(Sender, "hurry", lambda *_: None)
        away.setattr(store.journal._progress, "away", True)
        for status, name in ((None, "renamed"), (RunStatus.KILLED, None)):
            store._runs.forget(run_id)
            assert store.update_run_info(run_id, status, None, name).run_id == run_id
    assert store.flush(60)
    info = direct.get_run(run_id).info
    assert (info.status, info.run_name) == ("KILLED", "renamed")


@pytest.mark.databases
def test_what_was_left_overwrites_nothing_newer(uri, direct, client, run_id):
    """A tag and a status of this process come behind those that a killed one left of the run."""
    leave(uri, run_id)
    client.set_tag(run_id, "t", "new")
    client.update_run(run_id, "RUNNING")
    run = direct.get_run(run_id)
    assert (run.data.tags["t"], run.info.status) == ("new", "RUNNING")
    assert run.data.metrics == {"m": 2_999}
    assert len(direct.get_metric_history(run_id, "m")) == 3_000


@pytest.mark.databases
def test_what_another_process_sends_overwrites_nothing_newer(uri, direct, client, run_id):
    """The record that was journalled meanwhile waits until the other process is done."""
    leave(uri, run_id)
    with another_sends(uri, direct):
        client.set_tag(run_id, "t", "new")
        assert "t" not in direct.get_run(run_id).data.tags
    assert client._tracking_client.store.flush(30)
    assert direct.get_run(run_id).data.tags["t"] == "new"


@pytest.mark.databases
def test_only_what_needs_it_waits_for_what_was_left(
    uri, direct, client, run_id, monkeypatch, caplog
):
    """Creating, searching and other runs do not; a read of the run says so, and has a limit."""
    leave(uri, run_id)
    with another_sends(uri, direct) as folder:
        experiment = client.create_experiment("new")
        other = client.create_run(experiment).info.run_id
        client.log_param(other, "p", 1)
        client.log_metric(other, "m", 1)
        client.set_terminated(other)
        assert client.get_metric_history(other, "m")[0].value == 1
        assert direct.get_run(other).info.status == "FINISHED"
        assert client.search_runs([client.get_run(other).info.experiment_id])
        monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "2")
        left = r"within 2 s .* ended processes left of run .* set MLFLOW_WORKSPACE_WAIT"
        with pytest.raises(NoAnswerError, match=left) as raised:
            client.get_metric_history(run_id, "m")
        assert run_id in str(raised.value)
        assert str(folder.path) in str(raised.value)
        assert "What is read comes after" in caplog.text
        # What nobody waits for any more is not sent before what this process logs.
        assert client._tracking_client.store.journal._sender.leftovers.asked_for is None
        monkeypatch.delenv("MLFLOW_WORKSPACE_WAIT")
        with monkeypatch.context() as at_end:
            ended = EndWait()
            ended.end()
            at_end.setattr(end_wait, "_of_process", ended)
            with pytest.raises(NoAnswerError, match=r"within 0 s .*MLFLOW_WORKSPACE_EXIT_WAIT"):
                client.get_metric_history(run_id, "m")
        reading = threading.Thread(
            target=lambda: found.extend(client.get_metric_history(run_id, "m"))
        )
        found = []
        reading.start()
    reading.join()
    assert len(found) == 3_000


def read_by_another(path) -> sqlite3.Connection:
    """Take SQLite's lock as another process does that writes, until it is rolled back."""
    other = sqlite3.connect(path / "hub.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    return other


ENDING = """
import atexit, os, sys, threading
late = []
atexit.register(lambda: [each() for each in late])
import mlflow

mlflow.set_tracking_uri(sys.argv[1])
outer = mlflow.start_run()
inner = mlflow.start_run(nested=True)
for step in range(2_000):
    mlflow.log_metric("m", step, step=step)
print(outer.info.run_id, inner.info.run_id, flush=True)
"""
LOGGING_ON = """
client = mlflow.MlflowClient()
def log_on():
    step = 2_000
    while True:
        step += 1
        client.log_metric(outer.info.run_id, "m", step, step=step)
threading.Thread(target=log_on, daemon=True).start()
"""


@pytest.mark.databases
def test_runs_that_are_left_active(uri, direct, run_new_python):
    """On a hub that answers they are ended, and nothing waits: not the values, not the ends."""
    done = run_new_python("-c", ENDING, uri)
    assert not done.stderr.count("wait")
    for run_id in done.stdout.split():
        assert direct.get_run(run_id).info.status == "FINISHED"
    assert direct.get_run(run_id).data.metrics == {"m": 1_999}
    assert not list(JournalFolder(uri).path.glob("*.journal"))


@pytest.mark.parametrize("also", [LOGGING_ON, "raise ValueError"])
@pytest.mark.sqlite
@pytest.mark.databases
def test_end_that_may_not_wait(uri, direct, run_new_python, also):
    """With MLFLOW_WORKSPACE_EXIT_WAIT=0 the ends are saved as the values are; what is left is said.

    So is what is logged after our end of the process.
    """
    late = """
late.append(lambda: mlflow.MlflowClient().set_tag(outer.info.run_id, "late", "1"))
"""
    code = ENDING + late + also
    done = run_new_python("-c", code, uri, check=False, MLFLOW_WORKSPACE_EXIT_WAIT="0")
    outer, inner = done.stdout.split()
    assert "mlflow-workspace sync" in done.stderr
    folder = JournalFolder(uri)
    assert list(folder.path.glob("*.journal"))
    for leftover in folder.leftovers():
        list(replay(folder, leftover, direct))
    assert {direct.get_run(each).info.status for each in (outer, inner)} == {"FINISHED"}
    assert direct.get_run(outer).data.tags["late"] == "1"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.sqlite
@pytest.mark.databases
def test_signal_while_the_end_waits(uri, hub_path, direct, number):
    """It ends the wait, or the process, and what is left is said all the same; nothing is lost."""
    ready = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
mlflow.MlflowClient()._tracking_client.store.flush(60)
mlflow.log_metric("n", 1)
print("ends", flush=True)
sys.stdin.readline()
"""
    wait = {} if number == signal.SIGINT else {"MLFLOW_WORKSPACE_EXIT_WAIT": "4"}
    process = python_processes.Popen(
        ["-c", ENDING + ready, uri],
        env=os.environ | wait,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    ids = process.stdout.readline().split()
    assert process.stdout.readline() == "ends\n"
    other = read_by_another(hub_path)
    try:
        process.stdin.write("\n")
        process.stdin.flush()
        # After two seconds.
        while "storing" not in (line := process.stderr.readline()):
            assert line
        process.send_signal(number)
        said = process.stderr.read()
        process.communicate(timeout=60)
    finally:
        other.rollback()
        other.close()
    assert "mlflow-workspace sync" in said
    folder = JournalFolder(uri)
    for leftover in folder.leftovers():
        list(replay(folder, leftover, direct))
    assert {direct.get_run(each).info.status for each in ids} == {"FINISHED"}
    assert direct.get_run(ids[1]).data.metrics["n"] == 1


WRITING = """
import io, signal, time
class Reader(io.RawIOBase):
    def writable(self):
        return True
    def write(self, said):
        if b"%" in bytes(said):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(float(sys.argv[2]))
        return os.write(2, said)
sys.stderr = io.TextIOWrapper(io.BufferedWriter(Reader()), line_buffering=True)
sys.stdin.readline()
sys.stderr.write("100 %\\n")
time.sleep(60)
"""


@pytest.mark.parametrize("stuck_s", [0.1, 600], ids=["for a moment", "for ever"])
@pytest.mark.sqlite
@pytest.mark.databases
def test_signal_while_something_is_written(uri, hub_path, direct, stuck_s):
    """To ``sys.stderr``, which takes nothing else meanwhile: what is left is said all the same."""
    process = python_processes.Popen(
        ["-c", ENDING + WRITING, uri, str(stuck_s)],
        env=os.environ | {"MLFLOW_WORKSPACE_EXIT_WAIT": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    ids = process.stdout.readline().split()
    other = read_by_another(hub_path)
    try:
        _, said = process.communicate("\n", timeout=60)
    finally:
        other.rollback()
        other.close()
    assert process.returncode == -signal.SIGTERM
    assert "mlflow-workspace sync" in said
    assert "Traceback" not in said
    folder = JournalFolder(uri)
    for leftover in folder.leftovers():
        list(replay(folder, leftover, direct))
    assert {direct.get_run(each).info.status for each in ids} == {"KILLED"}
    assert len(direct.get_metric_history(ids[1], "m")) == 2_000


STUCK = """
import signal, time
threading.Thread(target=sys.stderr.write, args=["x" * 1_000_000], daemon=True).start()
sys.stdin.readline()
time.sleep(1)
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(600)
"""


@pytest.mark.sqlite
@pytest.mark.databases
def test_end_while_another_thread_writes_to_nobody(uri, hub_path, direct):
    """A pipe that nobody reads keeps no process alive, and what it logged is not lost."""
    process = python_processes.Popen(
        ["-c", ENDING + STUCK, uri],
        env=os.environ | {"MLFLOW_WORKSPACE_EXIT_WAIT": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    ids = process.stdout.readline().split()
    other = read_by_another(hub_path)
    try:
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.wait(60) == -signal.SIGTERM
    finally:
        other.rollback()
        other.close()
        process.communicate()
    folder = JournalFolder(uri)
    for leftover in folder.leftovers():
        list(replay(folder, leftover, direct))
    assert {direct.get_run(each).info.status for each in ids} == {"KILLED"}
    assert len(direct.get_metric_history(ids[1], "m")) == 2_000


@pytest.mark.sqlite
@pytest.mark.databases
def test_no_child_inherits_a_transaction(client, run_id):
    """Of SQLite's, however much the threads of its parent log."""
    stop = threading.Event()

    def log(number: int) -> None:
        step = 0
        while not stop.is_set():
            client.log_metric(run_id, f"m{number}", step, step=step)
            if number == 0 and step % 500 == 0:
                client.set_tag(run_id, "t", step)
            step += 1
            # A child takes seconds, and all of it is to be stored afterwards.
            stop.wait(0.001)

    threads = [threading.Thread(target=log, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    statuses = []
    for _ in range(8):
        time.sleep(0.02)
        child = os.fork()
        if child == 0:
            is_open = True
            with suppress(BaseException):
                found = [each for each in gc.get_objects() if isinstance(each, sqlite3.Connection)]
                is_open = any(_in_transaction(each) for each in found)
            os._exit(int(is_open))
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    stop.set()
    for thread in threads:
        thread.join()
    assert statuses == [0] * 8


def _in_transaction(connection: sqlite3.Connection) -> bool:
    with suppress(sqlite3.ProgrammingError):
        return connection.in_transaction
    return False


def test_changed_password(server, tmp_path, monkeypatch, caplog):
    """PostgreSQL's, in the middle of a training: as away, with the server's words; all is kept."""
    server.execute("CREATE ROLE trainer LOGIN PASSWORD 'first' IN ROLE password")
    url = server.create_database("changed_password")
    name = url.rpartition("/")[2]
    server.execute(f"ALTER DATABASE {name} OWNER TO trainer")
    server.execute("GRANT ALL ON SCHEMA public TO trainer", name)
    monkeypatch.setenv("HUB_PASSWORD", "first")
    (tmp_path / "hub").mkdir()
    try:
        workspace = Workspace.create(
            "team-a",
            hub=_hub_with(tmp_path / "hub", url.replace("postgres@", "trainer:${HUB_PASSWORD}@")),
        )
        client = workspace.client
        run_id = client.create_run("0").info.run_id
        client.log_metric(run_id, "m", 1)
        assert client._tracking_client.store.flush(30)
        server.execute("ALTER ROLE trainer PASSWORD 'second'")
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'trainer'"
        )
        client.log_metric(run_id, "m", 2)
        client.log_param(run_id, "p", 1)
        client.set_terminated(run_id)
        assert "password authentication failed" in caplog.text
        server.execute("ALTER ROLE trainer PASSWORD 'first'")
        wait_until(lambda: not client._tracking_client.store.journal.waiting, 30)
        run = client.get_run(run_id)
        assert (run.data.metrics, run.data.params) == ({"m": 2}, {"p": "1"})
        assert run.info.status == "FINISHED"
    finally:
        from tests.conftest import close_journals

        close_journals()
        server.drop_database(url)
        server.execute("DROP ROLE trainer")


def _hub_with(folder, url: str):
    from mlflow_workspace_plugin.hub.hub import create_hub

    create_hub(folder, database=url)
    return folder
