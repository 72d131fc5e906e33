"""Jobs as who submits them sees them: submitted, waited for, followed, canceled, looked at.

The engine is this machine's, and the runner is the real one. What they do with kills, environments
and snapshots is their own tests' claim; here it is what SDK v1's calls and the commands say.
"""

import json
import math
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlflow_workspace_plugin import Experiment, Run
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import (
    ActivityFailedException,
    AzureMLException,
    ComputeTargetException,
    ExperimentExecutionException,
    UserErrorException,
)
from mlflow_workspace_plugin.jobs import submission
from mlflow_workspace_plugin.jobs.engines.engine import EngineState
from mlflow_workspace_plugin.sdk.environments.environment import Environment
from mlflow_workspace_plugin.sdk.jobs.configurations.run_configuration import RunConfiguration
from mlflow_workspace_plugin.sdk.jobs.script_run_config import ScriptRunConfig
from mlflow_workspace_plugin.sdk.runs.run import get_run
from mlflow_workspace_plugin.sdk.runs.script_run import ScriptRun
from mlflow_workspace_plugin.sdk.widgets import RunDetails
from tests.engine_jobs import fails_as_its_node_does_not_see_the_hub
from tests.waiting import wait_until

pytestmark = pytest.mark.alike

LOG = "user_logs/std_log.txt"

PARENT = """
import logging
import os
import sys

import helper
import mlflow
from azureml.core import Environment, Run, ScriptRunConfig

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
run = Run.get_context(allow_offline=False)
run.log("rate", float(sys.argv[1]))
with mlflow.start_run():
    mlflow.log_metric("accuracy", 0.9)
with open("outputs/model.txt", "w") as file:
    file.write(helper.WEIGHTS)
os.makedirs("logs", exist_ok=True)
with open("logs/own.txt", "w") as file:
    file.write("own")
print("status inside:", run.get_status())
logging.info("waiting for a child")
child = run.submit_child(
    ScriptRunConfig(
        source_directory=".",
        script="child.py",
        environment=run.get_environment(),
    ),
    tags={"kind": "child"},
)
details = child.wait_for_completion(raise_on_error=False)
print("child:", details["status"])
sys.stdout.write("no end of line")
"""
CHILD = """
import sys

print("only this")
sys.exit(3)
"""
SLOW = """
import pathlib, signal, sys, time

def stop(number, frame):
    pathlib.Path("outputs/stopped.txt").write_text("by SIGTERM")
    sys.exit(1)

signal.signal(signal.SIGTERM, stop)
print("running", flush=True)
while True:
    time.sleep(0.1)
"""


@pytest.fixture(autouse=True)
def one_slot(monkeypatch):
    """One job at a time, so that what is queued stays so."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_SLOTS", "1")


@pytest.fixture
def experiment(workspace):
    return Experiment(workspace, "train-on-local")


@pytest.fixture
def source(tmp_path) -> Path:
    """A folder with scripts."""
    folder = tmp_path / "src"
    folder.mkdir()
    for name, text in {
        "parent.py": PARENT,
        "child.py": CHILD,
        "slow.py": SLOW,
        "helper.py": "WEIGHTS = '1 2 3'\n",
    }.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def config(source):
    """Make the configuration of a script, in this Python."""

    def make(script, *arguments, **given):
        environment = Environment("this-python")
        environment.python.user_managed_dependencies = True
        return ScriptRunConfig(
            source_directory=str(source),
            script=script,
            arguments=list(arguments),
            environment=environment,
            **given,
        )

    return make


@pytest.fixture
def command(workspace, monkeypatch):
    """Call a command in the workspace."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", workspace.get_mlflow_tracking_uri())

    def call(*arguments):
        return CliRunner().invoke(main, list(arguments))

    return call


def test_a_hub_that_the_runner_does_not_see(workspace, tmp_path):
    """The job fails with what its runner says, wherever somebody looks."""
    fails_as_its_node_does_not_see_the_hub(workspace, tmp_path, "--type", "local")


