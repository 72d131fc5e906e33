"""The runner: a command inside a recorded run, and how it ended."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.runner.output import Output
from mlflow_workspace_plugin.runner.processes import command
from mlflow_workspace_plugin.runner.processes.command import Process, run_processes
from mlflow_workspace_plugin.runner.processes.stop import Request, Stop
from mlflow_workspace_plugin.runner.runner import EXIT_CODE_TAG, create_run, execute
from mlflow_workspace_plugin.runs.lifecycle import ERROR_TAG
from tests.jobs import is_alive

# What differs between databases is not the runner's.

LOG = "user_logs/std_log.txt"


@pytest.fixture
def run(workspace):
    return create_run(Experiment(workspace, "experiment"), "train.py")


@pytest.fixture
def python(run):
    """Run Python code inside the run."""

    def execute_code(code, **terminals):
        command = [sys.executable, "-c", code]
        return execute(run, command, os.environ, **terminals)

    return execute_code


def recorded(run):
    return run.experiment.workspace.client.get_run(run.id)


def cause(run):
    return json.loads(recorded(run).data.tags[ERROR_TAG])["message"]


def log_of(run):
    client = run.experiment.workspace.client
    return Path(client.download_artifacts(run.id, LOG)).read_text()


def until(condition):
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("It did not come about in 300 s.")


class TestInside:
    def test_unchanged_script_logs_to_the_run(self, run, python):
        """Through azureml's get_context, through MLflow, and from a process it starts."""
        outcome = python("""
import subprocess, sys
child = "from azureml.core.run import Run; Run.get_context(allow_offline=False).log('child', 1)"
subprocess.run([sys.executable, "-c", child], check=True)
import mlflow
from azureml.core import Run
Run.get_context().log("loss", 0.5)
with mlflow.start_run() as active:
    mlflow.log_metric("accuracy", 0.9)
""")
        assert outcome == ("FINISHED", 0, "")
        assert run.get_metrics() == {"child": 1.0, "loss": 0.5, "accuracy": 0.9}

    def test_variables_name_the_run(self, run, python, hub_path):
        """MLflow's and SDK v1's, in the processes of the script, too; none of the service's."""
        python("""
import subprocess, sys
subprocess.run([sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"])
""")
        found = json.loads(log_of(run))
        uri = f"workspace://{hub_path}/team-a"
        assert found["MLFLOW_TRACKING_URI"] == found["MLFLOW_REGISTRY_URI"] == uri
        assert found["MLFLOW_RUN_ID"] == found["AZUREML_RUN_ID"] == run.id
        assert found["MLFLOW_EXPERIMENT_NAME"] == found["AZUREML_ARM_PROJECT_NAME"] == "experiment"
        assert found["MLFLOW_EXPERIMENT_ID"] == found["AZUREML_EXPERIMENT_ID"]
        assert found["AZUREML_ARM_WORKSPACE_NAME"] == "team-a"
        assert found["MLFLOW_WORKSPACE_HUB"] == str(hub_path)
        assert "AZUREML_RUN_TOKEN" not in found

    def test_what_is_given_stays(self, run):
        """Variables of the caller are the script's, PYTHONPATH behind ours."""
        given = os.environ | {"MINE": "1", "PYTHONPATH": "/mine", "PYTHONUNBUFFERED": ""}
        code = "import os, sys; print(os.environ['MINE'], '/mine' in sys.path)"
        execute(run, [sys.executable, "-c", code], given)
        assert log_of(run) == "1 True\n"

    def test_folders_are_captured(self, run, python):
        """./outputs, which is made for the script, and ./logs (SDK v1); of a failed run, too."""
        outcome = python("""
import os
open("outputs/model.pkl", "w").close()
os.mkdir("logs")
open("logs/mine.txt", "w").close()
1 / 0
""")
        assert outcome.status == "FAILED"
        assert sorted(run.get_file_names()) == ["logs/mine.txt", "outputs/model.pkl", LOG]

    def test_source_is_the_script(self, run):
        """MLflow's UI shows it as what was run."""
        tags = recorded(run).data.tags
        assert tags["mlflow.source.name"] == "train.py"
        assert tags["mlflow.source.type"] == "JOB"

    def test_run_knows_the_commit(self, workspace, tmp_path):
        """Where the working directory is a git work tree."""
        git = ["git", "-c", "user.name=me", "-c", "user.email=me@here"]
        for arguments in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
            subprocess.run([*git, *arguments], cwd=tmp_path, check=True)
        commit = subprocess.check_output([*git, "rev-parse", "HEAD"], cwd=tmp_path, text=True)
        run = create_run(Experiment(workspace, "experiment"), "train.py")
        assert recorded(run).data.tags["mlflow.source.git.commit"] == commit.strip()
        assert run.get_properties()["azureml.git.commit"] == commit.strip()


