"""The documentation names what there is: every command, setting and public name."""

import re
from importlib.metadata import entry_points
from pathlib import Path

import click

from mlflow_workspace_plugin import __all__, settings
from mlflow_workspace_plugin.cli import main

README = (Path(__file__).parents[1] / "README.md").read_text()


def commands(group, prefix="mlflow-workspace"):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}"


def test_every_command_is_in_the_readme():
    """With what it does."""
    for command in commands(main):
        assert re.search(rf"^\| `{command}\b[^|]*\| \w", README, re.MULTILINE), command


def test_every_setting_is_in_the_readme():
    """With its sentence."""
    for variable in settings.ALL:
        assert f"`{variable.name}`" in README
        assert variable.sentence in README


def test_every_public_name_is_in_the_readme():
    """So that nobody has to read the code to find it."""
    for name in __all__:
        assert re.search(rf"\b{name}\b", README), name


def test_python_of_the_readme_runs(capsys):
    """The ten lines do what they say."""
    ten_lines, sdk_v1 = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(ten_lines, {})
    assert "{'loss': [1.0, 0.5," in capsys.readouterr().out
    names = {"__file__": __file__}
    exec(sdk_v1, names)
    row = {"actual": "cat", "predicted": "dog", "count": 3}
    assert names["run"].get_metrics() == {"loss": 0.5, "confusion": row}
    # SDK v1 keeps what is printed inside of ``with run:``.
    assert names["run"].get_file_names() == ["logs/user_log.txt", "outputs/notes.txt"]


def test_every_mlflow_hook_has_its_entry_point():
    """MLflow finds each builder under the scheme of our URIs."""
    for group, name in (
        ("mlflow.tracking_store", "workspace"),
        ("mlflow.tracking_store", "workspace-hub"),
        ("mlflow.model_registry_store", "workspace"),
        ("mlflow.model_registry_store", "workspace-hub"),
        ("mlflow.workspace_provider", "workspace"),
        ("mlflow.workspace_provider", "workspace-hub"),
        ("mlflow.artifact_repository", "mlflow-artifacts"),
        ("mlflow.default_experiment_provider", "workspace"),
    ):
        ours = [
            each
            for each in entry_points(group=group, name=name)
            if each.value.startswith("mlflow_workspace_plugin.entry_points:")
        ]
        assert len(ours) == 1, (group, name)
        assert callable(ours[0].load())
