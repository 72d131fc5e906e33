"""Traces of scripts: what MLflow's ways to trace send is there, on each kind of hub."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from subprocess import PIPE

import mlflow
import pytest
from mlflow.entities import TraceInfo, TraceLocation, TraceState
from mlflow.entities.span import Span
from mlflow.tracing.distributed import get_tracing_context_headers_for_http_request
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanProto

from tests import python_processes

pytestmark = [pytest.mark.hubs, pytest.mark.alike]

_REMOTE = """
import json, sys
import mlflow
from mlflow.tracing.distributed import set_tracing_context_from_http_request_headers

mlflow.set_experiment("traced")
with set_tracing_context_from_http_request_headers(json.loads(sys.argv[1])):
    with mlflow.start_span("remote") as span:
        with mlflow.start_span("below"):
            pass
    # What waits when the block is left MLflow forgets.
    mlflow.flush_trace_async_logging()
print(span.trace_id)
"""


@pytest.fixture
def experiment(uri):
    """The id of the experiment that the process traces to."""
    mlflow.set_tracking_uri(uri)
    return mlflow.set_experiment("traced").experiment_id


def parents(client, trace_id):
    """The spans of a trace that is stored, each with its parent's name."""
    mlflow.flush_trace_async_logging()
    trace = client.get_trace(trace_id)
    names = {each.span_id: each.name for each in trace.data.spans}
    return {each.name: names.get(each.parent_id) for each in trace.data.spans}


@mlflow.trace(name="inner")
def inner(number):
    return number + 1


@mlflow.trace
def own_trace(_):
    return mlflow.get_current_active_span().trace_id


def test_traced_functions_are_stored(client, experiment):
    """With the run that they were called in."""

    @mlflow.trace(name="outer")
    def outer():
        return inner(1)

    with mlflow.start_run() as run:
        outer()
    trace_id = mlflow.get_last_active_trace_id()
    assert parents(client, trace_id) == {"outer": None, "inner": "outer"}
    assert client.get_trace(trace_id).data.response == "2"
    found = client.search_traces(locations=[experiment], run_id=run.info.run_id)
    assert [each.info.trace_id for each in found] == [trace_id]


def test_spans_of_threads_are_stored(client, experiment):
    """As autologging makes them: below a span of another thread, or each a trace of its own."""

    def below(number):
        span = mlflow.start_span_no_context(f"span {number}", parent_span=root)
        span.end()

    root = mlflow.start_span_no_context("root", experiment_id=experiment)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(below, range(20)))
        root.end()
        own = list(pool.map(own_trace, range(20)))
    named = {f"span {number}": "root" for number in range(20)}
    assert parents(client, root.trace_id) == {"root": None, **named}
    stored = {
        each.info.trace_id for each in client.search_traces(locations=[experiment], max_results=100)
    }
    assert stored == {root.trace_id, *own}
    assert len(set(own)) == 20


def test_trace_of_two_processes_is_one(client, experiment, uri):
    """Whose spans come while that of the first goes on."""
    with mlflow.start_span("local") as span:
        headers = get_tracing_context_headers_for_http_request()
        done = python_processes.run(
            ["-c", _REMOTE, json.dumps(headers)],
            env={**os.environ, "MLFLOW_TRACKING_URI": uri},
            stdout=PIPE,
            stderr=PIPE,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split()[-1] == span.trace_id
    assert parents(client, span.trace_id) == {"local": None, "remote": "local", "below": "remote"}


@pytest.mark.parametrize("first", ["spans", "trace"])
def test_trace_and_its_spans_come_in_either_order(client, experiment, first):
    """As MLflow's exporters send them, each at its own time."""
    store = client._tracing_client.store
    trace_id = f"tr-{os.urandom(16).hex()}"
    proto = SpanProto(
        trace_id=bytes.fromhex(trace_id[3:]),
        span_id=(1).to_bytes(8, "big"),
        name="step",
        start_time_unix_nano=10**9,
        end_time_unix_nano=2 * 10**9,
    )
    info = TraceInfo(
        trace_id=trace_id,
        trace_location=TraceLocation.from_experiment_id(experiment),
        request_time=1,
        state=TraceState.OK,
        tags={"t": "v"},
    )
    calls = [
        lambda: store.log_spans(experiment, [Span.from_otel_proto(proto)]),
        lambda: store.start_trace(info),
    ]
    for call in calls if first == "spans" else reversed(calls):
        call()
    assert parents(client, trace_id) == {"step": None}
    assert client.get_trace(trace_id).info.tags["t"] == "v"
