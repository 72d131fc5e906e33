"""A job of a served hub on a Slurm whose nodes are other machines, and its log-in there."""

import json
import stat
from pathlib import Path

from click.testing import CliRunner

from mlflow_workspace_plugin import Experiment, Workspace, uris
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.remote import credentials
from mlflow_workspace_plugin.remote.log_ins import JOB_LOG_INS, use_job_log_in
from mlflow_workspace_plugin.sdk.environments.environment import Environment
from mlflow_workspace_plugin.sdk.jobs.script_run_config import ScriptRunConfig
from tests.served import PASSWORD
from tests.slurm import slurm

_SCRIPT = """
import os
import sys
import mlflow
from mlflow import MlflowClient

client, other = MlflowClient(), sys.argv[1]
mlflow.log_metric("own", 1)
for name, call in {
    "log": lambda: client.log_param(other, "p", 1),
    "delete": lambda: client.delete_run(other),
}.items():
    try:
        call()
        print(name, "is let in")
    except Exception as error:
        print(name, "is refused:", error)
print("log-in of", os.environ["MLFLOW_WORKSPACE_LOG_INS"])
"""


def run(*arguments, typed=""):
    """Run a command, which has to succeed."""
    # Each is a process, which knows nothing of the one before.
    credentials._credentials.clear()
    result = CliRunner().invoke(main, arguments, input=typed, catch_exceptions=False)
    assert result.exit_code == 0, result.output


def test_a_job_on_other_machines_has_a_log_in_of_its_own(hub_server, tmp_path, monkeypatch):
    """Its nodes see the home of who submits it: its log-in is for its run, and shown to nobody."""
    Workspace.create("on-slurm", hub=hub_server.path)
    hub_server.add_user("alice-on-slurm", on_slurm="member")
    home = tmp_path / "home"
    # Where a node looks for the whole log-in.
    log_ins = home / ".config" / "mlflow-workspace-plugin" / "log-ins"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("MLFLOW_WORKSPACE_LOG_INS", str(log_ins))
    # The other machine is this one, so it reaches the hub by the same address.
    monkeypatch.setattr(uris, "is_loopback", lambda _host: False)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text(_SCRIPT)
    environment = Environment("this-python")
    environment.python.user_managed_dependencies = True
    address = hub_server.address
    with slurm(host="another-machine") as cluster:
        monkeypatch.setenv("SLURM_CONF", str(cluster.configuration))
        run("login", address, "--name", "alice-on-slurm", typed=f"{PASSWORD}\n")
        run("compute", "add", "cluster", "--type", "slurm", "-w", "on-slurm", "--hub", address)
        workspace = Workspace.get("on-slurm", hub=address)
        experiment = Experiment(workspace, "experiment")
        other = experiment.start_logging(snapshot_directory=None)
        other.complete()
        config = ScriptRunConfig(
            str(tmp_path / "code"),
            "train.py",
            arguments=[other.id],
            compute_target="cluster",
            environment=environment,
        )
        submitted = experiment.submit(config)
        # What Slurm keeps of a job, it shows.
        kept = {path: path.read_bytes() for path in cluster.folder.rglob("*") if path.is_file()}
        shown = cluster.run("scontrol", "show", "job")
        submitted.wait_for_completion(raise_on_error=False)
        assert submitted.get_status() == "Completed", submitted.get_details()
        assert submitted.get_metrics() == {"own": 1}
        log = workspace.client.download_artifacts(submitted.id, "user_logs/std_log.txt")
        said = Path(log).read_text()
    own = log_ins / "jobs" / submitted.id
    assert "log is refused" in said
    assert "delete is refused" in said
    assert f"log-in of {own}\n" in said
    (file,) = [each for each in own.iterdir() if each.suffix != ".lock"]
    secrets = [json.loads(file.read_text())["access"], json.loads(file.read_text())["refresh"]]
    assert f"mlflow-{submitted.id}" in shown
    assert any(str(own).encode() in content for content in kept.values())
    for secret in filter(None, secrets):
        assert secret not in shown + said
        assert not [path for path, content in kept.items() if secret.encode() in content]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {stat.S_IMODE(each.stat().st_mode) for each in (own, own.parent)} == {0o700}


def test_a_log_in_that_a_node_does_not_see(tmp_path):
    """Is not used, nor is a folder that may be another's: the node's own log-in is, as ever."""
    own, link = tmp_path / "jobs" / "own", tmp_path / "link"
    own.mkdir(parents=True)
    link.symlink_to(own)
    for path, used in {
        own: own,
        link: None,
        tmp_path / "none": None,
        Path("/proc/self"): None,
    }.items():
        environment = {JOB_LOG_INS: str(path), "MLFLOW_WORKSPACE_LOG_INS": "/of/the/node"}
        use_job_log_in(environment)
        assert environment == {"MLFLOW_WORKSPACE_LOG_INS": str(used or "/of/the/node")}
