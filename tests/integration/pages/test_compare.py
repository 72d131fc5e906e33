"""Runs side by side, the runs of an experiment, and the queues of compute targets, as JSON."""

import json
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import requests
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.app.pages import compare_routes
from mlflow_workspace_plugin.errors import (
    ComputeTargetException,
    UnstorableValueError,
    UserErrorException,
)
from mlflow_workspace_plugin.jobs.engines.engine import Capacity, Compute
from mlflow_workspace_plugin.overview.computes import queue
from mlflow_workspace_plugin.overview.computes.shared_answers import SharedAnswers
from mlflow_workspace_plugin.overview.runs import compare
from mlflow_workspace_plugin.overview.runs.compare import MOST_RUNS, comparison, marks_of_runs
from mlflow_workspace_plugin.overview.runs.experiment import overview_of_experiment
from mlflow_workspace_plugin.overview.runs.facts import Column
from mlflow_workspace_plugin.overview.source import source_of
from mlflow_workspace_plugin.stores.charts import recent
from tests.local_jobs import kill_all, local_engine
from tests.pages import served_pages
from tests.waiting import wait_until

PATIENCE_S = 60
MARKUP = "</script><b>日本語</b>"


@pytest.fixture
def source(workspace):
    return source_of(workspace.get_mlflow_tracking_uri())


@pytest.fixture
def experiment(workspace):
    return Experiment(workspace, "train")


def run_of(experiment, name, *, params=None, metrics=None, tags=None, ends=True):
    """A run of MLflow's own calls."""
    client = experiment.workspace.client
    run_id = client.create_run(experiment.id, run_name=name, tags=tags).info.run_id
    client.log_batch(
        run_id,
        [Metric(key, value, 1, 0) for key, value in (metrics or {}).items()],
        [Param(key, value) for key, value in (params or {}).items()],
    )
    if ends:
        client.set_terminated(run_id)
    return run_id


def rows(compared):
    return {(row["of"], row["name"]): row["cells"] for row in compared["differences"]}


@pytest.mark.store
class TestComparison:
    def test_only_what_differs_is_listed(self, experiment, source):
        """Params, metrics and tags; a run that lacks one differs from those that have it."""
        first = run_of(
            experiment,
            "a",
            params={"lr": "0.1", "size": "64", "note": MARKUP},
            metrics={"loss": 1.0, "same": math.nan, "huge": math.inf},
            tags={"owner": "ann"},
        )
        second = run_of(
            experiment,
            "b",
            params={"lr": "0.10", "size": "64"},
            metrics={"loss": 0.5, "same": math.nan, "huge": 1.0},
            tags={"owner": "bob"},
        )
        compared = comparison(source, [first, second])
        assert [run["name"] for run in compared["runs"]] == ["a", "b"]
        assert rows(compared) == {
            ("param", "lr"): ["0.1", "0.10"],
            ("param", "note"): [MARKUP, None],
            ("metric", "loss"): [1.0, 0.5],
            ("metric", "huge"): [{"number": "Infinity"}, 1.0],
            ("tag", "owner"): ["ann", "bob"],
        }
        # The experiment, the user, a param and a NaN.
        assert compared["same"] == 4
        assert compared["is_over"]
        json.dumps(compared, allow_nan=False)

    def test_typed_values_are_told_apart(self, experiment, source):
        """What was logged by SDK v1's calls has its type: 1 is not True, and text is text."""
        runs = []
        for value, number in ((True, 10**20), (1, 10**20 + 1)):
            run = experiment.start_logging(outputs=None, snapshot_directory=None)
            run.log("flag", value)
            run.log("big", number)
            run.log("note", MARKUP)
            run.log_row("rows", angle=0.5, cos=number)
            run.complete()
            run.flush()
            runs.append(run.id)
        compared = comparison(source, runs)
        assert rows(compared)["metric", "flag"] == [True, 1]
        assert ("metric", "note") not in rows(compared)
        assert {"flag", "big", "note", "rows"} <= set(compared["metrics"])

    def test_columns_that_are_chosen_are_shown_in_their_order(self, experiment, source):
        """Also those that are the same in all runs, and those that no run has."""
        runs = [run_of(experiment, name, params={"size": "64"}) for name in "ab"]
        wanted = [Column("param", "size"), Column("metric", "none"), Column("attribute", "user")]
        compared = comparison(source, runs, columns=wanted)
        assert [row["name"] for row in compared["differences"]] == ["size", "none", "user"]
        assert rows(compared)["metric", "none"] == [None, None]

    def test_runs_of_another_workspace_are_not_there(self, experiment, source, hub_path):
        """Like those that were deleted for good; too many are said to be left out."""
        other = Experiment(Workspace.create("team-b", hub=hub_path), "secret")
        foreign = run_of(other, "secret", params={"key": "s3cr3t"})
        own = run_of(experiment, "own")
        asked = [own, foreign, "0" * 32, own, "\0", *(f"{n:032x}" for n in range(1, MOST_RUNS + 1))]
        compared = comparison(source, asked)
        assert [run["id"] for run in compared["runs"]] == [own]
        assert compared["missing"][:3] == [foreign, "0" * 32, "\0"]
        assert compared["left_out"] == 4
        assert "s3cr3t" not in json.dumps(compared)
        assert "secret" not in json.dumps(compared["columns"])

    def test_axes_are_params_and_metrics_that_differ(self, experiment, source):
        """Numbers in texts, too; wide ones on a log scale; few texts as categories in order."""
        lrs = ["0.1", "0.001", "0.00001"]
        runs = [
            run_of(
                experiment,
                f"run {n}",
                params={"lr": lr, "depth": str(10 - n), "note": f"a {n}", "seed": "1"},
                metrics={"loss": n or math.nan, "same": 1.0},
            )
            for n, lr in enumerate(lrs)
        ]
        axes = {axis["name"]: axis for axis in comparison(source, runs)["axes"]}
        assert list(axes) == ["depth", "lr", "note", "loss"]
        assert (axes["lr"]["kind"], axes["lr"]["values"]) == ("log", [0.1, 0.001, 0.00001])
        assert axes["depth"]["values"] == [10, 9, 8]
        assert axes["note"]["categories"] == ["a 0", "a 1", "a 2"]
        assert axes["loss"]["values"] == [None, 1, 2]
        chosen = comparison(source, runs, axes=[Column("metric", "same")])["axes"]
        assert [axis["name"] for axis in chosen] == ["same"]

    def test_no_column_but_known_ones_is_taken(self):
        """Whatever the address of a page says."""
        for given in ([], "x", ["html", "x"], ["metric", 1], ["attribute", "password"]):
            with pytest.raises(UserErrorException, match="no column"):
                Column.of_json(given)


