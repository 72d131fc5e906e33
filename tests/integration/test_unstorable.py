"""What a database cannot store: refused at the call, or set aside, and nothing waits for it."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Param,
    RunTag,
    TraceInfo,
    TraceLocation,
    TraceState,
)
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

from mlflow_workspace_plugin.errors import UnstorableValueError
from mlflow_workspace_plugin.journal.folder import JournalFolder
from mlflow_workspace_plugin.journal.records import Kind, body, line, metrics_body, parse
from mlflow_workspace_plugin.journal.refused import count_refused
from mlflow_workspace_plugin.stores.build import open_workspace_store
from tests.deliveries import deliver_all
from tests.waiting import wait_until

pytestmark = pytest.mark.store

NUL, SURROGATE = "a\0b", "a\ud800b"

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=())),
    st.text("\0\ud800\udc80'\"`%_\\ \n\té€🙂", max_size=6),
    st.sampled_from([NUL, SURROGATE, "🙂" * 300, "x" * 501, "é" * 5_001, "y" * 9_000]),
)


class Position:
    """Where a text may stand: each method stores one there, and returns what is read back."""

    def __init__(self, client, registry, run_id, experiment_id):
        self.client, self.registry = client, registry
        self.run_id, self.experiment_id = run_id, experiment_id
        registry.create_registered_model("model")
        registry.create_model_version("model", "file:///nowhere")

    def run(self):
        return self.client.get_run(self.run_id)

    def experiment_name(self, text, n):
        name = f"{n}{text}"
        found = self.client.create_experiment(name)
        assert self.client.get_experiment_by_name(name).experiment_id == found
        return self.client.get_experiment(found).name.removeprefix(str(n))

    def renamed_experiment(self, text, n):
        self.client.rename_experiment(self.experiment_id, f"{n}{text}")
        return self.client.get_experiment(self.experiment_id).name.removeprefix(str(n))

    def experiment_tag(self, text, _):
        self.client.set_experiment_tag(self.experiment_id, "t", text)
        return self.client.get_experiment(self.experiment_id).tags["t"]

    def experiment_tag_key(self, text, n):
        self.client.set_experiment_tag(self.experiment_id, text, str(n))
        return self.key(self.client.get_experiment(self.experiment_id).tags, n)

    def run_name(self, text, _):
        name = text or "unnamed"
        run = self.client.create_run(self.experiment_id, run_name=name, tags={"t": text})
        stored = self.client.get_run(run.info.run_id)
        assert (stored.info.run_name, stored.data.tags["t"]) == (name, text)
        return text

    def renamed_run(self, text, _):
        self.client.update_run(self.run_id, name=text or "unnamed")
        return self.run().info.run_name if text else text

    def name_tag(self, text, _):
        self.client.set_tag(self.run_id, MLFLOW_RUN_NAME, text or "unnamed")
        return self.run().data.tags[MLFLOW_RUN_NAME] if text else text

    def metric_key(self, text, n):
        self.client.log_metric(self.run_id, text, n)
        return self.key(self.run().data.metrics, n)

    def metric_key_in_batch(self, text, n):
        self.client.log_batch(self.run_id, [Metric(text, n, 1, 1)])
        return self.key(self.run().data.metrics, n)

    def param(self, text, n):
        self.client.log_param(self.run_id, f"p{n}", text)
        return self.run().data.params[f"p{n}"]

    def param_key(self, text, n):
        self.client.log_param(self.run_id, text, str(n))
        return self.key(self.run().data.params, n)

    def tag(self, text, n):
        self.client.set_tag(self.run_id, f"t{n}", text)
        return self.run().data.tags[f"t{n}"]

    def tag_key(self, text, n):
        self.client.set_tag(self.run_id, text, str(n))
        return self.key(self.run().data.tags, n)

    def batch(self, text, n):
        """All of it is there, or nothing."""
        key = f"b{n}"
        try:
            self.client.log_batch(
                self.run_id,
                [Metric(key, n, 1, 1)],
                [Param(key, text)],
                [RunTag(key, text)],
            )
        except MlflowException:
            data = self.run().data
            assert key not in data.params.keys() | data.tags.keys() | data.metrics.keys()
            raise
        data = self.run().data
        assert data.tags[key] == text
        return data.params[key]

    def dataset(self, text, n):
        dataset = Dataset(f"{text}", str(n), "local", text, None, text)
        self.client.log_inputs(self.run_id, [DatasetInput(dataset, [InputTag("t", text)])])
        for each in self.run().inputs.dataset_inputs:
            if each.dataset.digest == str(n):
                stored = each.dataset
                assert each.tags[0].value == stored.source == stored.profile == text
                return stored.name
        return None

    def logged_model(self, text, _):
        model = self.client.create_logged_model(
            self.experiment_id, params={"p": text}, tags={"t": text}
        )
        stored = self.client.get_logged_model(model.model_id)
        assert stored.tags["t"] == text
        return stored.params["p"]

    def model_name(self, text, n):
        name = f"{n}{text}"
        self.registry.create_registered_model(name, {"t": text}, text)
        stored = self.registry.get_registered_model(name)
        assert (stored.description, stored.tags) == (text, {"t": text})
        return stored.name.removeprefix(str(n))

    def model_version(self, text, n):
        version = self.registry.create_model_version(
            "model", "file:///nowhere", tags={"t": text}, description=text, run_link=text
        )
        stored = self.registry.get_model_version("model", version.version)
        assert (stored.tags, stored.run_link) == ({"t": text}, text)
        return stored.description

    def alias(self, text, _):
        self.registry.set_registered_model_alias("model", text, "1")
        assert self.registry.get_model_version_by_alias("model", text).version == 1
        return next(
            each for each in self.registry.get_registered_model("model").aliases if each == text
        )

    def prompt(self, text, n):
        name = f"prompt{n}"
        self.registry.register_prompt(name, text, commit_message=text, tags={"t": text})
        stored = self.registry.get_prompt_version(name, "1")
        assert stored.tags["t"] == text
        return stored.template

    def trace(self, text, n):
        trace = TraceInfo(
            trace_id=f"tr-{n}",
            trace_location=TraceLocation.from_experiment_id(self.experiment_id),
            request_time=1,
            state=TraceState.OK,
            request_preview=text,
            trace_metadata={"m": text},
            tags={"t": text},
        )
        self.client._tracing_client.store.start_trace(trace)
        stored = self.client._tracing_client.store.get_trace_info(trace.trace_id)
        assert stored.trace_metadata["m"] == stored.tags["t"] == text
        return stored.request_preview

    def trace_tag_key(self, text, n):
        self.trace("", -n)
        self.client.set_trace_tag(f"tr-{-n}", text, str(n))
        return self.key(self.client._tracing_client.store.get_trace_info(f"tr-{-n}").tags, n)

    def filtered(self, text, n):
        self.client.set_tag(self.run_id, "f", str(n))
        for name in ("tags.f", "params.p", "attributes.run_name"):
            self.client.search_runs([self.experiment_id], f"{name} = '{text}'")
        self.client.search_experiments(filter_string=f"name = '{text}'")
        self.registry.search_registered_models(f"name = '{text}'")
        return text

    def key(self, found, n):
        return next(key for key, value in found.items() if value in (n, str(n)))


POSITIONS = sorted(
    name for name in vars(Position) if name not in ("run", "key") and not name.startswith("_")
)
_numbers = itertools.count(1)


@pytest.fixture
def position(client, run_id):
    return Position(client, client, run_id, client.get_run(run_id).info.experiment_id)


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # one hub for all examples
)
@given(name=st.sampled_from(POSITIONS), text=TEXTS)
def test_any_text_in_any_position(client, direct, run_id, position, name, text, monkeypatch):
    """It is stored and read back as it is, or refused at the call; what follows is stored."""
    # MLflow would cut it, with a warning.
    monkeypatch.setenv("MLFLOW_TRUNCATE_LONG_VALUES", "false")
    number = next(_numbers)
    try:
        read = getattr(position, name)(text, number)
    except MlflowException:
        pass
    else:
        assert read == text
    client.log_param(run_id, f"after {number}", "p")
    assert client._tracking_client.store.journal.waiting == 0
    assert f"after {number}" in direct.get_run(run_id).data.params
