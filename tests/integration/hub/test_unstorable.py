"""What a database cannot store: refused at the call, or set aside, and nothing waits for it."""

import itertools
import json

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
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

from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import UnstorableValueError
from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from mlflow_workspace_plugin.journal.files.records import Kind, Record, body, line, parse
from mlflow_workspace_plugin.journal.sending.refused import count_refused
from mlflow_workspace_plugin.stores.reads.receipts import read_stored, receipts_of
from tests import python_processes
from tests.conftest import write_settings
from tests.deliveries import deliver_all

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
        self.client.log_metric(self.run_id, text, n, step=n)
        return self.key(self.run().data.metrics, n)

    def metric_key_in_batch(self, text, n):
        self.client.log_batch(self.run_id, [Metric(text, n, 1, n)])
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
        # MLflow, from 3.18 on, replaces a NUL in what it shows of a request.
        shown = text.replace("\0", "\ufffd")
        return text if stored.request_preview == shown else stored.request_preview

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


class TestAtTheCall:
    @pytest.mark.parametrize("journal", ["on", "off"])
    def test_nothing_of_a_batch_is_stored(self, uri, run_id, monkeypatch, journal):
        """As MLflow's own validation has it; to a client of a server it is a bad request."""
        monkeypatch.setenv("MLFLOW_WORKSPACE_JOURNAL", journal)
        store = MlflowClient(uri, uri)._tracking_client.store
        with pytest.raises(UnstorableValueError, match="half of a surrogate pair") as raised:
            store.log_batch(
                run_id, [Metric("m", 1, 1, 1)], [Param("p", "v")], [RunTag("t", SURROGATE)]
            )
        assert raised.value.get_http_status_code() == 400
        data = store.get_run(run_id).data
        assert (data.metrics, data.params, "t" in data.tags) == ({}, {}, False)

    def test_while_the_database_is_away(self, database, client, run_id):
        """It is refused then, too, so that what is journalled can be stored later."""
        client.log_metric(run_id, "m", 1)
        client._tracking_client.store.journal.note_silence()
        with pytest.raises(MlflowException, match="surrogate"):
            client.log_param(SURROGATE, "p", 1)
        # SQLite stores both.
        for text in [SURROGATE] if database == "sqlite" else [SURROGATE, NUL, "x" * 300]:
            with pytest.raises(UnstorableValueError):
                client.update_run(run_id, name=text)
            with pytest.raises(UnstorableValueError):
                client.set_tag(run_id, MLFLOW_RUN_NAME, text)


def poison(run_id, text):
    """Records with a text in each place, as journals of before may hold them."""
    return {
        "param key": (Kind.PARAM, run_id, {text: "v"}),
        "params": (Kind.PARAMS, run_id, {"good": "v", "bad": text}),
        "tag": (Kind.TAG, run_id, {"t": text}),
        "tags": (Kind.TAGS, run_id, {"good": "v", text: "v"}),
        "name": (Kind.INFO, run_id, [None, None, text, {}]),
        "metric": (Kind.METRICS, run_id, [[text, 1.0, 5, 0], ["good", 1.0, 5, 0]]),
        "typed": (Kind.TYPED, run_id, [[[text, 1.0, 5, 0]], [[text, 5, 0, "x"]], None]),
        "table": (Kind.TYPED, run_id, [[["m", 1.0, 5, 0]], [], text]),
        "described": (Kind.DESCRIBED, run_id, {"d": text}),
        "run of a param": (Kind.PARAM, text, {"p": "v"}),
        "run of a metric": (Kind.METRICS, text, [["m", 1.0, 5, 0]]),
    }


