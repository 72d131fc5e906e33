"""The figures of runs: what was logged, by SDK v1's calls and by MLflow's, as it is drawn."""

import csv
import io
import json
import math

import mlflow
import numpy as np
import pytest
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.figures.ids import figure_id
from mlflow_workspace_plugin.figures.sheet import csv_of
from mlflow_workspace_plugin.overview.figures import scalars, table_files, tables, whole
from mlflow_workspace_plugin.overview.figures.figures import (
    figure_names_of_runs,
    figure_of,
    figures_of_run,
    figures_of_runs,
    rows_of,
)
from mlflow_workspace_plugin.overview.figures.whole import sheet_of_figure
from mlflow_workspace_plugin.overview.source import source_of
from tests.figure_cases import accuracy_table
from tests.waiting import wait_until

INFINITY, NAN = "Infinity", "NaN"
WAIT_S = 120
"""Of a machine that does much else."""


@pytest.fixture
def source(workspace):
    return source_of(workspace.get_mlflow_tracking_uri())


@pytest.fixture
def start(workspace):
    """Start a run that keeps no files by itself; all of them end with the test."""
    experiment = Experiment(workspace, "experiment")
    started = []

    def call():
        started.append(experiment.start_logging(outputs=None))
        return started[-1]

    yield call
    for run in started:
        run.complete()


def drawn(source, run, **asked):
    """The figures of a run by their titles, after all of it is stored; each is JSON."""
    run.flush()
    figures = figures_of_run(source, run.id, **asked)
    json.dumps(figures, allow_nan=False).encode()
    for each in figures:
        assert figure_of(source, run.id, each["id"], **asked) == each
    return {each["title"]: each for each in figures}


def points(figure, number=0):
    series = figure["series"][number]
    return list(zip(series["x"], series["y"], strict=True))


@pytest.mark.databases
def test_values_are_curves_and_one_value_is_itself(source, start):
    """Lists, and what is logged again and again, over their steps; whatever type the values are."""
    run = start()
    run.log_list("list", [0, 1, 1, 2, 3])
    for value in (1.5, None, math.nan, math.inf, 2**60):
        run.log("odd", value)
    for value in (True, False, True):
        run.log("truths", value)
    for name, value in {
        "one": 0.5,
        "long": 2**64,
        "truth": True,
        "none": None,
        "text": "a",
    }.items():
        run.log(name, value)
    run.log("infinity", -math.inf)
    figures = drawn(source, run)
    assert points(figures["list"]) == [(0, 0), (1, 1), (2, 1), (3, 2), (4, 3)]
    assert [y for _, y in points(figures["odd"])] == [1.5, None, NAN, INFINITY, 2.0**60]
    assert figures["odd"]["note"] == "1 value is NaN."
    assert [y for _, y in points(figures["truths"])] == [1, 0, 1]
    values = {title: each.get("value") for title, each in figures.items()}
    assert values["one"] == 0.5
    assert values["long"] == {"number": str(2**64)}
    assert values["truth"] is True
    assert values["none"] is None
    assert values["text"] == "a"
    assert values["infinity"] == {"number": "-Infinity"}
    assert figures["text"]["kind"] == "text"
    assert figures["none"]["kind"] == "number"


@pytest.mark.databases
def test_rows_of_numbers_are_curves_and_others_are_tables(source, start):
    """Two columns as y over x in the order of the rows; more over a first that goes one way."""
    run = start()
    for angle in (3, 1, 2):
        run.log_row("wave", angle=angle, cos=angle * 0.5)
    run.log_table("several", {"epoch": [1, 2, 3], "a": [3, 2, math.nan], "b": [1, None, 2.5]})
    run.log_table("knot", {"x": [1, 3, 2], "a": [3, 2, 1], "b": [1, 2, 3]})
    run.log_row("words", a=1)
    run.log_row("words", a="two", b=True)
    run.log_row("words", c=2**60)
    run.log_row("final", accuracy=0.5, f1=0.25)
    figures = drawn(source, run)
    assert points(figures["wave"]) == [(3, 1.5), (1, 0.5), (2, 1)]
    assert figures["wave"]["x"] == {"label": "angle", "type": "number", "choices": []}
    assert points(figures["several"], 0) == [(1, 3), (2, 2), (3, NAN)]
    assert points(figures["several"], 1) == [(1, 1), (2, None), (3, 2.5)]
    assert figures["knot"]["rows"] == [[1, 3, 1], [3, 2, 2], [2, 1, 3]]
    assert figures["words"]["columns"] == ["a", "b", "c"]
    assert figures["words"]["rows"] == [
        [1, None, None],
        ["two", True, None],
        [None, None, {"number": str(2**60)}],
    ]
    assert figures["final"]["rows"] == [[0.5, 0.25]]


