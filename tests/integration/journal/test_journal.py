"""The journal: calls do not wait, nothing is lost or doubled, what is refused blocks nothing."""

import json
import math
import os
import sqlite3
import threading
from contextlib import closing
from subprocess import PIPE

import mlflow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.server.constants import BACKEND_STORE_URI_ENV_VAR
from sqlalchemy import text

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from mlflow_workspace_plugin.journal.files.records import Kind, body, line, metrics_body, parse
from mlflow_workspace_plugin.stores.journalled import JournalledTrackingStore
from tests import python_processes
from tests.deliveries import deliver_all
from tests.waiting import wait_until

pytestmark = pytest.mark.store


@pytest.fixture
def store(client):
    store = client._tracking_client.store
    assert isinstance(store, JournalledTrackingStore)
    return store


def values(store, run_id, key="m"):
    return [metric.value for metric in store.get_metric_history(run_id, key)]


class TestCalls:
    def test_process_reads_what_it_logged(self, client, run_id):
        """Each read comes after what was logged before."""
        for step in range(100):
            client.log_metric(run_id, "m", step, step=step)
            if step % 10 == 0:
                assert client.get_run(run_id).data.metrics == {"m": step}
        assert [m.step for m in client.get_metric_history(run_id, "m")] == list(range(100))
        found = client.search_runs(client.get_run(run_id).info.experiment_id, "metrics.m = 99")
        assert [run.info.run_id for run in found] == [run_id]

    def test_others_see_values_within_a_second(self, client, direct, run_id):
        """Without a read or an end of the run."""
        client.log_metric(run_id, "m", 1)
        wait_until(lambda: values(direct, run_id) == [1], timeout_s=1)

    @pytest.mark.parametrize(
        ("key", "value", "timestamp", "step"),
        [("", 1, 1, 1), ("a" * 251, 1, 1, 1), ("m", "x", 1, 1), ("m", 1, "x", 1), ("m", 1, -1, 1)],
    )
    def test_bad_metric_is_refused_at_the_call(self, client, run_id, key, value, timestamp, step):
        """By MLflow's own rules; nothing of it is journalled."""
        with pytest.raises(MlflowException):
            client.log_metric(run_id, key, value, timestamp, step)
        assert client.get_run(run_id).data.metrics == {}

    def test_run_that_cannot_be_logged_to(self, client, other_workspace, run_id):
        """One that does not exist, was deleted, or is another workspace's: refused at the call."""
        other = other_workspace.client
        foreign = other.create_run(other.create_experiment("journal")).info.run_id
        client.delete_run(run_id)
        for each in ("0" * 32, foreign, run_id):
            with pytest.raises(MlflowException):
                client.log_metric(each, "m", 1)
            with pytest.raises(MlflowException):
                client.log_param(each, "p", 1)

    def test_param_is_stored_behind_the_metrics(self, client, direct, run_id):
        """When log_param returns, the values that were logged before it are stored."""
        for step in range(1_000):
            client.log_metric(run_id, "m", step, step=step)
        client.log_param(run_id, "p", 1)
        run = direct.get_run(run_id)
        assert run.data.params == {"p": "1"}
        assert run.data.metrics == {"m": 999}

    def test_changed_param_is_an_error(self, client, run_id):
        """MLflow's, at the call."""
        client.log_param(run_id, "p", 1)
        client.log_param(run_id, "p", 1)
        with pytest.raises(MlflowException, match="Changing param values is not allowed"):
            client.log_param(run_id, "p", 2)
        with pytest.raises(MlflowException, match="Changing param values is not allowed"):
            client.log_batch(run_id, [Metric("m", 1, 1, 1)], [Param("p", "2")])
        assert client.get_run(run_id).data.metrics == {}

    def test_whole_run(self, uri, direct):
        """A script of MLflow's own calls; everything is in the database when the run has ended."""
        mlflow.set_tracking_uri(uri)
        with mlflow.start_run(run_name="first") as run:
            mlflow.log_metrics({"a": 1, "b": math.nan}, step=1)
            mlflow.log_metric("a", math.inf, step=2, synchronous=False)
            mlflow.log_params({"p": 1, "q": "x"})
            mlflow.set_tags({"t": "u"})
            mlflow.flush_async_logging()
        stored = direct.get_run(run.info.run_id)
        assert (stored.info.status, stored.info.run_name) == ("FINISHED", "first")
        assert stored.data.params == {"p": "1", "q": "x"}
        assert stored.data.tags["t"] == "u"
        assert len(values(direct, run.info.run_id, "a")) == 2

    @pytest.mark.parametrize("synchronous", [True, False])
    def test_flush_async_logging(self, uri, direct, synchronous):
        """MLflow's own flush waits until all is stored."""
        mlflow.set_tracking_uri(uri)
        with mlflow.start_run() as run:
            mlflow.log_metric("m", 1, synchronous=synchronous)
            mlflow.flush_async_logging()
            assert values(direct, run.info.run_id) == [1]

    def test_metrics_of_a_model(self, client, direct, run_id):
        """They are linked to the model, in the run's history and in the model's metrics."""
        experiment = client.get_run(run_id).info.experiment_id
        model = client.create_logged_model(experiment, "model", run_id)
        for step in range(10):
            client.log_metric(run_id, "m", 0.5, step=step, model_id=model.model_id)
        assert len(client.get_logged_model(model.model_id).metrics) == 10
        assert values(direct, run_id) == [0.5] * 10

    def test_sdk_run(self, workspace, client):
        """SDK v1's calls go the same way; flush waits until all is stored."""
        run = Experiment(workspace, "sdk").start_logging()
        for value in range(50):
            run.log("m", value)
        run.flush(timeout_seconds=10)
        assert run.get_metrics() == {"m": list(range(50))}
        run.complete()
        assert client.get_run(run.id).info.status == "FINISHED"


