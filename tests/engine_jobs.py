"""Commands that tests hand to an engine of a cluster, in the place of a runner."""

import json
import os
import sys
import uuid

from click.testing import CliRunner

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.data.delivery.inputs import DataInput
from mlflow_workspace_plugin.data.delivery.outputs import DataOutput
from mlflow_workspace_plugin.sdk.data.datasets.dataset import Dataset
from mlflow_workspace_plugin.sdk.environments.environment import Environment
from mlflow_workspace_plugin.sdk.jobs.script_run_config import ScriptRunConfig
from tests.waiting import wait_until


def python(code, *arguments):
    """Return the command of a program of Python."""
    return [sys.executable, "-c", code, *map(str, arguments)]


def submit(engine, command, *, variables=None, gpus=0):
    """Hand a command to an engine; return the id of the run, and the engine's handle."""
    run_id = uuid.uuid4().hex
    return run_id, engine.submit(run_id, command, variables=variables or {}, gpus=gpus)


def wait_for(engine, kind, run_id, handle, timeout_s=60):
    """Wait until an engine says something of a job; return what it says."""
    wait_until(lambda: engine.state(run_id, handle).kind == kind, timeout_s)
    return engine.state(run_id, handle)


def fails_as_its_node_does_not_see_the_hub(workspace, folder, *target):
    """Submit a job to a target whose nodes have no such hub, and read in all places why it failed.

    Args:
        workspace: where.
        folder: of the test's.
        target: what `compute add` is told of the target.
    """
    where = ["-w", "team-a", "--hub", str(workspace._hub.path)]
    add = ["compute", "add", "far", *target, "--hub-on-nodes", "/of another/machine"]
    added = CliRunner().invoke(main, [*add, *where])
    assert added.exit_code == 0, added.output
    (folder / "code").mkdir()
    (folder / "code" / "train.py").write_text("print('never')")
    environment = Environment("this-python")
    environment.python.user_managed_dependencies = True
    config = ScriptRunConfig(
        str(folder / "code"), "train.py", compute_target="far", environment=environment
    )
    run = Experiment(workspace, "experiment").submit(config)
    run.wait_for_completion(raise_on_error=False)
    assert run.get_status() == "Failed"
    said = run.get_details()["error"]["error"]["message"]
    assert "never started on compute target 'far'" in said
    line = f"cannot reach workspace:///of%20another/machine from {os.uname().nodename}: There is no"
    assert line in said
    listed = CliRunner().invoke(main, ["jobs", "--all", "--json", *where])
    (job,) = json.loads(listed.stdout)
    assert (job["state"], job["reason"]) == ("Failed", said)
    assert run.get_file_names() == []


COPIES = """
import shutil
shutil.copy(os.environ["weather"] + "/a.csv", os.environ["copies"])
"""
"""A script's, which reads and makes what :func:`copied_data` says."""


def copied_data(workspace, folder):
    """Return the data of a job's definition: a dataset that it mounts, and one that it makes."""
    source = folder / "weather" / "a.csv"
    source.parent.mkdir()
    source.write_text("x\n1\n")
    datastore = workspace.get_default_datastore()
    datastore.upload(str(source.parent), "weather", show_progress=False)
    Dataset.File.from_files((datastore, "weather")).register(workspace, "weather")
    made = DataOutput("copies", "upload", register_as="copies")
    return {
        "inputs": [DataInput("weather", "mount", registered_as="weather").to_json()],
        "outputs": [made.to_json()],
    }


def is_copied(workspace):
    """Whether a job has made what :func:`copied_data` says."""
    return Dataset.get_by_name(workspace, "copies").to_path() == ["/a.csv"]
