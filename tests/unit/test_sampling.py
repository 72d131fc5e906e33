"""A metric in few points: never more than asked for, and nothing that stands out is lost."""

import hypothesis.strategies as st
from hypothesis import given

from mlflow_workspace_plugin.stores.reads.sampling import Point, sample

values = st.floats(-1e3, 1e3) | st.none()
histories = st.lists(values, min_size=1, max_size=400).map(
    lambda found: [Point(step, 0, v or 0.0, v is None) for step, v in enumerate(found)]
)


@given(histories, st.integers(1, 400))
def test_bounds(points, max_results):
    """At most as many as asked for come back, in order, without repetition; all when they fit."""
    found = sample(points, len(points), max_results)
    assert len(found) <= max_results
    assert found == sorted(set(found))
    assert set(found) <= set(points)
    if len(points) <= max_results:
        assert found == points


@given(histories, st.integers(2, 400))
def test_ends(points, max_results):
    """The first and the last point are always there."""
    found = sample(points, len(points), max_results)
    assert found[0] == points[0]
    assert found[-1] == points[-1]


@given(histories)
def test_single(points):
    """A single result is the last point, as in MLflow."""
    assert sample(points, len(points), 1) == [points[-1]]


@given(histories, st.integers(5, 400))
def test_extremes(points, max_results):
    """The greatest and the smallest value are there, and a NaN if there is any."""
    found = sample(points, len(points), max_results)
    assert any(point.is_nan for point in found) == any(point.is_nan for point in points)
    numbers = [point.value for point in points if not point.is_nan]
    if numbers:
        kept = [point.value for point in found if not point.is_nan]
        assert (min(kept), max(kept)) == (min(numbers), max(numbers))


@given(histories, st.integers(1, 400), st.integers(0, 5))
def test_more_than_counted(points, max_results, unseen):
    """Points logged while it reads do not make it return too many."""
    count = max(1, len(points) - unseen)
    assert len(sample(points, count, max_results)) <= max_results
