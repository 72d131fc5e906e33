"""The commands about runs: which there are, which is best, what is in one, and deleting it."""

import itertools
import json
import re
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from rich.cells import cell_len

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.cli.runs.metrics import values_by_row

# The commands are the same on every database; the queries are asked on each.

_LATER = itertools.count(-1_800_000, 1000)
"""Milliseconds from now to when the next run is started: half an hour ago, each after the other."""

NASTY = "new\nline \x1b[31mred\x1b[0m ../../etc"
WIDE = "とても長い日本語の実行の名前です " * 3 + "🚀"


def run(*arguments, status=0):
    """Run a command and return what it printed."""
    done = CliRunner().invoke(main, [str(each) for each in arguments])
    assert done.exit_code == status, done.output
    assert "Traceback" not in done.output
    assert "\x1b" not in done.output
    return done.output


def run_json(*arguments):
    return json.loads(run(*arguments, "--json"))


def fits(text, width=80):
    """Whether all lines of a text are so narrow, as a terminal shows them."""
    return all(cell_len(line) <= width for line in text.splitlines())


def run_lines(text):
    """Return the lines of a table of runs that begin with the short id of one."""
    return [line for line in text.splitlines() if re.match(r"[0-9a-f]{8}  ", line)]


@pytest.fixture
def where(workspace, hub_path):
    return ("--workspace", "team-a", "--hub", hub_path)


@pytest.fixture
def first(workspace):
    started = Experiment(workspace, "first").start_logging(display_name="a [red] name")
    for value in (0.5, 0.25):
        started.log("loss", value)
    started.log("accuracy", 0.75)
    started.complete()
    return started


def started_runs(client, names, experiment="experiment", **tags):
    """Start runs of these names, a second apart; what is started last is the newest."""
    found = client.get_experiment_by_name(experiment)
    experiment_id = found.experiment_id if found else client.create_experiment(experiment)
    now = int(time.time() * 1000)
    return [
        client.create_run(experiment_id, now + next(_LATER), tags=tags, run_name=name).info.run_id
        for name in names
    ]


