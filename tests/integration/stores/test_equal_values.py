"""Equal values of different calls are different values, however quickly they follow each other."""

import math
import multiprocessing
import time

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.journal.files.records import line as line_of
from mlflow_workspace_plugin.journal.files.records import metrics_body, parse
from mlflow_workspace_plugin.stores.build import open_workspace_store
from tests.deliveries import deliver_all

pytestmark = pytest.mark.store

COUNT = 10_000
"""Far more than there are milliseconds."""


def values(store, run_id, key="m"):
    return [metric.value for metric in store.get_metric_history(run_id, key)]


def by_client(uri, hub, name, run_id, count):
    client = MlflowClient(uri, uri)
    for _ in range(count):
        client.log_metric(run_id, "m", 1.0)


def by_mlflow(uri, hub, name, run_id, count):
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    mlflow.start_run(run_id=run_id)
    for _ in range(count):
        mlflow.log_metric("m", 1.0)
    # The run goes on in other processes.
    mlflow.tracking.fluent._active_run_stack.set([])


def by_sdk(uri, hub, name, run_id, count):
    run = Workspace.get(name, hub=hub).get_run(run_id)
    for _ in range(count):
        run.log("m", 1.0)


WAYS = (by_client, by_mlflow, by_sdk)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("processes", [1, 4])
def test_all_are_kept(workspace, hub_path, uri, client, run_id, way, processes):
    """10,000 equal values without a step, from one or four processes at one run."""
    context = multiprocessing.get_context("fork")
    arguments = (uri, hub_path, workspace.name, run_id, COUNT // processes)
    children = [context.Process(target=way, args=arguments) for _ in range(processes)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * processes
    assert values(client, run_id) == [1.0] * COUNT


def test_of_one_call_are_one(client, run_id):
    """As in MLflow: equal rows of one batch."""
    now = int(time.time() * 1000)
    client.log_batch(run_id, [Metric("m", 1.0, now, 0)] * 3)
    assert len(client.get_metric_history(run_id, "m")) == 1


def test_with_an_old_timestamp_are_one(client, run_id):
    """As in MLflow: a value that is sent again, by hand or by another process."""
    for _ in range(3):
        client.log_metric(run_id, "m", 1.0, timestamp=1_000, step=0)
    client.get_run(run_id)
    client.log_metric(run_id, "m", 1.0, timestamp=1_000, step=0)
    assert len(client.get_metric_history(run_id, "m")) == 1


def test_of_a_model_move_together(client, run_id):
    """The run's row and the model's have one timestamp."""
    experiment = client.get_run(run_id).info.experiment_id
    model = client.create_logged_model(experiment, "model", run_id)
    for _ in range(100):
        client.log_metric(run_id, "m", 1.0, model_id=model.model_id)
    history = client.get_metric_history(run_id, "m")
    of_model = client.get_logged_model(model.model_id).metrics
    assert len(history) == 100
    assert sorted(m.timestamp for m in of_model) == [m.timestamp for m in history]


def test_of_a_model_are_sent_again(client, run_id):
    """MLflow sends the values of a run again when a model is logged: they stay what they are."""
    experiment = client.get_run(run_id).info.experiment_id
    model = client.create_logged_model(experiment, "model", run_id)
    now = int(time.time() * 1000)
    logged = [Metric("m", float(step), now, step) for step in range(3)]
    again = [Metric(m.key, m.value, m.timestamp, m.step, model_id=model.model_id) for m in logged]
    client.log_batch(run_id, logged)
    client.log_batch(run_id, again)
    client.get_run(run_id)
    client.log_batch(run_id, again)
    assert values(client, run_id) == [0.0, 1.0, 2.0]
    assert len(client.get_logged_model(model.model_id).metrics) == 3


def test_when_the_clock_is_set_back(workspace, client, monkeypatch):
    """By an hour, in the middle: nothing is lost, and Run reads in the order it logged."""
    run = Experiment(workspace, "equal").start_logging()
    real, real_ns, back = time.time, time.time_ns, [0]
    monkeypatch.setattr(time, "time", lambda: real() - back[0])
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() - back[0] * 10**9)
    for number in range(200):
        back[0] = 3600 * (number >= 100)
        run.log("sdk", number)
        client.log_metric(run.id, "client", 1.0)
    assert run.get_metrics("sdk") == {"sdk": list(range(200))}
    assert values(client, run.id, "client") == [1.0] * 200


def test_nan_and_infinities(uri, client, run_id):
    """They are told apart as other values are."""
    for value in (math.nan, math.inf, -math.inf):
        for _ in range(50):
            client.log_metric(run_id, "m", value)
    assert len(values(client, run_id)) == 150


def test_delivered_with_those_of_another_writer(uri, client, run_id):
    """Of two journals with the same values at the same times, whichever comes first."""
    direct = open_workspace_store(uri)
    now = 1_700_000_000_000
    lines = [line_of(i, metrics_body(run_id, now, [("m", 1.0, now, 0)])) for i in range(1, 51)]
    records = [parse(each[:-1]) for each in lines]
    for writer in ("one", "other"):
        assert deliver_all(direct, writer, records) == [None] * 50
    times = [metric.timestamp for metric in direct.get_metric_history(run_id, "m")]
    assert times == list(range(now, now + 100))
