"""The same calls, in any order, have the same results and exceptions as on MLflow's own store."""

import math
import os
import re

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    rule,
    run_state_machine_as_test,
)
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    Metric,
    Param,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin.errors import UnstorableValueError
from mlflow_workspace_plugin.stores.journalled import JournalledTrackingStore
from tests.conftest import STOCK_ENVIRONMENT, paged_history

pytestmark = pytest.mark.store

# More examples find rarer differences, and SHRINK=1 the shortest way to them.
EXAMPLES = int(os.environ.get("EXAMPLES", "10"))
SHRINK = bool(os.environ.get("SHRINK"))

KEYS = st.sampled_from(["loss", "accuracy", "a/b", "with space"])
BAD_KEYS = st.sampled_from(["", "bad?key", "../up", "x" * 300])
NUMBERS = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, math.nan, math.inf, -math.inf, 1e308, 5e-324]),
    st.floats(),
    st.integers(-(2**70), 2**70),
    st.floats(width=32).map(np.float32),
    st.integers(-10, 10).map(np.int64),
)
STEPS = st.one_of(
    st.integers(-3, 8),
    st.sampled_from([-(2**63), 2**63 - 1, 2**62, 2**63, -(2**63) - 1, 2**80]),
)
TIMES = st.one_of(st.integers(0, 5), st.sampled_from([2**62, 2**63, -1]))
METRICS = st.builds(
    Metric, KEYS, NUMBERS, st.integers(0, 5), st.one_of(st.integers(-3, 8), st.just(2**62))
)
TEXTS = st.one_of(st.sampled_from(["", "1", "0.5", "Ä", "x" * 600, "%_'"]), st.integers(0, 3))
PARAMS = st.builds(Param, KEYS, TEXTS.map(str))
TAGS = st.builds(RunTag, KEYS | st.just("mlflow.runName"), TEXTS.map(str))
# Of two names of a run MLflow's own store keeps the first when the database refuses the second.
TAG_LISTS = st.lists(TAGS, max_size=3).filter(
    lambda tags: sum(tag.key == "mlflow.runName" for tag in tags) <= 1
)
FILTERS = st.sampled_from(
    [
        "",
        "metrics.loss > 0",
        "metrics.loss != 1 and metrics.accuracy <= 1",
        "params.loss = '1'",
        "params.`a/b` LIKE '%5' and tags.loss != '1'",
        "tags.loss ILIKE 'Ä'",
        "attributes.status = 'FINISHED'",
        "attributes.start_time > 3",
        "attributes.run_name LIKE 'n%'",
        "datasets.name = 'data'",
        "datasets.digest IN ('1', '2') and datasets.name LIKE 'd%'",
        "dataset.context = 'train'",
        "metrics.loss = 'text'",
        "nonsense",
    ]
)
ORDERS = st.lists(
    st.sampled_from(
        [
            "metrics.loss DESC",
            "metrics.accuracy ASC",
            "metrics.`a/b`",
            "params.loss",
            "tags.loss DESC",
            "attributes.start_time ASC",
            "attributes.end_time",
            "attributes.status DESC",
            "nonsense",
        ]
    ),
    max_size=2,
)


class Pair:
    """The ids that one thing has on MLflow's store and on ours."""

    def __init__(self, stock, ours):
        self.ids = (stock, ours)
        self.named = False


