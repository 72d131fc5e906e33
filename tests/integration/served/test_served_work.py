"""Work at a served hub that was done in its folder only: commands, jobs, datasets, workspaces.

The server is the real command, with accounts; who asks it has a token, and no folder.
"""

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import mlflow
import pytest
from click.testing import CliRunner
from mlflow.exceptions import MlflowException
from packaging.version import Version

from mlflow_workspace_plugin import Experiment, Workspace, uris
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.data.files.kept_manifests import manifests_of
from mlflow_workspace_plugin.data.files.manifest import Facts, Manifest
from mlflow_workspace_plugin.data.files.manifests import Manifests
from mlflow_workspace_plugin.errors import (
    HubBusyError,
    HubProtocolError,
    SnapshotException,
    WorkspaceExistsError,
)
from mlflow_workspace_plugin.jobs.ended import Ended, jobs_folder
from mlflow_workspace_plugin.jobs.liveness import settle_kept
from mlflow_workspace_plugin.jobs.machine import where_locked
from mlflow_workspace_plugin.overview.source import source_of
from mlflow_workspace_plugin.protocol.files import SNAPSHOT
from mlflow_workspace_plugin.remote.build import open_workspace_store
from mlflow_workspace_plugin.remote.files import kept
from mlflow_workspace_plugin.runs.snapshots.garbage import SnapshotGarbage
from mlflow_workspace_plugin.runs.snapshots.open import snapshots_of
from mlflow_workspace_plugin.sdk.data.datasets.dataset import Dataset
from mlflow_workspace_plugin.sdk.jobs.script_run_config import ScriptRunConfig
from mlflow_workspace_plugin.stores.build import workspace_store
from mlflow_workspace_plugin.stores.jobs.states import LAST
from tests import python_processes
from tests.fault_proxy import fault_proxy
from tests.served import ADMIN
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.sqlite,
    pytest.mark.skipif(
        Version(mlflow.__version__) < Version("3.17"), reason="MLflow before 3.17 is not served."
    ),
]

SCRIPT = """
import os
import sys

import mlflow
from azureml.core import Run, ScriptRunConfig

assert not os.environ.get("MLFLOW_TRACKING_TOKEN")
run = Run.get_context(allow_offline=False)
run.log("rate", float(sys.argv[1]))
with mlflow.start_run():
    mlflow.log_metric("accuracy", 0.9)
with open("outputs/model.txt", "w") as file:
    file.write("weights")
print("It is trained.")
if len(sys.argv) > 2:
    child = run.submit_child(ScriptRunConfig(".", script="train.py", arguments=["0.2"]))
    child.wait_for_completion(raise_on_error=True)
"""


@pytest.fixture
def log_in(served, monkeypatch):
    """Let this process be somebody, whose default hub is the served one; return its workspace."""

    def logged_in(name="member", workspace="team-a"):
        monkeypatch.setenv("MLFLOW_WORKSPACE_HUB", served.address)
        monkeypatch.setenv(
            "MLFLOW_TRACKING_URI", f"workspace://127.0.0.1:{served.port}/{workspace}"
        )
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", served.token(name))
        return Workspace.get(workspace) if workspace in Workspace.list(None) else None

    return logged_in


def command(*arguments, code=0):
    """Run a command of ours; return what it printed."""
    done = CliRunner().invoke(main, [*arguments])
    if done.exit_code != code:
        pytest.fail(f"{done.output}{done.exception!r}")
    return done.output


def said(*arguments):
    """Run a command that prints JSON; return that."""
    return json.loads(command(*arguments, "--json"))


@pytest.fixture
def run(log_in):
    """A run of a member's, with a metric, a text, a table and a file."""
    workspace = log_in()
    run = Experiment(workspace, "seen").start_logging(snapshot_directory=None, display_name="first")
    for step in range(20):
        run.log("loss", 1 / (step + 1), step=step)
    run.log("word", "good")
    run.log_table("rows", {"a": [1, 2], "b": [3, 4]})
    Path("notes.txt").write_text("hello")
    run.upload_file("notes/first.txt", "notes.txt")
    run.complete()
    return run


