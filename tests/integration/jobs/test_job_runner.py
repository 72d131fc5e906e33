"""The runner of submitted jobs: what it gives a script, stores of it, and says of how it went."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.jobs.definition import Definition
from mlflow_workspace_plugin.jobs.ended import Ended, jobs_folder
from mlflow_workspace_plugin.jobs.engines.engine import EngineState
from mlflow_workspace_plugin.jobs.environments.prepare import Prepared
from mlflow_workspace_plugin.jobs.environments.requirements import Requirements
from mlflow_workspace_plugin.jobs.liveness import settle, settle_kept
from mlflow_workspace_plugin.jobs.machine import where_locked
from mlflow_workspace_plugin.runner.folder import remove_old
from mlflow_workspace_plugin.runner.job import command_of
from mlflow_workspace_plugin.runs.snapshots.open import snapshots_of
from mlflow_workspace_plugin.stores.jobs import states
from tests import python_processes
from tests.commands import output_of
from tests.jobs import LOG, RUNNER, TELL, is_alive, until

# Where rows are kept is the store's.
pytestmark = pytest.mark.sqlite

OF_RUN = ["runs", "tags", "params", "metrics", "latest_metrics", "workspace_plugin_jobs"]
WAITS = (
    TELL
    + """
tell("pid")
while not os.path.exists(f"{FOLDER}/go"):
    time.sleep(0.05)
