"""Metrics: what is particular to this store, beside the equality with MLflow's."""

import json
import math
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.dbmodels.models import SqlMetric

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.hub.hub import open_hub
from tests import python_processes
from tests.conftest import paged_history

pytestmark = pytest.mark.store

points = st.tuples(st.sampled_from([0.0, 1.0, math.nan]), st.integers(0, 2), st.integers(-1, 1))


@pytest.fixture
def client(workspace):
    return workspace.client


@pytest.fixture
def store(client):
    return client._tracking_client.store


@pytest.fixture
def run_id(client):
    return client.create_run(client.create_experiment("metrics")).info.run_id


def test_batch_of_any_size(client, store, run_id):
    """A batch larger than MLflow's limit of 1,000 is stored whole."""
    store.log_batch(run_id, [Metric("m", i, i, i) for i in range(25_000)], [], [])
    assert store.get_run_metrics(run_id) == {"m": [float(i) for i in range(25_000)]}
    assert client.get_run(run_id).data.metrics == {"m": 24_999}


def test_numpy_scalars(client, store, run_id):
    """NumPy's scalars are stored as the numbers they are, where MLflow's store writes bytes."""
    kinds = (np.float32, np.float64, np.int64, np.uint8)
    batch = [Metric("m", kind(2), np.int64(5), np.int32(i)) for i, kind in enumerate(kinds)]
    client.log_batch(run_id, batch)
    found = client.get_metric_history(run_id, "m")
    assert [(m.value, m.timestamp, m.step) for m in found] == [(2.0, 5, i) for i in range(4)]
    with store.ManagedSessionMaker() as session:
        rows = session.query(SqlMetric).all()
        assert {(type(row.value), type(row.timestamp), type(row.step)) for row in rows} == {
            (float, int, int)
        }


def key(metric):
    is_nan = math.isnan(metric.value)
    return metric.timestamp, metric.step, 0.0 if is_nan else metric.value, is_nan


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batch=st.lists(points, max_size=12, unique=True), size=st.integers(1, 5))
def test_pages(client, store, batch, size):
    """Pages of any size, ties of all kinds at their edges, hold each value once and in order."""
    experiment = store.get_experiment_by_name("pages")
    experiment_id = experiment.experiment_id if experiment else client.create_experiment("pages")
    run, other = (client.create_run(experiment_id).info.run_id for _ in range(2))
    metrics = [Metric("m", *point) for point in batch]
    store.log_batch(run, metrics, [], [])
    store.log_batch(other, metrics, [], [])
    found = paged_history(store, run, "m", size)
    assert [key(m) for m in found] == sorted(key(m) for m in metrics)


@pytest.mark.parametrize("token", ["nonsense", "eyJvZmZzZXQiOiAxfQ==", "WzEsMl0="])
def test_foreign_page_token(store, run_id, token):
    """A token that is not of a history's page is refused, and says what to do."""
    with pytest.raises(MlflowException, match=r"Page token .* Give the token of the page before"):
        store.get_metric_history(run_id, "m", 5, token)


def test_chart_keeps_spikes(store, run_id):
    """In few points of many a spike, a dip and a NaN of one step are still to be seen."""
    values = [0.0] * 5_000
    values[1_234], values[2_345], values[3_456] = 100.0, -100.0, math.nan
    store.log_batch(run_id, [Metric("m", v, i, i) for i, v in enumerate(values)], [], [])
    found = store.get_metric_history_bulk_interval([run_id], "m", 50, None, None)
    assert len(found) <= 50
    by_step = {each.step: each.value for each in found}
    assert by_step[1_234] == 100.0
    assert by_step[2_345] == -100.0
    assert math.isnan(by_step[3_456])
    assert {0, 4_999} <= by_step.keys()
    part = store.get_metric_history_bulk_interval([run_id], "m", 50, 2_000, 2_400)
    assert all(2_000 <= each.step <= 2_400 for each in part)
    assert min(each.value for each in part) == -100.0