def test_commands_show_runs(run, served, log_in, tmp_path):
    """As those of a hub in a folder, by the workspace around, or by -w."""
    assert {each["run_id"] for each in said("runs")} >= {run.id}
    assert {each["name"]: each["runs"] for each in said("experiments")}["seen"] >= 1
    short = run.id[:12]
    assert said("show", short)["status"] == "Completed"
    assert said("metrics", run.id, "-w", "team-a")["word"] == "good"
    assert [each["path"] for each in said("files", short)] == ["notes/first.txt"]
    command("download", short, "-o", "there")
    assert Path("there/notes/first.txt").read_text() == "hello"
    assert said("verify", short)["result"] == "equal"
    assert "loss" in command("watch", short)
    assert "loss" in command("chart", short, "loss")
    command("report", short, "-o", "report.html")
    assert "loss" in Path("report.html").read_text()
    assert command("open", short, "--print").startswith(f"{served.address}/pages/runs/{run.id}")
    assert [each["name"] for each in said("list")] == ["team-a"]
    assert said("show", "team-a", "--hub", served.address)["runs"] >= 1
    assert "is not in" in command("metrics", "f" * 32, code=1)
    assert "served hub" in command("where", "-w", "team-a", code=2)
    log_in("stranger", "team-b")
    assert "is not in" in command("metrics", run.id, code=1)
    log_in("reader")
    assert "PERMISSION_DENIED" in command("delete", run.id, code=1)
    log_in()
    deleted = command("delete", run.id)
    assert "Deleted run" in deleted
    assert "for good: mlflow-workspace gc -w team-a" in deleted


def test_look_ups_leave_out_what_is_denied(run, served, log_in):
    """An experiment that MLflow denies somebody, and its runs, are in no list of theirs."""
    experiment_id = str(run.experiment.id)
    served.add_user("denied", team_a="member")
    served.deny("denied", "team-a", experiment_id)
    workspace = log_in("denied")
    seen = source_of(workspace.get_mlflow_tracking_uri()).store
    assert experiment_id not in [str(each.experiment_id) for each in seen.experiments_with_runs()]
    assert run.id not in [each.run_id for each in seen.newest_runs(100)]
    assert seen.runs_called(run.id, "mlflow.runName") == []
    for refused in (seen.number_of_children, lambda each: seen.run_receipts(each, [])):
        with pytest.raises(MlflowException, match="may not"):
            refused(run.id)


def test_workspaces_are_made_and_deleted_by_administrators(served, log_in):
    """Others are refused; everybody lists those that they have a role in."""
    log_in("member")
    with pytest.raises(MlflowException, match="administrator"):
        Workspace.create("mine")
    assert Workspace.create("team-a", exist_ok=True).name == "team-a"
    with pytest.raises(MlflowException, match="administrator"):
        Workspace.get("team-a").delete(delete_dependent_resources=True)
    with pytest.raises(MlflowException, match="no role"):
        Workspace.get("team-b")
    log_in(ADMIN)
    made = Workspace.create("Contoso_ML", resource_group="group", tags={"a": "b"})
    assert (made.name, made.resource_group, made.tags) == ("Contoso_ML", "group", {"a": "b"})
    assert Workspace.get("contoso_ml").get_mlflow_tracking_uri().endswith("/contoso-ml")
    assert {"Contoso_ML", "team-a", "team-b"} <= set(Workspace.list(None))
    with pytest.raises(WorkspaceExistsError):
        Workspace.create("Contoso_ML")
    assert "Deleted workspace" in command("delete", "-w", "Contoso_ML", "--yes")
    assert "Contoso_ML" not in Workspace.list(None)
    assert said("create", "by-command")["name"] == "by-command"


def test_jobs_run_with_a_log_in_of_their_own(served, log_in, monkeypatch):
    """Submitted, waited for and followed; a job starts another one below itself."""
    workspace = log_in()
    Path("source").mkdir()
    Path("source/train.py").write_text(SCRIPT)
    config = ScriptRunConfig("source", script="train.py", arguments=["0.1", "child"])
    run = Experiment(workspace, "jobs").submit(config)
    run.wait_for_completion(raise_on_error=False)
    assert run.get_status() == "Completed", run.get_details()
    assert run.get_metrics() == {"rate": 0.1, "accuracy": 0.9}
    assert "outputs/model.txt" in run.get_file_names()
    [child] = run.get_children()
    assert child.get_status() == "Completed"
    assert "It is trained." in command("logs", child.id)
    zip_file = run.restore_snapshot(path="restored")
    assert Path(zip_file).stat().st_size
    # What frees what nobody names leaves it.
    garbage = SnapshotGarbage(served.hub, "team-a")
    assert garbage.find() == []