open("outputs/model", "w").close()
print("done")
"""
)


def forget_runner(direct, job):
    """Make the row of a job what it was before a runner took it."""
    change(
        direct,
        job,
        "state = 'Queued', owner = NULL, runner = NULL, started_at = NULL, beat = 0, "
        "beat_at = NULL",
    )


def change(direct, job, values):
    """Change the row of a job beneath everything."""
    with direct._transaction() as connection:
        connection.execute(
            text(f"UPDATE workspace_plugin_jobs SET {values} WHERE run_uuid = '{job.id}'")
        )


@contextmanager
def refusing(direct, state):
    """Within the block the database takes a state of no job."""
    with direct._transaction() as connection:
        connection.execute(
            text(
                "CREATE TRIGGER refusing BEFORE UPDATE OF state ON workspace_plugin_jobs "
                f"WHEN NEW.state = '{state}' BEGIN SELECT RAISE(ABORT, 'not now'); END"
            )
        )
    try:
        yield
    finally:
        with direct._transaction() as connection:
            connection.execute(text("DROP TRIGGER refusing"))


@pytest.fixture
def ended_away(new_job, hub_path, tmp_path, direct):
    """A job that ended while its hub was away, which was restored from a backup of before it."""
    job = new_job(WAITS).start(MLFLOW_WORKSPACE_END_WAIT="0.5")
    job.pid("pid")
    job.until_state("Running")
    away = hub_path.with_name("away")
    hub_path.rename(away)
    (tmp_path / "go").touch()
    assert job.wait() == 82, job.said
    away.rename(hub_path)
    forget_runner(direct, job)
    return job


class TestInside:
    @pytest.mark.behind
    def test_script_of_a_snapshot(self, new_job, workspace, tmp_path):
        """It runs in a folder of its own, with its helpers; what it leaves is the run's."""
        source = tmp_path / "source"
        source.mkdir()
        (source / "helper.py").write_text("RATE = 0.5\n")
        (source / "train.py").write_text("""
import logging, os, sys, warnings
import mlflow
from azureml.core import Run
from helper import RATE
assert not os.path.exists("left")
open("left", "w").close()
print(sys.argv[1:])
logging.basicConfig(level=logging.INFO)
logging.getLogger("mine").info("native logging")
run = Run.get_context(allow_offline=False)
run.log("rate", RATE)
with mlflow.start_run() as active:
    assert active.info.run_id == run.id
    mlflow.log_metric("loss", 0.25)
assert run.get_status() == "Running", run.get_status()
open("outputs/model.pkl", "w").close()
""")
        with snapshots_of(workspace.get_mlflow_tracking_uri()).keeping(source) as snapshot:
            job = new_job(script="train.py", arguments=["--rate", "x y"], snapshot=snapshot)
        assert job.run() == 0, job.said
        assert job.log() == "['--rate', 'x y']\nINFO:mine:native logging\n"
        assert workspace.get_run(job.id).get_metrics() == {"rate": 0.5, "loss": 0.25}
        assert "outputs/model.pkl" in job.files
        assert (job.state, job.status, job.row.exit_code) == ("Completed", "FINISHED", 0)
        assert not (source / "left").exists()
        # What its runner does is told in a log of its own.
        assert "The command has ended." in job.log("system_logs/runner.txt")
        # Of what completed nothing is kept on the machine.
        assert list((tmp_path / "jobs").iterdir()) == []

    def test_script_whose_name_is_like_an_option(self, tmp_path):
        """It is run, not taken for an option of Python's."""
        (tmp_path / "-c").write_text("import sys; print(sys.argv[1:])")
        definition = Definition(script="-c", arguments=["print(1)"])
        command = command_of(definition, Prepared(sys.executable, {}))
        assert output_of(command, cwd=tmp_path) == "['print(1)']\n"

    def test_variables_are_the_jobs_own(self, new_job, hub_path):
        """Of what a cluster was started with nothing says of another run; the user's are there."""
        job = new_job(
            "import json; print(json.dumps(dict(os.environ)))",
            variables={"MINE": "1", "AZUREML_RUN_ID": "no"},
        )
        leaked = {
            "MLFLOW_EXPERIMENT_NAME": "other",
            "MLFLOW_RUN_ID": "other",
            "MLFLOW_TRACKING_URI": "http://other",
            "MLFLOW_TRACKING_TOKEN": "secret",
            "MLFLOW_WORKSPACE": "other",
            "MLFLOW_WORKSPACE_HUB": "/other",
            "AZUREML_RUN_TOKEN": "other",
        }
        assert job.run(**leaked) == 0, job.said
        found = json.loads(job.log())
        uri = f"workspace://{hub_path}/team-a"
        assert found["MLFLOW_TRACKING_URI"] == found["MLFLOW_REGISTRY_URI"] == uri
        assert found["MLFLOW_RUN_ID"] == found["AZUREML_RUN_ID"] == job.id
        assert found["MLFLOW_EXPERIMENT_NAME"] == found["AZUREML_ARM_PROJECT_NAME"] == "jobs"
        assert found["MLFLOW_WORKSPACE_HUB"] == str(hub_path)
        assert found["MINE"] == "1"
        for name in ("MLFLOW_TRACKING_TOKEN", "MLFLOW_WORKSPACE", "AZUREML_RUN_TOKEN"):
            assert name not in found

    def test_command_as_one_text_is_for_a_shell(self, new_job):
        """With its pipes, and its exit code."""
        job = new_job(command="echo one two | wc -w; exit 7")
        assert job.run() == 1
        assert job.log().strip() == "2"
        assert (job.state, job.row.exit_code) == ("Failed", 7)

    @pytest.mark.parametrize(
        ("framework", "names"),
        [
            ("PyTorch", ["MASTER_ADDR", "MASTER_PORT", "RANK", "LOCAL_RANK", "WORLD_SIZE"]),
            ("Python", ["OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"]),
        ],
    )
    def test_several_processes(self, new_job, framework, names):
        """Each is told which of them it is, and has a log of its own."""
        job = new_job(
            f"print([os.environ[name] for name in {names}])", framework=framework, processes=3
        )
        assert job.run() == 0, job.said
        found = [eval(job.log(f"user_logs/std_log_{rank}.txt")) for rank in range(3)]
        rank, size = (2, 4) if framework == "PyTorch" else (0, 1)
        assert [each[rank] for each in found] == ["0", "1", "2"]
        assert {each[size] for each in found} == {"3"}

    def test_one_of_several_fails(self, new_job):
        """The others, which would wait for it, are ended, and its rank is said."""
        job = new_job(
            "sys.exit('no data') if os.environ['RANK'] == '1' else time.sleep(300)",
            framework="PyTorch",
            processes=3,
        )
        assert job.run() == 1
        assert job.row.exit_code == 1
        assert job.row.cause.startswith("Process 1 of 3 of ")
        assert job.row.cause.endswith("no data")


