"""The tables of routes: each of MLflow's stands in them, with a class that MLflow can decide on."""

import json
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_workspace_plugin.app.served.routes.table import (
    Line,
    Table,
    mlflow_lines,
    our_lines,
    read,
)
from tests.mlflow_routes import FEWEST, TABLES, classified

DECIDED_BY_MLFLOW = ("read", "edit", "manage", "accounts")
KEPT = [mlflow_lines(version) for version in ("3.17.2", "3.18.0")]
LINES = mlflow_lines(mlflow.__version__)
served = pytest.mark.skipif(LINES is None, reason="MLflow before 3.17 is not served to a team.")


@pytest.fixture(scope="module")
def installed():
    """Methods, paths, and whether MLflow has a rule; by a process of its own, which it changes."""
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.mlflow_routes", "--look"],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(found.stdout)


@pytest.mark.store
@served
def test_table_has_each_route_of_mlflow_and_no_other(installed):
    """A route that a release adds, or takes away, is noticed."""
    assert {(method, path) for method, path, _ in installed} == {line[:2] for line in LINES}
    assert len(LINES) >= FEWEST


@pytest.mark.store
@served
def test_route_that_a_role_opens_is_one_that_mlflow_decides_on(installed):
    """Within a workspace MLflow's rules say who may what, so there has to be one."""
    guarded = {(method, path): is_guarded for method, path, is_guarded in installed}
    unguarded = [line for line in LINES if line.kind in DECIDED_BY_MLFLOW and not guarded[line[:2]]]
    assert unguarded == []


@pytest.mark.parametrize("lines", KEPT)
def test_lines_of_a_table_are_as_the_rules_have_them(lines):
    """Nobody has opened a route by hand."""
    assert [classified(line.method, line.path) for line in lines] == lines


def test_route_that_nobody_has_looked_at_has_no_class():
    """A new route of MLflow's stops the making of the table."""
    with pytest.raises(LookupError, match="Look at it"):
        classified("POST", "/api/3.0/mlflow/new-thing/run")


@pytest.mark.parametrize("line", ["GET\t/a", "GET\t/a\topen", "GET\t/a\tread\tall"])
def test_line_that_is_none_stops_the_server(line):
    """A class that is misspelt opens nothing."""
    with pytest.raises(ValueError, match=r"line of a table|unpack"):
        read(line)


def test_every_table_is_one_of_a_release():
    """None lies around that is never read."""
    names = {path.name for path in TABLES.glob("*.tsv")}
    assert names == {"mlflow-3.17.tsv", "mlflow-3.18.tsv", "ours.tsv"}


def test_methods_that_look_only_ask_for_no_more_than_reading():
    """What only looks is open to readers, and what changes something is not."""
    for line in our_lines():
        if line.method == "GET":
            assert line.kind not in ("edit", "manage"), line


@served
def test_no_name_of_ours_is_one_that_mlflow_opens_to_everybody():
    """By its own rule: where a path begins with one of these it asks nobody who they are."""
    from mlflow_workspace_plugin.app.served.watching.watch import HEALTH, METRICS, READY

    opened = [f"/{each}-of-ours" for each in ("health", "static")]
    code = (
        "import json, sys\n"
        "from mlflow.server.auth import is_unprotected_route\n"
        "print(json.dumps([*filter(is_unprotected_route, json.load(sys.stdin))]))"
    )
    paths = [*opened, HEALTH, READY, METRICS, *(line.path for line in our_lines())]
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        input=json.dumps(paths).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    assert json.loads(found.stdout) == opened


@pytest.mark.parametrize(("lines", "table"), [(lines, Table(lines)) for lines in KEPT])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_path_finds_its_own_line_or_a_stricter_one(lines, table, data):
    """Whatever stands in the place of a parameter, no other line makes a route more open."""
    line = data.draw(st.sampled_from(lines))
    text = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1)
    path = line.path
    while "{" in path:
        start = path.index("{")
        end = path.index("}", start)
        path = path[:start] + data.draw(text).replace("{", "(") + path[end + 1 :]
    found = table.find(line.method, path)
    assert found is not None
    is_plain = "{" not in found.line.path
    assert is_plain or _strictness(found.line) >= _strictness(line)


def _strictness(line: Line) -> int:
    order = ("public", "operator", "login", "read", "edit", "manage", "accounts", "admin", "denied")
    return order.index(line.kind)
