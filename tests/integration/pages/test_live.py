"""What changed in a run since somebody looked: whoever keeps up sees what is stored."""

import io
import math
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.overview.figures.figures import figures_of_run
from mlflow_workspace_plugin.overview.live.tick import tick, tick_json
from mlflow_workspace_plugin.overview.source import source_of
from mlflow_workspace_plugin.remote.build import open_workspace_store
from mlflow_workspace_plugin.runs.metrics.descriptors import SCALAR
from mlflow_workspace_plugin.runs.metrics.values import scalar
from mlflow_workspace_plugin.runs.metrics.writer import MetricWriter

pytestmark = [pytest.mark.databases]

NAMES = ("loss", "acc")


class Looker:
    """Keeps up with a run as a page does: by the points of ticks, and by reading again."""

    def __init__(self, source, run_id):
        self._source = source
        self._run_id = run_id
        self._cursor = None
        self.points = {}
        self.read_again = 0

    def look(self):
        found = tick_json(tick(self._source, self._run_id, self._cursor))
        self._cursor = found["cursor"]
        for name, points in found["points"].items():
            self.points.setdefault(name, set()).update(map(tuple, points))
        for name in found["again"]:
            self.read_again += 1
            self.points[name] = stored_points(self._source, self._run_id, name)
        return found


def stored_points(source, run_id, name):
    """All points of a metric as JSON has them."""
    found = source.store.get_metric_history(run_id, name)
    return {(each.step, each.timestamp, told(each.value)) for each in found}


def told(value):
    if math.isnan(value):
        return "NaN"
    if abs(value) > 1e308:
        return "Infinity" if value > 0 else "-Infinity"
    return value


@pytest.fixture
def run(workspace):
    started = Experiment(workspace, "live").start_logging(outputs=None)
    yield started
    if started.get_status() == "Running":
        started.complete()


@pytest.fixture
def source(uri):
    return source_of(uri)


values = st.sampled_from([0.0, -0.5, 1.0, 2.5, math.nan, math.inf, -math.inf])
# Between two batches, in milliseconds.
gaps = st.sampled_from([0, 10, 30_000, 300_000])
batches = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.integers(0, 50),
        # Late by up to a minute, in milliseconds.
        st.integers(0, 55_000),
        values,
    ),
    min_size=1,
    max_size=12,
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(logged=st.lists(st.tuples(gaps, batches), min_size=1, max_size=6))
def test_late_points_of_the_last_minute_are_seen_whoever_logs_them(run, source, uri, logged):
    """At each look all that is stored by then is seen, in whatever order it came.

    Also of a metric that was not logged for long, while another one was.
    """
    store = open_workspace_store(uri)
    run_id = MlflowClient(uri).create_run(run.experiment.id).info.run_id
    looker, now = Looker(source, run_id), int(time.time() * 1000)
    for gap, batch in logged:
        now += gap
        metrics = [Metric(key, value, now - late, step) for key, step, late, value in batch]
        store.log_batch(run_id, metrics, [], [])
        looker.look()
        for name in NAMES:
            assert looker.points.get(name, set()) == stored_points(source, run_id, name)


def test_late_point_of_a_metric_that_is_logged_now_and_then_is_seen(run, source, uri):
    """By a client without receipts, below its last step, and long after its last point."""
    store, began = open_workspace_store(uri), int(time.time() * 1000)
    run_id = MlflowClient(uri).create_run(run.experiment.id).info.run_id
    store.log_batch(run_id, [Metric("val", 0.5, began, 10)], [], [])
    store.log_batch(run_id, [Metric("loss", 0.1, began + 300_000, 1)], [], [])
    looker = Looker(source, run_id)
    looker.look()
    store.log_batch(run_id, [Metric("val", 0.4, began + 299_000, 5)], [], [])
    assert "val" in looker.look()["points"]
    assert looker.points["val"] == stored_points(source, run_id, "val")
    assert looker.look()["points"] == {}