class TestDelivered:
    def test_only_what_cannot_be_stored_is_refused(self, database, client, direct, run_id):
        """Whatever the kind of the record, and those before and behind it are stored."""
        bad = poison(run_id, SURROGATE)
        if database != "sqlite":
            bad |= {f"NUL as {key}": each for key, each in poison(run_id, NUL).items()}
        bodies = []
        for number, each in enumerate(bad.values()):
            bodies.append(body(Kind.PARAM, run_id, 5, {f"p{number}": "v"}))
            bodies.append(body(each[0], each[1], 5, each[2]))
        bodies.append(body(Kind.TAG, run_id, 5, {"last": "v"}))
        records = [parse(line(i, each)[:-1]) for i, each in enumerate(bodies, 1)]
        outcomes = deliver_all(direct, "writer", records)
        refused = {name for name, each in zip(bad, outcomes[1::2], strict=False) if each}
        assert refused == set(bad)
        assert not any(outcomes[::2])
        data = client.get_run(run_id).data
        assert {f"p{number}" for number in range(len(bad))} <= set(data.params)
        assert data.tags["last"] == "v"
        # What is refused after its call is a tag of its run.
        assert "surrogate pair" in data.tags["mlflow.workspace.refused"]

    def test_counts_are_kept_under_another_name(self, direct, run_id):
        """Of what was logged or dropped, at the end of a run, too; the end is stored."""
        contents = [
            (Kind.LOGGED, run_id, {SURROGATE: 1}),
            (Kind.LOGGED, SURROGATE, {"m": 1}),
            (Kind.DROPPED, run_id, {SURROGATE: 2}),
            (Kind.INFO, run_id, ["FINISHED", 5, None, {SURROGATE: 3}]),
            (Kind.METRICS, run_id, [[SURROGATE, 1.0, 5, 0]]),
        ]
        records = [
            Record(number, kind.value, each, 5, content)
            for number, (kind, each, content) in enumerate(contents, 1)
        ]
        outcomes = deliver_all(direct, "writer", records)
        assert [each is not None for each in outcomes] == [False] * 4 + [True]
        with direct.engine.connect() as connection:
            (receipt,) = receipts_of(read_stored(connection, run_id), {})
        counts = receipt.logged, receipt.dropped, receipt.refused, receipt.lost
        assert (receipt.metric, *counts) == ("a\\ud800b", 4, 2, 1, 1)
        assert direct.get_run(run_id).info.status == "FINISHED"

    def test_what_fails_by_chance_is_tried_again(self, direct, run_id, monkeypatch):
        """Another writer may have been in the way; and the answer of who is away is none."""
        apply, failures = direct._apply, [KeyError("chance")]

        def fail_once(record):
            if failures:
                raise failures.pop()
            apply(record)

        monkeypatch.setattr(direct, "_apply", fail_once)
        monkeypatch.setattr(direct, "_deliver_usual", lambda *_: 0)
        record = Record(1, Kind.PARAM.value, run_id, 5, {"p": "v"})
        assert deliver_all(direct, "writer", [record]) == [None]
        failures.append(KeyError("chance"))
        monkeypatch.setattr(direct, "ping", lambda: (_ for _ in ()).throw(TimeoutError("away")))
        with pytest.raises(TimeoutError):
            deliver_all(direct, "writer", [Record(2, Kind.PARAM.value, run_id, 5, {"q": "v"})])


@pytest.fixture
def fail(direct):
    """Let the database fail for every param or metric of key ``poison``, with a SQLSTATE."""

    def fail(state):
        if direct.engine.dialect.name == "postgresql":
            does = "EXECUTE FUNCTION fail()"
            execute(
                "CREATE FUNCTION fail() RETURNS trigger AS $$ BEGIN "
                f"RAISE 'not this one' USING ERRCODE = '{state}'; END $$ LANGUAGE plpgsql"
            )
        else:
            does = "BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        for table in ("params", "metrics"):
            execute(
                f"CREATE TRIGGER fail_{table} BEFORE INSERT ON {table} FOR EACH ROW "
                f"WHEN (NEW.key = 'poison') {does}"
            )

    def execute(statement):
        with direct.engine.begin() as connection:
            connection.exec_driver_sql(statement)

    return fail


