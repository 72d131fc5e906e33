"""Texts among SDK v1's metrics: read back as they were logged, no ``nan`` in MLflow, and a tag."""

import json
import math
import os
import re
import time
from collections import Counter
from functools import partial

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.entities import Metric, RunTag
from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH, MAX_TAG_VAL_LENGTH

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.artifacts.repository import open_repository
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from mlflow_workspace_plugin.journal.files.records import Kind, body, line, parse
from mlflow_workspace_plugin.journal.journal import Journal
from mlflow_workspace_plugin.overview.figures.latest import LatestValues
from mlflow_workspace_plugin.overview.source import source_of
from mlflow_workspace_plugin.runs.metrics.names import key_of
from mlflow_workspace_plugin.stores.deliveries.writers import HubWriter
from mlflow_workspace_plugin.stores.tags.text_tags import MARK_PREFIX, mark_of
from mlflow_workspace_plugin.stores.writes.typed_values import FOLDER, ExactValue, read_exact
from tests import python_processes
from tests.deliveries import deliver_all
from tests.integration.runs.test_typed_metrics import same, unwrapped

pytestmark = pytest.mark.databases

NOW = 1_700_000_000_000


@pytest.fixture
def run(workspace):
    return Experiment(workspace, "experiment").start_logging(outputs=False)


def tags_of(run):
    """The tags of a run that MLflow's UI shows."""
    tags = run.experiment.workspace.client.get_run(run.id).data.tags
    return {key: value for key, value in tags.items() if not key.startswith("mlflow.")}


def metrics_of(run):
    return run.experiment.workspace.client.get_run(run.id).data.metrics


def verified(run, hub_path):
    """What ``verify`` answers, and by metric how many values are logged, stored and not ours."""
    done = CliRunner().invoke(main, ["verify", run.id, "--hub", str(hub_path), "--json"])
    report = json.loads(done.output)
    counts = {
        each["metric"]: (each["logged"], each["stored"], each["not_ours"])
        for each in report["metrics"]
    }
    return report["result"], counts