class TestEnd:
    def test_success(self, run, python):
        """The run is finished, with exit code 0 and no cause."""
        python("print('done')")
        assert recorded(run).info.status == "FINISHED"
        assert recorded(run).data.tags[EXIT_CODE_TAG] == "0"
        assert ERROR_TAG not in recorded(run).data.tags

    def test_exception(self, run, python):
        """The cause is what Python said last."""
        outcome = python("raise ValueError('no such rate')")
        assert (outcome.status, outcome.exit_code) == ("FAILED", 1)
        assert recorded(run).info.status == "FAILED"
        assert recorded(run).data.tags[EXIT_CODE_TAG] == "1"
        assert cause(run).endswith("exit code 1. Its last words: ValueError: no such rate")

    def test_exit_code_decides(self, run, python):
        """Over what the script said of the run to MLflow (SDK v1)."""
        python("import mlflow, sys; mlflow.start_run(); mlflow.end_run(); sys.exit(3)")
        assert recorded(run).info.status == "FAILED"
        assert recorded(run).data.tags[EXIT_CODE_TAG] == "3"

    def test_death_by_a_signal(self, run, python):
        """It is named; the exit code is a shell's; nothing logged is lost."""
        outcome = python("""
import os, signal
from azureml.core import Run
Run.get_context().log("loss", 0.5)
os.kill(os.getpid(), signal.SIGKILL)
""")
        assert outcome.exit_code == 128 + signal.SIGKILL
        assert "was ended by SIGKILL (9). The system sends it when memory runs out." in cause(run)
        assert run.get_metrics() == {"loss": 0.5}

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_being_stopped(self, run, python, number):
        """A signal to the runner reaches the script, and the run is killed, SDK v1's Canceled."""
        before = signal.getsignal(number)
        outcome = python(f"""
import os, time
os.kill(os.getppid(), {int(number)})
time.sleep(300)
""")
        assert outcome.status == recorded(run).info.status == "KILLED"
        assert outcome.exit_code in (1, 128 + number)
        assert f"Stopped by {'Ctrl-C (SIGINT)' if number == signal.SIGINT else 'SIGTERM (15)'}" in (
            cause(run)
        )
        assert signal.getsignal(number) == before

    def test_script_that_does_not_stop(self, python):
        """A second request asks as SIGTERM, a third one kills."""
        outcome = python("""
import os, signal, time
for each in (signal.SIGINT, signal.SIGTERM):
    signal.signal(each, lambda *_: os.kill(os.getppid(), signal.SIGINT))
os.kill(os.getppid(), signal.SIGINT)
time.sleep(300)
""")
        assert outcome == ("KILLED", 128 + signal.SIGKILL, "Stopped by Ctrl-C (SIGINT).")

    def test_processes_left_behind_are_ended(self, python, tmp_path):
        """Those of the script's group, so that nothing goes on after the run."""
        python("""
import subprocess, sys
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
open("pid", "w").write(str(left.pid))
""")
        pid = int((tmp_path / "pid").read_text())
        until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in state_of(pid))

    def test_command_that_cannot_be_started(self, run):
        """The run has failed, and says why."""
        with pytest.raises(FileNotFoundError):
            execute(run, ["no-such-program"], os.environ)
        assert recorded(run).info.status == "FAILED"
        assert "no-such-program" in cause(run)


def state_of(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2]
    except FileNotFoundError:
        return "Z"