def journal_lines(run_id):
    """Values that coincide or not, and tags, as a process would have logged them."""
    now = 1_700_000_000_000
    metric = st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from([1.0, 2.0, math.nan]),
        st.sampled_from([now, now + 1, 1_000]),
        st.sampled_from([0, 1]),
    )
    logged = st.lists(metric, min_size=1, max_size=4).map(
        lambda batch: metrics_body(run_id, now + 1, batch)
    )
    tags = st.dictionaries(st.sampled_from("xy"), st.sampled_from("12"), min_size=1).map(
        lambda content: body(Kind.TAGS, run_id, now, content)
    )
    return st.lists(logged | tags, min_size=1, max_size=12)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each example has its own runs
)
@given(data=st.data())
def test_delivering_again_changes_nothing(client, direct, data):
    """However records are cut into batches, and whichever come again, the rows are the same."""
    experiment = client.create_experiment(os.urandom(8).hex())
    once, again = (client.create_run(experiment).info.run_id for _ in range(2))
    bodies = data.draw(journal_lines("RUN"))

    def records(run_id):
        lines = [line(i, each.replace("RUN", run_id)) for i, each in enumerate(bodies, 1)]
        return [parse(each[:-1]) for each in lines]

    assert deliver_all(direct, os.urandom(8).hex(), records(once)) == [None] * len(bodies)
    writer, to_send = os.urandom(8).hex(), records(again)
    done = 0
    while done < len(to_send):
        start = data.draw(st.integers(0, done))
        done = data.draw(st.integers(done + 1, len(to_send)))
        deliver_all(direct, writer, to_send[start:done])

    def content(run_id):
        run = direct.get_run(run_id)
        history = [
            (key, metric.timestamp, metric.step, repr(metric.value))
            for key in "ab"
            for metric in direct.get_metric_history(run_id, key)
        ]
        latest = sorted((m.key, m.timestamp, m.step, repr(m.value)) for m in run.data._metric_objs)
        tags = {key: value for key, value in run.data.tags.items() if key in "xy"}
        return history, latest, tags

    assert content(once) == content(again)