class TestInMlflow:
    def test_text_is_a_tag_and_no_metric(self, run):
        """Of a name the last text, as soon as ``log`` has returned, also before it is stored."""
        run.log("note", "first")
        run.log("note", "hello")
        run.log("m", 1.5)
        run.log("m", "x")
        run.log("m", 2)
        run.log("nothing", math.nan)
        run.log_list("list", ["a", "b"])
        assert tags_of(run) == {"text/note": "hello", "text/m": "x", "text/list": "b"}
        assert set(metrics_of(run)) == {"m", "nothing"}
        assert metrics_of(run)["m"] == 2
        assert math.isnan(metrics_of(run)["nothing"])
        assert run.get_tags() == {}
        assert same(
            run.get_metrics(),
            {
                "note": ["first", "hello"],
                "m": [1.5, "x", 2],
                "nothing": math.nan,
                "list": ["a", "b"],
            },
        )
        assert run.get_metrics("note") == {"note": ["first", "hello"]}

    def test_columns_of_text(self, run):
        """They are neither metrics nor tags, and None among texts is no metric, either."""
        run.log_row("confusion", actual="cat", predicted="dog", count=3)
        run.log_row("confusion", actual="cat", predicted=None, count=4)
        assert tags_of(run) == {}
        assert metrics_of(run) == {"confusion/count": 4}
        confusion = {"actual": ["cat", "cat"], "predicted": ["dog", None], "count": [3, 4]}
        assert run.get_metrics() == {"confusion": confusion}

    def test_found_by_a_search(self, workspace, run):
        """By its text; what only this package reads is left out."""
        run.log("note", "hello")
        run.flush()
        (found,) = workspace.client.search_runs([run.experiment.id], "tags.`text/note` = 'hello'")
        assert found.info.run_id == run.id
        assert not any(key.startswith("mlflow.workspace.") for key in found.data.tags)

    def test_text_of_a_model(self, workspace, run):
        """While a model is the active one, too, it is nobody's number."""
        import mlflow

        mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
        model = mlflow.initialize_logged_model("model", source_run_id=run.id)
        with mlflow.start_run(run_id=run.id):
            mlflow.set_active_model(model_id=model.model_id)
            run.log("note", "hello")
            run.log("loss", 0.5)
        mlflow.clear_active_model()
        run.flush()
        found = mlflow.get_logged_model(model.model_id).metrics
        assert [metric.key for metric in found] == ["loss"]

    def test_latest_values(self, workspace, run, hub_path):
        """Texts are among them, in notebooks and on the command line: what was logged last."""
        long = "x" * 9_000
        run.log_list("was a number", [1, "<b>"])
        run.log_list("was a text", ["a", 0.5])
        run.log("50 %", "odd")
        run.log("long", long)
        run.log("users", "a")
        run.tag("text/users", "mine")
        run.flush()
        source = source_of(workspace.get_mlflow_tracking_uri())
        latest = dict(LatestValues(source).of(workspace.client.get_run(run.id)))
        assert latest == {
            "50 %": "odd",
            "long": long[: MAX_TAG_VAL_LENGTH - 1] + "…",
            "was a number": "<b>",
            "was a text": 0.5,
        }
        html = run._repr_html_()
        rows = [re.sub("<[^>]*>", " ", each).split() for each in html.split("<tr>")]
        assert ["was", "a", "number", "&lt;b&gt;", "2"] in rows
        assert long[:700] not in html
        at_hub = ["--hub", str(hub_path), "-w", workspace.name]
        for command in (["show", run.id], ["runs"]):
            done = CliRunner().invoke(main, [*command, *at_hub, "--json"])
            said = json.loads(done.output)
            assert (said[0] if command == ["runs"] else said)["metrics"] == latest
        shown = CliRunner().invoke(main, ["runs", *at_hub, "-m", "long"], env={"COLUMNS": "80"})
        assert max(map(len, shown.output.splitlines())) <= 80, shown.output

    def test_another_object_goes_on(self, workspace, run):
        """Behind the texts of a name that has no numbers yet."""
        run.log_list("m", ["a", "b"])
        again = workspace.get_run(run.id)
        again.log("m", 0.5)
        again.log("m", "c")
        assert run.get_metrics() == {"m": ["a", "b", 0.5, "c"]}
        assert [m.step for m in workspace.client.get_metric_history(run.id, "m")] == [2]