class TestEnd:
    @pytest.mark.parametrize(
        ("code", "exit_code", "cause"),
        [
            ("raise ValueError('no rate')", 1, "Its last words: ValueError: no rate"),
            ("os.kill(os.getpid(), 9)", 137, "By the kernel's count it did not."),
            ("os.kill(os.getpid(), 40)", 168, "was ended by signal 40 (SIGRTMIN+6)."),
        ],
    )
    def test_failure(self, new_job, tmp_path, code, exit_code, cause):
        """It has its exit code and its cause, in MLflow's tags, too; its folder is kept."""
        job = new_job(code)
        assert job.run() == 1
        assert (job.state, job.status, job.row.exit_code) == ("Failed", "FAILED", exit_code)
        assert job.row.cause.endswith(cause)
        assert job.workspace.get_run(job.id).reason == job.row.cause
        assert (tmp_path / "jobs" / job.id / "work").is_dir()

    def test_program_that_is_missing(self, new_job):
        """It has no exit code, for it did not run."""
        job = new_job(command=["no-such-program"])
        assert job.run() == 1
        assert (job.state, job.row.exit_code) == ("Failed", None)
        assert job.row.cause.startswith("Program 'no-such-program' cannot be started on ")
        assert "PATH" in job.row.cause

    def test_time_limit(self, new_job):
        """What runs for too long is asked to end, then killed; it is canceled (SDK v1)."""
        code = "import signal; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(300)"
        job = new_job(code, max_run_duration_seconds=1.5)
        assert job.run() == 1
        assert (job.state, job.row.exit_code) == ("Canceled", 137)
        assert "max_run_duration_seconds is 1.5" in job.row.cause
        assert job.log() == "up\n"

    @pytest.mark.behind
    def test_run_that_is_deleted_meanwhile(self, new_job):
        """Its job goes on and ends as it ends; so it is seen when the run is restored."""
        job = new_job(
            TELL + "tell('up')\nwhile not os.path.exists(FOLDER + '/go'): time.sleep(0.1)"
        )
        job.start().pid("up")
        job.store.delete_run(job.id)
        (job.folder / "go").touch()
        assert job.wait() == 0
        assert (job.state, job.row.exit_code) == ("Completed", 0)
        job.store.restore_run(job.id)
        assert job.status == "FINISHED"

    def test_old_folders_are_removed(self, new_job, tmp_path, monkeypatch):
        """Those of jobs that failed, after some days, though a script made a part read-only."""
        folder = tmp_path / "jobs"
        # It ran for longer than its folder is kept.
        job = new_job(
            "os.mkdir('x'); open('x/y', 'w').close(); os.chmod('x', 0o500)\n"
            "os.utime('../lock', (0, 0)); 1 / 0"
        )
        job.run()
        remove_old()
        assert (folder / job.id).exists()
        long_ago = time.time() - 8 * 86_400
        for each in (folder / job.id).rglob("*"):
            os.utime(each, (long_ago, long_ago))
        # Its runner was killed before it could say when it ended.
        os.utime(folder / job.id / LOG)
        remove_old()
        assert (folder / job.id).exists()
        os.utime(folder / job.id / LOG, (long_ago, long_ago))
        remove_old()
        assert not (tmp_path / "jobs" / job.id).exists()

    def test_observer_never_sees_a_false_end(self, new_job):
        """A script ends the run in MLflow's and SDK v1's ways, goes on, and fails: Failed."""
        job = new_job("""
import mlflow
from azureml.core import Run
with mlflow.start_run():
    pass
Run.get_context().complete()
mlflow.MlflowClient().set_terminated(os.environ["MLFLOW_RUN_ID"])
print("ended, it says", flush=True)
time.sleep(1.5)
sys.exit(3)
""")
        job.start()
        seen = set()
        while job.runner.poll() is None:
            seen.add((job.row.state, job.status))
            time.sleep(0.1)
        job.wait()
        assert {status for _, status in seen} <= {"SCHEDULED", "RUNNING", "FAILED"}
        assert ("Running", "RUNNING") in seen
        assert not {state for state, _ in seen} & {"Completed", "Canceled", "NotResponding"}
        assert (job.state, job.status) == ("Failed", "FAILED")


