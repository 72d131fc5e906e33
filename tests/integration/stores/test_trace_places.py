"""Traces stay in their experiment, and assessments with their trace, whoever names their ids."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from mlflow.entities import Feedback, TraceInfo, TraceLocation, TraceState
from mlflow.entities.span import Span
from mlflow.exceptions import MlflowException
from mlflow.utils.workspace_context import WorkspaceContext
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanProto

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.hub.hub import open_hub
from mlflow_workspace_plugin.stores.build import workspace_store
from mlflow_workspace_plugin.stores.tracking import HubTrackingStore

pytestmark = pytest.mark.store


@pytest.fixture
def hub(hub_path):
    """A hub with two workspaces."""
    for name in ("team-a", "team-b"):
        Workspace.create(name, hub=hub_path)
    return open_hub(hub_path)


@pytest.fixture(params=["pinned", "of the hub"])
def store(request, hub, monkeypatch):
    """What writes to team-a: its own store, or the hub's, which a server has."""
    if request.param == "pinned":
        yield workspace_store(hub, "team-a")
    else:
        monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
        with WorkspaceContext("team-a"):
            yield HubTrackingStore(hub)


@pytest.fixture
def experiment(store):
    return store.create_experiment("experiment")


@pytest.fixture
def places(hub, store):
    """Where a trace of others may be: the store that has it, and its experiment there."""
    other = workspace_store(hub, "team-b")
    return [
        (workspace_store(hub, "team-a"), store.create_experiment("of others")),
        (other, other.create_experiment("of others")),
    ]


def new_id():
    return f"tr-{os.urandom(16).hex()}"


def info(trace_id, experiment_id, *assessments):
    return TraceInfo(
        trace_id=trace_id,
        trace_location=TraceLocation.from_experiment_id(experiment_id),
        request_time=1,
        state=TraceState.OK,
        request_preview=f"of {experiment_id}",
        assessments=list(assessments),
    )


def feedback(value, assessment_id=None, overrides=None):
    given = Feedback(name="quality", value=value, overrides=overrides)
    given.assessment_id = assessment_id
    return given


def span(trace_id, name, number=1):
    return Span.from_otel_proto(
        SpanProto(
            trace_id=bytes.fromhex(trace_id.removeprefix("tr-")),
            span_id=number.to_bytes(8, "big"),
            name=name,
            start_time_unix_nano=10**9,
            end_time_unix_nano=2 * 10**9,
        )
    )


def stored(store, trace_id):
    """All that there is of a trace."""
    (trace,) = store.batch_get_traces([trace_id])
    given = [(each.assessment_id, each.value, each.valid) for each in trace.info.assessments]
    return trace.info.to_dict(), sorted(given), [each.name for each in trace.data.spans]


def plant(store, experiment_id):
    """A trace of others with an assessment; return their ids."""
    trace_id = new_id()
    store.log_spans(experiment_id, [span(trace_id, "theirs")])
    made = store.start_trace(info(trace_id, experiment_id, feedback("theirs")))
    return trace_id, made.assessments[0].assessment_id


def test_trace_of_another_experiment_is_not_taken(store, experiment, places):
    """Neither by its id as that of a new trace, nor by spans; nor from another workspace."""
    for of_others, there in places:
        trace_id, _ = plant(of_others, there)
        before = stored(of_others, trace_id)
        own = new_id()
        with pytest.raises(MlflowException):
            store.start_trace(info(trace_id, experiment))
        for spans in (
            [span(trace_id, "mine")],
            [span(trace_id, "mine", 2), span(own, "mine")],
        ):
            with pytest.raises(MlflowException, match=f"{trace_id}.* another experiment"):
                store.log_spans(experiment, spans)
        assert stored(of_others, trace_id) == before
        with pytest.raises(MlflowException, match="not found"):
            store.get_trace_info(own)


def test_assessment_of_another_trace_is_not_taken(store, experiment, places):
    """Nor made valid again by an assessment that is said to override it."""
    for of_others, there in places:
        trace_id, assessment_id = plant(of_others, there)
        before = stored(of_others, trace_id)
        own = store.start_trace(info(new_id(), experiment, feedback("mine"))).trace_id
        for given in (feedback("mine", assessment_id), feedback("mine", overrides=assessment_id)):
            for mine in (own, new_id()):
                with pytest.raises(MlflowException):
                    store.start_trace(info(mine, experiment, given))
        assert stored(of_others, trace_id) == before
        assert len(store.get_trace_info(own).assessments) == 1


def test_own_traces_are_written_again(store, experiment):
    """With what they have already, in either order, and with assessments that override others."""
    first, second = new_id(), new_id()
    store.log_spans(experiment, [span(first, "a")])
    store.start_trace(info(first, experiment))
    store.start_trace(info(second, experiment, feedback(1, "a-1"), feedback(2, "a-2", "a-1")))
    store.log_spans(experiment, [span(second, "a"), span(first, "b", 2)])
    store.start_trace(info(second, experiment, feedback(3, "a-1")))
    assert stored(store, first)[2] == ["a", "b"]
    _, given, names = stored(store, second)
    assert ([each[:2] for each in given], names) == ([("a-1", 3), ("a-2", 2)], ["a"])
    overriding = Feedback(name="quality", value=4, trace_id=second, overrides="a-2")
    made = store.create_assessment(overriding)
    store.delete_assessment(second, made.assessment_id)
    assert all(valid for *_, valid in stored(store, second)[1])


def test_trace_that_many_begin_at_a_time_is_in_one_experiment(hub):
    """Whoever is first: the others' calls fail, and store nothing in it."""
    experiments = {
        name: workspace_store(hub, name).create_experiment("experiment")
        for name in ("team-a", "team-b")
    }
    places = [
        *((name, experiment) for name, experiment in experiments.items()),
        ("team-a", workspace_store(hub, "team-a").create_experiment("another")),
    ]

    def begin(trace_id, number):
        name, experiment = places[number % len(places)]
        store = workspace_store(hub, name)
        try:
            if number % 2:
                store.start_trace(info(trace_id, experiment))
            else:
                store.log_spans(experiment, [span(trace_id, f"{experiment}", number + 1)])
        except MlflowException:
            return None
        return experiment

    for _ in range(5):
        trace_id = new_id()
        with ThreadPoolExecutor(6) as pool:
            taken = set(pool.map(begin, [trace_id] * 6, range(6))) - {None}
        assert len(taken) == 1
        (experiment,) = taken
        name = next(name for name, each in places if each == experiment)
        trace, _, names = stored(workspace_store(hub, name), trace_id)
        assert trace["trace_location"]["mlflow_experiment"]["experiment_id"] == experiment
        assert set(names) <= {experiment}