@pytest.mark.hubs
def test_a_job_and_its_child_from_submission_to_end(experiment, config, capsys):
    """What the script does and prints is there, in SDK v1's layout, and what there is to know.

    The child waits for the slot of its parent, which lends it.
    """
    run = experiment.submit(config("parent.py", 0.5), tags={"team": "vision"})
    assert isinstance(run, ScriptRun)
    assert run.type == "azureml.scriptrun"
    assert run.get_status() in ("NotStarted", "Queued", "Preparing", "Starting", "Running")
    capsys.readouterr()

    details = run.wait_for_completion(show_output=True)

    head = f"RunId: {run.id}\nWeb View: {run.get_portal_url()}\n"
    printed = "status inside: Running\nwaiting for a child\nchild: Failed\nno end of line\n"
    assert capsys.readouterr().out == (
        f"{head}\nStreaming {LOG}\n{'=' * (len(LOG) + 10)}\n\n{printed}\n"
        f"Execution Summary\n=================\n{head}\n"
    )
    assert details["status"] == "Completed"
    assert details["target"] == "local"
    assert details["startTimeUtc"] < details["endTimeUtc"]
    assert "error" not in details
    definition = details["runDefinition"]
    assert (definition["script"], definition["arguments"]) == ("parent.py", ["0.5"])
    assert definition["environment"]["name"] == "this-python"
    assert definition["environment"]["python"]["userManagedDependencies"] is True
    assert details["properties"]["ContentSnapshotId"] == run.get_snapshot_id()
    assert LOG in details["logFiles"]
    assert run.get_metrics() == {"rate": 0.5, "accuracy": 0.9}
    assert run.get_tags()["team"] == "vision"
    assert {"outputs/model.txt", "logs/own.txt", LOG} <= set(run.get_file_names())
    run.download_file("outputs/model.txt", "copy.txt")
    assert Path("copy.txt").read_text() == "1 2 3"
    assert run.get_details_with_logs()["logFiles"][LOG].startswith("status inside: Running\n")
    assert [each for each in run.get_all_logs("all") if each.endswith(LOG)] == [f"all/{LOG}"]
    assert run.get_environment().python.user_managed_dependencies is True
    assert run.get_detailed_status() == {"status": "Completed", "details": None}
    assert run.register_model("model", "outputs/model.txt").version == 1

    (child,) = run.get_children()
    assert isinstance(child, ScriptRun)
    assert (child.get_status(), child.get_tags()["kind"]) == ("Failed", "child")
    assert child.parent.id == run.id
    with pytest.raises(ActivityFailedException, match="exit code 3"):
        child.wait_for_completion()
    assert "exit code 3" in child.get_details()["error"]["error"]["message"]
    (listed,) = experiment.get_runs()
    assert (type(listed), listed.id) == (ScriptRun, run.id)
    assert [each.id for each in experiment.get_runs(type="azureml.scriptrun")] == [run.id]
    workspace = experiment.workspace
    assert type(workspace.get_run(run.id)) is type(get_run(experiment, run.id)) is ScriptRun
    tags = workspace.client.get_run(run.id).data.tags
    own = tags["mlflow.workspace.run_id"]
    assert re.fullmatch(r"train-on-local_\d{10}_[0-9a-f]{8}", own)
    assert workspace.get_run(own).id == run.id
    assert (tags["mlflow.source.name"], tags["mlflow.source.type"]) == ("parent.py", "JOB")
    RunDetails(run).show()
    shown = capsys.readouterr().out
    assert "Completed" in shown
    assert "accuracy: 0.9" in shown
    assert RunDetails(run).get_widget_data()["status"] == "Completed"


def test_what_waits_and_what_runs_is_canceled(experiment, config, command):
    """At once, and by SIGTERM with the outputs kept; and what each says of itself meanwhile."""
    running = experiment.submit(config("slow.py"), run_id="my-run_1")
    waiting = experiment.submit(config("slow.py"))
    wait_until(lambda: running.get_status() == "Running", 120)
    assert waiting.get_status() == "Queued"
    assert waiting.get_detailed_status() == {
        "status": "Queued",
        "details": "It is the next on compute target 'local'.",
    }
    assert "startTimeUtc" not in waiting.get_details()
    assert [each.id for each in Run.list(experiment, status="Queued")] == [waiting.id]
    assert experiment.workspace.get_run("my-run_1").id == running.id

    listed = json.loads(command("jobs", "--json").stdout)
    assert [(each["run_id"], each["state"], each["position"]) for each in listed] == [
        (waiting.id, "Queued", 0),
        (running.id, "Running", None),
    ]
    table = command("jobs").stdout
    assert waiting.id[:8] in table
    assert "Queued" in table
    shown = json.loads(command("show", waiting.id, "--json").stdout)
    assert (shown["status"], shown["compute"], shown["started"]) == ("Queued", "local", None)
    assert "the next" in shown["waits"]
    assert shown["submitted"]

    waiting.cancel()
    assert waiting.get_status() == "Canceled"
    assert "\nstarted" not in command("show", waiting.id).stdout
    started = {
        each["run_id"]: each["started"] for each in json.loads(command("runs", "--json").stdout)
    }
    assert started[waiting.id] is None
    assert started[running.id] is not None
    wait_until(lambda: "running" in command("logs", running.id).stdout, 60)
    done = command("cancel", running.id)
    assert (done.exit_code, "is told to stop" in done.output) == (0, True)
    assert running.wait_for_completion()["status"] == "Canceled"
    assert "outputs/stopped.txt" in running.get_file_names()
    assert "Canceled already" in command("cancel", running.id).output
    assert waiting.get_file_names() == []
    assert command("jobs").stdout.endswith("none waits or runs\n")
    assert "Canceled" in command("jobs", "--all").stdout