class TestCancel:
    @pytest.mark.behind
    def test_running(self, new_job):
        """SIGTERM ends the script; its outputs and its log are kept."""
        job = new_job("open('outputs/kept', 'w').close(); print('up'); time.sleep(300)").start()
        job.until_printed("up")
        assert job.store.cancel_job(job.id) == states.CANCEL_REQUESTED
        assert job.wait() == 1
        assert (job.state, job.status) == ("Canceled", "KILLED")
        assert job.row.cause == "It was canceled by request."
        assert "outputs/kept" in job.files
        assert job.log().startswith("up\n")

    def test_script_that_ignores_it(self, new_job):
        """After its time of grace it is killed."""
        code = "import signal; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(300)"
        job = new_job(code).start()
        job.until_printed("up")
        job.store.cancel_job(job.id)
        job.wait()
        assert (job.state, job.row.exit_code) == ("Canceled", 137)

    def test_script_that_cleans_up(self, new_job):
        """It has its time of grace for that, and what it stores then is there."""
        job = new_job("""
import signal
def stop(*_):
    open("outputs/checkpoint", "w").close()
    sys.exit(0)
signal.signal(15, stop)
print("up")
time.sleep(300)
""").start()
        job.until_printed("up")
        job.store.cancel_job(job.id)
        job.wait()
        assert (job.state, job.status, job.row.exit_code) == ("Canceled", "KILLED", 0)
        assert "outputs/checkpoint" in job.files

    def test_waiting(self, new_job):
        """It is canceled at once, and a runner that comes later runs nothing."""
        job = new_job(TELL + "tell('ran')")
        assert job.store.cancel_job(job.id) == states.CANCELED
        assert job.run() == 81
        assert "Canceled already" in job.said
        assert len(job.said.splitlines()) == 1
        assert not (job.folder / "ran").exists()

    def test_preparing(self, new_job, tmp_path, monkeypatch):
        """What prepares the environment is given up."""
        (tmp_path / "bin").mkdir()
        requirements = {"pip": ["a-package-that-is-not-there"], "name": "slow"}
        # An index that takes the connection, and never answers.
        import socket

        with socket.create_server(("127.0.0.1", 0)) as index:
            url = f"http://127.0.0.1:{index.getsockname()[1]}/simple"
            requirements["pip_options"] = [f"--index-url {url}"]
            job = new_job("print('up')", environment=requirements).start(
                MLFLOW_WORKSPACE_CACHE_DIR=str(tmp_path / "cache")
            )
            job.until_state("Preparing")
            index.settimeout(60)
            index.accept()
            assert job.store.cancel_job(job.id) == states.CANCEL_REQUESTED
            assert job.wait() == 1
        assert (job.state, job.row.exit_code) == ("Canceled", None)
        assert LOG not in job.files

    def test_by_force(self, new_job):
        """It is canceled at once; its runner sees that, ends the script, and keeps its outputs."""
        code = "open('outputs/kept', 'w').close(); tell('pid'); time.sleep(300)"
        job = new_job(TELL + code).start()
        job.pid("pid")
        assert job.store.cancel_job(job.id, force=True) == states.CANCELED
        assert job.wait() == 1
        assert (job.state, job.status) == ("Canceled", "KILLED")
        assert "outputs/kept" in job.files

    def test_by_the_script_itself(self, new_job):
        """``run.cancel()`` of a run that the script has begun stops the script."""
        job = new_job("""
from azureml.core import Experiment, Workspace
run = Experiment(Workspace.get("team-a"), "jobs").start_logging()
assert run.id == os.environ["MLFLOW_RUN_ID"]
run.cancel()
""")
        job.run()
        assert (job.state, job.status) == ("Canceled", "KILLED")