class TestOutput:
    def test_is_kept_and_passed_on(self, run, python):
        """Both streams in one file, and each to its own terminal."""
        out, err = io.BytesIO(), io.BytesIO()
        python("import sys; print('one'); print('two', file=sys.stderr)", stdout=out, stderr=err)
        assert sorted(log_of(run).splitlines()) == ["one", "two"]
        assert out.getvalue() == b"one\n"
        assert err.getvalue() == b"two\n"

    def test_is_stored_while_it_grows(self, run, tmp_path):
        """What was printed can be read before the script ends."""
        code = """
import pathlib, time
print("first")
while not pathlib.Path("go").exists():
    time.sleep(0.1)
print("last")
"""
        command = [sys.executable, "-c", code]
        thread = threading.Thread(target=execute, args=(run, command, os.environ))
        thread.start()
        until(lambda: LOG in run.get_file_names())
        assert log_of(run) == "first\n"
        (tmp_path / "go").touch()
        thread.join()
        assert log_of(run) == "first\nlast\n"

    def test_closed_terminal_does_not_matter(self, run, python):
        """As of ``mlflow-workspace run train.py | head``."""
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "wb", buffering=0) as terminal:
            assert python("print('x' * 99)\nprint('end')", stdout=terminal).status == "FINISHED"
        assert log_of(run).endswith("end\n")

    def test_lines_of_two_streams_stay_whole(self, tmp_path):
        """Pieces of lines wait for their end; a progress bar's line ends where it begins anew."""
        output = Output(tmp_path / "log", None, None)
        output.standard_output(b"half a ")
        output.standard_error(b"10%\r20%")
        output.standard_output(b"line\n")
        output.close()
        assert (tmp_path / "log").read_bytes() == b"10%\rhalf a line\n20%"

    def test_endless_line_is_not_held_in_memory(self, tmp_path):
        """A line of any length is kept in pieces."""
        output = Output(tmp_path / "log", None, None)
        for _ in range(3):
            output.standard_output(b"x" * 50_000)
        assert (tmp_path / "log").stat().st_size == 100_000
        output.close()
        assert (tmp_path / "log").stat().st_size == 150_000


class TestCommand:
    def call(self, *arguments, status=0):
        done = CliRunner().invoke(main, ["run", *map(str, arguments)])
        assert done.exit_code == status, done.output
        return done.output

    def runs(self, workspace, experiment):
        found = workspace.client.get_experiment_by_name(experiment)
        return workspace.client.search_runs([found.experiment_id]) if found else []

    @pytest.fixture
    def script(self, tmp_path):
        (tmp_path / "train.py").write_text("import sys; print(sys.argv[1:]); sys.exit(4)\n")
        return "train.py"

    def test_script_with_arguments(self, workspace, hub_path, script):
        """Its options are its own, its exit status is the command's, the run is named."""
        where = ("-w", "team-a", "-e", "mine", "--hub", hub_path)
        printed = self.call(*where, script, "--hub", "x", "-w", status=4)
        assert "['--hub', 'x', '-w']" in printed
        (run,) = self.runs(workspace, "mine")
        assert f"Run {run.info.run_id} of experiment 'mine' in workspace 'team-a'" in printed
        assert f"Run {run.info.run_id} is FAILED" in printed

    def test_any_command(self, workspace, hub_path):
        """What is no Python file is run as it is, in the experiment Default."""
        self.call("-w", "team-a", "--hub", hub_path, "true")
        (run,) = self.runs(workspace, "Default")
        assert run.info.status == "FINISHED"

    def test_workspace_of_the_environment(self, workspace, monkeypatch):
        """MLFLOW_TRACKING_URI and MLFLOW_EXPERIMENT_NAME say where."""
        monkeypatch.setenv("MLFLOW_TRACKING_URI", workspace.get_mlflow_tracking_uri())
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "theirs")
        self.call("true")
        assert len(self.runs(workspace, "theirs")) == 1

    def test_workspace_of_the_config_file(self, workspace):
        """As Workspace.from_config() finds it."""
        workspace.write_config()
        self.call("-e", "mine", "true")
        assert len(self.runs(workspace, "mine")) == 1

    def test_no_workspace(self, script):
        """The error names the three ways."""
        printed = self.call(script, status=1)
        for way in ("--workspace", "MLFLOW_TRACKING_URI=", "config file"):
            assert way in printed

    def test_missing_script_makes_no_run(self, workspace, hub_path):
        """Nothing is left behind by a misspelt name."""
        arguments = ("-w", "team-a", "-e", "mine", "--hub", hub_path, "no.py")
        assert "There is no file 'no.py'" in self.call(*arguments, status=1)
        assert self.runs(workspace, "mine") == []

    @pytest.mark.parametrize(
        ("command", "said"),
        [
            (["echo hi"], "Type: mlflow-workspace run echo hi"),
            (["train.py --rate 0.1"], "Type: mlflow-workspace run train.py --rate 0.1"),
            (["python other.py"], "Type: mlflow-workspace run python other.py"),
            (["echo 'a b'"], "Type: mlflow-workspace run echo 'a b'"),
            (["echo hi | cat"], "Type: mlflow-workspace run sh -c 'echo hi | cat'"),
            (["tain.py"], "Did you mean 'train.py'?"),
            (["no-such-program", "x"], "There is no program 'no-such-program'"),
            (["plain.sh"], "Type: mlflow-workspace run ./plain.sh"),
            (["./data.txt"], "may not be executed"),
        ],
    )
    def test_what_cannot_be_run_makes_no_run(self, workspace, hub_path, script, command, said):
        """What is wrong is said before a run begins, and what to type where that is known."""
        Path("data.txt").write_text("")
        Path("plain.sh").write_text("#!/bin/sh\n")
        Path("plain.sh").chmod(0o755)
        where = ("-w", "team-a", "-e", "mine", "--hub", hub_path)
        assert said in self.call(*where, *command, status=1)
        assert self.runs(workspace, "mine") == []

    def test_name_and_tags(self, workspace, hub_path):
        """As given; a value may hold an equals sign, and a key any character."""
        tags = ("--tag", "team=vision", "--tag", "a=b=c", "--tag", "ö: x=")
        where = ("-w", "team-a", "-e", "mine", "--hub", hub_path)
        self.call(*where, "--name", "first try", *tags, "true")
        (run,) = self.runs(workspace, "mine")
        assert run.info.run_name == "first try"
        found = workspace.get_run(run.info.run_id).get_tags()
        assert {"team": "vision", "a": "b=c", "ö: x": ""}.items() <= found.items()

    @pytest.mark.parametrize("tag", ["x", "=x", ""])
    def test_bad_tag(self, workspace, hub_path, tag):
        """How one is written is said, and no run begins."""
        where = ("-w", "team-a", "-e", "mine", "--hub", hub_path)
        assert "Write KEY=VALUE" in self.call(*where, "--tag", tag, "true", status=2)
        assert self.runs(workspace, "mine") == []

    def test_hub_that_nobody_serves_is_an_error(self, monkeypatch):
        """As elsewhere; the command is not run."""
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "workspace://127.0.0.1:1/team-a")
        monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "1")
        assert "cannot be reached" in self.call("touch", "ran", status=1)
        assert not Path("ran").exists()