class TestTags:
    def test_users_own_stays(self, workspace, run):
        """Whether he set it before or after the text, and even if it is the same; it is listed."""
        client = workspace.client

        def by_batch(key, value):
            # With one that MLflow's own method has to set.
            tags = [RunTag(key, value), RunTag("mlflow.runName", "renamed")]
            client.log_batch(run.id, tags=tags)

        ways = {"shim": run.tag, "client": partial(client.set_tag, run.id), "batch": by_batch}
        cases = [(way, value) for way in ways for value in ("mine", "hello")]
        for way, value in cases:
            ways[way](f"text/before {way} {value}", value)
        names = [f"{when} {way} {value}" for way, value in cases for when in ("before", "after")]
        for name in names:
            run.log(name, "hello")
        run.flush()
        for way, value in cases:
            ways[way](f"text/after {way} {value}", value)
        for text in ("again", "hello"):
            for name in names:
                run.log(name, text)
            run.flush()
        assert tags_of(run) == run.get_tags() == {f"text/{n}": n.split()[-1] for n in names}
        assert run.get_metrics() == {name: ["hello", "again", "hello"] for name in names}

    def test_deleted(self, workspace, run):
        """It comes again with the next text, and so it does when the user gives his own up."""
        run.log("note", "a")
        workspace.client.delete_tag(run.id, "text/note")
        assert tags_of(run) == {}
        run.log("note", "b")
        assert tags_of(run) == {"text/note": "b"}
        run.tag("text/note", "mine")
        run.log("note", "c")
        run.remove_tags(["text/note"])
        assert tags_of(run) == {}
        run.log("note", "d")
        assert tags_of(run) == {"text/note": "d"}
        assert run.get_tags() == {}

    @pytest.mark.parametrize("way", ["journal", "no_journal"])
    def test_what_no_tag_holds(self, request, way):
        """Long texts are cut and odd characters escaped; names that are no keys have a digest."""
        if way == "no_journal":
            # Before the store is opened.
            request.getfixturevalue(way)
        run = request.getfixturevalue("run")
        assert hasattr(run._store, "journal") == (way == "journal")
        texts = {
            "long": "x" * 20_000,
            "nul": "a\0b",
            "empty": "",
            "50 %": "odd",
            "n" * 250: "as long as a metric",
            "n" * 249 + "m": "another",
            "n" * 500: "longer",
        }
        for name, text in texts.items():
            run.log(name, text)
        tags = tags_of(run)
        assert tags["text/long"] == "x" * (MAX_TAG_VAL_LENGTH - 1) + "…"
        assert tags["text/nul"] == r"a\x00b"
        assert tags["text/empty"] == ""
        (odd,) = [key for key, value in tags.items() if value == "odd"]
        assert odd.startswith("text/50 _--")
        assert len(tags) == len(texts)
        assert max(map(len, tags)) <= MAX_ENTITY_KEY_LENGTH
        assert run.get_metrics() == texts
        assert run.get_tags() == {}

    def test_what_comes_late_overwrites_nothing(self, direct, run):
        """The journal of another process, with an older text; and one with a newer."""

        def deliver(text, at):
            content = [[], [["note", at, 0, text, True]], None]
            record = parse(line(1, body(Kind.TYPED, run.id, at, content))[:-1])
            assert deliver_all(direct, os.urandom(8).hex(), [record]) == [None]
            return direct.get_run(run.id).data.tags["text/note"]

        assert deliver("b", NOW + 5) == "b"
        assert deliver("a", NOW) == "b"
        assert deliver("c", NOW + 9) == "c"

    def test_many_texts_are_one_tag(self, direct, run, monkeypatch):
        """Of a batch only the last one is written."""
        from mlflow_workspace_plugin.stores.writes import typed_values

        written = []
        set_texts = typed_values.set_texts
        monkeypatch.setattr(
            typed_values,
            "set_texts",
            lambda connection, run_id, texts: (
                written.append(texts),
                set_texts(connection, run_id, texts),
            ),
        )
        contents = [[[], [["note", NOW + i, i, f"text {i}", True]], None] for i in range(1_000)]
        lines = [
            line(i, body(Kind.TYPED, run.id, NOW, content)) for i, content in enumerate(contents, 1)
        ]
        assert set(deliver_all(direct, "writer", [parse(each[:-1]) for each in lines])) == {None}
        assert written == [{"note": (NOW + 999, 999, "text 999")}]

    def test_mark_that_somebody_else_set(self, workspace, run):
        """It is none: texts are stored, and shown, all the same."""
        workspace.client.set_tag(run.id, mark_of("text/note"), "mine")
        workspace.client.set_tag(run.id, f"{MARK_PREFIX}other", "0 1 2")
        run.log("note", "a")
        run.flush()
        assert tags_of(run) == {"text/note": "a"}
        assert run.get_metrics() == {"note": "a"}
        assert run.get_tags() == {}

    def test_known_while_the_database_is_away(self, run, monkeypatch):
        """A process sees its last text, and the user's own tag in its place."""
        run.log("note", "a")
        run.log("other", "b")
        run.flush()
        run.tag("text/other", "b")
        monkeypatch.setattr(Journal, "away", True)
        run.log("note", "c")
        run.log("other", "d")
        assert tags_of(run) == {"text/note": "c", "text/other": "b"}
        assert run.get_tags() == {"text/other": "b"}