def test_jobs_by_commands(log_in):
    """Submitted by a command, listed, and canceled."""
    log_in()
    Path("source").mkdir()
    Path("source/wait.py").write_text("import time\nprint('waits', flush=True)\ntime.sleep(600)\n")
    run_id = command("submit", "-s", "source", "wait.py").split()[-1]
    assert run_id in [each["run_id"] for each in said("jobs")]
    command("cancel", run_id, "--force")
    assert said("show", run_id)["status"] == "Canceled"


def test_snapshot_is_stored_again_if_it_was_freed_before_a_run_named_it(served, log_in):
    """Who frees snapshots may be about it meanwhile: the hub is asked once a run names it."""
    workspace = log_in()
    Path("source").mkdir()
    Path("source/code.py").write_text("print('of this test')")
    run = Experiment(workspace, "snapshots").start_logging(snapshot_directory=None)
    garbage = SnapshotGarbage(served.hub, "team-a")
    with run._snapshots().keeping("source") as snapshot_id:
        assert garbage.find()
        garbage.free()
        run._store.set_tag_now(run.id, mlflow.entities.RunTag("azureml.snapshot", snapshot_id))
    assert run._snapshots().holds(snapshot_id)
    run.complete()


def test_list_of_files_is_stored_again_if_it_was_freed_before_a_version_named_it(served, log_in):
    """As snapshots are."""
    workspace = log_in()
    lists = manifests_of(workspace.get_mlflow_tracking_uri())
    content = Manifest({"a.csv": Facts(1, 2)})
    with lists.keeping(content) as name:
        assert lists.read(name) == content
        Manifests(served.hub, "team-a").free_unnamed()
        assert lists.read(name) is None
    assert lists.read(name) == content


def test_what_is_freed_each_time_is_said(served, monkeypatch):
    """Nobody waits for ever, and nothing is named that is not kept."""
    Path("source").mkdir()
    Path("source/code.py").write_text("print('of this test')")
    freed = (200, {"Content-Type": "application/json"}, '{"is_kept": false}')
    with behind(served, monkeypatch) as (line, uri):
        line.fault = lambda request: freed if request.target.endswith("/files/kept") else None
        with (
            pytest.raises(SnapshotException, match=r"'source' was removed in each of 5 tries"),
            snapshots_of(uri).keeping("source"),
        ):
            pass
        with (
            pytest.raises(HubBusyError, match=r"list of a dataset's files was removed .* 5 tries"),
            manifests_of(uri).keeping(Manifest({})),
        ):
            pass
        assert sum(each.target.endswith("/files/kept") for each in line.requests) == 10


def test_answer_that_is_none_to_what_was_asked_is_said(served, monkeypatch):
    """As a newer server may give it: of whatever is asked, with the way out."""
    other = (200, {"Content-Type": "application/json"}, '{"of_a_newer": 1}')
    with behind(served, monkeypatch) as (line, uri):
        workspace = Workspace.get("team-a")
        line.fault = lambda request: other if "/hub/v1/" in request.target else None
        for ask in (
            lambda: Workspace.list(None),
            lambda: kept.is_kept(uris.parse(uri), SNAPSHOT, "0" * 32),
            workspace.tracking_store.computes,
        ):
            with pytest.raises(HubProtocolError, match=r"does not understand\. Install"):
                ask()


def test_datasets_keep_their_files(served, log_in, tmp_path):
    """Registered with the list of its files, read by it, and said of if they change."""
    workspace = log_in()
    store = workspace.get_default_datastore()
    Path("data").mkdir()
    for name in ("a", "b"):
        Path("data", f"{name}.csv").write_text(f"x,y\n1,{name}\n")
    store.upload("data", target_path="served-data")
    dataset = Dataset.File.from_files((store, "served-data/*.csv"))
    dataset = dataset.register(workspace, "files")
    found = Dataset.get_by_name(workspace, "files")
    assert sorted(Path(each).name for each in found.download("got")) == ["a.csv", "b.csv"]
    rows = Dataset.Tabular.from_delimited_files((store, "served-data/*.csv"))
    assert len(rows.to_pandas_dataframe()) == 2


def test_run_command_at_a_served_hub(log_in):
    """What is run in the foreground is a run of the hub, too."""
    log_in()
    Path("hello.py").write_text("import mlflow\nmlflow.log_metric('x', 1)\nprint('hello')\n")
    done = command("run", sys.executable, "hello.py")
    assert done is not None
    [run] = said("runs", "-n", "1")
    assert run["metrics"] == {"x": 1.0}, (done, run)


