"""The figures of an accuracy table, against what others compute of the same cases."""

import json

import numpy as np
import pytest

from mlflow_workspace_plugin.figures.charts.chart import figures_of_chart
from mlflow_workspace_plugin.figures.charts.schemas import ACCURACY_TABLE

SIZES = {"cat": 60, "dog": 66, "owl": 93}
STEPS = 1_000
ALL = sum(SIZES.values())


@pytest.fixture(scope="module")
def cases():
    """Which cases are of each class, and how probable that is said to be of each."""
    random = np.random.default_rng(7)
    true = np.repeat(list(SIZES), list(SIZES.values()))
    is_of = np.stack([true == name for name in SIZES])
    # Each in the middle between two thresholds, and no two of a class alike.
    said = np.stack([random.permutation(STEPS)[:ALL] for _ in SIZES])
    better = np.sort(said, axis=1)
    for number, of_class in enumerate(is_of):
        order = np.argsort(random.random(ALL) + 0.7 * of_class)
        said[number, order] = better[number]
    return is_of, (said + 0.5) / STEPS


@pytest.fixture(scope="module")
def curves(cases):
    """The points of each curve, by the names of its figure and of its class."""
    is_of, said = cases
    thresholds = [step / STEPS for step in range(STEPS + 1)]
    parts = [count / ALL for count in range(ALL + 1)]

    def counts(taken, of_class):
        pairs = ((True, True), (True, False), (False, False), (False, True))
        return [int(np.sum((taken == here) & (of_class == there))) for here, there in pairs]

    by_probability, by_percentile = [], []
    for of_class, scores in zip(is_of, said, strict=True):
        by_probability.append([counts(scores >= each, of_class) for each in thresholds])
        place = np.argsort(np.argsort(-scores))
        by_percentile.append([counts(place < count, of_class) for count in range(ALL + 1)])
    data = {
        "probability_tables": by_probability,
        "percentile_tables": by_percentile,
        "probability_thresholds": thresholds,
        "percentile_thresholds": parts,
        "class_labels": list(SIZES),
    }
    document = json.dumps({"schema_type": ACCURACY_TABLE, "data": data}).encode()
    return {
        (json.loads(figure["id"])[-1], series["name"]): np.array([series["x"], series["y"]]).T
        for figure in figures_of_chart(("metric", "t"), "t", ACCURACY_TABLE, document)
        for series in figure["series"]
    }


def same(found, xs, ys):
    """Whether points are the same ones, to the six digits that are drawn."""
    expected = sorted(
        {(round(float(x), 6), round(float(y), 6)) for x, y in zip(xs, ys, strict=True)}
    )
    return np.array(sorted(map(tuple, found))) == pytest.approx(np.array(expected), abs=2e-6)


@pytest.mark.parametrize("number", range(len(SIZES)))
def test_class_is_what_scikit_learn_computes(cases, curves, number):
    """ROC, precision and recall at each score there is, and how often ten bins are right."""
    metrics = pytest.importorskip("sklearn.metrics")
    calibration = pytest.importorskip("sklearn.calibration")
    name, of_class, said = list(SIZES)[number], cases[0][number], cases[1][number]
    false_rate, true_rate, _ = metrics.roc_curve(of_class, said, drop_intermediate=False)
    assert same(curves["roc", name], false_rate, true_rate)
    precision, recall, _ = metrics.precision_recall_curve(of_class, said)
    # Its last point is of a threshold that nothing is above, of which there is no precision.
    assert same(curves["precision-recall", name], recall[:-1], precision[:-1])
    right, predicted = calibration.calibration_curve(of_class, said, n_bins=10)
    assert curves["calibration", name] == pytest.approx(np.stack([predicted, right]).T, abs=1e-6)


@pytest.mark.parametrize("number", range(len(SIZES)))
def test_gain_and_lift_are_what_is_counted(cases, curves, number):
    """From the most probable case on: how many of the class are found, against picking blindly."""
    name, of_class, said = list(SIZES)[number], cases[0][number], cases[1][number]
    found = np.concatenate([[0], np.cumsum(of_class[np.argsort(-said)])])
    taken = np.arange(ALL + 1)
    assert same(curves["gain", name], taken / ALL, found / of_class.sum())
    lift = (found[1:] / taken[1:]) / of_class.mean()
    assert same(curves["lift", name], taken[1:] / ALL, lift)


def test_averages_are_what_scikit_learn_computes(cases, curves):
    """Of all cases of all classes as one; of the curves, each as much, or by how many it has."""
    metrics = pytest.importorskip("sklearn.metrics")
    is_of, said = cases
    pooled = metrics.roc_curve(is_of.ravel(), said.ravel(), drop_intermediate=False)
    assert same(curves["roc", "micro average"], *pooled[:2])
    rates = [
        metrics.roc_curve(*of_class, drop_intermediate=False)[:2]
        for of_class in zip(is_of, said, strict=True)
    ]
    # Where a curve goes straight up there is more than one answer.
    known = [
        row
        for row, x in enumerate(curves["roc", "macro average"][:, 0])
        if not any(np.isclose(xs, x).any() for xs, _ in rates)
    ]
    assert len(known) > 80
    for name, weights in (("macro", [1, 1, 1]), ("weighted", list(SIZES.values()))):
        found = curves["roc", f"{name} average"][known]
        at = [np.interp(found[:, 0], xs, ys) for xs, ys in rates]
        assert found[:, 1] == pytest.approx(np.average(at, axis=0, weights=weights), abs=1e-6)