@pytest.mark.store
def test_marks_change_with_what_is_logged_and_end_with_the_runs(experiment, source):
    """A late value changes them, too: the receipts count it."""
    run = experiment.start_logging(outputs=None, snapshot_directory=None)
    ended = run_of(experiment, "ended", metrics={"loss": 1.0})

    def marks():
        run.flush()
        return marks_of_runs(source, [run.id, ended])

    run.log("loss", 1.0, step=5)
    run.log("other", 1.0)
    before = marks()
    assert not before["is_over"]
    assert before["runs"][ended] == {"status": "Completed", "is_over": True, "marks": {}}
    run.log("loss", 1.0, step=4)
    after = marks()
    of_run = [each["runs"][run.id]["marks"] for each in (before, after)]
    assert of_run[0]["loss"] != of_run[1]["loss"]
    assert of_run[0]["other"] == of_run[1]["other"]
    run.complete()
    assert marks()["is_over"]


@pytest.mark.store
def test_marks_change_with_late_points_of_other_clients(experiment, source):
    """Of those nobody keeps a receipt; below the last step, and of the last minute, or newer.

    What comes to one metric, or to a run of nobody's interest, changes the mark of no other.
    """
    store, now = source.store, int(time.time() * 1000)
    first, second, other = (run_of(experiment, name, ends=False) for name in "abc")

    def log(run_id, key, *points):
        metrics = [Metric(key, value, now + late, step) for step, late, value in points]
        store.log_batch(run_id, metrics, [], [])

    def changed(run_id, key, *points):
        before = marks_of_runs(source, [first, second])["runs"]
        log(run_id, key, *points)
        after = marks_of_runs(source, [first, second])["runs"]
        return {
            (run_id, name)
            for run_id, each in after.items()
            for name, mark in each["marks"].items()
            if before[run_id]["marks"].get(name) != mark
        }

    log(first, "loss", (100, 0, 0.5))
    log(first, "val", (100, -300_000, 0.5))
    log(second, "loss", (7, -3_600_000, 0.5))
    assert changed(first, "loss", (5, -59_000, 0.7)) == {(first, "loss")}
    assert changed(first, "loss", (5, -59_000, math.nan)) == {(first, "loss")}
    # Begun again at a lower step, which never becomes the last one.
    assert changed(first, "loss", (6, 30_000, 0.6)) == {(first, "loss")}
    assert changed(first, "val", (6, -2_000, 0.6)) == {(first, "val")}
    assert changed(second, "loss", (5, -3_600_500, 0.1)) == {(second, "loss")}
    assert changed(other, "loss", (5, 0, 0.1)) == set()