def saved(source, runs, figure):
    """All that a figure is of, as CSV has it; times are left out."""
    for run in runs:
        run.flush()
    text = "".join(csv_of(sheet_of_figure(source, [run.id for run in runs], figure)))
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    kept = [index for index, name in enumerate(header) if name != "time"]
    return [[row[index] for index in kept] for row in (header, *rows)]


@pytest.mark.databases
def test_all_that_a_figure_is_of_is_saved(source, start, monkeypatch):
    """However many values there are, as they were logged, of one run or several."""
    monkeypatch.setattr(whole, "_ROWS_AT_ONCE", 40)
    run, other = start(), start()
    run.log_list("loss", [step / 7 for step in range(5_000)])
    source.store.log_batch(
        other.id, [Metric("loss", math.inf, 5, 3), Metric("loss", 2, 5, 1)], [], []
    )
    for value in (1.5, None, math.nan, True, 2**60, "a,b"):
        run.log("odd", value)
    run.log_table("long", {"n": list(range(150)), 'a "b"': [f"row {n}" for n in range(150)]})
    other.log_row("long", n=1, c=0.5)
    loss, odd, long = (figure_id("metric", name) for name in ("loss", "odd", "long"))
    values = [[str(step), repr(step / 7)] for step in range(5_000)]
    assert saved(source, [run], loss) == [["step", "value"], *values]
    told = [["1", "2.0"], ["3", "Infinity"]]
    assert saved(source, [other], loss) == [["step", "value"], *told]
    both = saved(source, [run, other], loss)
    assert both[0] == ["run", "step", "value"]
    assert [row[1:] for row in both[1:]] == [*values, *told]
    assert len({row[0] for row in both[1:]}) == 2
    assert [row[1] for row in saved(source, [run], odd)[1:]] == [
        *("1.5", "", "NaN", "true", str(2**60), "a,b")
    ]
    rows = [[str(n), f"row {n}"] for n in range(150)]
    assert saved(source, [run], long) == [["n", 'a "b"'], *rows]
    assert saved(source, [run, other], long)[-1][1:] == ["1", "", "0.5"]
    with pytest.raises(MlflowException, match="No run has such a figure"):
        sheet_of_figure(source, [run.id], figure_id("metric", "none"))


@pytest.mark.databases
def test_text_among_values_is_a_table_of_pages(source, start):
    """What is no number is read as it was logged, and a page costs what is on it."""
    run = start()
    run.log("mixed", 1)
    run.log("mixed", "two")
    run.log("mixed", None)
    run.log_list("words", [f"word {number}" for number in range(150)])
    run.log_table("long", {"n": list(range(150)), "t": [f"row {n}" for n in range(150)]})
    figures = drawn(source, run)
    assert figures["mixed"]["rows"] == [[0, 1], [1, "two"], [2, None]]
    for title, first in (("words", [149, "word 149"]), ("long", [149, "row 149"])):
        figure = figures[title]
        assert (len(figure["rows"]), figure["total"], figure["offset"]) == (100, 150, 0)
        page = rows_of(source, run.id, figure["id"], 149, 10)
        assert (page["rows"], page["total"], page["offset"]) == ([first], 150, 149)
        assert rows_of(source, run.id, figure["id"], 1_000, 10)["rows"] == []


@pytest.mark.hubs
def test_values_that_are_texts_are_read_once(source, start, monkeypatch):
    """A page after another of a long table, and what comes to it: only that is read of the file."""
    run = start()
    run.log_table("long", {"n": list(range(2_000)), "t": [f"row {n}" for n in range(2_000)]})
    run.flush()
    figure = figure_id("metric", "long")
    read = []
    kind = type(source.repository(run.id))
    read_from = kind.read_from

    def counting(*arguments):
        found = read_from(*arguments)
        read.append(len(found))
        return found

    monkeypatch.setattr(kind, "read_from", counting)
    assert rows_of(source, run.id, figure, 1_999, 10)["rows"] == [[1_999, "row 1999"]]
    whole = sum(read)
    assert whole > 2_000 * len("row 1999")
    read.clear()
    assert rows_of(source, run.id, figure, 0, 1)["rows"] == [[0, "row 0"]]
    assert sum(read) <= whole / 100
    run.log_row("long", n=7, t="one more")
    run.flush()
    read.clear()
    assert rows_of(source, run.id, figure, 2_000, 10)["rows"] == [[7, "one more"]]
    assert sum(read) <= whole / 100


