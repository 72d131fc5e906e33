"""``mlflow-workspace data``: what a workspace has, and files to and from it, without any code."""

import json

import pytest
from click.testing import CliRunner

from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.sdk.data.datasets.dataset import Dataset
from mlflow_workspace_plugin.sdk.data.datastores.datastore import Datastore

# What differs between databases and storages is the stores' and the datastores' own.
pytestmark = pytest.mark.sqlite

NASTY = "new\nline \x1b[31mred\x1b[0m"


@pytest.fixture
def data(workspace, hub_path):
    """Run a command of the group in the workspace, and return what it printed."""

    def call(command, *arguments, status=0):
        where = ("--workspace", "team-a", "--hub", str(hub_path))
        done = CliRunner().invoke(main, ["data", command, *map(str, arguments), *where])
        assert done.exit_code == status, done.output
        assert "Traceback" not in done.output
        assert "\x1b" not in done.output
        return done.output

    return call


@pytest.fixture
def weather(tmp_path):
    """Two tables, in a folder and one below it."""
    folder = tmp_path / "weather"
    (folder / "2019").mkdir(parents=True)
    (folder / "a.csv").write_text("x\n1\n2\n")
    (folder / "2019" / "b.csv").write_text("x\n3\n")
    return folder


def test_from_a_folder_to_a_dataset_and_back(data, weather, workspace, tmp_path):
    """Uploaded, registered, listed, shown and downloaded; SDK v1's calls see the same."""
    assert data("upload", weather, "w") == "Stored 2 files in workspaceblobstore/w/.\n"
    assert "2 were there already" in data("upload", weather, "w")
    assert "as version 1" in data(
        *("register", "rain", "w/**/*.csv", "--as", "csv"),
        *("--description", "Rain by day", "--tag", "of=test"),
    )
    frame = Dataset.get_by_name(workspace, "rain").to_pandas_dataframe()
    assert sorted(frame["x"]) == [1, 2, 3]

    (listed,) = json.loads(data("list", "--json"))
    assert (listed["name"], listed["version"], listed["kind"]) == ("rain", 1, "tabular")
    assert listed["tags"] == {"of": "test"}
    assert "rain" in data("list")
    shown = json.loads(data("show", "rain", "--json"))
    assert (shown["files"], shown["bytes"]) == (2, 10)
    assert "as they were" in data("show", "rain")

    (weather / "a.csv").write_text("x\n9\n")
    data("upload", weather / "a.csv", "w", "--overwrite")
    assert "1 changed" in data("show", "rain")
    assert data("download", "rain:1", tmp_path / "got") == f"Copied 2 files to '{tmp_path}/got'.\n"
    assert (tmp_path / "got" / "a.csv").read_text() == "x\n9\n"
    data("download", "w/2019", tmp_path / "b", "-d", "workspaceblobstore")
    assert (tmp_path / "b" / "b.csv").read_text() == "x\n3\n"
    # Nothing is written over unless that was asked for.
    assert "already exists" in data("download", "rain", tmp_path / "got", status=1)
    data("download", "rain", tmp_path / "got", "--overwrite")


def test_versions_and_kinds(data, weather, workspace):
    """A taken name is refused but for a new version; every kind is read as what it is."""
    data("upload", weather, "w")
    data("register", "rain", "w")
    assert "--new-version" in data("register", "rain", "w/a.csv", status=1)
    assert "as version 2" in data("register", "rain", "w/a.csv", "--new-version")
    assert json.loads(data("show", "rain:1", "--json"))["files"] == 2
    assert json.loads(data("show", "rain", "--json"))["files"] == 1
    assert "NAME:2" in data("show", "rain:3", status=1)
    assert "is no tag" in data("register", "other", "w", "--tag", "of", status=2)
    assert [*workspace.datasets] == ["rain"]


def test_datastores(data, weather, workspace):
    """They are listed with where they are, one that cannot be used with why, none with a secret."""
    Datastore.register_azure_blob_container(
        workspace, "archive", "container", "account", account_key="c2VjcmV0LWtleQ=="
    )
    found = {each["name"]: each for each in json.loads(data("list", "--datastores", "--json"))}
    assert found["workspaceblobstore"]["default"]
    assert found["workspaceblobstore"]["place"].startswith("mlflow-artifacts:/workspaces/")
    assert "archive" in found
    assert "c2VjcmV0" not in data("list", "--datastores")
    assert "no datastore 'archiv'" in data("upload", weather, "-d", "archiv", status=1)


def test_odd_names(data, tmp_path, workspace):
    """Whatever a name holds is printed without what a terminal obeys, and a file keeps it."""
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "a [1] #é%20.csv").write_text("x\n1\n")
    data("upload", folder, "o")
    store = workspace.get_default_datastore()
    Dataset.File.from_files((store, "o")).register(workspace, "odd:2", description=NASTY)
    assert "\\x1b[31mred" in data("show", "odd:2")
    data("list")
    data("download", "odd:2", tmp_path / "got")
    assert [each.name for each in (tmp_path / "got").iterdir()] == ["a [1] #é%20.csv"]
    data("upload", tmp_path / "odd", "../out", status=1)


def test_nothing_is_there(data, tmp_path, workspace):
    """What is empty or gone is said in a sentence."""
    assert data("list")
    (tmp_path / "empty").mkdir()
    assert "Stored 0 files" in data("upload", tmp_path / "empty")
    assert "There is no file or folder 'w'" in data(
        *("download", "w", tmp_path / "got", "-d", "workspaceblobstore"), status=1
    )
    data("register", "later", "w")
    assert "0 files" in data("show", "later")
    assert "no dataset 'never'" in data("show", "never", status=1)
