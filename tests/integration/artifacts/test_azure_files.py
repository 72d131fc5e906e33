"""A hub whose files are in Azure Blob Storage, on a real Azurite server."""

import os

import mlflow
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from mlflow.cli import cli as mlflow_cli
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin import Experiment, Workspace


@pytest.fixture
def run(azure_workspace):
    return Experiment(azure_workspace, "experiment").start_logging(snapshot_directory=None)


def names(container) -> list[str]:
    return [each.name for each in container.list_blobs()]


def test_files_of_a_run_are_blobs(run, container, tmp_path):
    """What is uploaded comes back byte for byte, and nothing lies in the hub's folder."""
    content = os.urandom(20_000)
    (tmp_path / "a.bin").write_bytes(content)
    run.upload_file("outputs/a.bin", str(tmp_path / "a.bin"))
    assert run.get_file_names() == ["outputs/a.bin"]
    run.download_file("outputs/a.bin", str(tmp_path / "b.bin"))
    assert (tmp_path / "b.bin").read_bytes() == content
    (name,) = names(container)
    assert name.startswith("some/prefix/workspaces/team-a/")
    assert not (tmp_path / "hub" / "artifacts").exists()
    assert run._mlflow_run().info.artifact_uri.startswith("mlflow-artifacts:/workspaces/team-a/")


def test_mlflow_reads_and_writes(run, azure_workspace, tmp_path):
    """MLflow's own client lists, loads, downloads and logs the files of a run."""
    uri = azure_workspace.get_mlflow_tracking_uri()
    client = MlflowClient(uri, uri)
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "x.txt").write_text("x")
    (tmp_path / "folder" / "deep" / "y.json").write_text("{}")
    client.log_artifacts(run.id, str(tmp_path / "folder"), "at")
    assert [(each.path, each.is_dir) for each in client.list_artifacts(run.id, "at")] == [
        ("at/deep", True),
        ("at/x.txt", False),
    ]
    assert client.list_artifacts(run.id, "at/x.txt") == []
    (tmp_path / "target").mkdir()
    client.download_artifacts(run.id, "at", str(tmp_path / "target"))
    assert (tmp_path / "target" / "at" / "deep" / "y.json").read_text() == "{}"
    mlflow.set_tracking_uri(uri)
    assert mlflow.artifacts.load_text(f"runs:/{run.id}/at/x.txt") == "x"
    with pytest.raises(MlflowException, match="missing"):
        client.download_artifacts(run.id, "missing", str(tmp_path / "target"))


def test_typed_values_are_appended(run, container):
    """Exact values of metrics go to an append blob and come back as they were logged."""
    run.log("text", "one")
    run.log("text", "two")
    run.log("number", 2**63 + 1)
    run.flush()
    assert run.get_metrics() == {"text": ["one", "two"], "number": 2**63 + 1}
    blobs = [each for each in container.list_blobs() if "/values/" in each.name]
    assert {each.blob_type for each in blobs} == {"AppendBlob"}


def test_snapshot(run, tmp_path):
    """A snapshot is stored and restored."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text("print()")
    snapshot = run.take_snapshot(tmp_path / "code")
    assert run.restore_snapshot(snapshot, tmp_path / "restored").endswith(".zip")


def test_deleting(run, azure_workspace, container, tmp_path):
    """Files and folders are deleted, and with a workspace all that is its own."""
    (tmp_path / "a").write_text("a")
    for name in ("a", "ab/c", "a.txt", "d/e/f"):
        run.upload_file(name, str(tmp_path / "a"))
    other = Workspace.create("team-a-2", hub=tmp_path / "hub")
    kept = Experiment(other, "experiment").start_logging(snapshot_directory=None)
    kept.upload_file("kept", str(tmp_path / "a"))
    repository = run._repository()
    repository.delete_artifacts("a")
    assert run.get_file_names() == ["a.txt", "ab/c", "d/e/f"]
    repository.delete_artifacts("d")
    assert run.get_file_names() == ["a.txt", "ab/c"]
    repository.delete_artifacts("gone")
    run.complete()
    azure_workspace.delete(delete_dependent_resources=True)
    assert [name.rpartition("/")[2] for name in names(container)] == ["kept"]


def test_gc(run, azure_workspace, container, tmp_path, monkeypatch):
    """MLflow's gc frees the blobs of deleted runs, and of no others."""
    kept = Experiment(azure_workspace, "experiment").start_logging(snapshot_directory=None)
    (tmp_path / "a").write_text("a")
    for each in (run, kept):
        each.upload_file("outputs/a", str(tmp_path / "a"))
        each.log("text", "value")
        each.complete()
    uri = azure_workspace.get_mlflow_tracking_uri()
    MlflowClient(uri).delete_run(run.id)
    assert any(run.id in name for name in names(container))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    done = CliRunner().invoke(mlflow_cli, ["gc", "--backend-store-uri", uri])
    assert done.exit_code == 0, done.output
    left = names(container)
    assert left
    assert all(kept.id in name for name in left)


def test_content_type(run, container, tmp_path):
    """A blob has the type that browsers go by."""
    (tmp_path / "x").write_text("x")
    for name in ("page.html", "image.png", "model.pkl", "data.tar.gz"):
        run.upload_file(name, str(tmp_path / "x"))
    types = {
        each.name.rpartition("/")[2]: each.content_settings.content_type
        for each in container.list_blobs()
    }
    assert types == {
        "page.html": "text/html",
        "image.png": "image/png",
        "model.pkl": "application/octet-stream",
        "data.tar.gz": "application/octet-stream",
    }