@pytest.mark.databases
def test_long_tables_are_drawn_in_few_rows(source, start):
    """The extremes of every column are kept; a part of x is drawn in more of its rows."""
    run = start()
    count = 3_000
    y = [math.sin(n / 100) for n in range(count)]
    y[1_777], y[999] = 50.0, -50.0
    run.log_table("wave", {"x": [n / 10 for n in range(count)], "y": y})
    radius = [n / count for n in range(count)]
    spiral = {
        "x": [r * math.cos(20 * r) for r in radius],
        "y": [r * math.sin(20 * r) for r in radius],
    }
    run.log_table("spiral", spiral)
    run.log_table("words", {"n": list(range(count)), "t": ["t"] * count})
    figures = drawn(source, run, points=200)
    series = figures["wave"]["series"][0]
    assert (series["total"], series["is_exact"]) == (count, False)
    assert series["shown"] == len(series["x"]) <= 200
    assert {(177.7, 50.0), (99.9, -50.0), (0.0, 0.0)} <= set(points(figures["wave"]))
    assert "3,000 points shown as" in figures["wave"]["note"]
    found = points(figures["spiral"])
    for axis in (0, 1):
        of_axis = list(spiral.values())[axis]
        assert max(of_axis) in [point[axis] for point in found]
        assert min(of_axis) in [point[axis] for point in found]
    part = figure_of(source, run.id, figures["wave"]["id"], start=177, end=179, points=200)
    inside = [point for point in points(part) if 177 <= point[0] <= 179]
    assert inside == [(n / 10, y[n]) for n in range(1_770, 1_791)]
    part = figure_of(source, run.id, figures["spiral"]["id"], start=0.1, end=0.15, points=400)
    inside = [each for each in zip(*spiral.values(), strict=True) if 0.1 <= each[0] <= 0.15]
    assert len(inside) > 50
    assert [each for each in points(part) if 0.1 <= each[0] <= 0.15] == inside
    assert part["series"][0]["is_exact"]
    assert part["series"][0]["total"] < 400
    assert figures["words"]["total"] == count
    page = rows_of(source, run.id, figures["words"]["id"], 2_500, 2)
    assert page["rows"] == [[2_500, "t"], [2_501, "t"]]


@pytest.mark.databases
def test_long_curves_are_drawn_in_few_points(source, start):
    """A spike is seen, and a part of the curve that fits is drawn whole, over steps or time."""
    run = start()
    values = [0.001 * n for n in range(1_000)]
    values[777] = 1e6
    run.log_list("loss", values)
    run.flush()
    [figure] = figures_of_run(source, run.id, names=["loss"], points=100)
    series = figure["series"][0]
    assert (777, 1e6) in points(figure)
    assert (series["total"], series["is_exact"]) == (1_000, False)
    assert series["shown"] <= 100
    assert figure["note"].startswith("1,000 points shown as")
    part = figure_of(source, run.id, figure["id"], start=770, end=780, points=100)
    assert points(part) == [(n, values[n]) for n in range(770, 781)]
    assert part["series"][0]["is_exact"]
    at = part["series"][0]["time"]
    by_time = figure_of(
        source, run.id, figure["id"], x="time", start=at[2], end=at[2], points=1_000
    )
    assert set(by_time["series"][0]["x"]) == {at[2]}
    whole = figure_of(source, run.id, figure["id"], x="relative", points=1_000)
    assert whole["x"]["type"] == "duration"
    assert min(whole["series"][0]["x"]) >= 0
    assert [y for _, y in points(whole)] == values