class TestStoredBefore:
    """Runs in which each text has a NaN among MLflow's metrics, as earlier versions wrote them."""

    def old_shape(self, at=NOW):
        """Numbers, what was logged in their place, and the table, of each call."""
        nan = math.nan
        return [
            ([["note", nan, at, 0]], [["note", at, 0, "a"]], None),
            ([["note", nan, at + 1, 1]], [["note", at + 1, 1, "b"]], None),
            ([["m", 0.5, at, 0]], [], None),
            ([["m", nan, at + 1, 1]], [["m", at + 1, 1, "x"]], None),
            ([["m", nan, at + 2, 2]], [], None),
            (
                [["row/s", nan, at, 0], ["row/n", 1.0, at, 0]],
                [["row/s", at, 0, "t"]],
                "table",
            ),
        ]

    def describe(self, direct, run):
        for name, kind, columns in [
            ("note", "scalar", [["", "note", "string"]]),
            ("m", "scalar", [["", "m", "double"]]),
            ("row", "table", [["s", "row/s", "string"], ["n", "row/n", "int"]]),
        ]:
            key = f"mlflow.workspace.metric.{name}"
            direct.log_values(run.id, [], [], {key: json.dumps([NOW, name, kind, columns])})

    @pytest.mark.parametrize("way", ["journal", "direct"])
    def test_read_back_equal(self, direct, run, hub_path, way):
        """And what is logged now goes on behind; ``verify`` counts both."""
        self.describe(direct, run)
        contents = self.old_shape()
        if way == "journal":
            lines = [
                line(i, body(Kind.TYPED, run.id, NOW + 5, list(content)))
                for i, content in enumerate(contents, 1)
            ]
            records = [parse(each[:-1]) for each in lines]
            assert set(deliver_all(direct, "writer", records)) == {None}
            assert set(deliver_all(direct, "writer", records)) == {None}
        else:
            for values, exact, table in contents:
                metrics = [Metric(*value) for value in values]
                exact = [ExactValue(*each) for each in exact]
                direct.log_values(run.id, metrics, exact, None, table)
        assert same(
            run.get_metrics(),
            {"note": ["a", "b"], "m": [0.5, "x", math.nan], "row": {"s": "t", "n": 1}},
        )
        result, counts = verified(run, hub_path)
        assert result == "equal"
        assert {key: sum(became[1:]) for key, became in counts.items()} == {
            "note": 2,
            "m": 3,
            "row/s": 1,
            "row/n": 1,
        }
        nans = [math.isnan(m.value) for m in direct.get_metric_history(run.id, "note")]
        assert nans == [True, True]
        run.log("note", "c")
        run.log("m", "y")
        run.log("m", math.nan)
        run.log_row("row", s="u", n=2)
        assert same(
            run.get_metrics(),
            {
                "note": ["a", "b", "c"],
                "m": [0.5, "x", math.nan, "y", math.nan],
                "row": {"s": ["t", "u"], "n": [1, 2]},
            },
        )
        assert len(direct.get_metric_history(run.id, "note")) == 2
        assert tags_of(run) == {"text/note": "c", "text/m": "y"}
        assert verified(run, hub_path)[0] == "equal"


class TestVerify:
    def test_counts_texts(self, run, hub_path):
        """Those that this process logged, and those without a journal."""
        run.log("note", "a")
        run.log_list("note", ["b", "c"])
        run.log_row("row", s="t")
        run.complete()
        assert verified(run, hub_path) == ("equal", {"note": (3, 3, 0), "row/s": (1, 1, 0)})

    def test_texts_that_wait(self, uri, run, hub_path):
        """In the journal of a process that was killed; they are read once they are sent."""
        run.flush()
        script = f"""
import os
from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.journal.sending.sender import Sender
run = Workspace.get("team-a", hub={str(hub_path)!r}).get_run({run.id!r})
run.log("note", "a")
run.flush()
Sender._ship = lambda *_: True
run.log("note", "b")
run.log("note", 1)
os.kill(os.getpid(), 9)
"""
        assert python_processes.run(["-c", script]).returncode == -9
        result, counts = verified(run, hub_path)
        assert (result, counts) == ("different", {"note": (3, 1, 0)})
        assert run.get_metrics() == {"note": ["a", "b", 1]}
        assert verified(run, hub_path) == ("equal", {"note": (3, 3, 0)})
        assert tags_of(run) == {"text/note": "b"}

    @pytest.mark.sqlite
    def test_texts_that_are_gone(self, run, hub_path):
        """Whoever removes their files removes them, which is said; and so is that nobody knows."""
        run.log("note", "a")
        run.complete()
        (folder,) = hub_path.glob(f"artifacts/**/{run.id}/artifacts/{FOLDER}")
        elsewhere = folder.rename(hub_path / "elsewhere")
        assert verified(run, hub_path)[0] == "different"
        # No link is followed, so it cannot be said what is there.
        folder.symlink_to(elsewhere)
        assert verified(run, hub_path)[0] == "unknown"
        folder.unlink()
        elsewhere.rename(folder)
        assert verified(run, hub_path)[0] == "equal"