def test_commands_submit_and_follow(command, source, workspace):
    """The log on standard output, the end of the command the script's own."""
    done = command("submit", "-e", "e", "--tag", "a=b", "-s", str(source), "-f", "child.py")
    assert (done.exit_code, done.stdout) == (3, "only this\n"), done.output
    assert "exit code 3" in done.stderr
    (run,) = workspace.experiments["e"].get_runs()
    assert run.get_tags()["a"] == "b"
    assert command("logs", run.id).stdout == "only this\n"
    assert command("logs", "-f", run.id).exit_code == 3
    job = json.loads(command("jobs", "--all", "--json").stdout)[0]
    assert (job["state"], job["exit_code"], job["compute"]) == ("Failed", 3, "local")
    wrong = command("submit", "-s", str(source), "chidl.py")
    assert wrong.exit_code == 1
    assert "child.py" in wrong.stderr


def test_script_that_is_not_found_as_it_is_named(command, source, tmp_path, monkeypatch):
    """Quotes around all of it, or another folder: the remedy is what is to be typed."""
    monkeypatch.chdir(source)
    quoted = command("submit", "child.py --rate 1")
    assert quoted.exit_code == 1
    assert "mlflow-workspace submit child.py --rate 1" in quoted.stderr
    other = tmp_path / "my project"
    other.mkdir()
    (other / "my train.py").touch()
    outside = command("submit", str(other / "my train.py"))
    assert outside.exit_code == 1
    assert f"--source '{other}'" in outside.stderr
    assert command("jobs", "--all", "--json").stdout.strip() == "[]"


class TestRefused:
    """Before anything is created, with the remedy."""

    @pytest.mark.parametrize(
        ("given", "error", "said"),
        [
            ({"script": "missing.py"}, ExperimentExecutionException, "no script 'missing.py'"),
            ({"script": "../outside.py"}, ExperimentExecutionException, "no script"),
            ({"script": None}, (ExperimentExecutionException, UserErrorException), "run"),
            ({"compute_target": "gpu-cluster"}, ComputeTargetException, "compute add gpu-cluster"),
            ({"command": "echo"}, ExperimentExecutionException, "script beside it"),
            (
                {
                    "command": "echo",
                    "script": None,
                    "run_config": RunConfiguration(arguments=["1"]),
                },
                ExperimentExecutionException,
                "arguments beside it",
            ),
            ({"max_run_duration_seconds": 0}, UserErrorException, "above 0"),
            ({"max_run_duration_seconds": math.nan}, UserErrorException, "above 0"),
            ({"max_run_duration_seconds": "60"}, UserErrorException, "number of seconds"),
        ],
    )
    def test_what_cannot_be_run(self, experiment, config, tmp_path, given, error, said):
        """A script that is not in the folder, nothing or too much, an unknown target, no time."""
        (tmp_path / "outside.py").touch()
        with pytest.raises(error, match=re.escape(said)):
            experiment.submit(config(**({"script": "child.py"} | given)))
        assert list(experiment.get_runs()) == []

    def test_several_nodes(self, experiment, config):
        """With what several processes on one are."""
        several = config("child.py")
        several.run_config.node_count = 2
        with pytest.raises(UserErrorException, match="process_count"):
            experiment.submit(several)
        assert list(experiment.get_runs()) == []

    def test_more_gpus_than_there_are(self, experiment, command, source, monkeypatch):
        """With how many there are."""
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
        refused = command("submit", "--source", str(source), "--gpus", "2", "child.py")
        assert refused.exit_code == 1
        assert "wants 2 GPUs, and only 1" in refused.stderr
        assert list(experiment.get_runs()) == []

    @pytest.mark.parametrize("given", ["train.py", None, object(), ScriptRunConfig])
    def test_what_is_no_configuration(self, experiment, given):
        """As documents of SDK v1 pass the name of a script (SDK v1's error)."""
        with pytest.raises(AzureMLException, match="ScriptRunConfig"):
            experiment.submit(given)

    def test_arguments_that_a_configuration_does_not_take(self, experiment, config):
        """A misspelt one is not passed over."""
        with pytest.raises(TypeError, match="show_ouput"):
            experiment.submit(config("child.py"), show_ouput=True)

    def test_an_id_that_is_taken(self, experiment, config):
        """Of whatever run."""
        run = experiment.start_logging(run_id="mine", outputs=False)
        run.complete()
        with pytest.raises(AzureMLException, match="exists"):
            experiment.submit(config("child.py"), run_id="mine")