class TestRuns:
    def test_newest_come_first(self, client, where):
        """20 of them, or as many as asked for; that there are more is said."""
        ids = started_runs(client, [f"run {i}" for i in range(22)])[::-1]
        assert [each["run_id"] for each in run_json("runs", *where)] == ids[:20]
        assert run("runs", "--ids", *where).split() == ids[:20]
        assert run("runs", "--ids", "--all", *where).split() == ids
        text = run("runs", "-n", 2, *where)
        assert [line[:8] for line in run_lines(text)] == [each[:8] for each in ids[:2]]
        assert "--all" in text.splitlines()[-1]
        assert "--all" not in run("runs", "-n", 22, *where)

    def test_of_one_experiment(self, client, where):
        """Or of all that are active; which one is said where they differ."""
        (one,) = started_runs(client, ["one"], "first")
        (two,) = started_runs(client, ["two"], "second")
        assert run("runs", "-e", "first", "--ids", *where).split() == [one]
        assert set(run("runs", "--ids", *where).split()) == {one, two}
        assert "experiment" in run("runs", *where).splitlines()[1]
        assert "experiment" not in run("runs", "-e", "first", *where).splitlines()[1]
        assert "Did you mean 'first'" in run("runs", "-e", "frist", *where, status=1)

    def test_best_run_is_one_command(self, client, where):
        """By MLflow's order and filter; a second order decides between equals."""
        ids = started_runs(client, list("abcd"))
        for run_id, loss, rate in zip(ids, (0.3, 0.1, 0.1, 0.9), "1234", strict=True):
            client.log_metric(run_id, "loss", loss)
            client.log_param(run_id, "rate", rate)
        best = ("runs", "--order-by", "metrics.loss ASC")
        orders = (*best, "--order-by", "params.rate DESC")
        assert run(*orders, "--ids", "-n", 1, *where).split() == [ids[2]]
        assert run(*best, "--ids", *where).split()[-1] == ids[3]
        found = run("runs", "--filter", "metrics.loss > 0.2 AND params.rate != '4'", *where)
        assert [line[:8] for line in run_lines(found)] == [ids[0][:8]]

    @pytest.mark.parametrize(
        "bad", [("--filter", "bogus"), ("--filter", "metrics.loss >"), ("--order-by", "bogus.x")]
    )
    def test_bad_filter_or_order_is_a_sentence(self, client, where, bad):
        """MLflow's own."""
        started_runs(client, ["one"])
        assert run("runs", *bad, *where, status=1).startswith("Error: Invalid")

    def test_columns(self, client, where):
        """Those that most runs have, or those that are asked for, in that order."""
        for run_id in started_runs(client, list("abc")):
            client.log_metric(run_id, "loss", 0.125)
            client.log_metric(run_id, "system/cpu", 1)
            client.log_param(run_id, "rate", "0.1")
        client.log_metric(run_id, "rare", 7)
        heading = run("runs", *where).splitlines()[1]
        assert heading.split()[-3:] == ["loss", "rare", "rate"]
        asked = run("runs", "-p", "rate", "-m", "rare", "--metric", "system/cpu", *where)
        assert asked.splitlines()[1].split()[-3:] == ["rare", "system/cpu", "rate"]
        assert run_lines(asked)[0].split()[-3:] == ["7", "1", "0.1"]
        (row, *_) = run_json("runs", *where)
        assert row["metrics"] == {"loss": 0.125, "rare": 7, "system/cpu": 1}
        assert row["params"] == {"rate": "0.1"}

    @pytest.mark.databases
    def test_metrics_have_the_names_they_were_logged_under(self, workspace, where):
        """Also where MLflow cannot store them."""
        started = Experiment(workspace, "first").start_logging()
        started.log("loss: ö ✓", 0.5)
        started.complete()
        assert "loss: ö ✓" in run("runs", *where)
        assert "0.5" in run("runs", "-m", "loss: ö ✓", *where)
        assert run_json("runs", *where)[0]["metrics"] == {"loss: ö ✓": 0.5}
        assert "loss: ö ✓" in run("verify", started.id, *where)
        assert "loss: ö ✓" in run("show", started.id, *where)
        assert run_json("metrics", started.id, "loss: ö ✓", *where) == {"loss: ö ✓": 0.5}
        (key,) = workspace.client.get_run(started.id).data.metrics
        assert run_json("metrics", started.id, key, *where) == {"loss: ö ✓": 0.5}

    def test_children_of_sdk_v1_are_called_by_their_own_part(self, workspace, where):
        """Below its parent, whose name SDK v1 puts before the child's; elsewhere by all of it."""
        with Experiment(workspace, "e").start_logging(display_name="top") as started:
            started.child_run("fold").complete()
        assert re.search(r"  └ fold\s", run("runs", *where))
        assert "top>fold" in run("runs", "--order-by", "attributes.run_name ASC", *where)

    def test_children_stand_below_their_parents(self, client, where):
        """However deep, whatever came in between; in a given order they do not."""
        (top,) = started_runs(client, ["top"])
        (child,) = started_runs(client, ["child"], **{MLFLOW_PARENT_RUN_ID: top})
        (deep,) = started_runs(client, ["deep"], **{MLFLOW_PARENT_RUN_ID: child})
        (other,) = started_runs(client, ["other"])
        lines = run_lines(run("runs", *where))
        order = [line[:8] for line in lines]
        assert order.index(top[:8]) + 1 == order.index(child[:8]) == order.index(deep[:8]) - 1
        assert re.search(r"  └ child", lines[order.index(child[:8])])
        assert re.search(r"    └ deep", lines[order.index(deep[:8])])
        in_order = run("runs", "--order-by", "attributes.run_name ASC", *where)
        assert [line.split()[1] for line in run_lines(in_order)] == [
            *("child", "deep", "other", "top"),
        ]
        assert f"of these is a child of run {top[:8]}" in in_order
        parents = {each["run_id"]: each["parent_run_id"] for each in run_json("runs", *where)}
        assert parents == {top: None, child: top, deep: child, other: None}

    def test_parent_that_is_older_is_shown_for_its_children(self, client, where):
        """And said to be; for programs there are only the runs that were found."""
        (top,) = started_runs(client, ["top"])
        ids = started_runs(client, list("ab"), **{MLFLOW_PARENT_RUN_ID: top})
        text = run("runs", "-n", 2, *where)
        assert run_lines(text)[0].startswith(top[:8])
        assert f"'top' ({top[:8]}) is shown for its children" in text
        assert [each["run_id"] for each in run_json("runs", "-n", 2, *where)] == ids[::-1]

    def test_odd_parents(self, client, where):
        """Deleted ones, ones that never were, and runs that are each other's parents."""
        (gone,) = started_runs(client, ["gone"])
        started_runs(client, ["stray"], **{MLFLOW_PARENT_RUN_ID: gone})
        client.delete_run(gone)
        started_runs(client, ["orphan"], **{MLFLOW_PARENT_RUN_ID: "no such run"})
        (one,) = started_runs(client, ["one"])
        (two,) = started_runs(client, ["two"], **{MLFLOW_PARENT_RUN_ID: one})
        client.set_tag(one, MLFLOW_PARENT_RUN_ID, two)
        text = run("runs", *where)
        assert len(run_lines(text)) == 4
        assert f"1 of these is a child of run {gone[:8]}." in text

    def test_reason_of_a_failure(self, workspace, where):
        """A line below the table that fits; whole for programs and in show."""
        started = Experiment(workspace, "first").start_logging(display_name="bad")
        reason = "ValueError: \x1b[31mloss\nis nan " + "long " * 40
        started.fail(reason)
        text = run("runs", *where)
        assert fits(text)
        assert f"{started.id[:8]} failed: ValueError: \\x1b[31mloss is nan long" in text
        assert run_json("runs", *where)[0]["reason"] == reason
        shown = run("show", started.id, *where)
        assert "\\x1b[31mloss\nis nan long" in shown
        assert run_json("show", started.id, *where)["reason"] == reason

    def test_table_fits_the_terminal(self, client, where, monkeypatch):
        """80 columns, or as many as COLUMNS says, whatever things are called."""
        long_name = "an experiment with a name that goes on and on " + "x" * 150
        names = [NASTY, WIDE, "x" * 200, "twice", "twice", "[bold]no markup[/bold]"]
        for experiment in ("short", long_name):
            for run_id in started_runs(client, names, experiment):
                client.log_metric(run_id, "m" * 100, 1)
                client.log_metric(run_id, "loss", 1 / 3)
                client.log_param(run_id, "lr", "y" * 300)
        for columns in (80, 60, 132):
            monkeypatch.setenv("COLUMNS", str(columns))
            text = run("runs", *where)
            assert fits(text, columns)
            assert len(run_lines(text)) == 12
            assert fits(run("runs", "-m", "m" * 100, "-p", "lr", *where), columns)
            assert fits(run("experiments", *where), columns)
        assert "[bold]no markup[/bold]" in text
        assert "new\\nline \\x1b[31m" in text

    def test_empty_workspace(self, where):
        """None is said, and JSON stays JSON."""
        assert run("runs", *where) == "Runs of workspace team-a: none\n"
        assert run_json("runs", *where) == []
        assert run("runs", "--ids", *where) == ""
        assert run("experiments", *where) == "Experiments of workspace team-a: none\n"
        assert "not found" in run("runs", "-w", "none", *where[2:], status=1)

    def test_workspace_is_the_one_around(
        self, workspace, hub_path, first, tmp_path, monkeypatch, copied_hub
    ):
        """That of MLFLOW_TRACKING_URI, else of a config file; not one of another hub than named."""
        assert "Name one with --workspace" in run("runs", status=1)
        workspace.write_config(tmp_path)
        assert [row["run_id"] for row in run_json("runs")] == [first.id]
        assert run_json("metrics", "a [red] name", "accuracy") == {"accuracy": 0.75}
        uri = workspace.get_mlflow_tracking_uri()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.replace("team-a", "default"))
        assert run_json("runs") == []
        assert "none" in run("runs")
        # A run is looked for in the whole hub of the workspace around.
        assert run_json("metrics", first.id[:8], "accuracy") == {"accuracy": 0.75}
        # Without a default hub, too.
        assert run_json("show", first.id[:8])["run_id"] == first.id
        other = copied_hub(tmp_path / "other")
        assert "is in another hub" in run("runs", "--hub", other, status=1)
        assert "no such run" in run("metrics", first.id, "--hub", other, status=1)