def test_long_curves_have_gaps_where_none_was_logged(source, start):
    """A None is no NaN, however few points are drawn, and of whichever part."""
    run = start()
    values = [0.001 * n for n in range(500)]
    for step, value in {200: None, 201: None, 300: math.nan, 450: None}.items():
        values[step] = value
    run.log_list("loss", values)
    run.log_list("other", values[:400])
    run.flush()
    other = start()
    other.log_list("loss", values)
    other.complete()

    def checked(figure, first, last, note):
        assert not figure["series"][0]["is_exact"]
        told = {x: y for x, y in points(figure) if not isinstance(y, float)}
        assert told.items() <= {200: None, 201: None, 300: NAN, 450: None}.items()
        assert {300} <= told.keys() or not first <= 300 <= last
        assert None in told.values()
        assert (figure["note"] or "").endswith(note)

    [figure] = figures_of_run(source, run.id, names=["loss"], points=100)
    checked(figure, 0, 499, "extremes kept. 1 value is NaN.")
    part = figure_of(source, run.id, figure["id"], start=150, end=280, points=50)
    checked(part, 150, 280, "extremes kept.")
    at = figure["series"][0]["time"]
    by_time = figure_of(source, run.id, figure["id"], x="time", start=at[0], points=100)
    assert by_time["note"].endswith("1 value is NaN.")
    [both] = figures_of_runs(source, [run.id, other.id], names=["loss"], points=100)
    checked(both, 0, 499, "2 values are NaN.")


@pytest.mark.hubs
def test_charts_are_drawn(source, start):
    """Each of SDK v1's four; what is none is shown as it is, and a file that is gone is said."""
    run = start()
    run.log_confusion_matrix("matrix", _chart("confusion_matrix", class_labels=["a"], matrix=[[1]]))
    run.log_accuracy_table("table", _chart("accuracy_table", **accuracy_table(["a", "b"])))
    run.log_residuals("residuals", _chart("residuals", bin_edges=[0, 1], bin_counts=[2]))
    predicted = {"bin_averages": [1], "bin_errors": [0.5], "bin_counts": [2], "bin_edges": [0, 2]}
    run.log_predictions("predictions", _chart("predictions", **predicted))
    run.log_residuals("broken", _chart("residuals"))
    run.log_residuals("gone", _chart("residuals"))
    run.flush()
    source.repository(run.id).delete_artifacts("gone")
    figures = drawn(source, run)
    assert {title: each["kind"] for title, each in figures.items()} == {
        "matrix": "heatmap",
        **{f"table {each}": "lines" for each in ("ROC", "precision-recall", "calibration")},
        **{f"table {each}": "lines" for each in ("lift", "cumulative gain")},
        "residuals": "bars",
        "predictions": "band",
        "broken": "text",
        "gone": "text",
    }
    assert figures["broken"]["note"].startswith("No residuals can be drawn: ")
    assert "schema_type" in figures["broken"]["value"]
    assert "gone" in figures["gone"]["note"]


@pytest.mark.hubs
def test_accuracy_table_of_many_thresholds_is_drawn_in_parts(source, start):
    """A range of each curve is drawn whole where it fits, and what is saved are all points."""
    run = start()
    table = accuracy_table(["a", "b"], cases_of_class=300, steps=1_000)
    run.log_accuracy_table("table", _chart("accuracy_table", **table))
    run.flush()
    figures = {figure["title"]: figure for figure in figures_of_run(source, run.id, points=100)}
    for title in ("ROC", "precision-recall", "lift", "cumulative gain"):
        figure = figures[f"table {title}"]
        header, *rows = saved(source, [run], figure["id"])
        assert header == ["series", figure["x"]["label"], figure["y"]["label"]]
        by_name = {}
        for name, x, y in rows:
            by_name.setdefault(name, []).append((float(x), float(y)))
        assert list(by_name) == [each["name"] for each in figure["series"]]
        for number, series in enumerate(figure["series"]):
            whole = by_name[series["name"]]
            assert len(whole) == series["total"]
            assert set(points(figure, number)) <= set(whole)
        assert len(by_name["a"]) > 200
        assert not figure["series"][0]["is_exact"]
        part = figure_of(source, run.id, figure["id"], start=0.4, end=0.5, points=100)
        for number, series in enumerate(part["series"]):
            assert series["is_exact"]
            inside = [each for each in by_name[series["name"]] if 0.4 <= each[0] <= 0.5]
            assert [each for each in points(part, number) if 0.4 <= each[0] <= 0.5] == inside
    two = start()
    two.log_accuracy_table("table", _chart("accuracy_table", **accuracy_table(["a", "b"])))
    header, *rows = saved(source, [run, two], figures["table ROC"]["id"])
    assert header[0] == "run"
    assert len({row[0] for row in rows}) == 2


