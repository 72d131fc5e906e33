"""Which requests that log metrics are answered without MLflow's app: those that clients send."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.entities import Metric
from mlflow.protos.service_pb2 import LogBatch, LogMetric
from mlflow.utils.proto_json_utils import message_to_json

from mlflow_workspace_plugin.app.logged_metrics import usual_batch, usual_metric

ONE = {"key": "loss", "value": 0.5, "timestamp": 1, "step": 2}
NUMBERS = st.integers(-(2**63), 2**63 - 1)


METRICS = st.builds(
    Metric,
    st.text("abc /_.-é損", min_size=1, max_size=20),
    st.floats(allow_nan=False, allow_infinity=False),
    NUMBERS,
    NUMBERS,
)


@given(METRICS)
def test_value_that_mlflows_client_sends_is_usual(metric):
    """It comes back as it was; the client names the run twice."""
    run_id = "a" * 32
    message = LogMetric(
        run_id=run_id,
        run_uuid=run_id,
        key=metric.key,
        value=metric.value,
        timestamp=metric.timestamp,
        step=metric.step,
    )
    found = usual_metric(message_to_json(message).encode())
    assert found is not None
    assert found.run_id == run_id
    assert list(map(dict, found.metrics)) == [dict(metric)]


@pytest.mark.parametrize(
    "changed",
    [
        {"run_id": None},
        {"run_uuid": "b"},
        {"run_uuid": None},
        {"runId": "b"},
        {"value": "0.5"},
        {"value": float("nan")},
        {"step": 1.0},
        {"timestamp": None},
        {"model_id": "m-1"},
        {"metrics": []},
    ],
    ids=str,
)
def test_value_that_is_not_usual_is_left_to_mlflow(changed):
    """As of batches."""
    assert usual_metric(json.dumps({"run_id": "a", **ONE}).encode()) is not None
    assert usual_metric(json.dumps({"run_id": "a", **ONE, **changed}).encode()) is None


@given(st.lists(METRICS, min_size=1, max_size=20))
def test_what_mlflows_client_sends_is_usual(metrics):
    """Its metrics come back as they were, with every number that they may have."""
    sent = message_to_json(LogBatch(run_id="a" * 32, metrics=[each.to_proto() for each in metrics]))
    found = usual_batch(sent.encode())
    assert found is not None
    assert found.run_id == "a" * 32
    assert list(map(dict, found.metrics)) == list(map(dict, metrics))


def sent(**changed):
    return json.dumps({"run_id": "a", "metrics": [ONE]} | changed).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b"{",
        sent(run_id=None),
        sent(run_id=7),
        sent(run_id=""),
        sent(run_id="../a"),
        sent(run_uuid="b"),
        sent(runId="b"),
        sent(params=[{"key": "a", "value": "b"}]),
        sent(tags=None),
        sent(metrics=[]),
        sent(metrics={"key": 1}),
        sent(metrics=[ONE] * 1001),
        json.dumps(sent().decode()).encode(),
        *(
            sent(metrics=[ONE | changed])
            for changed in (
                {"key": ""},
                {"key": 1},
                {"key": "\ud800"},
                {"value": "NaN"},
                {"value": float("nan")},
                {"value": float("inf")},
                {"value": None},
                {"value": True},
                {"value": 10**400},
                {"timestamp": 1.5},
                {"timestamp": "1"},
                {"timestamp": None},
                {"timestamp": 2**63},
                {"step": True},
                {"step": -(2**63) - 1},
                {"model_id": "m-1"},
                {"dataset_name": "d"},
            )
        ),
        sent(metrics=[{"key": "loss", "value": 1.0}]),
        sent(metrics=[ONE, 1]),
    ],
)
def test_what_is_not_usual_is_left_to_mlflow(body):
    """Whatever MLflow's own handler reads in another way, refuses, or stores elsewhere."""
    assert usual_batch(body) is None