@pytest.mark.parametrize("late_ms", [0, 30_000, 7_200_000])
def test_what_our_clients_log_late_is_seen_by_its_receipt(run, source, late_ms):
    """However late it is, as from a journal of a machine that was away, and below the last step."""
    store, now = run._store, int(time.time() * 1000)
    store.log_batch(run.id, [Metric("loss", i / 10, now + i, i) for i in range(100, 200)], [], [])
    run.flush()
    looker = Looker(source, run.id)
    looker.look()
    late = [Metric("loss", float(i), now - late_ms + i, i) for i in range(100)]
    store.log_batch(run.id, late, [], [])
    run.flush()
    looker.look()
    assert looker.points["loss"] == stored_points(source, run.id, "loss")
    assert len(looker.points["loss"]) == 200


def test_points_of_other_clients_hide_no_late_ones_of_ours(run, source, uri):
    """Who log the same metric at the same time, and tell nobody how many they stored."""
    store, now = run._store, int(time.time() * 1000)
    store.log_batch(run.id, [Metric("loss", i / 10, now + i, i) for i in range(100, 110)], [], [])
    run.flush()
    looker = Looker(source, run.id)
    looker.look()
    others = [Metric("loss", i / 10, now + i, i) for i in range(110, 150)]
    open_workspace_store(uri).log_batch(run.id, others, [], [])
    late = [Metric("loss", float(i), now - 7_200_000 + i, i) for i in range(5)]
    store.log_batch(run.id, late, [], [])
    run.flush()
    looker.look()
    assert looker.points["loss"] == stored_points(source, run.id, "loss")
    assert len(looker.points["loss"]) == 55


@pytest.mark.behind
def test_nothing_is_read_again_while_nothing_is_late(run, source):
    """Points come by themselves; and a look at what did not change tells nothing."""
    looker = Looker(source, run.id)
    looker.look()
    for i in range(30):
        run.log("loss", i / 7)
        if i % 5 == 4:
            run.flush()
            looker.look()
    run.flush()
    looker.look()
    assert looker.points["loss"] == stored_points(source, run.id, "loss")
    # It was new once.
    assert looker.read_again == 1
    quiet = looker.look()
    assert (quiet["points"], quiet["again"], quiet["head"], quiet["log"]) == ({}, [], None, None)
    assert [quiet[each] for each in ("facts", "files", "is_over")] == [False] * 3


@pytest.mark.behind
def test_what_numbers_do_not_say_is_named(run, source):
    """Texts, rows and charts: their figures are read again, under the names that they have."""
    looker = Looker(source, run.id)
    looker.look()
    odd = "</script>" + "x" * 300
    run.log("note", "begun")
    run.log_row("errors", actual="cat", count=1)
    run.log(odd, 1.5)
    run.flush()
    assert set(looker.look()["again"]) == {"note", "errors", odd}
    run.log("note", "done")
    run.log_row("errors", actual="dog", count=2)
    run.flush()
    assert set(looker.look()["again"]) == {"note", "errors"}
    run.log(odd, 2.5)
    run.flush()
    assert [point[2] for point in looker.look()["points"][odd]] == [2.5]


@pytest.mark.parametrize("first", [0.5, 1])
def test_none_among_numbers_is_named(run, source, first):
    """It is no NaN: MLflow keeps one as the other, which a figure that is read again tells."""
    looker = Looker(source, run.id)
    run.log("loss", first)
    run.log("plain", 0.5)
    run.flush()
    looker.look()
    for value in (None, 0.25, None):
        run.log("loss", value)
        run.log("plain", math.nan)
        run.flush()
        found = looker.look()
        assert found["again"] == ([] if value else ["loss"])
        assert found["points"]["plain"][-1][2] == "NaN"
        assert found["latest"] == {"plain": "NaN"} | ({"loss": value} if value else {})
    [figure] = figures_of_run(source, run.id, names=["loss"])
    assert figure["series"][0]["y"] == [first, None, 0.25, None]


@pytest.mark.behind
def test_text_among_numbers_is_named_without_a_journal(run, source, uri):
    """There are no receipts then, which would count it."""
    writer = MetricWriter(open_workspace_store(uri), run.id)
    writer.write("loss", SCALAR, [{"": scalar("loss", 0.5)}])
    looker = Looker(source, run.id)
    looker.look()
    writer.write("loss", SCALAR, [{"": scalar("loss", "lost")}])
    assert looker.look()["again"] == ["loss"]


