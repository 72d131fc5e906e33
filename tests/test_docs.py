"""The documentation names what there is: every command, setting, error and public name."""

import ast
import importlib.util
import inspect
import re
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest

import mlflow_workspace_plugin
from mlflow_workspace_plugin import __all__, errors, settings
from mlflow_workspace_plugin.cli import main
from tests.code_blocks import ROOT

DOCS = ROOT / "docs"


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("hooks", DOCS / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands(group, prefix=""):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} ")
        elif not command.hidden:
            yield f"{prefix}{name}"


def test_every_command_is_under_what_one_wants():
    """The page's own table has it; what each does is made from the command itself."""
    page = text_of("docs/reference/commands.md")
    for command in commands(main):
        assert f"`{command}`" in page, command


def test_every_setting_is_on_its_page(hooks):
    """With its sentence, in the place for it."""
    page = hooks.on_page_markdown(text_of("docs/reference/settings.md"))
    variables = [each for each in vars(settings).values() if isinstance(each, settings.Variable)]
    for variable in variables:
        if variable.name.startswith("_"):
            continue
        assert re.search(rf"^\| `{variable.name}` \| .+ \| .+ \|$", page, re.MULTILINE), variable
        assert variable.sentence in page
    assert str(hooks.ROOT) not in page


def test_every_public_name_is_on_its_page():
    """So that nobody has to read the code to find it."""
    for name in __all__:
        assert f"::: mlflow_workspace_plugin.{name}\n" in text_of("docs/reference/api.md")


def test_every_error_is_in_troubleshooting():
    """With what to do."""
    page = text_of("docs/troubleshooting.md")
    for name, found in inspect.getmembers(errors, inspect.isclass):
        if found.__module__ == errors.__name__ and not name.startswith("_"):
            assert f"`{name}`" in page, name


def sentences():
    """All text of the package, with ``…`` for what is put into it."""
    for path in Path(mlflow_workspace_plugin.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                parts = node.values
                yield "".join(p.value if isinstance(p, ast.Constant) else "…" for p in parts)


def test_messages_in_troubleshooting_are_those_of_the_code():
    """Each that stands at the beginning of a table's row."""
    page = text_of("docs/troubleshooting.md")
    messages = re.findall(r"^\| `([^`]+)`(?:<br>| \|)", page, re.MULTILINE)
    assert len(messages) > 30
    said = [*sentences()]
    for message in messages:
        parts = [re.escape(part.strip()) for part in message.split("…")]
        pattern = re.compile(r".*".join(parts), re.DOTALL)
        assert any(pattern.search(each) for each in said), message


def test_readme_is_short():
    """A screen and a half; all else is on a page of its own."""
    assert len(text_of("README.md")) <= 7000


def test_figures_of_the_readme_are_the_benchmarks():
    """Three of their lines, as they are."""
    heading = "| workload | unit |"
    readme = text_of("README.md")
    lines = readme[readme.index(heading) :].split("\n\n")[0].splitlines()
    assert len(lines) == 5
    assert set(lines) <= set(text_of("docs/benchmarks.md").splitlines())


def test_links_of_the_readme_lead_somewhere():
    """MkDocs looks at those of the pages."""
    for target in re.findall(r"\]\(([^)#]+)\)", text_of("README.md")):
        assert (ROOT / target).exists(), target


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
