"""Which rows of a long table are drawn."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_workspace_plugin.figures.cells import is_nan
from mlflow_workspace_plugin.figures.thinning import kept_rows

NUMBERS = st.one_of(
    st.none(), st.sampled_from([0.0, 1.0, math.nan, math.inf, 10**400]), st.floats(), st.integers()
)
TABLES = st.integers(1, 3).flatmap(
    lambda columns: st.lists(st.tuples(*[NUMBERS] * columns), min_size=1, max_size=300)
)


@settings(max_examples=50, deadline=None)
@given(TABLES, st.integers(2, 100))
def test_kept_rows_are_few_and_those_that_are_seen(rows, points):
    """In order, never more than asked for, all if they fit, else both ends and all extremes."""
    columns = list(zip(*rows, strict=True))
    kept = kept_rows(columns, points)
    assert kept == sorted(set(kept))
    assert len(kept) <= points
    if len(rows) <= points:
        assert kept == list(range(len(rows)))
        return
    assert kept[0] == 0
    assert kept[-1] == len(rows) - 1
    if points < 2 * len(columns) + 3:
        return  # there is no room for the extremes of one stretch
    for column in columns:
        numbers = [each for each in column if each is not None and not is_nan(each)]
        of_kept = [column[index] for index in kept]
        if numbers:
            assert min(numbers) in of_kept
            assert max(numbers) in of_kept
    if any(each is None or is_nan(each) for row in rows for each in row):
        assert any(
            column[index] is None or is_nan(column[index]) for column in columns for index in kept
        )


@settings(max_examples=25, deadline=None)
@given(st.integers(100, 5_000), st.integers(2, 100))
def test_what_may_be_drawn_is_drawn(total, points):
    """A curve that rises has few extremes: what else there is room for is filled."""
    kept = kept_rows([range(total)], points)
    assert len(kept) == min(points, total)
