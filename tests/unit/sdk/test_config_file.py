"""The config.json of a workspace, found and read as SDK v1 does."""

import json
from pathlib import Path

import pytest

from mlflow_workspace_plugin.errors import ConfigFileError
from mlflow_workspace_plugin.sdk import config_file
from mlflow_workspace_plugin.sdk.config_file import WorkspaceConfig

SCOPE = "/subscriptions/S/resourceGroups/R/providers/Microsoft.MachineLearningServices/workspaces/W"


def write(path: Path, content: object = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"Scope": SCOPE} if content is None else content))
    return path


def test_file_of_any_name_is_used_as_it_is(tmp_path):
    """A path that is a file ends the search."""
    file = write(tmp_path / "any.name")
    assert config_file.find(file) == file


def test_folder_name_beats_distance(tmp_path):
    """A .azureml/config.json far above beats ./config.json, as in SDK v1."""
    far = write(tmp_path / ".azureml" / "config.json")
    middle = write(tmp_path / "a" / "aml_config" / "project.json")
    near = write(tmp_path / "a" / "b" / "config.json")
    start = tmp_path / "a" / "b"
    assert config_file.find(start) == far
    far.unlink()
    assert config_file.find(start) == middle
    middle.unlink()
    assert config_file.find(start) == near


def test_config_json_beats_project_json_and_nearer_beats_farther(tmp_path):
    """Within one kind of folder the file name comes first, then the nearest."""
    project = write(tmp_path / "a" / ".azureml" / "project.json")
    config = write(tmp_path / ".azureml" / "config.json")
    nearer = write(tmp_path / "a" / ".azureml" / "config.json")
    assert config_file.find(tmp_path / "a") == nearer
    nearer.unlink()
    assert config_file.find(tmp_path / "a") == config
    assert config_file.find(tmp_path / "a", "project.json") == project


def test_missing_file_is_an_error_with_a_remedy(tmp_path):
    """The message names where the search began and what to do."""
    with pytest.raises(ConfigFileError, match=r"write_config\(\)") as raised:
        config_file.find(tmp_path, "no-such-name.json")
    assert str(tmp_path) in raised.value.message


def test_both_of_azures_forms_are_read(tmp_path):
    """Three keys, or a Scope, which wins; other keys are passed over."""
    keys = {"subscription_id": "s", "resource_group": "r", "workspace_name": "w", "x": 1}
    assert config_file.read(write(tmp_path / "k", keys)) == WorkspaceConfig("s", "r", "w")
    both = keys | {"Scope": SCOPE}
    assert config_file.read(write(tmp_path / "b", both)) == WorkspaceConfig("S", "R", "W")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"subscription_id": "s"}, "lacks resource_group, workspace_name"),
        ({"Scope": "/subscriptions/S"}, "no workspace's"),
        ([], "not a JSON object"),
        ({"Scope": SCOPE, "tracking_uri": 5}, "tracking_uri that is not text"),
    ],
)
def test_incomplete_file_is_an_error_that_names_it(tmp_path, content, reason):
    """The message names the file and what is wrong with it."""
    file = write(tmp_path / "config.json", content)
    with pytest.raises(ConfigFileError, match=reason) as raised:
        config_file.read(file)
    assert str(file) in raised.value.message


def test_invalid_json_is_jsons_own_error(tmp_path):
    """As in SDK v1."""
    file = tmp_path / "config.json"
    file.write_text("{")
    with pytest.raises(json.JSONDecodeError, match="is not JSON"):
        config_file.read(file)


def test_unreadable_file_is_an_error_that_names_it(tmp_path):
    """A folder where the file should be is named."""
    with pytest.raises(ConfigFileError, match="cannot be read"):
        config_file.read(tmp_path)
    (tmp_path / "utf16.json").write_text("{}", encoding="utf-16")
    with pytest.raises(ConfigFileError, match="UTF-8"):
        config_file.read(tmp_path / "utf16.json")


def test_written_file_is_found_and_reads_the_same(tmp_path):
    """SDK v1's place and Scope, with the tracking URI added."""
    config = WorkspaceConfig("S", "R", "W", "workspace:///hub/w")
    file = config_file.write(config, tmp_path)
    assert file == tmp_path / ".azureml" / "config.json"
    assert json.loads(file.read_text())["Scope"] == SCOPE
    assert config_file.read(config_file.find(tmp_path)) == config


def test_writing_keeps_to_existing_folders_and_names(tmp_path):
    """aml_config and project.json are reused where they are; names end in .json."""
    write(tmp_path / "aml_config" / "project.json")
    config = WorkspaceConfig("S", "R", "W")
    assert config_file.write(config, tmp_path) == tmp_path / "aml_config" / "project.json"
    assert config_file.write(config, tmp_path, "mine").name == "mine.json"
    with pytest.raises(ConfigFileError, match="cannot be written"):
        config_file.write(config, tmp_path / "no" / "such")
