"""Curves of one line of text."""

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_workspace_plugin.cli.seen.sparklines import sparkline

ANY = st.lists(st.floats(), max_size=300)


def test_rises_from_the_least_to_the_greatest():
    """Each level once."""
    assert sparkline(range(8), 8) == "▁▂▃▄▅▆▇█"
    assert sparkline(range(8), 8, blocks=False) == "_.-~=+*#"


def test_spike_is_seen_among_many():
    """One of a million values, in a line of twenty characters."""
    values = [0.0] * 1_000_000
    values[777_777] = 5.0
    assert sparkline(values, 20) == "▁" * 15 + "█" + "▁" * 4


def test_not_finite_and_constant():
    """A cross each; a constant lies at the bottom."""
    assert sparkline([1.0, math.nan, 2.0, math.inf], 9) == "▁x█x"
    assert sparkline([3.0, 3.0], 9) == "▁▁"
    assert sparkline([], 9) == ""
    assert sparkline([-sys.float_info.max, 0.0, sys.float_info.max], 3) == "▁▅█"


@given(ANY, st.integers(0, 50), st.booleans())
def test_fits_whatever_the_values(values, width, blocks):
    """As wide as asked, or as there are values; both ends of what is finite are in it."""
    line = sparkline(values, width, blocks=blocks)
    assert len(line) == min(width, len(values))
    finite = [each for each in values if math.isfinite(each)]
    if blocks and width >= len(values) and len(set(finite)) > 1:
        assert {"▁", "█"} <= set(line)


@pytest.mark.parametrize("blocks", [True, False])
def test_smallest_differences(blocks):
    """Of numbers next to zero, too."""
    assert len(set(sparkline([0.0, 5e-324], 2, blocks=blocks))) in (1, 2)