class TestOwner:
    def test_second_runner_is_refused(self, new_job):
        """In one line, by a reserved exit code, while the first lives."""
        job = new_job(TELL + "tell('pid'); time.sleep(300)").start()
        job.pid("pid")
        second = python_processes.run([*RUNNER, job.uri, job.id], stderr=subprocess.PIPE, text=True)
        assert second.returncode == 81
        assert len(second.stderr.splitlines()) == 1
        job.store.cancel_job(job.id)
        assert job.wait() == 1
        assert job.state == "Canceled"

    @pytest.mark.behind
    @pytest.mark.parametrize("silent_ms", [0, 400_000])
    def test_runner_whose_job_was_taken_stops(self, new_job, direct, silent_ms):
        """It ends its command, and says nothing of the job any more, silent as the other may be."""
        job = new_job(TELL + "tell('pid'); print('up'); time.sleep(300)").start()
        job.pid("pid")
        job.until_printed("up")
        change(direct, job, f"owner = 'another', beat = beat + 1, beat_at = beat_at - {silent_ms}")
        assert job.wait() == 1
        assert (job.state, job.row.owner) == ("Running", "another")
        assert "another runner has taken it over" in job.said
        assert "was taken again" not in job.said

    @pytest.mark.behind
    def test_runner_of_a_restored_hub_goes_on(self, new_job, tmp_path, direct):
        """A backup of before it began knows no runner: it takes its job again."""
        job = new_job(WAITS).start()
        job.pid("pid")
        job.until_state("Running")
        forget_runner(direct, job)
        assert until(lambda: job.row.owner)
        job.until_state("Running")
        (tmp_path / "go").touch()
        assert job.wait() == 0, job.said
        assert (job.state, job.status, job.log()) == ("Completed", "FINISHED", "done\n")
        assert "was taken again" in job.said

    def test_runner_of_a_restored_hub_replaces_the_one_before(self, new_job, tmp_path, direct):
        """Which a backup of before it began has for the owner."""
        job = new_job(WAITS).start()
        job.pid("pid")
        until(lambda: job.row.beat > 5)
        change(direct, job, "owner = 'before', beat = 1, beat_at = beat_at - 400000")
        until(lambda: job.row.owner != "before")
        (tmp_path / "go").touch()
        assert job.wait() == 0, job.said
        assert "was taken again" in job.said

    def test_state_that_the_hub_did_not_take(self, new_job, tmp_path, direct):
        """It is told again, where the job has just begun, and where it was taken again."""
        with refusing(direct, "Running"):
            job = new_job(WAITS).start()
            until(lambda: "is Running: " in job.said)
        job.until_state("Running")
        with refusing(direct, "Running"):
            forget_runner(direct, job)
            job.until_state("Preparing")
            beat = job.row.beat
            until(lambda: job.row.beat > beat + 1)
        job.until_state("Running")
        (tmp_path / "go").touch()
        assert job.wait() == 0, job.said

    def test_runner_of_a_restored_hub_in_which_its_run_was_deleted(self, new_job, direct):
        """It ends its command, and says why."""
        job = new_job(WAITS).start()
        job.pid("pid")
        job.until_state("Running")
        direct.delete_run(job.id)
        forget_runner(direct, job)
        assert job.wait() == 1
        assert f"Run {job.id} was deleted" in job.said

    def test_runner_of_a_restored_hub_tells_the_end(self, ended_away):
        """Later, too, where it was kept on its machine while the hub was away."""
        assert settle_kept() == {}
        found = ended_away.state, ended_away.status, ended_away.log()
        assert found == ("Completed", "FINISHED", "done\n")

    def test_reader_of_a_restored_hub_fails_no_job_that_ended_here(self, ended_away):
        """Though its engine has it no more, and no runner of it is known."""
        job = ended_away
        assert settle(job.store, job.row, EngineState("gone")).stored_state == "Preparing"
        assert settle(job.store, job.row, EngineState("gone")).stored_state == "Completed"
        assert "outputs/model" in job.files
        assert job.log() == "done\n"
        assert Ended.all_kept() == []

    def test_what_a_failed_job_of_a_restored_hub_left_is_stored(self, ended_away):
        """Where a reader elsewhere, who knew no better, failed it before."""
        job = ended_away
        assert job.store.fail_lost_job(job.id, seen=job.row, cause="It was never started.")
        assert settle_kept() == {}
        assert "outputs/model" in job.files
        assert job.log() == "done\n"
        assert Ended.all_kept() == []

    @pytest.mark.behind
    def test_job_that_a_restored_hub_does_not_have(self, new_job, tmp_path, direct):
        """It goes on to its end, all that it left stays on its machine, and both are said."""
        job = new_job(WAITS).start()
        job.pid("pid")
        job.until_state("Running")
        with direct._transaction() as connection:
            for each in reversed(OF_RUN):
                connection.execute(text(f"DELETE FROM {each} WHERE run_uuid = '{job.id}'"))
        until(lambda: "has no such run any more" in job.said)
        (tmp_path / "go").touch()
        assert job.wait() == 82
        left = Path(tmp_path, "jobs", job.id)
        assert (left / LOG).read_text() == "done\n"
        assert (left / "work" / "outputs" / "model").exists()
        assert "has ended (Completed), and its workspace has no such run any more" in job.said
        assert f"What it left is kept in {str(left)!r}" in job.said
        assert settle_kept() == {}

    def test_hub_that_cannot_be_reached(self, tmp_path):
        """It is one line, with the hub, the node and the reason, and a reserved exit code."""
        uri = f"workspace://{tmp_path}/no-hub/team-a"
        done = python_processes.run([*RUNNER, uri, "0" * 32], stderr=subprocess.PIPE, text=True)
        assert done.returncode == 80
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"cannot reach workspace://{tmp_path}/no-hub from {os.uname()[1]}: ")