class Machine(RuleBasedStateMachine):
    """Makes each call on both stores and compares what comes back."""

    experiments = Bundle("experiments")
    runs = Bundle("runs")
    models = Bundle("models")
    clients: "tuple[MlflowClient, MlflowClient]"
    counter = 0
    journalled = False

    def __init__(self):
        super().__init__()
        self.known = {}
        self.outputs = set()

    def own_time(self, timestamp):
        """Return a timestamp for a model's metric.

        Two values at one are refused, of which a journal tells after the call.
        """
        if not self.journalled:
            return timestamp
        Machine.counter += 1
        return Machine.counter

    def both(self, call, *pairs):
        """Make a call on both stores; return what it gave there, or fail if they differ."""
        outcomes = []
        for side, client in enumerate(self.clients):
            outcomes.append(self.outcome(call, client, *(pair.ids[side] for pair in pairs)))
        stock, ours = outcomes
        assert stock[0] == ours[0], (stock, ours)
        if stock[0] == "raised":
            assert stock == ours
            return None
        return stock[1], ours[1]

    def outcome(self, call, client, *ids):
        try:
            return "returned", call(client, *ids)
        except UnstorableValueError:
            # Ours says in a sentence what MLflow's database says with its statement.
            return "raised", "BAD_REQUEST", "the statement's text"
        except MlflowException as error:
            return "raised", error.error_code, self.reason(error)
        except Exception as error:  # noqa: BLE001  whatever MLflow raises, ours has to raise
            return "raised", type(error), self.reason(error)

    def reason(self, error):
        text = str(error)
        if "sqlalche.me" in text or "SQL" in text:
            return "the statement's text"
        return self.without_ids(text)

    def without_ids(self, text):
        return re.sub(r"(m-)?[0-9a-f]{32}", lambda m: self.known.get(m[0], "ID"), str(text))

    def same(self, view, found):
        if found is not None:
            stock, ours = (view(each) for each in found)
            assert stock == ours

    def pair(self, ids, kind):
        pair = Pair(*ids)
        Machine.counter += 1
        for each in ids:
            self.known[str(each)] = f"{kind}-{Machine.counter}"
        return pair

    def run_view(self, run):
        tags = dict(run.data.tags)
        random_name = self.known.get(run.info.run_id) not in self.renamed
        assert tags["mlflow.runName"] == run.info.run_name
        if random_name:
            assert tags.pop("mlflow.runName")
        return {
            "id": self.known[run.info.run_id],
            "name": None if random_name else run.info.run_name,
            "status": run.info.status,
            "times": (run.info.start_time, run.info.end_time),
            "stage": run.info.lifecycle_stage,
            "user": run.info.user_id,
            "artifacts": self.without_ids(run.info.artifact_uri).split("/")[-2:],
            "metrics": sorted(map(metric_view, run.data._metric_objs)),
            "params": run.data.params,
            "tags": tags,
            "datasets": sorted(map(dataset_view, run.inputs.dataset_inputs)),
            "models": [self.known[each.model_id] for each in run.inputs.model_inputs],
            "outputs": sorted(
                (self.known[each.model_id], each.step)
                for each in (run.outputs.model_outputs if run.outputs else ())
            ),
        }

    @initialize(target=experiments)
    def first_experiment(self):
        self.renamed = set()
        return self.create_experiment_named("first")

    @initialize(target=runs, experiment=experiments)
    def first_run(self, experiment):
        return self.create_run(experiment, "first", {})

    def create_experiment_named(self, name):
        Machine.counter += 1
        unique = f"{name}-{Machine.counter}"
        return self.pair(self.both(lambda client: client.create_experiment(unique)), "experiment")

    @rule(target=experiments)
    def create_experiment(self):
        return self.create_experiment_named("more")

    @rule(experiment=experiments)
    def delete_experiment(self, experiment):
        self.both(lambda client, each: client.delete_experiment(each), experiment)

    @rule(experiment=experiments)
    def restore_experiment(self, experiment):
        self.both(lambda client, each: client.restore_experiment(each), experiment)

    @rule(
        target=runs,
        experiment=experiments,
        name=st.sampled_from([None, "", "name", "other"]),
        tags=st.dictionaries(KEYS, TEXTS.map(str), max_size=2)
        | st.sampled_from([{"mlflow.runName": "name"}, {"mlflow.user": "me"}]),
    )
    def create_run(self, experiment, name, tags):
        Machine.counter += 1
        start = Machine.counter
        found = self.both(
            lambda client, each: client.create_run(each, start, tags, name), experiment
        )
        if found is None:
            return multiple()
        run = self.pair([each.info.run_id for each in found], "run")
        if name or "mlflow.runName" in tags:
            self.renamed.add(self.known[run.ids[0]])
        self.same(self.run_view, found)
        return run

    @rule(run=runs, key=KEYS | BAD_KEYS, value=NUMBERS, timestamp=TIMES, step=STEPS)
    def log_metric(self, run, key, value, timestamp, step):
        self.both(lambda client, each: client.log_metric(each, key, value, timestamp, step), run)

    @rule(run=runs, metrics=st.lists(METRICS, min_size=1, max_size=40))
    def log_metrics(self, run, metrics):
        self.both(lambda client, each: client.log_batch(each, metrics), run)
        self.check_histories(run)

    @rule(
        run=runs,
        metrics=st.lists(METRICS, max_size=4),
        params=st.lists(PARAMS, max_size=3),
        tags=TAG_LISTS,
    )
    def log_batch(self, run, metrics, params, tags):
        found = self.both(lambda client, each: client.log_batch(each, metrics, params, tags), run)
        if found is not None and any(
            # MLflow passes over an empty name.
            tag.key == "mlflow.runName" and tag.value
            for tag in tags
        ):
            self.renamed.add(self.known[run.ids[0]])
        self.check_run(run)

    @rule(run=runs, key=KEYS | BAD_KEYS, value=TEXTS)
    def log_param(self, run, key, value):
        self.both(lambda client, each: client.log_param(each, key, value), run)

    @rule(run=runs, key=KEYS | BAD_KEYS, value=TEXTS)
    def set_tag(self, run, key, value):
        self.both(lambda client, each: client.set_tag(each, key, value), run)

    @rule(run=runs, key=KEYS)
    def delete_tag(self, run, key):
        self.both(lambda client, each: client.delete_tag(each, key), run)

    @rule(run=runs, status=st.sampled_from([None, "FAILED", "KILLED", "nonsense"]))
    def set_terminated(self, run, status):
        self.both(lambda client, each: client.set_terminated(each, status, 77), run)
        self.check_run(run)

    @rule(run=runs, status=st.sampled_from([None, "RUNNING"]), name=st.sampled_from([None, "new"]))
    def update_run(self, run, status, name):
        found = self.both(lambda client, each: client.update_run(each, status, name), run)
        if found is not None and name:
            self.renamed.add(self.known[run.ids[0]])

    @rule(run=runs)
    def delete_run(self, run):
        self.both(lambda client, each: client.delete_run(each), run)

    @rule(run=runs)
    def restore_run(self, run):
        self.both(lambda client, each: client.restore_run(each), run)

    @rule(
        run=runs,
        digests=st.lists(st.sampled_from(["1", "2"]), min_size=1, max_size=2),
        context=st.sampled_from(["train", "test"]),
    )
    def log_inputs(self, run, digests, context):
        inputs = [
            DatasetInput(
                Dataset("data", digest, "local", "file", "schema", "profile"),
                [InputTag("mlflow.data.context", context)],
            )
            for digest in digests
        ]
        self.both(lambda client, each: client.log_inputs(each, inputs), run)

    @rule(target=models, experiment=experiments, run=runs)
    def create_model(self, experiment, run):
        found = self.both(
            lambda client, each, source: client.create_logged_model(each, "model", source),
            experiment,
            run,
        )
        if found is None:
            return multiple()
        return self.pair([each.model_id for each in found], "model")

    @rule(run=runs, model=models, value=NUMBERS, step=st.integers(0, 2) | st.just(2**70))
    def log_model_metric(self, run, model, value, step):
        timestamp = self.own_time(1)
        self.both(
            lambda client, each, model_id: client.log_metric(
                each, "loss", value, timestamp, step, model_id=model_id
            ),
            run,
            model,
        )
        self.check_model(model)

    @rule(run=runs, model=models, metrics=st.lists(METRICS, min_size=1, max_size=5))
    def log_model_metrics(self, run, model, metrics):
        times = [self.own_time(metric.timestamp) for metric in metrics]

        def call(client, each, model_id):
            linked = [
                Metric(m.key, m.value, timestamp, m.step, model_id=model_id)
                for m, timestamp in zip(metrics, times, strict=True)
            ]
            client.log_batch(each, linked)

        self.both(call, run, model)
        self.check_model(model)

    @rule(run=runs, model=models, step=st.integers(0, 2))
    def log_outputs(self, run, model, step):
        # Once more is an error of the database with MLflow, and keeps the greatest step here.
        if (run, model) in self.outputs:
            return
        self.outputs.add((run, model))
        self.both(
            lambda client, each, model_id: client.log_outputs(
                each, [LoggedModelOutput(model_id, step)]
            ),
            run,
            model,
        )

    @rule(model=consumes(models))
    def check_model(self, model):
        found = self.both(lambda client, each: client.get_logged_model(each), model)
        self.same(lambda each: sorted(map(metric_view, each.metrics or ())), found)

    @rule(run=runs)
    def check_run(self, run):
        self.same(self.run_view, self.both(lambda client, each: client.get_run(each), run))

    @rule(run=runs)
    def check_histories(self, run):
        for key in ("loss", "accuracy", "a/b", "never logged"):
            found = self.both(lambda client, each, k=key: client.get_metric_history(each, k), run)
            self.same(history_view, found)

    @rule(run=runs, size=st.integers(1, 4))
    def check_pages(self, run, size):
        whole = self.both(lambda client, each: client.get_metric_history(each, "loss"), run)
        if whole is not None:
            stock, ours = (history_view(each) for each in whole)
            store = self.clients[1]._tracking_client.store
            paged = history_view(paged_history(store, run.ids[1], "loss", size))
            assert stock == ours == paged

    @rule(run=runs)
    def check_whole_run(self, run):
        store = self.clients[1]._tracking_client.store
        wanted = {}
        for key in self.clients[1].get_run(run.ids[1]).data.metrics:
            history = self.clients[0].get_metric_history(run.ids[0], key)
            wanted[key] = sorted(repr(each.value + 0.0) for each in history)
        found = store.get_run_metrics(run.ids[1])
        assert {k: sorted(repr(v + 0.0) for v in values) for k, values in found.items()} == wanted

    @rule(
        experiments=st.lists(experiments, min_size=1, max_size=3),
        filter_string=FILTERS,
        order=ORDERS,
        view=st.sampled_from([ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL]),
        size=st.sampled_from([1, 3, 1000]),
    )
    def search(self, experiments, filter_string, order, view, size):
        def pages(client, *ids):
            found, token = [], None
            while True:
                page = client.search_runs(list(ids), filter_string, view, size, order, token)
                found += page
                token = page.token
                if token is None:
                    return found

        found = self.both(pages, *experiments)
        self.same(lambda runs: [self.run_view(run) for run in runs], found)