class TestNamingARun:
    COMMANDS = ("metrics", "show", "where", "verify", "files")

    @pytest.mark.parametrize("command", COMMANDS)
    def test_by_id_prefix_or_name(self, hub_path, first, command):
        """In all workspaces of the hub, or in one; for each command."""
        by_id = run(command, first.id, "--hub", hub_path)
        for given in (first.id[:8], first.id[:5], "a [red] name"):
            assert run(command, given, "--hub", hub_path) == by_id
        assert run(command, first.id[:8], "-w", "team-a", "--hub", hub_path) == by_id
        text = run(command, first.id[:8], "-w", "default", "--hub", hub_path, status=1)
        assert "no such run" in text

    @pytest.mark.parametrize("command", [*COMMANDS, "download", "open", "delete"])
    def test_unknown_or_ambiguous(self, client, where, other_workspace, hub_path, command):
        """The nearest is suggested; the ids of several are listed; the exit status is 1."""
        ids = started_runs(client, ["twice", "twice", "once"])
        text = run(command, "onse", *where, status=1)
        assert "There is no such run: 'onse'" in text
        assert f"Did you mean 'once' ({ids[2][:8]})" in text
        text = run(command, "twice", *where, status=1)
        assert ids[0] in text
        assert ids[1] in text
        assert ids[2] not in text
        assert "no such run" in run(command, "0" * 32, *where, status=1)
        assert "no such run" in run(command, "%", *where, status=1)
        assert "no such run" in run(command, "x\udcff", *where, status=1)

    @pytest.mark.databases
    def test_id_goes_before_names(self, client, where):
        """A run that is called as another's id is does not stand in for it."""
        (one,) = started_runs(client, ["one"])
        (two,) = started_runs(client, [one])
        assert run_json("where", one, *where)["run_id"] == one
        (three,) = started_runs(client, [one[:8]])
        assert one in (text := run("where", one[:8], *where, status=1))
        assert three in text
        assert two not in text

    @pytest.mark.databases
    def test_name_of_a_letter_is_no_prefix(self, client, where):
        """However many ids begin with it; without such a name it is one."""
        started_runs(client, ["x"] * 20)
        (a,) = started_runs(client, ["a"])
        assert run_json("where", "a", *where)["run_id"] == a

    @pytest.mark.databases
    def test_deleted_runs_are_meant_last(self, client, where):
        """Where another is called so, that one is; a full id is always its run's."""
        gone, there = started_runs(client, ["same", "same"])
        client.delete_run(gone)
        assert run_json("where", "same", *where)["run_id"] == there
        client.delete_run(there)
        assert run_json("where", there, *where)["run_id"] == there
        assert run_json("show", there, *where)["status"] == "Deleted"

    @pytest.mark.databases
    def test_id_of_its_starter(self, workspace, where):
        """The one that start_logging was given."""
        started = Experiment(workspace, "first").start_logging(run_id="my_own_id")
        assert run_json("where", "my_own_id", *where)["run_id"] == started.id

    def test_of_several_workspaces(self, client, other_workspace, hub_path, monkeypatch):
        """A name in two is ambiguous, unless one of them is the one around."""
        started_runs(client, ["same"])
        (theirs,) = started_runs(other_workspace.client, ["same"])
        assert theirs in run("where", "same", "--hub", hub_path, status=1)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", other_workspace.get_mlflow_tracking_uri())
        assert run_json("where", "same")["run_id"] == theirs


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
    text = run("metrics", first.id, "los", "--hub", hub_path, status=1)
    assert "There is no such metric: 'los'" in text
    assert "Did you mean 'loss'?" in text


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