class TestLogs:
    def test_reader_follows(self, new_job):
        """What is printed is there while the script runs, and what is there never changes."""
        job = new_job("""
for each in range(6):
    print(each, flush=True)
    while not os.path.exists(f"{FOLDER}/go{each}"):
        time.sleep(0.05)
""").start()
        before = ""
        for each in range(6):
            job.until_printed(f"{each}\n")
            now = job.log()
            assert now.startswith(before)
            before = now
            (job.folder / f"go{each}").touch()
        assert job.wait() == 0
        assert job.log() == "".join(f"{each}\n" for each in range(6))

    def test_flood_is_cut_and_that_is_said(self, new_job):
        """Head and end are there, within the limit and a megabyte."""
        job = new_job("""
for each in range(300_000):
    print("line", each)
""")
        assert job.run(MLFLOW_WORKSPACE_LOG_MB="0.5") == 0
        log = job.log()
        assert log.startswith("line 0\nline 1\n")
        assert log.endswith("line 299998\nline 299999\n")
        assert "left out here" in log
        assert len(log) < 1_600_000

    def test_how_its_environment_was_made_is_in_the_run(self, new_job, monkeypatch, tmp_path):
        """Also where that failed, in the log that SDK v1 showed of it."""
        monkeypatch.setenv("MLFLOW_WORKSPACE_CACHE_DIR", str(tmp_path / "cache"))
        asked = Requirements("old", pip=["no-such-thing @ file:///no-such-thing.whl"])
        job = new_job("print('never')", environment=asked.to_json())
        assert job.run() == 1
        assert job.state == "Failed"
        log = "azureml-logs/20_image_build_log.txt"
        assert job.files == [log, "system_logs/packages.txt"]
        assert "is built, with packages from" in job.log(log)
        assert "no-such-thing.whl" in job.log(log)


