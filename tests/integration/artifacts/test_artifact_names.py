"""Files of any name that can be logged are listed and downloaded, by each way to ask for them."""

import shutil
from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.errors import UnsafeArtifactPathError

pytestmark = [pytest.mark.hubs, pytest.mark.alike]

NAMES = [
    "q?.txt",
    "q",
    "hash#1.txt",
    "a?b#c;d",
    "100%25.txt",
    "100%.txt",
    "%41",
    "what?",
    "end#",
    "tab\tname",
    "line\nend",
    'o\'brien "q".txt',
    "été 模型😀.bin",
    "[x]{1}&+=,$~",
    "trailing ",
    "-rf",
]
FOLDERS = ["", "what?/fol#der 100%25", "ta\tb/é"]


@pytest.fixture
def source(tmp_path) -> Path:
    """A folder with a file of each name, whose content tells it from the others."""
    folder = tmp_path / "source"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_text(name, newline="")
    return folder


def contents(folder: str) -> dict[str, str]:
    """Return the files directly in a folder by name."""
    files = [each for each in Path(folder).iterdir() if each.is_file()]
    return {file.name: file.read_bytes().decode() for file in files}


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_way(client, uri, run_id, source, tmp_path, folder):
    """By run and path, by both kinds of URI, by the client, one by one and whole."""
    mlflow.set_tracking_uri(uri)
    client.log_artifacts(run_id, str(source), folder or None)
    prefix = f"{folder}/" if folder else ""
    listed = [each.path for each in client.list_artifacts(run_id, folder or None)]
    assert sorted(listed) == sorted(f"{prefix}{name}" for name in NAMES)
    stored_at = client.get_run(run_id).info.artifact_uri
    download = mlflow.artifacts.download_artifacts
    for name in NAMES:
        path = f"{prefix}{name}"
        copies = [
            download(run_id=run_id, artifact_path=path),
            download(artifact_uri=f"runs:/{run_id}/{path}"),
            client.download_artifacts(run_id, path),
        ]
        if "\t" not in folder:
            copies.append(download(artifact_uri=f"{stored_at}/{path}"))
        assert [Path(copy).read_bytes().decode() for copy in copies] == [name] * len(copies)
    expected = {name: name for name in NAMES}
    assert contents(client.download_artifacts(run_id, folder)) == expected
    whole = download(run_id=run_id, artifact_path=folder or None, dst_path=str(tmp_path / "all"))
    assert contents(whole) == expected


def test_shim(workspace, source, tmp_path):
    """SDK v1's calls take the names as they are."""
    run = Experiment(workspace, "names").start_logging()
    for name in NAMES:
        run.upload_file(name, str(source / name))
    assert sorted(run.get_file_names()) == sorted(NAMES)
    for name in NAMES:
        run.download_file(name, str(tmp_path / "copy"))
        assert (tmp_path / "copy").read_bytes().decode() == name
    run.complete()


def test_deleted_is_the_named_one(client, run_id, source):
    """And not the one that it would be if its name were decoded."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    client.log_artifacts(run_id, str(source))
    repository = get_artifact_repository(
        client.get_run(run_id).info.artifact_uri, tracking_uri=client.tracking_uri
    )
    repository.delete_artifacts("100%25.txt")
    repository.delete_artifacts("what?")
    assert {each.path for each in client.list_artifacts(run_id)} == (
        {*NAMES} - {"100%25.txt", "what?"}
    )


def test_model_version(client, uri, run_id, source):
    """A version whose files are in a folder of an odd name is loaded from there."""
    mlflow.set_tracking_uri(uri)
    client.log_artifacts(run_id, str(source), "mo?del#1 100%25")
    stored_at = client.get_run(run_id).info.artifact_uri
    client.create_registered_model("model")
    client.create_model_version("model", f"{stored_at}/mo?del#1 100%25", run_id)
    whole = mlflow.artifacts.download_artifacts("models:/model/1")
    assert contents(whole) == {name: name for name in NAMES}
    one = mlflow.artifacts.download_artifacts("models:/model/1/100%25.txt")
    assert Path(one).read_text() == "100%25.txt"


def test_models(client, uri, run_id, tmp_path):
    """MLflow loads models from folders of odd names, of a run or of a version."""
    mlflow.set_tracking_uri(uri)
    model, local = (lambda model_input: model_input), str(tmp_path / "model")
    mlflow.pyfunc.save_model(local, python_model=model, pip_requirements=["mlflow"])
    client.create_registered_model("model")
    stored_at = client.get_run(run_id).info.artifact_uri
    for number, folder in enumerate(["100%25 x", "fol#der", "mo?del"], start=1):
        client.log_artifacts(run_id, local, folder)
        client.create_model_version("model", f"{stored_at}/{folder}", run_id)
        for model_uri in (f"runs:/{run_id}/{folder}", f"models:/model/{number}"):
            assert mlflow.pyfunc.load_model(model_uri).predict(["x"]) == ["x"]


def test_two_that_read_alike(client, uri, run_id, tmp_path):
    """What MLflow's URI means of two is the one of that very name; without that, none of them."""
    mlflow.set_tracking_uri(uri)
    for name in ("tab\tname", "ta\tbname"):
        (tmp_path / name).write_text(name)
        client.log_artifact(run_id, str(tmp_path / name))
    with pytest.raises(MlflowException):
        mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="tab\tname")


@pytest.mark.parametrize("name", ["%2e%2e", "..%2fx", "a%00b", "\\x"])
def test_refused_names(client, run_id, tmp_path, name):
    """A name that leads elsewhere once it is decoded is refused when logged; nothing is stored."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / name).write_text("x")
    for log in (
        lambda: client.log_artifact(run_id, str(folder / name)),
        lambda: client.log_artifact(run_id, str(folder / name), "in"),
        lambda: client.log_artifacts(run_id, str(folder)),
    ):
        with pytest.raises(UnsafeArtifactPathError, match="Give a path relative"):
            log()
    shutil.rmtree(folder)
    assert client.list_artifacts(run_id) == []
