"""Spans as OpenTelemetry's clients send them: how much of them is taken, and for which run."""

import asyncio
import gzip
import os
import threading
import zlib

import mlflow
import pytest
from mlflow.entities.entity_type import EntityAssociationType
from mlflow.store.tracking.dbmodels.models import SqlEntityAssociation, SqlSpan
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from packaging.version import Version
from sqlalchemy import func, select

from mlflow_workspace_plugin.app.otlp_traces import MOST_BYTES, OtlpTraces
from mlflow_workspace_plugin.hub.databases.database import connected
from mlflow_workspace_plugin.stores.build import workspace_store

pytestmark = pytest.mark.skipif(
    Version(mlflow.__version__) < Version("3.17"), reason="MLflow before 3.17 is not served."
)
ROUTE = "/v1/traces"


def spans(count=1):
    """A trace of so many spans; return its id, and what is sent of it."""
    trace_id = os.urandom(16)
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number in range(count):
        scope.spans.add(
            trace_id=trace_id,
            span_id=(number + 1).to_bytes(8, "big"),
            parent_span_id=(1).to_bytes(8, "big") if number else b"",
            name=f"step {number}",
            start_time_unix_nano=1_000_000_000,
            end_time_unix_nano=2_000_000_000,
        )
    return f"tr-{trace_id.hex()}", request.SerializeToString()


def raw_deflate(body):
    packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packing.compress(body) + packing.flush()


def experiment_of(served, name):
    """The id of a new experiment in team-a."""
    return workspace_store(served.hub, "team-a").create_experiment(f"{name} {os.urandom(4).hex()}")


def new_run(served, experiment_id):
    store = workspace_store(served.hub, "team-a")
    return store.create_run(experiment_id, "member", 0, [], None).info.run_id


def send(served, experiment_id, body, name="member", **headers):
    named = {each.replace("_", "-"): value for each, value in headers.items()}
    return served.session(name, "team-a").post(
        ROUTE,
        data=body,
        headers={
            "Content-Type": "application/x-protobuf",
            "X-MLflow-Experiment-Id": experiment_id,
            **named,
        },
    )


def stored_spans(served, trace_id):
    count = select(func.count()).where(SqlSpan.trace_id == trace_id)
    with connected(served.hub.engine) as connection:
        return connection.execute(count).scalar_one()


def linked_runs(served, trace_id):
    query = select(SqlEntityAssociation.destination_id).where(
        SqlEntityAssociation.source_id == trace_id,
        SqlEntityAssociation.destination_type == EntityAssociationType.RUN,
    )
    with connected(served.hub.engine) as connection:
        return list(connection.execute(query).scalars())


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate)],
)
def test_packed_spans_are_stored_unless_they_are_too_many(served, encoding, pack):
    """A few bytes that become many are refused, whatever their length says."""
    experiment = experiment_of(served, "packed")
    trace_id, body = spans(3)
    packed = pack(body)
    assert send(served, experiment, packed, Content_Encoding=encoding).ok
    assert stored_spans(served, trace_id) == 3

    zeros = pack(bytes(8 * MOST_BYTES))
    for sent in (zeros, iter([zeros])):
        answer = send(served, experiment, sent, Content_Encoding=encoding)
        assert answer.status_code == 413
        assert "Send fewer at a time" in answer.json()["message"]
    damaged = send(served, experiment, packed[:-1], Content_Encoding=encoding)
    assert damaged.status_code == 400


def test_other_encodings_are_refused(served):
    """Also where one that is known stands beside them, of which MLflow reads the first."""
    experiment = experiment_of(served, "odd")
    _, body = spans()
    for encoding in ("br", "gzip, gzip", "gzip, br"):
        answer = send(served, experiment, gzip.compress(body), Content_Encoding=encoding)
        assert answer.status_code == 400
        assert "neither gzip nor deflate" in answer.json()["message"]


def test_long_requests_are_refused(served):
    """Whether their length is announced, or they come in pieces."""
    experiment = experiment_of(served, "long")
    for sent in (bytes(MOST_BYTES + 1), iter([bytes(2**20)] * 17)):
        assert send(served, experiment, sent).status_code == 413


def test_many_spans_are_stored(served):
    """More of them than are read in the event loop; and what MLflow refuses of them is said."""
    experiment = experiment_of(served, "many")
    trace_id, body = spans(4_000)
    assert send(served, experiment, body).ok
    assert stored_spans(served, trace_id) == 4_000
    trace_id, body = spans(4_000)
    refused = send(served, "999999", body)
    assert refused.status_code in (403, 404)
    assert stored_spans(served, trace_id) == 0


@pytest.mark.parametrize("length", [10, 10**6])
def test_long_requests_are_read_beside_the_event_loop(length):
    """They keep no other request waiting; short ones are read at once."""
    answered_by, sent = [], []

    async def app(scope, receive, send):
        answered_by.append(threading.get_ident())
        assert dict(scope["headers"])[b"content-length"] == str(length).encode()
        assert len((await receive())["body"]) == length
        await send({"type": "http.response.start", "status": 299, "headers": []})

    async def receive():
        return {"type": "http.request", "body": bytes(length)}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": ROUTE, "headers": []}
    asyncio.run(OtlpTraces(app)(scope, receive, send))
    assert [each["status"] for each in sent] == [299]
    assert (answered_by == [threading.get_ident()]) is (length < 1000)


def test_traces_are_linked_to_runs_that_one_may_change(served):
    """And to no other: nothing of those is stored."""
    own, other = experiment_of(served, "own"), experiment_of(served, "other")
    run_id, foreign = new_run(served, own), new_run(served, other)
    served.add_user("dora", team_a="member")
    served.deny("dora", "team-a", other)
    trace_id, body = spans()
    refused = send(served, own, body, "dora", X_MLflow_Run_Id=foreign)
    assert refused.status_code == 403
    assert foreign in refused.json()["message"]
    assert send(served, own, body, "dora", X_MLflow_Run_Id="0" * 32).status_code == 403
    assert (stored_spans(served, trace_id), linked_runs(served, trace_id)) == (0, [])
    assert send(served, own, body, "dora", X_MLflow_Run_Id=run_id).ok
    assert (stored_spans(served, trace_id), linked_runs(served, trace_id)) == (1, [run_id])