@pytest.mark.behind
def test_new_files_of_folders_that_are_named_are_told(run, source):
    """However deep they are; each folder once, and when it is named for the first time."""

    def look(cursor, *folders):
        found = tick(source, run.id, cursor, folders)
        return found.cursor, found.folders

    run.upload_file("outputs/checkpoints/1.bin", io.BytesIO(b"1"))
    cursor, told = look(None)
    assert told == []
    cursor, told = look(cursor, "outputs/checkpoints", "model")
    assert told == ["outputs/checkpoints", "model"]
    cursor, told = look(cursor, "outputs/checkpoints", "model")
    assert told == []
    run.upload_file("outputs/checkpoints/2.bin", io.BytesIO(b"2"))
    found = tick(source, run.id, cursor, ["outputs/checkpoints", "model"])
    assert (found.folders, found.files) == (["outputs/checkpoints"], False)
    with pytest.raises(MlflowException, match="path"):
        look(cursor, "../..")


@pytest.mark.behind
def test_last_look_reads_all_again(run, source):
    """So the last picture is the one that whoever opens the run later sees."""
    run.log("loss", 0.5)
    run.log("note", "a text")
    run.flush()
    looker = Looker(source, run.id)
    looker.look()
    run.complete()
    found = looker.look()
    assert found["is_over"]
    assert set(found["again"]) == {"loss", "note"}
    assert found["head"]["status"] == "Completed"


@pytest.mark.behind
def test_log_comes_in_pieces_and_a_shorter_one_anew(run, source):
    """In whole characters, from the end of a long one on; each piece behind the one before."""
    repository = source.repository(run.id)
    looker = Looker(source, run.id)
    assert looker.look()["log"] is None
    repository.append("user_logs/std_log.txt", ("x" * 99 + "\n").encode() * 1000)
    first = looker.look()["log"]
    assert first["end"] == 100_000
    assert len(first["text"]) == first["end"] - first["start"] < 20_000
    repository.append("user_logs/std_log.txt", "né\n".encode()[:2], goes_on=True)
    second = looker.look()["log"]
    assert (second["start"], second["text"]) == (100_000, "n")
    repository.append("user_logs/std_log.txt", "né\n".encode()[2:], goes_on=True)
    third = looker.look()["log"]
    assert (third["start"], third["text"]) == (second["end"], "é\n")
    assert looker.look()["log"] is None
    run.upload_file("user_logs/std_log.txt", io.BytesIO(b"anew\n"))
    assert looker.look()["log"] == {
        "name": "user_logs/std_log.txt",
        "start": 0,
        "end": 5,
        "text": "anew\n",
    }


@pytest.mark.behind
def test_run_of_another_workspace_is_not_there(run, other_workspace):
    """Nor one that was deleted for good."""
    elsewhere = source_of(other_workspace.get_mlflow_tracking_uri())
    with pytest.raises(MlflowException, match="not found"):
        tick(elsewhere, run.id)


@pytest.mark.behind
def test_cursor_of_somebody_else_is_none(run, source):
    """What is sent as one is anybody's: it is a first look, or an answer as to a fault."""
    run.log("loss", 1)
    run.flush()
    for cursor in ({}, {"version": 0}, {"version": 1}, {"version": 1, "metrics": {}, "log": None}):
        assert tick(source, run.id, cursor).head is not None
    assert figures_of_run(source, run.id)


@pytest.mark.behind
def test_new_files_of_mlflows_calls_are_told(run, source):
    """An image of a series, and rows of a table, that MLflow's calls log are to be read again."""
    numpy = pytest.importorskip("numpy")
    client = MlflowClient(source.tracking_uri)
    cursor = tick(source, run.id).cursor
    for step in range(2):
        client.log_image(run.id, numpy.zeros((2, 2, 3), "uint8"), key="seen", step=step)
        client.log_table(run.id, {"a": [step]}, "rows.json")
        found = tick(source, run.id, cursor)
        assert {"seen", "rows.json"} <= {*found.again}
        cursor = found.cursor
    assert not {"seen", "rows.json"} & {*tick(source, run.id, cursor).again}
    run.complete()
    assert {"seen", "rows.json"} <= {*tick(source, run.id, cursor).again}
