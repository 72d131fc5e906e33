"""Where the files of a hub lie: in folders of any depth, and elsewhere after they were copied."""

import shutil
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from mlflow_workspace_plugin import Experiment, Model, Workspace
from tests.azurite import ACCOUNT
from tests.conftest import write_settings

DEEP = "/".join(["a-folder-whose-name-is-long" * 4] * 6)
"""Longer than any column of MLflow's that takes a location of a run or of an experiment."""


@pytest.fixture
def azure(container, azurite_server, monkeypatch):
    """Make the URI of a place in a new container."""
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite_server.connection_string)
    return lambda prefix: f"azure://{ACCOUNT}/{container.container_name}/{prefix}"


def hub_on_postgresql(folder: Path, url: str, artifacts: str | None) -> Path:
    folder.mkdir(parents=True)
    settings = f'database = "{url}"\n'
    if artifacts is None:
        (folder / "artifacts").mkdir()
    else:
        settings += f'artifacts = "{artifacts}"\n'
    write_settings(folder, settings)
    return folder


def log_everything(workspace) -> str:
    """Log something of everything that has files; return the id of the run."""
    run = Experiment(workspace, "files").start_logging(snapshot_directory=None)
    run.log("text", "exactly this")
    run.log_row("row", kind="a", value=1)
    run.upload_file("outputs/file.py", __file__)
    run.take_snapshot(__file__)
    run.complete()
    run.register_model("of-sdk-v1", "outputs/file.py")
    return run.id


def check_everything(workspace, run_id, target: Path) -> None:
    """Read back what was logged, by SDK v1 and by MLflow."""
    content = Path(__file__).read_bytes()
    run = workspace.get_run(run_id)
    assert run.get_metrics() == {"text": "exactly this", "row": {"kind": "a", "value": 1}}
    assert run.get_file_names() == ["outputs/file.py"]
    target.mkdir()
    run.download_file("outputs/file.py", str(target / "copy"))
    assert (target / "copy").read_bytes() == content
    version = Model(workspace, "of-sdk-v1").download(target / "model", exist_ok=True)
    assert Path(version).read_bytes() == content
    uri = workspace.get_mlflow_tracking_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/outputs/file.py").encode() == content
    assert mlflow.artifacts.list_artifacts("models:/of-sdk-v1/1")


@pytest.mark.parametrize("place", ["folder", "azure"])
def test_long_root(request, server, postgresql_template, tmp_path, place):
    """What is stored names no place, so MLflow's columns of 200 and 256 characters suffice."""
    url = server.create_database(f"long_{tmp_path.name}"[:60], postgresql_template)
    if place == "folder":
        hub = hub_on_postgresql(tmp_path / DEEP, url, None)
    else:
        hub = hub_on_postgresql(tmp_path / "hub", url, request.getfixturevalue("azure")(DEEP))
    workspace = Workspace.create("w" * 63, hub=hub)
    assert len(workspace._hub.place_of()) > 500
    run_id = log_everything(workspace)
    check_everything(workspace, run_id, tmp_path / "target")
    assert len(workspace.client.get_run(run_id).info.artifact_uri) < 200
    server.drop_database(url)


READ = """
import sys
from pathlib import Path
from mlflow_workspace_plugin import Workspace
_, above_tests, hub, run_id, target = sys.argv
sys.path.insert(0, above_tests)
from tests.integration.artifacts.test_artifact_roots import check_everything
check_everything(Workspace.get("team-a", hub=hub), run_id, Path(target))
"""


@pytest.mark.hubs
@pytest.mark.beneath
def test_hub_that_is_pointed_at_a_copy_of_its_files(
    request, workspace, hub_path, database, azure, container, tmp_path, run_python
):
    """From a folder to Azure, and from there to another account: every run is readable as before.

    Only ``hub.toml`` changes, for stored URIs name no host and no folder.
    """
    run_id = log_everything(workspace)
    if database == "postgresql+azure":
        old = workspace._hub.settings.artifact_root
        source = request.getfixturevalue("azurite_server").container(old.container)
        for blob in source.list_blobs(name_starts_with=old.prefix):
            content = source.download_blob(blob.name).readall()
            container.upload_blob("moved" + blob.name.removeprefix(old.prefix), content)
            source.delete_blob(blob.name)
    else:
        root = hub_path / "artifacts"
        for file in root.rglob("*"):
            if file.is_file():
                container.upload_blob(f"moved/{file.relative_to(root)}", file.read_bytes())
        shutil.rmtree(root)
    settings = hub_path / "hub.toml"
    kept = settings.read_text().splitlines() if settings.exists() else []
    kept = [line for line in kept if not line.startswith("artifacts")]
    write_settings(hub_path, "\n".join([*kept, f'artifacts = "{azure("moved")}"', ""]))
    above_tests = str(Path(__file__).parents[3])
    run_python("-c", READ, above_tests, str(hub_path), run_id, str(tmp_path / "target"))
    # And it goes on.
    uri = workspace.get_mlflow_tracking_uri()
    script = "import mlflow, sys; mlflow.start_run(run_id=sys.argv[1]); mlflow.log_text('x', 'new')"
    run_python("-c", script, run_id, MLFLOW_TRACKING_URI=uri)
    assert "moved" in {blob.name.split("/")[0] for blob in container.list_blobs()}
    assert any(blob.name.endswith("/new") for blob in container.list_blobs())
    assert MlflowClient(uri).get_run(run_id).info.artifact_uri.startswith("mlflow-artifacts:/")