@pytest.mark.store
def test_late_points_are_noticed_beside_runs_that_log_much(experiment, source, monkeypatch):
    """Of a run that stands still, and of others that do; the busy one hides its own only."""
    monkeypatch.setattr(recent, "MOST_COUNTED", 5)
    monkeypatch.setattr(recent, "FEWEST_COUNTED", 5)
    store, now = source.store, int(time.time() * 1000)
    still, stiller, busy = (run_of(experiment, name, ends=False) for name in "abc")

    def log(run_id, *points):
        metrics = [Metric("loss", value, now + late, step) for step, late, value in points]
        store.log_batch(run_id, metrics, [], [])

    def marks():
        runs = marks_of_runs(source, [still, stiller, busy])["runs"]
        return {run_id: each["marks"]["loss"] for run_id, each in runs.items()}

    log(still, (100, -3_600_000, 0.5))
    log(stiller, (100, -7_200_000, 0.5))
    log(busy, *((step, 100 * step, 0.5) for step in range(10)))
    for run_id, late in ((still, -3_659_000), (stiller, -7_259_000)):
        before = marks()
        log(run_id, (5, late, 0.7))
        assert {each for each, mark in marks().items() if mark != before[each]} == {run_id}


def test_windows_are_as_few_as_they_may_be():
    """Those that lie nearest are one then; each has what is late by less than a minute."""
    minute = compare.WINDOW_MS
    times = [0, minute, 10 * minute, 20 * minute, 29 * minute]
    last = (1 << 63) - 1
    whole = [(-minute, 2 * minute), (9 * minute, 11 * minute), (19 * minute, 21 * minute)]
    assert compare._windows_of(times, 9) == [*whole, (28 * minute, last)]
    assert compare._windows_of(times, 2) == [(-minute, 11 * minute), (19 * minute, last)]
    assert compare._windows_of(times, 1) == [(-minute, last)]
    assert compare._windows_of([-last], 1)[0][0] == -last - 1


@pytest.mark.store
def test_figures_are_read_side_by_side_but_on_sqlite(
    experiment, workspace, hub_path, database, monkeypatch
):
    """Two are in the midst of it at once; on SQLite the other one waits for its turn."""
    run = run_of(experiment, "a", metrics={"loss": 1.0})
    asking, both = threading.Barrier(2), threading.Barrier(2)
    reads, runs_of = compare_routes.figures_of_runs, compare_routes._runs
    inside, crowds = [], []

    def arrive(asked):
        asking.wait(PATIENCE_S)
        return runs_of(asked)

    def read(*args, **options):
        inside.append(1)
        if database == "postgresql":
            both.wait(PATIENCE_S)
        else:
            crowds.append(len(inside))
        found = reads(*args, **options)
        inside.pop()
        return found

    monkeypatch.setattr(compare_routes, "_TURN_S", 2 * PATIENCE_S)
    monkeypatch.setattr(compare_routes, "_runs", arrive)
    monkeypatch.setattr(compare_routes, "figures_of_runs", read)
    with served_pages(hub_path) as pages, ThreadPoolExecutor() as threads:
        address = pages.page("/api/compare/figures", workspace.name, runs=run, names='["loss"]')
        for answer in threads.map(requests.get, [address] * 2):
            (figure,) = answer.json()
            assert figure["rows"] == [["a", 1]]
    assert crowds == ([] if database == "postgresql" else [1, 1])


@pytest.mark.store
class TestExperiment:
    def test_its_runs_have_the_values_that_are_asked_for(self, experiment, source):
        """The newest first; children only if they are asked for; what there is, is told."""
        parent = run_of(experiment, "parent", params={"lr": "0.1"}, metrics={"loss": 2.0})
        run_of(experiment, "child", metrics={"loss": 3.0}, tags={MLFLOW_PARENT_RUN_ID: parent})
        columns = [Column("metric", "loss"), Column("param", "lr"), Column("attribute", "status")]
        found = overview_of_experiment(source, experiment.id, columns=columns)
        assert [(run["name"], run["cells"]) for run in found["runs"]] == [
            ("parent", [2.0, "0.1", "Completed"])
        ]
        known = {tuple(each["column"]): each for each in found["columns"]}
        assert known["param", "lr"]["is_number"]
        assert not known["attribute", "status"]["is_number"]
        both = overview_of_experiment(source, experiment.id, with_children=True)
        assert [run["name"] for run in both["runs"]] == ["child", "parent"]

    def test_a_filter_and_an_order_choose_them(self, experiment, source):
        """As in MLflow's search; a wrong one is refused with its words."""
        for loss in (3.0, 1.0, 2.0):
            run_of(experiment, str(loss), metrics={"loss": loss})

        def names(**wanted):
            found = overview_of_experiment(source, experiment.id, **wanted)
            return [run["name"] for run in found["runs"]], found["there_are_more"]

        order = "metrics.loss ASC"
        assert names(filter_string="metrics.loss < 3", order_by=order) == (["1.0", "2.0"], False)
        assert names(order_by=order, limit=1) == (["1.0"], True)
        with pytest.raises(MlflowException, match="Invalid"):
            names(filter_string="nonsense !!")

    def test_that_of_another_workspace_is_not_there(self, source, hub_path):
        """Its id is a number that anybody can guess."""
        other = Experiment(Workspace.create("team-b", hub=hub_path), "secret")
        with pytest.raises(MlflowException, match="No Experiment"):
            overview_of_experiment(source, other.id)

    def test_numbers_of_any_size_are_asked_for(self, source, experiment):
        """One that no database has is of nothing, or refused as that; it is no fault."""
        for experiment_id in (2**31, 10**30):
            with pytest.raises(MlflowException, match="No Experiment"):
                overview_of_experiment(source, str(experiment_id))
        clause, found = f"attributes.start_time > {10**30}", None
        with suppress(UnstorableValueError):
            found = overview_of_experiment(source, experiment.id, filter_string=clause)["runs"]
        assert found in ([], None)