@contextmanager
def behind(served, monkeypatch, workspace="team-a"):
    """Let this process be a member whose line to the hub can be cut; yield it and the URI."""
    with fault_proxy(served.port) as line:
        uri = f"workspace://127.0.0.1:{line.port}/{workspace}"
        monkeypatch.setenv("MLFLOW_WORKSPACE_HUB", f"http://127.0.0.1:{line.port}")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", served.token("member"))
        yield line, uri


def waiting():
    """What `sync --status` says, which fails where a hub is away."""
    return json.loads(CliRunner().invoke(main, ["sync", "--status", "--json"]).stdout)


AWAY = (503, {"Content-Type": "text/html"}, "<html>A proxy's own page</html>")
FAULT = (
    500,
    {"Content-Type": "application/json"},
    '{"error_code": "INTERNAL_ERROR", "message": "Input/output error"}',
)


def fails_at_log(request):
    """Let the hub fail at the log of a job, while that grows and as a whole."""
    is_sent = any(each in request.target for each in ("/append", "/content"))
    return FAULT if is_sent and "std_log" in request.target else None


def test_the_end_of_a_job_waits_for_no_file_that_the_hub_fails_at(served, monkeypatch):
    """That is said, and all else of it is stored."""
    Path("source").mkdir()
    Path("source/train.py").write_text("open('outputs/model', 'w').close()\nprint('done')\n")
    with behind(served, monkeypatch) as (line, _):
        line.fault = fails_at_log
        config = ScriptRunConfig("source", script="train.py")
        run = Experiment(Workspace.get("team-a"), "faults").submit(config)
        wait_until(lambda: run.get_status() == "Completed", 60)
        said = (jobs_folder() / run.id / "system_logs" / "runner.txt").read_text()
        assert "The run lacks its logs" in said
        assert "outputs/model" in run.get_file_names()


def test_an_end_that_is_told_later_waits_for_no_file_that_the_hub_fails_at(served, monkeypatch):
    """Without a journal, which would keep the file; and the others of the hub are told, too."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_JOURNAL", "off")
    with behind(served, monkeypatch) as (line, uri):
        store = open_workspace_store(uri)
        experiment = Experiment(Workspace.get("team-a"), "faults")
        ran = []
        for _ in range(2):
            run = store.create_job(
                experiment.id, run_name=None, tags=[], definition={}, compute="x", engine="slurm"
            )
            folder = jobs_folder() / run.info.run_id
            (folder / "outputs").mkdir(parents=True)
            for name in ("lock", "std_log.txt", "outputs/model"):
                (folder / name).write_text(name)
            with (folder / "lock").open("rb") as lock:
                where = where_locked(folder / "lock", lock.fileno())
            store.take_job(run.info.run_id, "owner", where)
            files = {"user_logs/std_log.txt": folder / "std_log.txt", "outputs": folder / "outputs"}
            left = {name: str(path) for name, path in files.items()}
            Ended(uri, run.info.run_id, "owner", "Completed", 0, None, left).keep(folder)
            ran.append(run.info.run_id)
        line.fault = fails_at_log
        assert settle_kept(uri) == {}
        for each in ran:
            assert store.job(each).stored_state == "Completed"
            assert "outputs/model" in [file["path"] for file in said("files", each)]


def test_how_a_job_ended_is_told_once_the_server_is_back(served, monkeypatch, tmp_path):
    """It is kept on its machine meanwhile, with what it left; nothing false is said of it."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_END_WAIT", "1")
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "5")
    Path("source").mkdir()
    Path("source/train.py").write_text(
        f"""
import os, time
while not os.path.exists({str(tmp_path / "go")!r}):
    time.sleep(0.05)
open("outputs/model", "w").close()
print("last words")
"""
    )
    with behind(served, monkeypatch) as (line, uri):
        config = ScriptRunConfig("source", script="train.py")
        run = Experiment(Workspace.get("team-a"), "away").submit(config)
        wait_until(lambda: run.get_status() == "Running", 60)
        line.fault = lambda _: AWAY
        (tmp_path / "go").touch()
        wait_until(lambda: any(each["ends of jobs"] for each in waiting()), 60)
        (kept,) = [each for each in waiting() if each["ends of jobs"]]
        assert (kept["workspace"], kept["ends of jobs"]) == (uri, {run.id: "Completed"})
        assert CliRunner().invoke(main, ["sync"]).exit_code == 1
        line.fault = lambda _: None
        command("sync")
        assert run.get_status() == "Completed"
        assert "outputs/model" in run.get_file_names()
        assert command("logs", run.id).endswith("last words\n")
        assert not [each for each in waiting() if each["ends of jobs"]]