@pytest.mark.databases
def test_experiments(client, where):
    """Their runs that are not deleted, the newest first; archived ones are left out."""
    started_runs(client, ["one", "two"], "older")
    (gone,) = started_runs(client, ["gone"], "newer")
    started_runs(client, ["there"], "newer")
    client.delete_run(gone)
    empty = client.create_experiment("empty")
    client.delete_experiment(client.create_experiment("deleted"))
    rows = run_json("experiments", *where)
    assert [(each["name"], each["runs"]) for each in rows] == [
        *(("newer", 1), ("older", 2), ("empty", 0)),
    ]
    assert (rows[2]["experiment_id"], rows[2]["last_run"]) == (empty, None)
    text = run("experiments", *where)
    assert "deleted" not in text
    assert "min ago" in text


class TestDelete:
    @pytest.mark.databases
    def test_full_id_is_not_asked_about(self, client, where):
        """It is MLflow's delete, which can be undone; children stay, which is said."""
        (top,) = started_runs(client, ["top"])
        started_runs(client, ["child"], **{MLFLOW_PARENT_RUN_ID: top})
        text = run("delete", top, *where)
        assert f"Deleted run 'top' ({top[:8]})" in text
        assert "1 child run stayed" in text
        assert "mlflow-workspace gc" in text
        assert client.get_run(top).info.lifecycle_stage == "deleted"
        client.restore_run(top)
        assert client.get_run(top).info.lifecycle_stage == "active"
        run("delete", top, *where)
        assert "deleted already" in run("delete", top, *where)

    @pytest.mark.parametrize("given", ["name", "prefix"])
    def test_others_are(self, client, where, given):
        """Where nobody can be asked, nothing happens without --yes."""
        (one,) = started_runs(client, ["name"])
        given = given if given == "name" else one[:8]
        text = run("delete", given, *where, status=1)
        assert one in text
        assert "--yes" in text
        assert client.get_run(one).info.lifecycle_stage == "active"
        run("delete", given, "--yes", *where)
        assert client.get_run(one).info.lifecycle_stage == "deleted"

    def test_all_are_found_before_the_first_is_deleted(self, client, where):
        """A misspelt one keeps the others."""
        one, two = started_runs(client, ["one", "two"])
        run("delete", one, "no such run", *where, status=1)
        assert client.get_run(one).info.lifecycle_stage == "active"
        run("delete", one, two, one, *where)
        assert run("runs", "--ids", *where) == ""

    def test_workspace(self, client, where, hub_path):
        """An empty one after a question; another only with everything in it."""
        (one,) = started_runs(client, ["one"])
        text = run("delete", "--yes", *where, status=1)
        assert "it holds 1 experiment, 1 run" in text
        assert "--with-everything" in text
        assert "--yes" in run("delete", "--with-everything", *where, status=1)
        assert client.get_run(one).info.lifecycle_stage == "active"
        run("delete", "--with-everything", "--yes", *where)
        assert "team-a" not in run("list", "--hub", hub_path)
        run("create", "team-a", "--hub", hub_path)
        assert "Deleted workspace" in run("delete", "--yes", *where)

    def test_nothing_is_named(self, hub_path):
        """Neither runs nor a workspace: nothing is deleted."""
        assert "Name runs" in run("delete", "--yes", "--hub", hub_path, status=2)
        run("delete", "x", "--with-everything", "-w", "default", "--hub", hub_path, status=2)


