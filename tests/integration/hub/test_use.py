"""``use``: one line that makes a workspace the one that MLflow logs to."""

import os
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from mlflow_workspace_plugin import Workspace, use
from mlflow_workspace_plugin.errors import ConfigFileError
from tests.python_processes import run

REGISTER = """
import sys, mlflow
from mlflow_workspace_plugin import use
use("team-a")
if len(sys.argv) > 1:
    mlflow.set_tracking_uri(sys.argv[1])
mlflow.MlflowClient().create_registered_model("mine")
"""


def _models(workspace):
    uri = workspace.get_mlflow_tracking_uri()
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    return [each.name for each in client.search_registered_models()]


def test_use_creates_the_workspace_and_says_where_to_look(capfd):
    """Runs and models go to it from then on; once it is there, it is used again."""
    workspace = use("Team_A")
    assert mlflow.get_tracking_uri() == workspace.get_mlflow_tracking_uri()
    assert mlflow.get_registry_uri() == mlflow.get_tracking_uri()
    said = capfd.readouterr().err
    assert "Workspace Team_A: mlflow-workspace ui -w team-a\n" in said
    with mlflow.start_run() as active:
        mlflow.log_metric("m", 1)
    assert use("Team_A").client.get_run(active.info.run_id).data.metrics == {"m": 1}


def test_quiet(capfd, monkeypatch):
    """MLFLOW_WORKSPACE_QUIET keeps the line back."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_QUIET", "1")
    use("team-a")
    assert "Workspace team-a" not in capfd.readouterr().err


def test_registry_follows_when_tracking_moves_on(tmp_path):
    """Models are registered where the script logs, in another workspace and in another store."""
    first = use("team-a")
    second = Workspace.create("team-b")
    mlflow.set_tracking_uri(second.get_mlflow_tracking_uri())
    MlflowClient().create_registered_model("mine")
    assert (_models(first), _models(second)) == ([], ["mine"])
    elsewhere = f"sqlite:///{tmp_path}/mlflow.db"
    mlflow.set_tracking_uri(elsewhere)
    assert mlflow.get_registry_uri() == elsewhere


def test_registry_of_the_user_is_left(tmp_path):
    """Whoever has named a registry means it."""
    registry = f"sqlite:///{tmp_path}/registry.db"
    mlflow.set_registry_uri(registry)
    use("team-a")
    assert mlflow.get_registry_uri() == registry


def test_child_process_registers_where_it_tracks():
    """What use() sets reaches the processes that are started, and follows there, too."""
    first = use("team-a")
    second = Workspace.create("team-b")
    code = "import mlflow; mlflow.MlflowClient().create_registered_model('mine')"
    assert run(["-c", code]).returncode == 0
    assert _models(first) == ["mine"]
    assert run(["-c", REGISTER, second.get_mlflow_tracking_uri()]).returncode == 0
    assert (_models(first), _models(second)) == (["mine"], ["mine"])


def test_short_uri_is_a_workspace_of_the_default_hub():
    """What is logged by workspace:NAME is stored and read as by the long URI, by one journal."""
    workspace = Workspace.create("team-a")
    mlflow.set_tracking_uri("workspace:team-a")
    with mlflow.start_run() as active:
        mlflow.log_metric("m", 1)
        mlflow.log_text("x", "x.txt")
    assert workspace.client.get_run(active.info.run_id).data.metrics == {"m": 1}
    assert mlflow.artifacts.load_text(f"runs:/{active.info.run_id}/x.txt") == "x"
    assert Workspace.from_config().get_run(active.info.run_id).get_metrics() == {"m": 1}
    assert len(list(Path(os.environ["MLFLOW_WORKSPACE_JOURNAL_DIR"]).iterdir())) == 1


def test_from_config_takes_the_workspace_that_mlflow_logs_to(tmp_path, monkeypatch):
    """Without a config file the tracking URI says which; a file goes first."""
    with pytest.raises(ConfigFileError):
        Workspace.from_config()
    (tmp_path / "configured").mkdir()
    Workspace.create("team-a")
    Workspace.create("team-b").write_config(tmp_path / "configured")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "workspace:team-a")
    assert Workspace.from_config().name == "team-a"
    monkeypatch.chdir(tmp_path / "configured")
    assert Workspace.from_config().name == "team-b"
    with pytest.raises(ConfigFileError):
        Workspace.from_config(path=str(tmp_path / "none.json"))