@pytest.mark.hubs
def test_images_are_a_series_and_stand_side_by_side(source, start):
    """All that were logged by a name, with their steps; MLflow's copies of them are none."""
    plt = pytest.importorskip("matplotlib.pyplot")
    runs = [start(), start()]
    for run in runs:
        run.log_image("plot", plot=plt)
        run.log_image("plot", plot=plt)
        for step in (7, 3):
            pixels = np.zeros((2, 2, 3), dtype=np.uint8)
            mlflow.MlflowClient(source.tracking_uri).log_image(
                run.id, pixels, key="of/mlflow", step=step
            )
    figures = drawn(source, runs[0])
    assert {title: each["kind"] for title, each in figures.items()} == {
        "plot": "images",
        "of/mlflow": "images",
    }
    assert [each["step"] for each in figures["plot"]["images"]] == [0, 1]
    assert [each["step"] for each in figures["of/mlflow"]["images"]] == [3, 7]
    for figure in figures.values():
        for each in figure["images"]:
            assert source.repository(runs[0].id).read_from(each["path"], 0, 4) == b"\x89PNG"
    runs[1].flush()
    both = figures_of_runs(source, [run.id for run in runs], names=["plot"])
    assert [each["run"] for each in both[0]["images"]] == [runs[0].id] * 2 + [runs[1].id] * 2


