"""None that was logged last: it is None wherever the last value of a metric is told, not NaN."""

import json
import math

import pytest
from click.testing import CliRunner
from mlflow.entities import ViewType

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import HubUnreachableError
from mlflow_workspace_plugin.overview.figures.latest import LatestValues
from mlflow_workspace_plugin.overview.figures.logged import LoggedRun
from mlflow_workspace_plugin.overview.runs.facts import (
    METRIC,
    Column,
    facts_of_found,
    facts_of_ids,
)
from mlflow_workspace_plugin.overview.source import source_of
from mlflow_workspace_plugin.sdk.widgets.live_run import LiveRun
from tests.integration.runs.test_typed_metrics import same

LAST = {
    "back": 2.5,
    "integer": None,
    "loss": None,
    "mixed": None,
    "nan": math.nan,
    "nan after none": math.nan,
    "only": None,
    "plain": math.nan,
    "row/a": None,
    "row/b": 1,
    "step": None,
}


@pytest.fixture
def run(workspace):
    """A run whose metrics end in None, or in NaN."""
    run = Experiment(workspace, "experiment").start_logging(outputs=False)
    for name, values in {
        "back": [1.5, None, 2.5],
        "integer": [1, None],
        "loss": [0.5, None],
        "mixed": [0.5, "a text", None],
        "nan": [1, math.nan],
        "nan after none": [0.5, None, math.nan],
        "only": [None],
        "plain": [0.5, math.nan],
    }.items():
        for value in values:
            run.log(name, value)
    run.log("step", math.nan, step=7)
    run.log("step", None, step=7)
    run.log_row("row", a=0.5, b=0)
    run.log_row("row", a=None, b=1)
    run.flush()
    yield run
    run.complete()


@pytest.mark.databases
def test_none_is_told_as_none(workspace, hub_path, run):
    """To tables of runs, comparisons, the command line and widgets, as ``get_metrics`` returns."""
    source = source_of(workspace.get_mlflow_tracking_uri())
    assert same(run.get_metrics("loss"), {"loss": [0.5, None]})
    assert same(run.get_metrics("only"), {"only": None})
    assert same(dict(LatestValues(source).of(source.store.get_run(run.id))), LAST)
    [facts] = facts_of_ids(source, [run.id])
    told = {name: value for (of, name), value in facts.values.items() if of == METRIC}
    assert same(told, LAST)
    assert facts.cells([Column(METRIC, "loss"), Column(METRIC, "nan")]) == [
        None,
        {"number": "NaN"},
    ]
    live = LiveRun(source, run.id, str)
    live.look()
    seen = {each.name: each for each in live.seen().metrics}
    for name in ("loss", "integer", "mixed", "only"):
        assert seen[name].last is None, name
    assert seen["nan"].last == seen["plain"].last == {"number": "NaN"}
    assert (seen["loss"].least, seen["loss"].greatest) == (0.5, 0.5)
    at_hub = ["--hub", str(hub_path), "-w", workspace.name, "--json"]
    for command in (["show", run.id], ["runs"]):
        done = CliRunner().invoke(main, [*command, *at_hub])
        said = json.loads(done.output)
        metrics = (said[0] if command == ["runs"] else said)["metrics"]
        assert metrics.keys() == LAST.keys()
        assert {name for name, value in metrics.items() if value is None} >= {
            name for name, value in LAST.items() if value is None
        }


def test_files_are_read_only_where_nan_may_be_none(workspace, run, monkeypatch):
    """And while they are away, NaN is told, and nobody waits for them twice."""
    source = source_of(workspace.get_mlflow_tracking_uri())
    other = Experiment(workspace, "experiment").start_logging(outputs=False)
    for value in (0.5, "a text", math.nan, 2.5):
        other.log("back", value)
        other.log("plain", math.nan)
    other.flush()
    asked = []

    def away(self):
        asked.append(self.id)
        raise HubUnreachableError("The files are away.")

    monkeypatch.setattr(LoggedRun, "reading_files", away)
    latest = LatestValues(source)
    told = dict(latest.of(source.store.get_run(other.id)))
    assert same(told, {"back": 2.5, "plain": math.nan})
    assert asked == []
    told = dict(latest.of(source.store.get_run(run.id)))
    assert math.isnan(told["loss"])
    assert told["back"] == 2.5
    assert asked == [run.id]
    other.complete()


def test_files_of_ended_runs_are_read_once(workspace, monkeypatch):
    """However often runs are listed; those of a run that goes on are looked at each time."""
    source = source_of(workspace.get_mlflow_tracking_uri())
    experiment = Experiment(workspace, "diverged")
    runs = [experiment.start_logging(outputs=False) for _ in range(3)]
    for run in runs:
        run.log("loss", 0.5)
        run.log("loss", math.nan)
        run.log("loss by None", 0.5)
        run.log("loss by None", None)
        run.flush()
    for run in runs[1:]:
        run.complete()
    asked = []
    repository = type(source.repository(runs[0].id))
    list_artifacts = repository.list_artifacts

    def counted(self, path=None):
        asked.append(path)
        return list_artifacts(self, path)

    monkeypatch.setattr(repository, "list_artifacts", counted)

    def look():
        asked.clear()
        found = source.store.search_runs([experiment.id], "", ViewType.ACTIVE_ONLY)
        facts = facts_of_found(source, found)
        assert len(facts) == 3
        columns = [Column(METRIC, "loss"), Column(METRIC, "loss by None")]
        assert all(each.cells(columns) == [{"number": "NaN"}, None] for each in facts)
        return len(asked)

    assert look() == 3
    assert look() == 1
    runs[0].log("loss", None)
    runs[0].complete()
    [facts] = facts_of_ids(source, [runs[0].id])
    assert facts.cells([Column(METRIC, "loss")]) == [None]
    runs[0].log("loss", math.nan)
    runs[0].flush()
    assert look() == 1
    assert look() == 0
