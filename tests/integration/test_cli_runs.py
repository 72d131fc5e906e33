"""mlflow-workspace runs and metrics: what get_runs and get_metrics return, on a terminal."""

import json

import pytest
from click.testing import CliRunner

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.cli.runs import values_by_row

# The commands are the same on every database.


def run(*arguments, status=0):
    """Run a command and return what it printed."""
    done = CliRunner().invoke(main, [str(each) for each in arguments])
    assert done.exit_code == status, done.output
    assert "Traceback" not in done.output
    return done.output


def run_json(*arguments):
    return json.loads(run(*arguments, "--json"))


@pytest.fixture
def first(workspace):
    started = Experiment(workspace, "first").start_logging(display_name="a [red] name")
    for value in (0.5, 0.25):
        started.log("loss", value)
    started.log("accuracy", 0.75)
    started.complete()
    return started


def test_runs_of_a_workspace_are_those_of_get_runs(workspace, hub_path, first):
    """Newest first, of all experiments or of one; no children; text as it is."""
    second = Experiment(workspace, "second").start_logging()
    second.child_run("child")
    where = ("--workspace", "team-a", "--hub", hub_path)
    rows = run_json("runs", *where)
    assert {row["run_id"] for row in rows} == {first.id, second.id}
    (row,) = run_json("runs", "--experiment", "first", *where)
    assert [row["run_id"]] == [each.id for each in first.experiment.get_runs()]
    assert (row["name"], row["experiment"], row["status"]) == ("a [red] name", "first", "Completed")
    assert row["started"] <= row["ended"]
    text = run("runs", "-e", "first", "-w", "team-a", "--hub", hub_path)
    assert first.id in text
    assert "a [red] name" in text
    assert second.id not in text


def test_metrics_are_those_of_get_metrics(hub_path, first):
    """All of a run, or all values of one."""
    assert run_json("metrics", first.id, "--hub", hub_path) == first.get_metrics()
    assert run_json("metrics", first.id, "loss", "--hub", hub_path) == {"loss": [0.5, 0.25]}
    text = run("metrics", first.id, "--hub", hub_path)
    assert "accuracy" in text
    assert "0.25" in text
    assert "0.5" not in text
    text = run("metrics", first.id, "loss", "--hub", hub_path)
    assert "0.5" in text
    assert "accuracy" not in text
    assert "none" in run("metrics", first.id, "no-such", "--hub", hub_path)


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        (1, [{"": 0, "m": 1}]),
        (None, [{"": 0, "m": None}]),
        ([], []),
        (["a", 2], [{"": 0, "m": "a"}, {"": 1, "m": 2}]),
        ({"x": 1, "y": 2}, [{"": 0, "x": 1, "y": 2}]),
        ({"x": [1, 3], "y": [2, None]}, [{"": 0, "x": 1, "y": 2}, {"": 1, "x": 3, "y": None}]),
        ({}, []),
    ],
)
def test_each_kind_of_metric_is_a_table(value, rows):
    """Scalars, lists, rows and tables, whether of one value or of several."""
    assert values_by_row("m", value) == rows


def test_workspace_is_the_one_around(workspace, hub_path, first, tmp_path, monkeypatch):
    """That of MLFLOW_TRACKING_URI, else of a config file; without any, what to do is said."""
    assert "Name one with --workspace" in run("runs", status=1)
    workspace.write_config(tmp_path)
    assert [row["run_id"] for row in run_json("runs")] == [first.id]
    assert run_json("metrics", first.id, "accuracy") == {"accuracy": 0.75}
    uri = workspace.get_mlflow_tracking_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.replace("team-a", "default"))
    assert run_json("runs") == []
    assert "none" in run("runs")


def test_mistakes_are_named(workspace, hub_path, first):
    """An unknown experiment, workspace and run."""
    where = ("-w", "team-a", "--hub", hub_path)
    assert "Did you mean 'first'" in run("runs", "-e", "frist", *where, status=1)
    assert "not found" in run("runs", "-w", "none", "--hub", hub_path, status=1)
    assert "not found" in run("metrics", "0" * 32, *where, status=1)
    assert "Name one with" in run("metrics", "0" * 32, "--hub", hub_path, status=1)