def test_workspace_in_the_script_is_found_by_azures_config(workspace, run, tmp_path):
    """Its name is looked up in the run's hub, whichever is the user's default."""
    keys = {"subscription_id": "S", "resource_group": "R", "workspace_name": "team-a"}
    (tmp_path / "config.json").write_text(json.dumps(keys))
    code = "from azureml.core import Workspace; print(Workspace.from_config().name)"
    assert execute(run, [sys.executable, "-c", code], os.environ).status == "FINISHED"
    assert isinstance(workspace, Workspace)
    assert log_of(run).endswith("team-a\n")


class TestProcesses:
    """Processes and what ends them, without a run."""

    def ended(self, folder, code, stop, **options):
        output = Output(folder / "log")
        process = Process([sys.executable, "-c", f"import os, time\n{code}"], os.environ, output)
        return run_processes([process], stop, folder=folder, **options)

    def test_guardian_that_is_stopped(self, tmp_path, monkeypatch):
        """A request is heeded all the same, and no process is left."""
        monkeypatch.setattr(command, "_GUARDIAN_S", 0.5)
        stop = Stop()
        stops = "os.kill(os.getppid(), 19); open('pid', 'w').write(str(os.getpid()))"
        request = Request("By a test.", signal.SIGTERM, 0.2)
        threading.Timer(1, stop.ask, [request]).start()
        ended = self.ended(tmp_path, f"{stops}\ntime.sleep(300)", stop)
        assert ended.stopped == request
        until(lambda: not is_alive((tmp_path / "pid").read_text()))

    def test_limit_while_what_it_left_is_ended(self, tmp_path):
        """It does not count: the command had ended in time."""
        left = (
            "import subprocess\nsubprocess.Popen(['sh', '-c', 'trap : TERM; sleep 300; sleep 9'])"
        )
        limit = Request("It ran for too long.", signal.SIGTERM, 1.0)
        ended = self.ended(tmp_path, left, Stop(), limit=limit, limit_s=2)
        assert (ended.returncode, ended.stopped) == (0, None)
