"""Clients of other releases at a served hub: MLflow's alone, and this package's of before."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from click.testing import CliRunner

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.stores.build import workspace_store
from tests.served import served_hub

pytestmark = pytest.mark.skipif(
    tuple(map(int, mlflow.__version__.split(".")[:2])) < (3, 17),
    reason="a hub is served by MLflow 3.17 and later",
)

WHEELS = Path(__file__).parents[2] / "data" / "releases"

_STOCK = """
import importlib.util, json, os, sys
assert importlib.util.find_spec("mlflow_workspace_plugin") is None
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

client = MlflowClient()
experiment = client.create_experiment("stock")
run = client.create_run(experiment, run_name="of a stock client").info.run_id
client.log_batch(
    run,
    metrics=[Metric("loss", number / 7, 1000 + number, number) for number in range(1000)],
    params=[Param("rate", "0.1")],
)
client.set_tag(run, "seen", "yes")
client.log_text(run, "text", "folder/file.txt")
with open(client.download_artifacts(run, "folder/file.txt", os.getcwd())) as file:
    assert file.read() == "text"
assert [each.path for each in client.list_artifacts(run, "folder")] == ["folder/file.txt"]
client.create_registered_model("model")
version = client.create_model_version("model", f"runs:/{run}/folder", run).version
client.set_registered_model_alias("model", "best", version)
assert client.get_model_version_by_alias("model", "best").run_id == run
assert [each.value for each in client.get_metric_history(run, "loss")][-1] == 999 / 7
client.set_terminated(run)
(found,) = client.search_runs([experiment], "params.rate = '0.1'")
assert found.info.run_id == run
# Closed, to whoever asks; and the words are the hub's.
for workspace in ("team-b", "not-there"):
    os.environ["MLFLOW_WORKSPACE"] = workspace
    try:
        MlflowClient().search_experiments()
    except MlflowException as error:
        assert "no role in this workspace" in str(error), error
    else:
        raise AssertionError(workspace)
print(json.dumps(run))
"""

_RELEASE = """
import json, sys
import mlflow
import mlflow_workspace_plugin
from mlflow_workspace_plugin import Experiment, Run, Workspace

assert mlflow_workspace_plugin.__file__.startswith(sys.argv[1]), mlflow_workspace_plugin.__file__
with mlflow.start_run() as active:
    mlflow.log_param("rate", 0.1)
    for step in range(300):
        mlflow.log_metric("loss", step / 7, step=step)
    mlflow.log_text("text", "folder/file.txt")
assert mlflow.artifacts.load_text(f"runs:/{active.info.run_id}/folder/file.txt") == "text"
workspace = Workspace.get("team-a", hub=sys.argv[2])
run = Experiment(workspace, "of-sdk-v1").start_logging(outputs=None)
run.log_row("table", x=1, y="a")
run.log_row("table", x=2, y="b")
run.log_list("list", [1, 2, 3])
child = run.child_run("child")
child.complete()
run.complete()
assert run.get_metrics() == {"table": {"x": [1, 2], "y": ["a", "b"]}, "list": [1, 2, 3]}
assert [each.id for each in run.get_children()] == [child.id]
print(json.dumps([active.info.run_id, run.id]))
"""


@pytest.fixture(scope="module")
def served(sqlite_template, tmp_path_factory):
    """A hub with two workspaces; ``member`` is of the first."""
    folder = tmp_path_factory.mktemp("served")
    hub = shutil.copytree(sqlite_template, folder / "hub")
    for name in ("team-a", "team-b"):
        Workspace.create(name, hub=hub)
    with served_hub(hub, folder / "server.log") as server:
        server.add_user("member", team_a="member")
        yield server


def _run(command, variables, folder):
    # Neither a setting of the tests' nor what they import from.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=kept | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_stock_client_in_an_environment_of_its_own(served, tmp_path):
    """MLflow's client alone logs, reads, stores files and registers models, by a token."""
    python = tmp_path / "stock" / "bin" / "python"
    own = [sys.executable, "-m", "venv", "--without-pip", str(python.parents[1])]
    subprocess.run(own, check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q"]
    wanted = f"mlflow-skinny=={mlflow.__version__}"
    if subprocess.run([*pip, wanted]).returncode:
        # An index may have the whole of it only.
        subprocess.run([*pip, wanted.replace("-skinny", "")], check=True)
    variables = {
        "MLFLOW_TRACKING_URI": served.address,
        "MLFLOW_TRACKING_TOKEN": served.token("member"),
        "MLFLOW_WORKSPACE": "team-a",
    }
    run_id = _run([python, "-c", _STOCK], variables, tmp_path)
    store = workspace_store(served.hub, "team-a")
    run = store.get_run(run_id)
    assert [each.value for each in store.get_metric_history(run_id, "loss")] == [
        number / 7 for number in range(1000)
    ]
    assert (run.info.status, run.data.params) == ("FINISHED", {"rate": "0.1"})
    assert run.data.tags["seen"] == "yes"


@pytest.mark.parametrize("wheel", sorted(WHEELS.glob("*.whl")), ids=lambda wheel: wheel.name[24:29])
def test_client_of_an_earlier_release(served, tmp_path, wheel, monkeypatch):
    """A kept wheel logs and reads at the server of today; what it stored is complete."""
    release = tmp_path / "release"
    shutil.unpack_archive(wheel, release, "zip")
    variables = {
        "PYTHONPATH": str(release),
        "MLFLOW_TRACKING_URI": f"workspace://{served.address[7:]}/team-a",
        "MLFLOW_TRACKING_TOKEN": served.token("member"),
    }
    command = [sys.executable, "-c", _RELEASE, str(release), served.address]
    of_mlflow, of_sdk_v1 = _run(command, variables, tmp_path)
    store = workspace_store(served.hub, "team-a")
    run = store.get_run(of_mlflow)
    assert store.stored_counts(of_mlflow) == {"loss": 300}
    assert (run.info.status, run.data.params) == ("FINISHED", {"rate": "0.1"})
    # What it left on the machine is looked after by the release of today.
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    equal = CliRunner().invoke(main, ["verify", of_mlflow, "--json"])
    assert equal.exit_code == 0, equal.output
    read = Workspace.get("team-a", hub=served.address).get_run(of_sdk_v1)
    assert read.get_metrics() == {"table": {"x": [1, 2], "y": ["a", "b"]}, "list": [1, 2, 3]}


def test_each_protocol_that_is_understood_has_a_release():
    """A server that goes on to speak to older clients is tried with one of each protocol."""
    from mlflow_workspace_plugin.protocol.version import OLDEST, PROTOCOL

    kept = json.loads((WHEELS / "releases.json").read_text())
    assert {each.name for each in WHEELS.glob("*.whl")} == set(kept)
    assert set(kept.values()) >= set(range(OLDEST, PROTOCOL + 1))