@pytest.mark.parametrize(
    "given",
    [
        "child.py",
        "./child.py",
        "sub/../child.py",
        "../src/child.py",
        "{folder}/child.py",
        "{link}/child.py",
    ],
)
def test_a_script_is_that_of_the_copy(experiment, config, source, monkeypatch, tmp_path, given):
    """However its path is written: nobody runs the one in the source folder itself."""
    (source / "sub").mkdir()
    (tmp_path / "link").symlink_to(source)
    # No engine takes it: what would be run is enough.
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLFLOW_WORKSPACE_QUEUE_DIR", str(tmp_path / "file" / "queue"))
    with pytest.raises(ComputeTargetException):
        experiment.submit(config(given.format(folder=source, link=tmp_path / "link")))
    (run,) = experiment.get_runs()
    assert run.get_details()["runDefinition"]["script"] == "child.py"


def test_a_job_that_no_engine_takes_has_failed(experiment, config, monkeypatch, tmp_path):
    """With the reason, which who submits is told, too."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLFLOW_WORKSPACE_QUEUE_DIR", str(tmp_path / "file" / "queue"))
    with pytest.raises(ComputeTargetException) as raised:
        experiment.submit(config("child.py"))
    (run,) = experiment.get_runs()
    assert run.get_status() == "Failed"
    assert raised.value.message.rstrip(".").splitlines()[0] in run.reason


def test_a_job_that_a_runner_has_goes_on_though_its_engine_failed(experiment, config, monkeypatch):
    """As where the answer of a server was lost: who submits is told, and nothing false is stored.

    The engine is one that somebody else has plugged in.
    """
    store = experiment.workspace.tracking_store

    class LosesAnswers:
        runs_here = True

        def __init__(self, compute):
            pass

        def submit(self, run_id, command, *, variables, gpus):
            store.take_job(run_id, "owner", {"host": "elsewhere"})
            raise ComputeTargetException("The answer was lost.")

        def state(self, run_id, handle):
            return EngineState("unknown")

    monkeypatch.setattr(submission, "engine_of", LosesAnswers)
    with pytest.raises(ComputeTargetException, match="lost"):
        experiment.submit(config("child.py"))
    (run,) = experiment.get_runs()
    assert run.get_status() == "Preparing"
    assert store.end_job(run.id, "owner", "Completed", exit_code=0, cause=None)


@pytest.mark.hubs
def test_run_that_is_no_job_is_as_before(experiment, command):
    """Its status is MLflow's, it has no environment, and no command cancels it."""
    run = experiment.start_logging(outputs=False)
    assert (type(run), run.get_status()) == (Run, "Running")
    assert run.get_detailed_status() == {"status": "Running", "details": None}
    with pytest.raises(UserErrorException, match="was not submitted"):
        run.get_environment()
    refused = command("cancel", run.id)
    assert (refused.exit_code, "is no job" in refused.stderr) == (1, True)
    run.complete()


def test_ctrl_c_ends_the_showing_only(experiment, config, workspace):
    """Of a job that goes on, and is canceled then."""
    run = experiment.submit(config("slow.py"))
    code = (
        "from mlflow_workspace_plugin import Workspace\n"
        f"workspace = Workspace.get({workspace.name!r}, hub={str(workspace._hub_place)!r})\n"
        f"workspace.get_run({run.id!r}).wait_for_completion(show_output=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as waiting:
        for line in waiting.stdout:
            if line == "running\n":
                break
        waiting.send_signal(signal.SIGINT)
        _, error = waiting.communicate(timeout=60)
    assert "ExperimentExecutionException" in error
    assert "The run goes on" in error
    assert run.get_status() == "Running"
    run.cancel()
    assert run.wait_for_completion()["status"] == "Canceled"