class TestKilledRunner:
    def test_what_it_left_is_brought_in(self, new_job):
        """By the reader who finds that it was killed: what the script printed, and its outputs."""
        job = new_job(
            TELL
            + """
os.makedirs("logs")
for name in ("outputs/checkpoint", "logs/own.txt"):
    open(name, "w").close()
print("last words", flush=True)
tell("pid")
time.sleep(300)
"""
        ).start()
        command = job.pid("pid")
        job.kill()
        job.wait()
        until(lambda: not is_alive(command))
        # Whoever asks and has no time leaves the rest to a process of its own.
        asks = (
            "import sys\n"
            "from mlflow_workspace_plugin.jobs.settling import settle_within\n"
            "from mlflow_workspace_plugin.stores.build import open_workspace_store\n"
            "store = open_workspace_store(sys.argv[1])\n"
            "assert settle_within(0, store, store.job(sys.argv[2])).ended_at is None\n"
        )
        assert python_processes.Popen(["-c", asks, job.uri, job.id]).wait(60) == 0
        seen = until(lambda: job.row.ended_at and job.row)
        assert (seen.stored_state, job.status) == ("Failed", "FAILED")
        assert {"outputs/checkpoint", "logs/own.txt", LOG} <= set(job.files)
        assert job.log() == "last words\n"

    def test_only_the_folder_of_the_job_is_brought_in(self, new_job, tmp_path):
        """Not another one, which whoever writes to the hub may name in the job's row."""
        job = new_job()
        with (tmp_path / "lock").open("w") as lock:
            where = where_locked(tmp_path / "lock", lock.fileno())
        (tmp_path / "work" / "outputs").mkdir(parents=True)
        (tmp_path / "work" / "outputs" / "private").touch()
        job.store.take_job(job.id, "owner", where)
        assert settle(job.store, job.row).stored_state == "Failed"
        assert job.files == []


def test_folder_that_somebody_cleans_away(new_job):
    """While the job runs in it: how its command ends counts, and what it prints is in the run."""
    job = new_job("""
import shutil
print("up", flush=True)
for name in ("user_logs", "system_logs", "lock"):
    os.rename(f"../{name}", f"{FOLDER}/{name}")
open("../system_logs", "w").close()
print("last words")
""")
    assert job.run() == 0
    assert (job.state, job.row.exit_code) == ("Completed", 0)
    assert job.log() == "up\nlast words\n"


