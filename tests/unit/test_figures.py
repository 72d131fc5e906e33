"""What figures are made of values, compared with those that every renderer is tested with."""

import json

import pytest

from mlflow_workspace_plugin.drawing.figure import svg_of
from mlflow_workspace_plugin.figures.tables import of_columns
from tests import figure_cases

CASES = figure_cases.cases()


@pytest.mark.parametrize("name", CASES)
def test_figure_is_what_renderers_are_tested_with(name):
    """Every kind, with NaN, infinities, text, one point, a million of them, and any name."""
    stored = (figure_cases.FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert json.loads(figure_cases.as_json(CASES[name])) == json.loads(stored)


def test_there_are_no_others():
    """A file of a figure that is made no more would be drawn for nothing."""
    assert {each.stem for each in figure_cases.FOLDER.glob("*.json")} == set(CASES)


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_integers_that_no_float_holds_are_drawn(columns):
    """Python's are of any size, and one of them costs no other figure of the run."""
    rows = {name: [1, 2, 10**400] for name in "abc"[:columns]}
    figure = of_columns("id", "title", rows)
    assert figure["kind"] == "lines"
    assert figure["series"][-1]["y"] == [1, 2, "Infinity"]
    assert svg_of(figure)
