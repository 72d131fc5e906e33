"""How calls of our stores travel: what arrives is what was sent, and nothing else arrives."""

import json
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.entities import Metric, Param, Run, RunData, RunInfo, RunInputs, RunTag

from mlflow_workspace_plugin.errors import UnstorableValueError, UserErrorException
from mlflow_workspace_plugin.protocol.calls import CALLS, ROUTE, method_of, route_of
from mlflow_workspace_plugin.stores.charts.point import ChartPoints, Point
from mlflow_workspace_plugin.stores.data.datastore_row import DatastoreRow
from mlflow_workspace_plugin.stores.jobs.job import Job
from mlflow_workspace_plugin.stores.reads.exact_values import ExactValue
from mlflow_workspace_plugin.stores.travelling import form_of

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
whole = st.integers(-(1 << 63), (1 << 63) - 1)
numbers = st.floats()
contents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
definitions = st.dictionaries(texts, contents, max_size=3)
points = st.builds(Point, whole, whole, st.floats(allow_nan=False), st.booleans())


@pytest.mark.parametrize("name", CALLS)
def test_each_call_is_of_a_method_and_of_its_parameters(name):
    """The table names what there is."""
    form, call = form_of(name), CALLS[name]
    for parameter in (call.runs, call.metrics, call.experiment):
        assert parameter is None or parameter in form.signature.parameters
    assert method_of(route_of("team-a", name).rpartition("/")[2]) == name
    assert route_of("team-a", name).startswith(ROUTE.partition("{")[0])


@pytest.mark.parametrize("called", ["deliver", "__init__", "_hub", "engine", "", "place"])
def test_nothing_else_is_called(called):
    """What a store has beside that is nobody's."""
    assert method_of(called) is None


@given(st.builds(DatastoreRow, texts, texts, st.none() | texts, definitions, whole))
def test_rows_arrive_as_they_are(row):
    """As arguments, and as answers."""
    form = form_of("put_datastore")
    sent = form.call_of_json(form.call_to_json([row], {"overwrite": False}))
    assert sent == {"row": row, "overwrite": False}
    assert form.answer_of_json(form.answer_to_json(row)) == row


@given(
    st.lists(
        st.builds(
            Job,
            *([texts] * 7),
            st.none() | texts,
            definitions,
            whole,
            st.floats(0, 1e9),
            st.none() | whole,
            st.none() | texts,
            st.none() | definitions,
            whole,
            st.none() | whole,
            st.none() | st.floats(0, 1e9),
            st.none() | whole,
            st.none() | whole,
            st.none() | whole,
            st.none() | texts,
        ),
        max_size=3,
    )
)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_jobs_arrive_as_they_are(jobs):
    """With all that the database knows of them."""
    form = form_of("jobs")
    assert form.answer_of_json(form.answer_to_json(jobs)) == jobs


def test_any_collection_arrives():
    """States, say, are given as a set."""
    form = form_of("jobs")
    sent = form.call_of_json(form.call_to_json([], {"states": frozenset(["Failed"]), "limit": 2}))
    assert sent == {"states": ["Failed"], "limit": 2}


@given(st.lists(st.tuples(texts, numbers, whole, whole), max_size=4), texts)
def test_values_arrive_as_they_are(values, text):
    """NaN and the infinite ones, too; and what was logged in the place of a number."""
    metrics = [Metric(*each) for each in values]
    exact = [ExactValue("k", 1, 2, each) for each in (10**30, None, True, text, 0.1)]
    form = form_of("log_values")
    sent = form.call_of_json(form.call_to_json(["run", metrics, exact], {"table": text}))
    assert [repr(each) for each in sent["metrics"]] == [repr(each) for each in metrics]
    assert (sent["exact"], sent["table"]) == (exact, text)


@given(st.dictionaries(texts, st.lists(points, max_size=3), max_size=3))
def test_points_arrive_as_they_are(found):
    """Of several runs."""
    answer = {run: ChartPoints(each, len(each), 0, is_exact=True) for run, each in found.items()}
    form = form_of("chart_points_of_runs")
    assert form.answer_of_json(form.answer_to_json(answer)) == answer


@given(texts, numbers, whole)
def test_runs_arrive_as_they_are(text, value, step):
    """With their latest values, params and tags."""
    info = RunInfo("a" * 32, "1", text, "RUNNING", 1, None, "active", "mlflow-artifacts:/x")
    data = RunData([Metric("m", value, 1, step)], [Param("p", text)], [RunTag("t", text)])
    form = form_of("runs_of_ids")
    (run,) = form.answer_of_json(form.answer_to_json([Run(info, data, RunInputs([]))]))
    assert (run.data.params, run.data.tags) == ({"p": text}, {"t": text})
    assert repr(run.data.metrics) == repr({"m": value})
    assert run.data._metric_objs[0].step == step
    assert run.info.run_id == info.run_id


@given(st.binary(max_size=60) | contents.map(lambda each: json.dumps(each).encode()))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_what_is_no_call_is_refused(content):
    """By an error that says what is wrong, whatever was sent."""
    for name in ("create_run_of", "log_values", "put_datastore", "create_job"):
        with pytest.raises(UserErrorException):
            form_of(name).call_of_json(content)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("log_values", b'{"run_id":"x","metrics":[' + b"0," * 400_000 + b"0]}", "is no Metric"),
        ("log_values", b'{"run_id":"x","metrics":[' + b"[]," * 150_000 + b"[]]}", "is no Metric"),
        ("runs_of_ids", b'{"run_ids":[' + b"0," * 400_000 + b"0]}", "more than 1,000 things"),
        ("runs_of_ids", b'{"run_ids":[' + b"0," * 600_000 + b"0]}", "too large"),
    ],
    ids=["numbers", "lists", "ids", "more"],
)
def test_of_many_flaws_not_all_are_kept(name, content, said):
    """Each would take more room than what was sent."""
    form = form_of(name)
    tracemalloc.start()
    try:
        with pytest.raises(UserErrorException, match=said):
            form.call_of_json(content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20


@pytest.mark.parametrize(
    "wrong",
    [
        {"run_id": 1},
        {"start_time": "1"},
        {"tags": [["a"]]},
        {"tags": [["a", 1]]},
        {"tags": {"a": "b"}},
        {"more": 1},
        {"run_name": None},
    ],
)
def test_arguments_are_of_their_types(wrong):
    """Nothing is made of another type, and nothing is passed over."""
    right = {
        "run_id": "a",
        "experiment_id": "1",
        "user_id": "u",
        "start_time": 1,
        "tags": [],
        "run_name": "n",
    }
    form = form_of("create_run_of")
    assert form.call_of_json(json.dumps(right).encode()) == right
    with pytest.raises(UserErrorException, match="create_run_of takes"):
        form.call_of_json(json.dumps(right | wrong).encode())


def test_refusal_does_not_say_what_was_sent():
    """It may be anything."""
    with pytest.raises(UserErrorException) as refused:
        form_of("view").call_of_json(b'{"id": ["my secret"]}')
    assert "my secret" not in str(refused.value)


def test_text_that_is_none_is_not_sent():
    """Half of a character has no bytes."""
    with pytest.raises(UnstorableValueError, match="cannot be sent"):
        form_of("set_tag_now").call_to_json(["run", RunTag("a", "\ud800")], {})