def test_what_waits_for_a_hub_is_dropped_only_if_the_hub_is_given_up(served, monkeypatch):
    """One that is merely away may come back; one that does not is given up by name."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "1")
    with behind(served, monkeypatch) as (line, uri):
        run_id = Experiment(Workspace.get("team-a"), "left").start_logging(outputs=None).id
        monkeypatch.setenv("MLFLOW_WORKSPACE_EXIT_WAIT", "0")
        line.fault = lambda _: AWAY
        script = f"import mlflow; mlflow.MlflowClient().log_metric({run_id!r}, 'm', 1)"
        done = python_processes.run(["-c", script], stderr=PIPE, text=True)
        assert done.returncode == 0, done.stderr
        assert sum(each["waiting calls"] for each in waiting()) == 1
        kept = CliRunner().invoke(main, ["sync", "--drop", uri, "--yes", "--json"])
        assert kept.exit_code == 1, kept.output
        assert sum(each["waiting calls"] for each in waiting()) == 1
        command("sync", "--drop", uri, "--yes", "--give-up-hub")
        assert sum(each["waiting calls"] for each in waiting()) == 0


def test_a_job_leaves_to_its_user_what_others_left(served, monkeypatch, tmp_path):
    """Its log-in is for its run only: calls of killed processes, and ends of other jobs, wait."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_END_WAIT", "1")
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "5")
    Path("source").mkdir()
    Path("source/one.py").write_text(
        f"""
import os, time
while not os.path.exists({str(tmp_path / "go")!r}):
    time.sleep(0.05)
open("outputs/model", "w").close()
"""
    )
    Path("source/other.py").write_text("import mlflow\nmlflow.log_metric('m', 1)\n")
    beneath = workspace_store(served.hub, "team-a")
    run_id = beneath.create_run("0", "member", 1, [], "left").info.run_id
    with behind(served, monkeypatch) as (line, uri):
        one = command("submit", "-s", "source", "one.py").split()[-1]
        wait_until(lambda: beneath.job(one).stored_state == "Running", 180)
        line.fault = lambda _: AWAY
        (tmp_path / "go").touch()
        wait_until(lambda: any(each["ends of jobs"] for each in waiting()), 180)
        beneath.cancel_job(one, force=True)
        script = f"""
from mlflow import MlflowClient
for step in range(30):
    MlflowClient().log_metric({run_id!r}, "loss", step, step=step)
"""
        environment = os.environ | {"MLFLOW_WORKSPACE_EXIT_WAIT": "0"}
        left = python_processes.run(["-c", script], stderr=PIPE, text=True, env=environment)
        assert left.returncode == 0, left.stderr
        line.fault = lambda _: None
        other = command("submit", "-s", "source", "other.py").split()[-1]
        wait_until(lambda: beneath.job(other).stored_state == "Completed", 180)
        assert beneath.stored_counts(other) == {"m": 1}
        # Its runner does for others what it may, then ends.
        wait_until(lambda: not (jobs_folder() / other).exists(), 180)
        assert [each.run_id for each in Ended.all_kept()] == [one]
        command("sync")
        assert beneath.stored_counts(run_id) == {"loss": 30}
        assert sum(each["refused"] for each in waiting()) == 0
        assert "outputs/model" in [each["path"] for each in said("files", one)]
        # Nothing is left of the journals that each job has for itself.
        assert [each["workspace"] for each in waiting()] == [uri]


def test_a_hub_that_is_away_for_a_moment_fails_no_job(served, monkeypatch):
    """Whatever its runner asks about before its command runs is asked again."""
    Path("source").mkdir()
    Path("source/train.py").write_text("print('It is trained.')\n")
    asked = ("/take_job", "runs/get", "experiments/get", "/workspace_record")
    left = dict.fromkeys(asked, 2)
    with behind(served, monkeypatch) as (line, _):
        own = f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}"

        def fault(request):
            for each in asked:
                is_of_job = request.headers.get("authorization") != own
                if is_of_job and each in request.target and left[each]:
                    left[each] -= 1
                    return AWAY
            return None

        line.fault = fault
        run_id = command("submit", "-s", "source", "train.py").split()[-1]
        beneath = workspace_store(served.hub, "team-a")
        wait_until(lambda: beneath.job(run_id).stored_state in LAST, 180)
        assert beneath.job(run_id).stored_state == "Completed", beneath.job(run_id).cause
        assert not any(left.values()), left
