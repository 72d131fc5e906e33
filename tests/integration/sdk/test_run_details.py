"""``RunDetails`` and what it is made of, without a notebook."""

import inspect

import pytest
from click.testing import CliRunner
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.drawing.run_text import text_of_run
from mlflow_workspace_plugin.overview.figures.figures import figures_of_run
from mlflow_workspace_plugin.overview.run.status import says_run_is_gone
from mlflow_workspace_plugin.overview.source import source_of
from mlflow_workspace_plugin.sdk.widgets import RunDetails, live_run
from mlflow_workspace_plugin.sdk.widgets.live_run import LiveRun, as_printed
from tests.waiting import wait_until

pytestmark = pytest.mark.sqlite


@pytest.fixture
def run(workspace):
    return Experiment(workspace, "experiment").start_logging(display_name="a run", outputs=False)


def live(run, points=600):
    uri = run.experiment.workspace.get_mlflow_tracking_uri()
    return LiveRun(source_of(uri), run.id, lambda run_id: f"http://here/{run_id}", points)


def log(run, key, points):
    """Log points as another process does: step, time, value."""
    metrics = [Metric(key, value, timestamp, step) for step, timestamp, value in points]
    run.experiment.workspace.client.log_batch(run.id, metrics)
    run.flush()


def curve(seen, key):
    (figure,) = [each for each in seen.figures if each["title"] == key]
    return figure


def test_what_came_is_added(run):
    """Also what comes late; so what has grown is what is read anew, and equal to all in the end."""
    begun = 1_790_000_000_000
    log(run, "loss", [(step, begun + step, 1 / (step + 1)) for step in range(5)])
    looked = live(run)
    assert looked.look()
    log(run, "loss", [(step, begun + step, 1 / (step + 1)) for step in (7, 8)])
    log(run, "other", [(0, begun, float("nan"))])
    assert looked.look()
    log(run, "loss", [(5, begun + 5, 9.0), (6, begun + 6, float("inf"))])
    assert looked.look()
    fresh = live(run)
    fresh.look()
    for key in ("loss", "other"):
        assert curve(looked.seen(), key) == curve(fresh.seen(), key)
    assert not looked.is_over
    run.complete()
    looked.look()
    assert looked.is_over
    assert looked.seen().status == "Completed"
    assert curve(looked.seen(), "loss")["series"][0]["y"][5:7] == [9.0, "Infinity"]


def test_curve_that_grows_without_end(run):
    """So many points are kept of it, the extreme ones among them; how many there are is said."""
    begun = 1_790_000_000_000
    looked = live(run, points=50)
    values = [float(step == 33) for step in range(200)]
    for first in range(0, 200, 40):
        part = range(first, first + 40)
        log(run, "loss", [(step, begun + step, values[step]) for step in part])
        looked.look()
    series = curve(looked.seen(), "loss")["series"][0]
    assert len(series["y"]) <= 100
    assert 1.0 in series["y"]
    assert series["x"][0] == 0
    assert series["x"][-1] == 199
    (row,) = looked.seen().metrics
    assert (row.name, row.least, row.greatest, row.values) == ("loss", 0, 1, 200)


@pytest.mark.parametrize("step", [0, 5])
def test_values_of_one_step_are_a_curve_over_the_time(run, step, monkeypatch):
    """Which grows as others do, until another step comes; and is among the metrics."""
    reads = []

    def counted(*given, **named):
        reads.append(named["names"])
        return figures_of_run(*given, **named)

    monkeypatch.setattr(live_run, "figures_of_run", counted)
    begun = 1_790_000_000_000
    log(run, "loss", [(step, begun + number, 1 / (number + 1)) for number in range(3)])
    looked, fresh = live(run), live(run)
    looked.look()
    (row,) = looked.seen().metrics
    assert (row.name, row.least, row.greatest, row.values) == ("loss", 1 / 3, 1, 3)
    # Of one moment those that are less are first.
    log(
        run,
        "loss",
        [(step, begun + 4, 2.0), (step, begun + 4, 1.5), (step, begun + 3, float("nan"))],
    )
    looked.look()
    assert reads == [["loss"]]
    fresh.look()
    assert curve(looked.seen(), "loss") == curve(fresh.seen(), "loss")
    log(run, "loss", [(step + 1, begun + 5, 0.5)])
    wait_until(lambda: looked.look() or curve(looked.seen(), "loss")["x"]["type"] == "number", 60)


def test_long_curve_says_how_many_values_are_nan(run):
    """Whether it was short when it was read, or long."""
    begun, nan = 1_790_000_000_000, float("nan")
    log(run, "short", [(step, begun + step, nan if step < 3 else 1.0) for step in range(40)])
    log(run, "long", [(step, begun + step, nan if step < 3 else 1.0) for step in range(200)])
    looked = live(run, points=50)
    looked.look()
    for first in (200, 300):
        for name in ("short", "long"):
            log(run, name, [(step, begun + step, 2.0) for step in range(first, first + 100)])
        looked.look()
        for name in ("short", "long"):
            note = curve(looked.seen(), name)["note"]
            assert note.endswith("extremes kept. 3 values are NaN.")
    run.complete()
    looked.look()
    for name, total in (("short", 240), ("long", 400)):
        assert curve(looked.seen(), name)["note"].startswith(f"{total} points shown")