class TestQueues:
    @pytest.fixture(autouse=True)
    def one_slot(self, monkeypatch):
        monkeypatch.setenv("MLFLOW_WORKSPACE_SLOTS", "1")
        yield
        kill_all()

    def test_what_runs_what_waits_and_what_ended(self, source, new_job):
        """In the order in which they will be started, and for what they wait."""
        wait = "while not os.path.exists(f'{FOLDER}/go'): time.sleep(0.05)"
        jobs = [new_job(wait) for _ in range(3)]
        engine = local_engine()
        jobs[0].hand_to(engine)
        jobs[0].until_state("Running")
        for job in jobs[1:]:
            job.hand_to(engine)

        def local():
            (found,) = queue.overview_of_computes(source)["computes"]
            return found

        found = local()
        assert [job["run_id"] for job in found["running"]] == [jobs[0].id]
        assert [(job["run_id"], job["position"]) for job in found["waiting"]] == [
            (jobs[1].id, 0),
            (jobs[2].id, 1),
        ]
        assert "1 job is before it" in found["waiting"][1]["reason"]
        room = queue.overview_of_room(source, "local")
        assert (room["slots"], room["busy"], room["waiting"]) == (1, 1, 2)
        for job in jobs[1:]:
            source.store.cancel_job(job.id)
        (jobs[0].folder / "go").touch()
        wait_until(lambda: len(local()["ended"]) == 3, 180)
        assert local()["running"] == local()["waiting"] == []

    def test_each_target_has_a_queue_of_its_own(self, source, workspace):
        """Also one that was removed while it had jobs; one that nobody trusts is not asked."""
        store = source.store
        store.put_compute(Compute("far", "ray", "http://127.0.0.1:1"))
        store.put_compute(Compute("gone", "slurm"))
        for compute in ("far", "gone"):
            store.create_job(
                Experiment(workspace, "jobs").id,
                run_name=f"on {compute}",
                tags=[],
                definition={},
                compute=compute,
                engine="ray" if compute == "far" else "slurm",
            )
        store.drop_compute("gone")
        found = {each["name"]: each for each in queue.overview_of_computes(source)["computes"]}
        assert {name: each["is_there"] for name, each in found.items()} == {
            "local": True,
            "far": True,
            "gone": False,
        }
        assert [job["name"] for job in found["far"]["waiting"]] == ["on far"]
        room = queue.overview_of_room(source, "far")
        assert room["slots"] is None
        assert "have not said" in room["note"]
        with pytest.raises(ComputeTargetException, match="compute add"):
            queue.overview_of_room(source, "gone")

    def test_a_target_that_fails_says_so(self, source):
        """And keeps no other from being shown."""
        room = queue.room_of(source.store, Compute("odd", "of-no-package"))
        assert room.capacity == Capacity(None, None, None)
        assert room.note


class TestSharedAnswers:
    def test_many_who_ask_cost_as_much_as_one(self):
        """They get the same answer; one that takes long is not waited for, and comes later."""
        answers = SharedAnswers(new_s=60, wait_s=0.2)
        goes_on, asked = threading.Event(), []

        def make():
            asked.append(1)
            goes_on.wait(30)
            return "answer"

        assert [answers.get("q", make) for _ in range(3)] == [None, None, None]
        goes_on.set()
        wait_until(lambda: answers.get("q", make) == "answer")
        assert len(asked) == 1
        assert answers.get("another", lambda: "other") == "other"

    def test_an_error_is_raised_to_who_asks_and_asked_again_later(self):
        """Nothing of before is taken for the answer."""
        answers = SharedAnswers(new_s=0, wait_s=5)

        def fail():
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            answers.get("q", fail)
        time.sleep(0.01)
        assert answers.get("q", lambda: "yes") == "yes"
