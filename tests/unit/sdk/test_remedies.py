"""What our texts tell a user to type works."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import mlflow_workspace_plugin
from mlflow_workspace_plugin.cli import main

PACKAGE = Path(mlflow_workspace_plugin.__file__).parent


def texts() -> Iterator[tuple[str, str]]:
    """Yield the texts of the package, with what is filled in as ``{}``."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        inside = {
            id(part)
            for node in ast.walk(tree)
            if isinstance(node, ast.JoinedStr)
            for part in ast.walk(node)
            if part is not node
        }
        for node in ast.walk(tree):
            where = f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.JoinedStr):
                parts = (p.value if isinstance(p, ast.Constant) else "{}" for p in node.values)
                yield where, "".join(map(str, parts))
            elif isinstance(node, ast.Constant) and id(node) not in inside:
                yield where, str(node.value)


def told() -> list[tuple[str, str]]:
    """Return what is told to type after ``mlflow-workspace``, up to the end of the sentence."""
    return [
        (where, found[1])
        for where, text in texts()
        for found in re.finditer(r"mlflow-workspace((?: [\w{}.<>/'-]+)+)", text.replace("\n", " "))
    ]


@pytest.mark.parametrize(("where", "words"), told())
def test_commands_and_options_exist(where, words):
    """Each command that a text names is one, and has the options that stand behind it."""
    command: click.Command = main
    context = click.Context(main)
    left = [each.rstrip(".`") for each in words.split()]
    while left and isinstance(command, click.Group) and re.fullmatch(r"[a-z]+", left[0]):
        name = left.pop(0)
        found = command.get_command(context, name)
        assert found is not None, f"{where}: there is no command {name!r} in{words!r}"
        command = found
    known = {each for parameter in command.params for each in parameter.opts}
    known |= {"-h", "--help", "--version"}
    for word in left:
        if word == "--":
            break
        if re.fullmatch(r"--?[a-z][a-z-]*", word):
            assert word in known, f"{where}: {command.name} has no option {word}"


def test_what_is_to_be_installed_is_in_the_index():
    """This distribution is not there yet, nor are its extras."""
    for where, text in texts():
        for command in re.findall(r"pip install[^.;]*", text):
            assert "mlflow-workspace-plugin" not in command, where
            assert "mlflow_workspace_plugin" not in command, where