def value_view(value):
    return "nan" if math.isnan(value) else repr(value + 0.0)  # 0.0 and -0.0 are one key


def metric_view(metric):
    return metric.key, metric.step, metric.timestamp, value_view(metric.value)


def history_view(history):
    """The order, for which MLflow takes NaN for the 0 that it stores; and the values."""
    order = [
        (each.timestamp, each.step, 0.0 if math.isnan(each.value) else each.value)
        for each in history
    ]
    return order, sorted(map(metric_view, history))


def dataset_view(dataset_input):
    dataset = dataset_input.dataset
    return (
        dataset.name,
        dataset.digest,
        dataset.source_type,
        dataset.source,
        dataset.schema,
        dataset.profile,
        sorted((tag.key, tag.value) for tag in dataset_input.tags),
    )


@pytest.fixture
def clients(workspace, stock_url, monkeypatch):
    """MLflow's own store and ours, each with a workspace ``team-a``."""
    for name, value in STOCK_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    uri = workspace.get_mlflow_tracking_uri()
    return MlflowClient(stock_url, stock_url), MlflowClient(uri, uri)


@pytest.fixture(params=["off", "on"])
def journal(request, monkeypatch):
    """Whether a store that is opened from now on has a journal."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_JOURNAL", request.param)
    return request.param


# In this order: the journal is looked for when a store is opened.
def test_any_order_of_calls(journal, clients):
    """Any sequence of calls gives equal results, rows and exceptions."""
    ours = clients[1]._tracking_client.store
    assert isinstance(ours, JournalledTrackingStore) == (journal == "on")
    machine = type("OnClients", (Machine,), {"clients": clients, "journalled": journal == "on"})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=50,
            # To find the smallest sequence that differs takes minutes.
            phases=list(Phase) if SHRINK else [Phase.generate],
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


CALLS_ON_A_RUN = {
    "get_run": lambda client, run: client.get_run(run),
    "log_metric": lambda client, run: client.log_metric(run, "loss", 1.0),
    "log_batch": lambda client, run: client.log_batch(run, [Metric("loss", 1, 1, 1)]),
    "empty batch": lambda client, run: client._tracking_client.store.log_batch(run, [], [], []),
    "log_param": lambda client, run: client.log_param(run, "loss", 1),
    "set_tag": lambda client, run: client.set_tag(run, "loss", 1),
    "get_metric_history": lambda client, run: client.get_metric_history(run, "loss"),
    "set_terminated": lambda client, run: client.set_terminated(run),
    "chart": lambda client, run: client._tracking_client.store.get_metric_history_bulk_interval(
        [run], "loss", 10, None, None
    ),
}


@pytest.mark.parametrize("call", CALLS_ON_A_RUN.values(), ids=CALLS_ON_A_RUN)
def test_unknown_run(clients, call):
    """A run that does not exist is refused by both with the same words."""
    refusals = []
    for client in clients:
        with pytest.raises(MlflowException) as refused:
            call(client, "0" * 32)
        refusals.append((refused.value.error_code, str(refused.value)))
    assert refusals[0] == refusals[1]