def typed_lines():
    """Texts and numbers of names and tables, in the shape of now and before."""
    place = st.tuples(st.sampled_from([NOW, NOW + 1]), st.sampled_from([0, 1]))
    text = st.sampled_from(["x", "y"])

    def content(name, at, value, shape):
        timestamp, step = at
        key, table = (f"{name}/c", name) if name == "t" else (name, None)
        if shape == "number":
            return [[[key, 1.5, timestamp, step]], [], table]
        number = [[key, math.nan, timestamp, step]] if shape == "before" else []
        alone = [] if shape == "before" else [True]
        return [number, [[key, timestamp, step, value, *alone]], table]

    shape = st.sampled_from(["now", "before", "number"])
    return st.lists(
        st.builds(content, st.sampled_from(["m", "n", "t"]), place, text, shape),
        min_size=1,
        max_size=10,
    )


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), contents=typed_lines())
def test_delivering_again_changes_nothing(workspace, client, direct, data, contents):
    """However records are cut into batches, and whichever come again; also one by one."""
    experiment = client.create_experiment(os.urandom(8).hex())
    once, again, alone = (client.create_run(experiment).info.run_id for _ in range(3))

    def records(run_id):
        lines = [line(i, body(Kind.TYPED, run_id, NOW, c)) for i, c in enumerate(contents, 1)]
        return [parse(each[:-1]) for each in lines]

    refused = deliver_all(direct, os.urandom(8).hex(), records(once))
    assert refused == [None] * len(contents)
    writer, to_send = os.urandom(8).hex(), records(again)
    done = 0
    while done < len(to_send):
        start = data.draw(st.integers(0, done))
        done = data.draw(st.integers(done + 1, len(to_send)))
        deliver_all(direct, writer, to_send[start:done])
    writer = HubWriter(os.urandom(8).hex())
    for record in records(alone):
        # As records that MLflow's own methods have to see, of which one was stored in part before.
        direct._apply_values(writer, record)
        direct._deliver_unusual(writer, record, lambda *_: True)

    def content(run_id):
        run = direct.get_run(run_id)
        repository = open_repository(run.info.artifact_uri, workspace.get_mlflow_tracking_uri())
        # How far a row of a table moves depends on what it was stored with.
        texts = [
            each._replace(timestamp=0) if each.key == "t/c" else each
            for each in read_exact(repository, run_id)
            if each.is_alone
        ]
        tags = {key: value for key, value in run.data.tags.items() if "text" in key}
        return texts, tags

    assert content(once) == content(again)
    assert content(once) == content(alone)


LOG = """
import json, os, sys
from mlflow_workspace_plugin import Workspace
hub, run_id, operations, is_killed = json.loads(sys.argv[1])
run = Workspace.get("team-a", hub=hub).get_run(run_id)
for method, *arguments in operations:
    if method == "log_row":
        run.log_row(arguments[0], **arguments[1])
    elif method == "delete_tag":
        run._client.delete_tag(run_id, *arguments)
    else:
        getattr(run, method)(*arguments)
if is_killed:
    os.kill(os.getpid(), 9)
"""

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
VALUES = st.one_of(
    TEXTS, TEXTS, st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, math.nan]), st.none()
)
NAMES = st.sampled_from(["m", "50 %"])
OPERATIONS = st.one_of(
    st.tuples(st.just("log"), NAMES, VALUES),
    st.tuples(st.just("log"), NAMES, TEXTS),
    st.tuples(st.just("log_list"), NAMES, st.lists(TEXTS, min_size=1, max_size=3)),
    st.tuples(
        st.just("log_row"),
        st.just("t"),
        st.dictionaries(st.sampled_from("ab"), VALUES, min_size=1),
    ),
    st.tuples(st.just("tag"), st.just("text/m"), st.sampled_from(["x", "mine"])),
    st.tuples(st.just("delete_tag"), st.just("text/m")),
)