def test_all_metrics_by_one_query(workspace, store, count_queries):
    """``Run.get_metrics`` asks the database a fixed number of times, however many metrics."""
    counts = []
    for metrics in (2, 40):
        run = Experiment(workspace, "one").start_logging()
        batch = [Metric(f"m{k}", k, step, step) for k in range(metrics) for step in range(3)]
        store.log_batch(run.id, batch, [], [])
        assert store.flush(60)
        with count_queries() as queries:
            found = run.get_metrics()
        assert found == {f"m{k}": [float(k)] * 3 for k in range(metrics)}
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.fixture
def count_queries(hub_path):
    from contextlib import contextmanager

    from sqlalchemy import event

    @contextmanager
    def counting():
        queries = []

        def note(_connection, _cursor, statement, *_rest):
            queries.append(statement)

        engine = open_hub(hub_path).engine
        event.listen(engine, "before_cursor_execute", note)
        yield queries
        event.remove(engine, "before_cursor_execute", note)

    return counting


LOG_MANY = """
import sys
from mlflow import MlflowClient
from mlflow.entities import Metric
uri, run_id, worker = sys.argv[1], sys.argv[2], int(sys.argv[3])
client = MlflowClient(uri, uri)
for step in range(300):
    client.log_metric(run_id, "m", step, timestamp=worker, step=step)
client.log_batch(run_id, [Metric("b", 1, worker, step) for step in range(500)])
"""


def test_processes_at_once(workspace, client, run_id):
    """Four processes that log to one run at once lose nothing, and none finds a locked database."""
    uri = workspace.get_mlflow_tracking_uri()
    workers = [
        python_processes.Popen(["-c", LOG_MANY, uri, run_id, str(worker)]) for worker in range(4)
    ]
    assert [worker.wait(120) for worker in workers] == [0] * 4
    assert len(client.get_metric_history(run_id, "m")) == 1_200
    assert len(client.get_metric_history(run_id, "b")) == 2_000
    assert client.get_run(run_id).data.metrics == {"m": 299, "b": 1}


def test_statistics_follow_the_rows(client, store, run_id, hub_path):
    """Once a hub has grown, the database knows how many rows its tables hold."""
    for start in range(0, 12_000, 1_000):
        store.log_batch(run_id, [Metric("m", i, i, i) for i in range(start, start + 1_000)], [], [])
    assert store.flush(60)
    hub = open_hub(hub_path)
    with hub.engine.connect() as connection:
        if hub.engine.dialect.name == "sqlite":
            found = connection.exec_driver_sql(
                "SELECT max(CAST(stat AS INTEGER)) FROM sqlite_stat1 WHERE tbl = 'metrics'"
            )
        else:
            found = connection.exec_driver_sql(
                "SELECT reltuples FROM pg_class WHERE relname = 'metrics'"
            )
        assert found.scalar_one() >= 1_000


@pytest.mark.sqlite
def test_history_does_not_read_other_runs(client, store, run_id, hub_path):
    """One run's history is found through its own index, without statistics, at any size."""
    client.log_metric(run_id, "m", 1)
    from mlflow_workspace_plugin.stores.reads import metric_history

    statement = str(metric_history._first_page("sqlite", limited=True))
    with closing(sqlite3.connect(hub_path / "hub.db")) as connection:
        plan = connection.execute(
            f"EXPLAIN QUERY PLAN {statement}", {"run_id": run_id, "key": "m", "limit": 10}
        ).fetchall()
    assert "index_metrics_run_uuid_key_step (run_uuid=? AND key=?)" in json.dumps(plan)


@pytest.mark.parametrize("setting", ["MLFLOW_WORKSPACE_JOURNAL=off", "MLFLOW_WORKSPACE_STRICT=1"])
def test_every_kind_is_logged_without_a_journal(workspace, monkeypatch, setting):
    """Where each call waits for the database, Run logs what it logs with a journal."""
    monkeypatch.setenv(*setting.split("="))
    run = Experiment(workspace, "direct").start_logging()
    run.log("value", 1)
    run.log_list("list", [1, 2])
    run.log_row("row", x=1, y="a")
    run.log_table("table", {"x": [1, 2]})
    run.log_residuals("chart", {"schema_type": "residuals", "data": {}})
    run.complete()
    found = run.get_metrics()
    assert (found["value"], found["list"], found["row"]) == (1, [1, 2], {"x": 1, "y": "a"})
    assert found["table"] == {"x": [1, 2]}
    assert found["chart"].endswith("/chart")