def test_children_are_a_tree(run):
    """Those of children below these, each with its status."""
    child = run.child_run("child")
    child.child_run("grandchild").fail("it did")
    looked = live(run)
    looked.look()
    seen = looked.seen()
    told = [(each.depth, each.name, each.status) for each in seen.children]
    assert told == [
        (0, "a run>child", "Running"),
        (1, "a run>child>grandchild", "Failed"),
    ]
    assert "    a run>child>grandchild" in text_of_run(seen)


def test_show_in_plain_python(run, capsys):
    """A summary is printed, and nothing is waited for, though the run goes on."""
    run.log("loss", 0.5)
    run.log("note", "odd")
    assert RunDetails(run).show() is None
    printed = capsys.readouterr().out
    for said in (f"a run ({run.id})", "Running", "  loss: 0.5", "  note: odd", "Web View:"):
        assert said in printed


def test_data_has_the_keys_of_sdk_v1(run):
    """Metrics as lists, children, logs and how it ended; there at the first call."""
    parameters = inspect.signature(RunDetails(run).show).parameters
    assert list(parameters) == ["render_lib", "widget_settings"]
    run.log("loss", 0.5)
    run.log_list("fibonacci", [1, 1, 2])
    run.log_table("table", {"x": [1, 2]})
    child = run.child_run("child")
    child.complete()
    run.fail("no luck")
    data = RunDetails(run).get_widget_data({"debug": True})
    assert list(data) == [
        *("status", "workbench_run_details_uri", "run_id", "run_properties", "child_runs"),
        *("children_metrics", "run_metrics", "run_logs", "graph", "widget_settings"),
    ]
    assert (data["status"], data["run_id"]) == ("Failed", run.id)
    assert data["widget_settings"] == {"debug": True}
    assert set(data["run_properties"]) == {
        *("run_id", "created_utc", "properties", "tags", "end_time_utc", "status", "log_files"),
        *("log_groups", "run_duration", "run_number", "run_queued_details"),
        *("script_name", "arguments"),
    }
    metrics = {each["name"]: each for each in data["run_metrics"]}
    assert metrics["loss"]["series"] == [{"data": [0.5]}]
    assert metrics["fibonacci"]["categories"] == [0, 1, 2]
    assert metrics["table"]["series"] == [{"data": [{"x": [1, 2]}]}]
    assert [each["run_id"] for each in data["child_runs"]] == [child.id]
    assert data["run_logs"].startswith("\nError occurred: ")
    assert "no luck" in data["run_logs"]
    child_logs = RunDetails(child).get_widget_data()["run_logs"]
    assert child_logs == "\nRun is completed."


def test_log_is_as_a_terminal_shows_it():
    """What a progress bar wrote over is not there."""
    assert as_printed("a\r\nbar 10%\rbar 20%\rbar 30%\nlast\r") == "a\nbar 30%\nlast"


def test_log_that_grows(run):
    """Its end is kept, from the beginning of a line on; a more telling log takes its place."""
    repository = source_of(run.experiment.workspace.get_mlflow_tracking_uri()).repository(run.id)
    looked = live(run)

    def append(text, name="logs/user_log.txt"):
        repository.append(name, text.encode(), goes_on=True)
        assert looked.look()
        seen = looked.seen()
        return seen.log_name, seen.log

    assert append("first\nsecond: 10%") == ("logs/user_log.txt", "first\nsecond: 10%")
    # A progress bar goes on in the line that was shown.
    assert append("\rsecond: 20%\nthird") == ("logs/user_log.txt", "first\nsecond: 20%\nthird")
    lines = [f"line {number:04}" for number in range(2_000)]
    for part in range(0, 2_000, 100):
        _, log = append("\n" + "\n".join(lines[part : part + 100]))
    shown = log.split("\n")
    assert 1_000 < len(shown) < 1_500
    assert shown == lines[-len(shown) :]
    assert not looked.look()
    of_output = append("printed\n", "user_logs/std_log.txt")
    assert of_output == ("user_logs/std_log.txt", "printed\n")


def test_run_that_gc_freed_is_gone(run, hub_path):
    """Though nobody looked between its deletion and gc: that is told from a hub that is away."""
    looked = live(run)
    looked.look()
    run.complete()
    run.experiment.workspace.client.delete_run(run.id)
    done = CliRunner().invoke(main, ["gc", "-w", "team-a", "--hub", str(hub_path)])
    assert done.exit_code == 0, done.output
    with pytest.raises(MlflowException) as raised:
        looked.look()
    assert says_run_is_gone(raised.value)
    assert looked.seen().status == "Running"