class TestRefused:
    def test_blocks_nothing(self, uri, client, direct, run_id, caplog):
        """A value for a run that was deleted meanwhile goes aside; 1,000 behind it are stored."""
        gone = client.create_run(client.get_run(run_id).info.experiment_id).info.run_id
        client.log_metric(gone, "m", 1)
        direct.delete_run(gone)
        client.log_metric(gone, "m", 2)
        for step in range(1_000):
            client.log_metric(run_id, "m", step, step=step)
        assert values(client, run_id) == list(range(1_000))
        folder = JournalFolder(uri)
        kept = [json.loads(text) for p in folder.refused.iterdir() for text in p.open()]
        assert {record["run_id"] for record in kept} == {gone}
        assert "deleted" in kept[-1]["reason"]
        assert "refused" in caplog.text

    def test_what_the_database_cannot_hold(self, client, direct, run_id):
        """Among 100 records in one batch only the one that is refused is missing."""
        bodies = [metrics_body(run_id, 5, [("m", float(i), i, i)]) for i in range(100)]
        bodies[50] = body(Kind.TAG, "0" * 32, 5, {"key": "value"})
        records = [parse(line(i, each)[:-1]) for i, each in enumerate(bodies, 1)]
        outcomes = deliver_all(direct, "writer", records)
        assert [i for i, outcome in enumerate(outcomes) if outcome is not None] == [50]
        assert values(direct, run_id) == [float(i) for i in range(100) if i != 50]

    def test_is_refused_at_the_call_from_then_on(self, client, direct, run_id):
        """Once it is known that the run refuses values, a call says so."""
        client.log_metric(run_id, "m", 1)
        client._tracking_client.store.flush(10)
        direct.delete_run(run_id)
        client.log_metric(run_id, "m", 2)
        client._tracking_client.store.flush(10)
        with pytest.raises(MlflowException, match="deleted"):
            client.log_metric(run_id, "m", 3)
        direct.restore_run(run_id)
        client.log_metric(run_id, "m", 4)
        assert values(client, run_id) == [1, 4]

    def test_what_no_database_takes(self, client, run_id):
        """Text that cannot be encoded is refused at the call, and keeps nothing back."""
        with pytest.raises(MlflowException):
            client.log_param(run_id, "path", "caf\udce9")
        client.log_param(run_id, "other", "cafe")
        client.log_metric(run_id, "m", 1)
        assert values(client, run_id) == [1]
        assert client.get_run(run_id).data.params == {"other": "cafe"}

    def test_is_told_though_what_is_behind_it_fails(self, store, direct, run_id, monkeypatch):
        """A conflict is raised at its call, and a later failure of the batch changes nothing."""
        direct.log_param(run_id, Param("p", "1"))
        target = store.journal._target
        deliver, calls = target.deliver, []

        def fail_once(writer, records, keep_refused):
            calls.append(len(records))
            if len(calls) == 2:
                raise TimeoutError("away for a moment")
            return deliver(writer, records, keep_refused)

        monkeypatch.setattr(target, "deliver", fail_once)
        with store.journal.sending:
            thread = threading.Thread(target=lambda: logged.append(log_conflict(store, run_id)))
            logged = []
            thread.start()
            wait_until(lambda: store.journal.waiting == 1)
            store.log_metric(run_id, Metric("m", 1, 1, 1))
        thread.join()
        assert isinstance(logged[0], MlflowException)
        assert store.flush(10)
        assert values(direct, run_id) == [1]


def log_conflict(store, run_id):
    try:
        store.log_param(run_id, Param("p", "2"))
    except MlflowException as error:
        return error
    return None


def test_hub_under_another_path(hub_path, uri, client, run_id, tmp_path):
    """A symbolic link to the hub leads to the same journals."""
    link = tmp_path / "link"
    link.symlink_to(hub_path)
    other = f"workspace://{link}/team-a"
    script = f"""
import os
from mlflow import MlflowClient
from mlflow_workspace_plugin.journal.sending.sender import Sender
client = MlflowClient({other!r}, {other!r})
client.get_run({run_id!r})
Sender._ship = lambda *_: True
client.log_metric({run_id!r}, "m", 1)
os.kill(os.getpid(), 9)
"""
    assert python_processes.run(["-c", script]).returncode == -9
    assert values(client, run_id) == [1]


def test_file_system_that_fails_once(store, direct, run_id, monkeypatch):
    """What waited in memory goes to the files as soon as these can be written again."""
    store.log_metric(run_id, Metric("m", 0, 1, 0))
    assert store.flush(10)
    writer = store.journal._outbox._files.writer
    append, failures = writer.append, [OSError(28, "No space left on device")]

    def fail_once(line):
        if failures:
            raise failures.pop()
        append(line)

    monkeypatch.setattr(writer, "append", fail_once)
    for step in range(1, 101):
        store.log_metric(run_id, Metric("m", step, 1, step))
    assert store.flush(10)
    assert not store.journal._outbox._memory
    assert [m.step for m in direct.get_metric_history(run_id, "m")] == list(range(101))