class Expected:
    """What is to be read, by the plainest words of what is done."""

    def __init__(self):
        self.scalars = {}
        self.rows = []
        self.ours, self.his = {}, {}

    def takes(self, operation):
        """Whether it can be done: MLflow refuses to delete a tag that is not there."""
        return operation[0] != "delete_tag" or "text/m" in {**self.ours, **self.his}

    def do(self, method, name, value=None):
        if method == "tag":
            self.ours.pop(name, None)
            self.his[name] = value
        elif method == "delete_tag":
            self.ours.pop(name, None)
            self.his.pop(name, None)
        elif method == "log_row":
            self.rows.append(value)
        else:
            values = value if method == "log_list" else [value]
            self.scalars.setdefault(name, []).extend(values)
            for text in (each for each in values if isinstance(each, str)):
                if f"text/{name}" not in self.his:
                    self.ours[f"text/{name}"] = text.replace("\0", r"\x00")

    @property
    def metrics(self):
        columns = dict.fromkeys(column for row in self.rows for column in row)
        table = {c: unwrapped([row.get(c) for row in self.rows]) for c in columns}
        scalars = {name: unwrapped(values) for name, values in self.scalars.items()}
        return scalars | ({"t": table} if table else {})

    @property
    def values(self):
        """All that was logged, by metric of MLflow's, as far as it keeps a name."""
        found = dict(self.scalars)
        for row in self.rows:
            for column, value in row.items():
                found.setdefault(f"t/{column}", []).append(value)
        return found


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    parts=st.lists(
        st.tuples(
            st.sampled_from(["here", "killed", "without a journal"]),
            st.lists(OPERATIONS, min_size=1, max_size=6),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_any_order_of_any_values(workspace, direct, hub_path, parts):
    """By this process, one that is killed, and one without a journal, each behind the other."""
    run = Experiment(workspace, os.urandom(8).hex()).start_logging(outputs=False)
    run.flush()
    expected, by_journal = Expected(), Counter()
    for way, drawn in parts:
        operations = []
        before = Counter({key: len(values) for key, values in expected.values.items()})
        for operation in drawn:
            if expected.takes(operation):
                expected.do(*operation)
                operations.append(operation)
        after = Counter({key: len(values) for key, values in expected.values.items()})
        if way != "without a journal":
            by_journal += after - before
        if way == "here":
            part = workspace.get_run(run.id)
            for method, name, *value in operations:
                if method == "log_row":
                    part.log_row(name, **value[0])
                elif method == "delete_tag":
                    workspace.client.delete_tag(run.id, name)
                else:
                    getattr(part, method)(name, *value)
            part.flush()
        else:
            env = {"MLFLOW_WORKSPACE_JOURNAL": "off"} if way == "without a journal" else {}
            argument = json.dumps([str(hub_path), run.id, operations, way == "killed"])
            done = python_processes.run(["-c", LOG, argument], env={**os.environ, **env})
            assert done.returncode == (-9 if way == "killed" else 0)
            # What a killed one left is stored before what comes next.
            workspace.client.get_run(run.id)
        time.sleep(0.002)
    assert same(run.get_metrics(), expected.metrics)
    assert run.get_tags() == expected.his
    shown = {
        "text/50 %" if key.startswith("text/50 _--") else key: value
        for key, value in tags_of(run).items()
    }
    assert shown == {**expected.ours, **expected.his}
    result, counts = verified(run, hub_path)
    assert result == "equal"
    of_journal = {key: became[:2] for key, became in counts.items()}
    total = {key: became[1] + became[2] for key, became in counts.items()}
    for key, values in expected.values.items():
        # Under the name it was logged by, which MLflow does not keep of each.
        assert total[key] == len(values)
        assert of_journal[key] == (by_journal[key], by_journal[key])
        rows = [metric.value for metric in direct.get_metric_history(run.id, key_of(key))]
        nans = sum(isinstance(value, float) and math.isnan(value) for value in values)
        nones = values.count(None)
        texts = sum(isinstance(value, str) for value in values)
        assert nans <= sum(map(math.isnan, rows)) <= nans + nones
        assert len(values) - texts - nones <= len(rows) <= len(values) - texts
    assert not list(JournalFolder(workspace.get_mlflow_tracking_uri()).refused.glob("*"))