@pytest.mark.hubs
def test_run_of_mlflow_alone_is_drawn(source, workspace):
    """Frameworks and autologging log plain metrics, whose names begin as they like, and tables."""
    mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
    mlflow.set_experiment("plain")
    with mlflow.start_run() as active:
        for step in range(0, 50, 10):
            mlflow.log_metrics({"train_loss": 1 / (step + 1), "epoch": step // 10}, step=step)
        for at, value in enumerate((1.0, math.nan, 3.0)):
            mlflow.log_metric("unstepped", value, timestamp=1_790_000_000_000 + at)
        mlflow.log_metric("system/cpu_utilization_percentage", 12.5, step=0)
        mlflow.log_metric("infinite", math.inf)
        mlflow.log_table({"question": ["a", "b"], "n": [1, 2]}, "evaluation/table.json")
        mlflow.log_table({"x": [2.0, 1.0], "y": [5, 6]}, "curve.json")
        mlflow.log_text("no table", "other.json")
        mlflow.set_tag("mlflow.note.content", "a run")
    run_id = active.info.run_id
    figures = {each["title"]: each for each in figures_of_run(source, run_id)}
    assert list(figures)[-3:] == [
        "system/cpu_utilization_percentage",
        "curve.json",
        "evaluation/table.json",
    ]
    assert points(figures["train_loss"])[1] == (10, 1 / 11)
    unstepped = figures["unstepped"]
    assert (unstepped["x"]["type"], unstepped["x"]["choices"]) == ("time", ["relative", "time"])
    assert [y for _, y in points(unstepped)] == [1, NAN, 3]
    assert figures["infinite"]["value"] == {"number": INFINITY}
    assert figures["evaluation/table.json"]["rows"] == [["a", 1], ["b", 2]]
    assert points(figures["curve.json"]) == [(2, 5), (1, 6)]
    page = rows_of(source, run_id, figures["curve.json"]["id"], 1, 10)
    assert (page["rows"], page["total"]) == ([[1, 6]], 2)


@pytest.mark.databases
def test_metrics_of_the_system_are_curves(source, workspace):
    """Those that MLflow takes while a run goes on: each is a curve of all its values, the last.

    Of what was taken once only it is that number.
    """
    pytest.importorskip("psutil")
    mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
    mlflow.set_system_metrics_sampling_interval(0.1)
    mlflow.set_system_metrics_samples_before_logging(1)
    try:
        with mlflow.start_run(log_system_metrics=True) as started:
            run_id = started.info.run_id
            mlflow.log_metric("zzz", 0.5)
            key = "system/cpu_utilization_percentage"
            wait_until(lambda: len(workspace.client.get_metric_history(run_id, key)) > 2, WAIT_S)
    finally:
        mlflow.set_system_metrics_sampling_interval(None)
        mlflow.set_system_metrics_samples_before_logging(None)
    figures = figures_of_run(source, run_id)
    assert figures[0]["title"] == "zzz"
    taken = {each["title"]: each for each in figures[1:]}
    assert key in taken
    for title, figure in taken.items():
        assert title.startswith("system/")
        history = workspace.client.get_metric_history(run_id, title)
        if len(history) == 1:
            assert (figure["kind"], figure["value"]) == ("number", history[0].value)
        else:
            assert points(figure) == sorted((each.step, each.value) for each in history)


@pytest.mark.hubs
def test_table_in_a_file_is_read_once_until_it_changes(source, workspace, monkeypatch):
    """Its pages come from what was kept of it; a part of its x is drawn in more of its rows."""
    count = 3_000
    mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
    mlflow.set_experiment("plain")
    with mlflow.start_run() as active:
        run_id = active.info.run_id
        mlflow.log_table(
            {"x": [n / 1_000 for n in range(count)], "y": list(range(count))}, "t.json"
        )
        figure = figures_of_run(source, run_id, points=100)[0]
        assert figure["series"][0]["shown"] <= 100
        with monkeypatch.context() as unread:
            unread.setattr(table_files, "_of_json", None)
            page = rows_of(source, run_id, figure["id"], 999, 2)
            part = figure_of(source, run_id, figure["id"], start=0.5, end=0.53, points=100)
        assert (page["rows"], page["total"]) == ([[0.999, 999], [1, 1_000]], count)
        inside = [y for x, y in points(part) if 0.5 <= x <= 0.53]
        assert inside == list(range(500, 531))
        mlflow.log_table({"x": [1.0], "y": [count]}, "t.json")
        assert rows_of(source, run_id, figure["id"], count, 2)["rows"] == [[1, count]]


def test_one_that_cannot_be_drawn_costs_no_other(source, start, monkeypatch):
    """Whatever goes wrong with it is said in its place, alone and among several runs."""
    runs = [start(), start()]
    for run in runs:
        run.log_list("loss", [1.0, 2.0])
        run.log_list("odd", [1.0, 2.0])
        run.log_table("wave", {"x": [1, 2], "y": [1, 2]})
        run.flush()

    def failing(_run, logged, _asked):
        if logged.name == "odd":
            raise KeyError("what nobody thought of")
        return scalars_points(_run, logged, _asked)

    def refused(*_arguments):
        raise OSError("no more files")

    scalars_points = scalars.chart_points
    monkeypatch.setattr(scalars, "chart_points", failing)
    monkeypatch.setattr(tables, "figure_of_table", refused)
    figures = {each["title"]: each for each in figures_of_run(source, runs[0].id)}
    assert points(figures["loss"]) == [(0, 1), (1, 2)]
    assert figures["odd"]["kind"] == figures["wave"]["kind"] == "text"
    assert "what nobody thought of" in figures["odd"]["note"]
    assert "no more files" in figures["wave"]["note"]
    of_both = {each["title"]: each for each in figures_of_runs(source, [each.id for each in runs])}
    assert [len(each["y"]) for each in of_both["loss"]["series"]] == [2, 2]
    monkeypatch.setattr(source.store, "get_run", refused)
    with pytest.raises(OSError, match="no more files"):
        figures_of_runs(source, [each.id for each in runs])


@pytest.mark.databases
def test_runs_are_compared(source, start):
    """Curves are overlaid though one has a single point; numbers and texts stand in a table."""
    runs = [start(), start()]
    runs[0].log_list("loss", [3, 2, 1])
    runs[1].log("loss", 5.0)
    for number, run in enumerate(runs):
        run.log("score", 0.5 + number)
        run.log("note", f"note {number}")
        run.log_table("wave", {"x": [1, 2], "y": [number, number]})
        run.log_confusion_matrix("m", _chart("confusion_matrix", class_labels=["a"], matrix=[[1]]))
        run.flush()
    runs[0].log("only", 1.0)
    runs[0].log("kinds", 1.0)
    runs[1].log("kinds", "a text")
    for run in runs:
        run.flush()
    ids = [run.id for run in runs]
    names = [source.store.get_run(run_id).info.run_name for run_id in ids]
    assert figure_names_of_runs(source, ids) == [
        *("kinds", "loss", "note", "only", "score", "wave", "m")
    ]
    found = figures_of_runs(source, ids)
    json.dumps(found, allow_nan=False)
    assert len({each["id"] for each in found}) == len(found)
    figures = {each["title"]: each for each in found}
    assert points(figures["loss"], 0) == [(0, 3), (1, 2), (2, 1)]
    assert points(figures["loss"], 1) == [(0, 5)]
    assert [each["run"] for each in figures["loss"]["series"]] == ids
    assert figures["score"]["rows"] == [[names[0], 0.5], [names[1], 1.5]]
    assert figures["note"]["rows"] == [[names[0], "note 0"], [names[1], "note 1"]]
    assert figures["only"]["rows"] == [[names[0], 1.0]]
    assert [each["name"] for each in figures["wave"]["series"]] == names
    assert {f"m - {name}" for name in names} <= set(figures)
    [matrix] = [each for each in found if each["title"] == f"m - {names[1]}"]
    assert figure_of(source, ids[1], matrix["id"])["kind"] == "heatmap"


@pytest.mark.databases
def test_any_name_is_found_again(source, start):
    """By the id of its figure, which is ASCII, whatever the name is."""
    names = ("</script><b>", "検証データ", "x" * 500, "a/../b", "half \ud800 a pair", "50 %")
    run = start()
    for name in names:
        run.log_list(name, [1.0, 2.0])
        run.log_table(name + "t", {name: [1, 2], "b": ["x", "y"]})
    run.flush()
    found = figures_of_run(source, run.id)
    assert sorted(each["kind"] for each in found) == ["lines"] * 6 + ["table"] * 6
    for each in found:
        assert each["id"].isascii()
        json.dumps(each, ensure_ascii=False).encode()
        assert figure_of(source, run.id, each["id"]) == each
        if each["kind"] == "table":
            assert rows_of(source, run.id, each["id"], 1, 1)["rows"] == [[2, "y"]]


@pytest.mark.databases
def test_two_kinds_of_one_name_are_two_figures(source, start):
    """SDK v1 reads the first alone; nothing that was logged is hidden here."""
    run = start()
    run.log_row("both", a=1, b=2)
    run.log("both", 0.5)
    mlflow.MlflowClient(source.tracking_uri).log_metric(run.id, "both", 0.25, step=3)
    run.flush()
    figures = figures_of_run(source, run.id)
    assert len({each["id"] for each in figures}) == len(figures)
    assert {each["kind"] for each in figures} >= {"table"}
    values = [value for each in figures for value in _values(each)]
    assert {0.5, 0.25} <= set(values)


@pytest.mark.databases
def test_what_is_not_there_is_refused(source, start):
    """A run, a figure, rows of a curve, an x, or a page that is none."""
    run = start()
    run.log_list("loss", [1.0, 2.0])
    run.flush()
    figure = figures_of_run(source, run.id)[0]["id"]
    with pytest.raises(MlflowException, match="not found"):
        figures_of_run(source, "0" * 32)
    for odd in ('["metric","other"]', "[]", "", "{}", '["metric"]', "[" * 10_000, '["metric",1]'):
        with pytest.raises(MlflowException, match="no such figure"):
            figure_of(source, run.id, odd)
        with pytest.raises(MlflowException, match="no such figure"):
            rows_of(source, run.id, odd, 0, 1)
    with pytest.raises(MlflowException, match="no such figure"):
        rows_of(source, run.id, figure, 0, 1)
    with pytest.raises(MlflowException, match="over 'size'"):
        figure_of(source, run.id, figure, x="size")
    for offset, limit in ((-1, 1), (0, 0), (1 << 70, 1)):
        with pytest.raises(MlflowException, match="asked for"):
            rows_of(source, run.id, figure, offset, limit)
    huge = figure_of(source, run.id, figure, start=-(1 << 70), end=1e300)
    assert points(huge) == [(0, 1), (1, 2)]
    assert points(figure_of(source, run.id, figure, start=0.25, end=0.5)) == [(0, 1), (1, 2)]
    [of_both] = figures_of_runs(source, [run.id], start=1e299, end=1e300)
    assert (
        points(figure_of(source, run.id, figure, start=1e299, end=1e300)) == points(of_both) == []
    )


def _chart(kind, **data):
    return {"schema_type": kind, "schema_version": "1.0.0", "data": data}


def _values(figure):
    if figure["kind"] == "lines":
        return [y for series in figure["series"] for y in series["y"]]
    return [figure["value"]] if figure["kind"] == "number" else []