class TestFiles:
    @pytest.fixture
    def filled(self, client):
        (one,) = started_runs(client, [NASTY])
        client.log_text(one, "hello", "outputs/a.txt")
        client.log_text(one, "x" * 2000, "outputs/deep/b \x1b[31m.txt")
        client.log_text(one, "", "empty")
        client.log_text(one, "{}", ".mlflow-workspace/ours.json")
        return one

    def test_list(self, filled, where):
        """With their sizes; those of this package are hidden unless asked for."""
        found = run_json("files", filled, *where)
        assert found == [
            {"path": "empty", "bytes": 0},
            {"path": "outputs/a.txt", "bytes": 5},
            {"path": "outputs/deep/b \x1b[31m.txt", "bytes": 2000},
        ]
        assert run_json("files", filled, "outputs", *where) == found[1:]
        assert run_json("files", filled, "outputs/a.txt", *where) == found[1:2]
        assert len(run_json("files", filled, "-a", *where)) == 4
        assert len(run_json("files", filled, ".mlflow-workspace", *where)) == 1
        text = run("files", filled[:8], *where)
        assert "2.0 kB  outputs/deep/b \\x1b[31m.txt" in text
        assert "3 files, 2.0 kB" in text
        text = run("files", filled, "output", *where, status=1)
        assert "no such file or folder: 'output'" in text
        assert "Did you mean 'outputs'?" in text

    def test_download(self, filled, where, tmp_path, monkeypatch):
        """To a folder that is called as the run is, on any system; how much it was is said."""
        monkeypatch.chdir(tmp_path)
        text = run("download", filled, *where)
        assert "Copied 3 files (2.0 kB)" in text
        (folder,) = [each for each in tmp_path.iterdir() if each.name.startswith("new")]
        assert (folder / "outputs" / "a.txt").read_text() == "hello"
        assert not list(folder.rglob("ours.json"))
        assert "All 3 files" in run("download", filled, *where)
        assert "already" in run("download", filled, "outputs", *where)
        run("download", filled, "outputs/a.txt", "-o", "there", *where)
        assert [str(each) for each in Path("there").rglob("*.txt")] == ["there/outputs/a.txt"]

    def test_download_overwrites_nothing_that_is_different(self, filled, where, tmp_path):
        """Nothing is copied then, unless it is forced."""
        target = tmp_path / "out"
        (target / "outputs").mkdir(parents=True)
        (target / "outputs" / "a.txt").write_text("HELLO")
        text = run("download", filled, "-o", target, *where, status=1)
        assert "1 file would be overwritten" in text
        assert "--force" in text
        assert not (target / "empty").exists()
        run("download", filled, "-o", target, "--force", *where)
        assert (target / "outputs" / "a.txt").read_text() == "hello"

    @pytest.mark.parametrize("kind", ["folder", "file"])
    def test_download_stays_in_its_folder(self, filled, where, tmp_path, kind):
        """Links in it lead nowhere; a file in the place of a folder is named."""
        target, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
        target.mkdir()
        elsewhere.mkdir()
        if kind == "folder":
            (target / "outputs").symlink_to(elsewhere)
            assert "a link leads out" in run("download", filled, "-o", target, *where, status=1)
        else:
            (target / "outputs").write_text("")
            assert "is a file" in run("download", filled, "-o", target, *where, status=1)
        assert list(elsewhere.iterdir()) == []

    def test_links_in_place_of_files_are_replaced(self, filled, where, tmp_path):
        """What they lead to is left as it is."""
        target, mine = tmp_path / "out", tmp_path / "mine.txt"
        mine.write_text("mine")
        target.mkdir()
        (target / "empty").symlink_to(mine)
        assert "overwritten" in run("download", filled, "-o", target, *where, status=1)
        run("download", filled, "-o", target, "--force", *where)
        assert mine.read_text() == "mine"
        assert (target / "empty").read_text() == ""

    def test_run_without_files(self, client, where):
        """None is said."""
        (one,) = started_runs(client, ["one"])
        assert "none" in run("files", one, *where)
        assert "has no files" in run("download", one, *where)


def test_show_says_how_a_run_went(workspace, where):
    """What it was given, how far it came, and where to look."""
    started = Experiment(workspace, "first").start_logging(display_name="one", tags={"team": "x"})
    workspace.client.log_param(started.id, "rate", "0.1")
    started.log("loss", 0.25)
    child = started.child_run("child")
    child.complete()
    started.complete()
    found = run_json("show", started.id[:8], *where)
    assert (found["name"], found["status"], found["experiment"]) == ("one", "Completed", "first")
    assert (found["params"], found["metrics"]) == ({"rate": "0.1"}, {"loss": 0.25})
    assert found["tags"] == {"team": "x"}
    assert found["page"].startswith(f"mlflow-workspace open {started.id}")
    assert found["started"] <= found["ended"]
    assert run_json("show", child.id, *where)["child_of"] == started.id
    text = run("show", "one", *where)
    assert re.search(r"status +Completed", text)
    assert re.search(r"  rate +0.1", text)