class TestHubAway:
    def called(self, *arguments, exit_code=0):
        """Call sync; return what it says to a program."""
        done = CliRunner().invoke(main, ["sync", "--json", *arguments])
        assert done.exit_code == exit_code, done.output
        return json.loads(done.stdout)

    def kept_beside(self, job, run_id, **changed):
        """Keep the end of a job for another one, too; return that one's folder."""
        (ended,) = [each for each in Ended.all_kept() if each.run_id == job.id]
        shutil.copytree(ended.folder, jobs_folder() / run_id)
        other = replace(ended, run_id=run_id, **changed)
        other.keep(other.folder)
        return other.folder

    def test_end_is_kept_and_told_later(self, new_job, hub_path, tmp_path):
        """While the database is away nothing false is said; later all of it is brought in."""
        job = new_job(
            TELL
            + """
print("up", flush=True)
tell("pid")
while not os.path.exists(f"{FOLDER}/go"):
    time.sleep(0.05)
open("outputs/model", "w").close()
print("last words")
"""
        ).start(MLFLOW_WORKSPACE_END_WAIT="1")
        job.pid("pid")
        job.until_printed("up")
        away = hub_path.with_name("away")
        hub_path.rename(away)
        (tmp_path / "go").touch()
        assert job.wait() == 82
        assert "is kept in" in job.said
        (waits,) = self.called("--status")
        assert (waits["workspace"], waits["ends of jobs"]) == (job.uri, {job.id: "Completed"})
        (waits,) = self.called(exit_code=1)
        assert waits["ends of jobs"] == {job.id: "Completed"}
        assert waits["problem"].startswith(f"How job {job.id} ended is not stored yet: ")
        no_hub = f"workspace://{tmp_path}/none/team-a"
        gone = [self.kept_beside(job, "0" * 32), self.kept_beside(job, "1" * 32, uri=no_hub)]
        away.rename(hub_path)
        assert (job.state, job.status) == ("Finalizing", "RUNNING") or job.state == "Running"
        # One is of a run that is gone, one of a hub that is.
        waits = self.called(exit_code=1)
        assert [each["ends of jobs"] for each in waits if each["ends of jobs"]] == [
            {"1" * 32: "Completed"}
        ]
        assert not (gone[0] / "ended.json").exists()
        dropped = self.called("--drop", no_hub, "--yes")
        assert dropped["dropped"]["ends of jobs"] == {"1" * 32: "Completed"}
        assert not gone[1].exists()
        self.called()
        assert (job.state, job.status, job.row.exit_code) == ("Completed", "FINISHED", 0)
        assert "outputs/model" in job.files
        assert job.log().endswith("last words\n")

    @pytest.mark.parametrize("folder", ["logs", "user_logs"])
    def test_what_the_hub_never_takes_is_not_waited_for(self, new_job, tmp_path, folder):
        """Somebody's link is where it would go: that is said, and it stays on this machine."""
        job = new_job("os.mkdir('logs'); open('logs/a.txt', 'w').close(); print('up')")
        files = job.workspace.client.get_run(job.id).info.artifact_uri.partition(":/")[2]
        place = Path(job.workspace._hub.path, "artifacts", files.lstrip("/"), folder)
        place.parent.mkdir(parents=True)
        place.symlink_to(tmp_path)
        assert job.run() == 0, job.said
        assert (job.state, job.row.exit_code) == ("Completed", 0)
        assert f"lacks {'./logs' if folder == 'logs' else 'its logs'}" in job.said
        left = Path(tmp_path, "jobs", job.id)
        assert (left / "work" / "logs" / "a.txt").exists()
        assert (left / LOG).read_text() == "up\n"

    def test_hub_that_comes_back_is_waited_for(self, new_job, hub_path, tmp_path):
        """Then it is as if it had been there."""
        job = new_job(
            TELL
            + """
tell("pid")
while not os.path.exists(f"{FOLDER}/go"):
    time.sleep(0.05)
open("outputs/model", "w").close()
"""
        ).start()
        job.pid("pid")
        job.until_state("Running")
        away = hub_path.with_name("away")
        hub_path.rename(away)
        (tmp_path / "go").touch()
        until(lambda: "waits for its hub" in job.said)
        away.rename(hub_path)
        assert job.wait() == 0, job.said
        assert (job.state, job.status) == ("Completed", "FINISHED")
        assert "outputs/model" in job.files


def test_runner_is_started_by_name(new_job):
    """As engines do it, in a new interpreter; what has completed is canceled no more."""
    job = new_job("print('up')")
    command = [sys.executable, *RUNNER, job.uri, job.id]
    assert subprocess.run(command, cwd=Path("/"), check=False).returncode == 0
    assert job.store.cancel_job(job.id) == states.COMPLETED
    assert (job.state, job.status) == ("Completed", "FINISHED")
