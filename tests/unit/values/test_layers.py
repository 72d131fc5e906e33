"""Imports go down only, in the order of the table in ``CONTRIBUTING.md``."""

import ast
import re
from pathlib import Path

import pytest

import mlflow_workspace_plugin

PACKAGE = Path(mlflow_workspace_plugin.__file__).parent
NAME = PACKAGE.name
ROWS = [
    re.findall(r"`(\w+)`", line.split("|")[1])
    for line in (Path(__file__).parents[3] / "CONTRIBUTING.md").read_text().splitlines()
    if line.startswith("| `")
]
LAYERS = {name: number for number, row in enumerate(ROWS) for name in row}
MODULES = sorted(
    path.stem
    for path in PACKAGE.iterdir()
    if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").is_file()
)


def imported(path: Path):
    """Yield line and layer of what a file imports of the package."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{each.name}" for each in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package == NAME and rest.split(".")[0] in LAYERS:
                yield node.lineno, rest.split(".")[0]


def test_every_module_has_its_place():
    """And each place is that of a module."""
    assert sorted(LAYERS) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module):
    """Types that are imported to be named only, and imports within functions, are no exception."""
    place = PACKAGE / module
    files = place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]
    assert [
        f"{file.relative_to(PACKAGE)}:{line} imports {name}"
        for file in files
        for line, name in imported(file)
        if LAYERS[name] < LAYERS[module]
    ] == []
