"""What figures are made of values, compared with those that every renderer is tested with."""

import json
import math

import pytest

from mlflow_workspace_plugin.drawing.figure import svg_of
from mlflow_workspace_plugin.figures.tables import of_columns, rows_within
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


@pytest.mark.parametrize(
    ("xs", "start", "end", "expected"),
    [
        ([0, 1, 2, 3, 4], 1.5, 2.5, [1, 2, 3]),
        ([0, 1, 2, 3, 4], 1.2, 1.4, [1, 2]),
        ([0, 1, 2, 3, 4], None, 1, [0, 1, 2]),
        ([4, 3, 2, 1, 0], 3.5, None, [0, 1]),
        # There and back: what leads away and what leads back are beside the range, on one side.
        ([0, 5, 9, 9, 9, 5, 0], 4, 6, [0, 1, 2, 4, 5, 6]),
        # From one side to the other, though no row is between.
        ([0, 0, 9, 9, 0, 0], 4, 6, [1, 2, 3, 4]),
        # Where the curve is broken it is not joined.
        ([5, 9, None, 0, 5], 4, 6, [0, 1, 2, 3, 4]),
        ([5, 9, math.nan, 0, 5], 4, 6, [0, 1, 2, 3, 4]),
        ([0, 1, 2], 7, 8, []),
        ([0, None, 2], 7, 8, []),
        ([], 0, 1, []),
    ],
)
def test_range_of_rows_is_what_is_seen_of_it(xs, start, end, expected):
    """Its rows, and those from which and to which lines lead; no line that there is not."""
    assert rows_within(xs, start, end) == expected


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_integers_that_no_float_holds_are_drawn(columns):
    """Python's are of any size, and one of them costs no other figure of the run."""
    rows = {name: [1, 2, 10**400] for name in "abc"[:columns]}
    figure = of_columns("id", "title", rows)
    assert figure["kind"] == "lines"
    assert figure["series"][-1]["y"] == [1, 2, "Infinity"]
    assert svg_of(figure)