def test_repeated_lines_are_stored_once(direct, run_id):
    """One that is twice in the same batch, as a write that half failed may leave it."""
    lines = [line(i, metrics_body(run_id, 5, [("m", 1.0, 5, 0)])) for i in (1, 1, 2, 1, 2)]
    records = [parse(each[:-1]) for each in lines]
    assert deliver_all(direct, "writer", records) == [None] * 5
    assert values(direct, run_id) == [1.0, 1.0]


def test_a_restored_hub(store, direct, run_id, caplog):
    """Gets again what the journal still holds: nothing is lost, nothing is doubled."""

    def log(steps):
        for step in steps:
            store.log_metric(run_id, Metric("m", step, 1, step))
        assert store.flush(60)

    log(range(100))
    with direct._transaction() as connection:
        for statement in (
            "DELETE FROM metrics WHERE step >= 30",
            "DELETE FROM latest_metrics",
            "UPDATE workspace_plugin_receipts SET stored = stored - 70",
            "UPDATE workspace_plugin_writers SET sequence = sequence - 70 WHERE sequence >= 100",
        ):
            connection.execute(text(statement))
    log(range(100, 200))
    assert values(direct, run_id) == list(range(200))
    assert "was restored from a backup" in caplog.text
    with direct._statements() as connection:
        found = connection.execute(text("SELECT sum(stored) FROM workspace_plugin_receipts"))
        assert found.scalar_one() == 200


@pytest.mark.sqlite
def test_a_database_file_that_is_replaced(store, direct, run_id, hub_path, tmp_path):
    """By a backup, while processes use it: what they log is in the new one, with all they have."""

    def log(steps):
        for step in steps:
            store.log_metric(run_id, Metric("m", step, 1, step))
        assert store.flush(60)

    log(range(30))
    database, backup = hub_path / "hub.db", tmp_path / "backup.db"
    with closing(sqlite3.connect(database)) as found, closing(sqlite3.connect(backup)) as copy:
        found.backup(copy)
    log(range(30, 100))
    for each in ("hub.db-wal", "hub.db-shm"):
        (hub_path / each).unlink()
    backup.replace(database)
    log(range(100, 150))
    assert values(direct, run_id) == list(range(150))
    with closing(sqlite3.connect(database)) as found:
        assert found.execute("SELECT count(*) FROM metrics").fetchone() == (150,)


class TestWriteThrough:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("MLFLOW_WORKSPACE_JOURNAL", "off"),
            ("MLFLOW_WORKSPACE_STRICT", "1"),
            # So a server's workers are told what they serve.
            (BACKEND_STORE_URI_ENV_VAR, "workspace-hub:///hub"),
        ],
    )
    def test_without_a_journal(self, workspace, direct, monkeypatch, name, value):
        """Each call waits for the database, and raises what is wrong."""
        monkeypatch.setenv(name, value)
        uri = workspace.get_mlflow_tracking_uri()
        script = f"""
from mlflow import MlflowClient
client = MlflowClient({uri!r}, {uri!r})
run_id = client.create_run(client.create_experiment("direct")).info.run_id
client.log_metric(run_id, "m", 1)
print(run_id, flush=True)
import os
os.kill(os.getpid(), 9)
"""
        done = python_processes.run(["-c", script], stdout=PIPE, text=True)
        assert values(direct, done.stdout.strip()) == [1]
        assert not JournalFolder(uri).path.exists()


def test_batch_of_tags_and_params(client, direct, run_id):
    """Params, metrics and tags of one call are stored when it returns."""
    client.log_batch(
        run_id, [Metric("m", 1, 1, 1)], [Param("p", "1"), Param("q", "2")], [RunTag("t", "u")]
    )
    run = direct.get_run(run_id)
    assert (run.data.metrics, run.data.params) == ({"m": 1}, {"p": "1", "q": "2"})
    assert run.data.tags["t"] == "u"
