"""What SDK v1's charts can be drawn from."""

import pytest

from mlflow_workspace_plugin.figures.charts import schemas as charts

ROW = [1, 0, 1, 0]
CHARTS = {
    charts.CONFUSION_MATRIX: {"class_labels": ["a", "b"], "matrix": [[1, 0], [0, 1]]},
    charts.ACCURACY_TABLE: {
        "probability_tables": [[ROW, ROW], [ROW, ROW]],
        "percentile_tables": [[ROW], [ROW]],
        "probability_thresholds": [0.0, 1.0],
        "percentile_thresholds": [0.5],
        "class_labels": ["a", "b"],
    },
    charts.RESIDUALS: {"bin_edges": [0, 1, 2], "bin_counts": [3, 4]},
    charts.PREDICTIONS: {
        "bin_edges": [0, 1, 2],
        "bin_counts": [3, 4],
        "bin_averages": [0.5, 1.5],
        "bin_errors": [0.1, 0.1],
    },
}


def chart(kind, **changes):
    return {"schema_type": kind, "schema_version": "1.0.0", "data": CHARTS[kind] | changes}


@pytest.mark.parametrize("kind", CHARTS)
def test_whole_chart_is_fine(kind):
    """SDK v1's documented schemas."""
    assert charts.fault_of(kind, chart(kind)) is None


@pytest.mark.parametrize(("kind", "key"), [(kind, key) for kind in CHARTS for key in CHARTS[kind]])
@pytest.mark.parametrize("value", [None, 5, "text", []])
def test_part_that_is_missing_or_no_list_or_too_short_is_said(kind, key, value):
    """Whatever is in its place."""
    assert charts.fault_of(kind, chart(kind, **{key: value}))


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (charts.CONFUSION_MATRIX, {"matrix": [[1, 0]]}),
        (charts.CONFUSION_MATRIX, {"matrix": [1, 0]}),
        (charts.ACCURACY_TABLE, {"probability_tables": [[ROW], [ROW]]}),
        (charts.ACCURACY_TABLE, {"percentile_tables": [[[1]], [[1]]]}),
        (charts.RESIDUALS, {"bin_counts": [1, 2, 3]}),
        (charts.PREDICTIONS, {"bin_errors": [1]}),
    ],
)
def test_sizes_that_do_not_fit_are_said(kind, changes):
    """Rows, tables and bins are as many as what they are of."""
    assert charts.fault_of(kind, chart(kind, **changes))


@pytest.mark.parametrize("value", [None, 5, "text", [1], {}, {"schema_type": "residuals"}])
def test_other_objects_are_said(value):
    """Whatever was given in place of a chart, or of its data."""
    assert charts.fault_of(charts.RESIDUALS, value)