class TestStates:
    """What a server says of one record, by SQLSTATE."""

    @pytest.fixture
    def hub_path(self, server, postgresql_template, tmp_path):
        """A hub on a database of its own, only ever on PostgreSQL."""
        (tmp_path / "hub" / "artifacts").mkdir(parents=True)
        url = server.create_database(f"state_{tmp_path.name}"[:60], postgresql_template)
        write_settings(tmp_path / "hub", f'database = "{url}"\n')
        return tmp_path / "hub"

    @pytest.mark.parametrize("state", ["22000", "22P05", "23514", "23P01", "54000"])
    def test_of_content(self, fail, direct, run_id, state):
        """The record is refused, and the others of its batch are stored."""
        fail(state)
        records = [
            Record(1, Kind.PARAM.value, run_id, 5, {"before": "v"}),
            Record(2, Kind.PARAM.value, run_id, 5, {"poison": "v"}),
            Record(3, Kind.METRICS.value, run_id, 5, [["poison", 1.0, 5, 0]]),
            Record(4, Kind.METRICS.value, run_id, 5, [["after", 1.0, 5, 0]]),
        ]
        outcomes = deliver_all(direct, "writer", records)
        assert [outcome is None for outcome in outcomes] == [True, False, False, True]
        assert "not this one" in str(outcomes[1])
        data = direct.get_run(run_id).data
        assert (data.params, data.metrics) == ({"before": "v"}, {"after": 1})

    @pytest.mark.parametrize("state", ["08006", "40001", "53100", "55006", "57014", "42703"])
    def test_of_the_server(self, fail, direct, run_id, state):
        """Nothing is refused: it is stored when the server has come to itself."""
        fail(state)
        record = Record(1, Kind.PARAM.value, run_id, 5, {"poison": "v"})
        with pytest.raises(MlflowException):
            deliver_all(direct, "writer", [record])
        with direct.engine.begin() as connection:
            connection.exec_driver_sql("DROP TRIGGER fail_params ON params")
        assert deliver_all(direct, "writer", [record]) == [None]
        assert direct.get_run(run_id).data.params == {"poison": "v"}


class TestPassed:
    def test_is_passed_and_counted(self, fail, uri, hub_path, client, direct, run_id, caplog):
        """A process goes on with all else, of other runs too; the commands say what is missing."""
        other = client.create_run(client.get_run(run_id).info.experiment_id).info.run_id
        fail("23514")
        for step in range(20):
            client.log_metric(run_id, "poison" if step == 10 else "m", step, step=step)
            client.log_metric(other, "m", step, step=step)
        client.set_terminated(run_id)
        client.set_terminated(other)
        for each, number in ((run_id, 19), (other, 20)):
            assert len(direct.get_metric_history(each, "m")) == number
            assert direct.get_run(each).info.status == "FINISHED"
        assert "1 calls were refused" in caplog.text
        said = CliRunner().invoke(main, ["sync", "--status", "--json"])
        assert [row["refused"] for row in json.loads(said.stdout)] == [1]
        said = CliRunner().invoke(main, ["verify", run_id, "--hub", str(hub_path), "--json"])
        assert said.exit_code == 1
        refused = {row["metric"]: row["refused"] for row in json.loads(said.stdout)["metrics"]}
        assert refused == {"m": 0, "poison": 1}

    def test_of_a_process_that_ended(self, fail, uri, client, direct, run_id):
        """What it left is sent, but for that record, and its journal is gone."""
        fail("22000")
        script = f"""
import os
from mlflow import MlflowClient
from mlflow_workspace_plugin.journal.sending.sender import Sender
client = MlflowClient({uri!r}, {uri!r})
client.get_run({run_id!r})
Sender._ship = lambda _: True
for step in range(20):
    client.log_metric({run_id!r}, "poison" if step == 10 else "m", step, step=step)
os.kill(os.getpid(), 9)
"""
        assert python_processes.run(["-c", script]).returncode == -9
        said = CliRunner().invoke(main, ["sync", "--json"])
        row = json.loads(said.stdout)[0]
        assert (said.exit_code, row["sent calls"], row["refused"]) == (0, 20, 1)
        assert len(direct.get_metric_history(run_id, "m")) == 19
        folder = JournalFolder(uri)
        assert not list(folder.path.glob("*.journal"))
        assert count_refused(folder.refused) == 1
