"""Curves of the page of a run: how they grow, what is asked again, and what is chosen for them."""

import json
import re

import mlflow
import pytest
from mlflow.entities import Metric

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.figures.ids import figure_id
from mlflow_workspace_plugin.overview.figures.figures import figures_of_run
from mlflow_workspace_plugin.overview.source import source_of
from tests.chromium import figure, kind_of, read_points
from tests.waiting import wait_until

WAIT_S = 120
"""Of a machine that does much else."""
FIGURES = re.compile(r"/api/runs/\w+/figures\?")


@pytest.fixture(scope="module")
def workspace(pages):
    return Workspace.create("team-a", hub=pages.hub)


@pytest.fixture(scope="module")
def source(workspace):
    return source_of(workspace.get_mlflow_tracking_uri())


class Started:
    """A run that goes on, of a client that keeps no receipts."""

    def __init__(self, workspace, source):
        self._store = source.store
        self._client = workspace.client
        created = self._client.create_run(Experiment(workspace, "curves").id)
        self.id, self.start = created.info.run_id, created.info.start_time

    def log(self, name, *points):
        """Log points: step, milliseconds since the start, value."""
        metrics = [Metric(name, value, self.start + after, step) for step, after, value in points]
        self._store.log_batch(self.id, metrics, [], [])

    def end(self):
        self._client.set_terminated(self.id)


@pytest.fixture
def run(workspace, source):
    return Started(workspace, source)


def opened(page, pages, run):
    """Open the page of a run, and wait until it keeps up."""
    page.goto(pages.page(f"/runs/{run.id}", "team-a"))
    page.locator("html[data-looked]").wait_for(state="attached")


def shown(page, name):
    """The figure of a metric as it is drawn now; None if it is not yet."""
    return page.evaluate("mlflowWorkspaceRun.figures()").get(figure_id("metric", name))


def count(page, name):
    found = shown(page, name)
    return 0 if found is None or found["kind"] != "lines" else found["series"][0]["total"]


@pytest.mark.parametrize("step", [0, 5])
def test_curve_over_the_time_grows(page, pages, run, source, step):
    """By the points that come, late ones too, as it is when the page is opened anew.

    It is read again when another step comes, as it is over steps then.
    """
    run.log("loss", (step, 1_000, 0.5), (step, 2_000, 0.25))
    opened(page, pages, run)
    figure(page, "loss")
    asked = []
    page.on("request", lambda request: FIGURES.search(request.url) and asked.append(request.url))
    run.log("loss", (step, 3_000, 0.75), (step, 3_000, 0.125), (step, 1_500, float("nan")))
    wait_until(lambda: count(page, "loss") == 5, WAIT_S)
    assert asked == []

    def is_as_reopened():
        (read,) = figures_of_run(source, run.id, names=["loss"])
        return shown(page, "loss") == json.loads(json.dumps(read))

    assert is_as_reopened()
    assert shown(page, "loss")["x"]["type"] == "time"
    run.log("loss", (7, 4_000, 1.0))
    wait_until(lambda: count(page, "loss") == 6, WAIT_S)
    assert shown(page, "loss")["x"]["choices"][0] == "step"
    assert is_as_reopened()


def test_what_is_asked_for_at_once_waits_for_no_pause(page, pages, run):
    """Also while a read is on its way, whose answer is older: no pause follows it."""
    page.clock.install()
    opened(page, pages, run)
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 5)
    held, asked = [], []

    def hold(route):
        held.append((route, route.fetch()))

    page.route(FIGURES, hold, times=1)
    page.on("request", lambda request: FIGURES.search(request.url) and asked.append(request.url))
    run.log("loss", (1, 1_000, 0.5), (2, 2_000, 0.25))
    wait_until(lambda: page.clock.run_for(1000) or held, WAIT_S)
    run.log("loss", (3, 3_000, 0.125))
    run.end()
    over = page.locator("html[data-over]")
    wait_until(lambda: page.clock.run_for(1000) or over.count(), WAIT_S)
    assert len(asked) == 1
    route, answer = held[0]
    # The clock stands still from here on.
    route.fulfill(response=answer)
    wait_until(lambda: page.wait_for_timeout(50) or len(asked) == 2, 30)
    wait_until(lambda: page.wait_for_timeout(50) or count(page, "loss") == 3, 30)


def test_smoothing_log_scale_and_x_are_drawn_and_stay_while_points_come(page, pages, run):
    """Each step counts half as much as the one behind it; a NaN is a gap, and does not count."""
    values = [1.0, 10.0, float("nan"), 100.0, 10.0]
    run.log("loss", *((step, 1_000 * step, value) for step, value in enumerate(values)))
    opened(page, pages, run)
    drawn = figure(page, "loss")
    assert read(page, drawn) == [
        "step 0: 1",
        "step 1: 10",
        "step 2: NaN",
        "step 3: 100",
        "step 4: 10",
    ]
    page.get_by_label("Smoothing", exact=True).first.fill("0.5")
    smooth = ["1 (1)", "7 (10)", "NaN", "74.6364 (100)", "36.3333 (10)"]
    assert read(page, drawn) == [f"step {step}: {value}" for step, value in enumerate(smooth)]
    page.get_by_label("Log scale").check()
    # 1, 10 and 100 lie as far from each other.
    page.get_by_label("Smoothing", exact=True).first.fill("0")
    tops = tops_of(page, drawn)
    assert tops[0] - tops[1] == pytest.approx(tops[1] - tops[3], abs=0.5) != 0
    page.get_by_label("Smoothing", exact=True).first.fill("0.5")
    page.get_by_label("What curves are over").select_option("relative")
    over_time = read(page, drawn)
    assert [each.rpartition(": ")[2] for each in over_time] == smooth
    run.log("loss", (5, 5_000, 30.0))
    wait_until(lambda: count(page, "loss") == 6, WAIT_S)
    assert read(page, drawn) == [*over_time, "5 s: 32.8983 (30)"]
    log = drawn.get_by_role("button", name="log", exact=True)
    assert log.get_attribute("aria-pressed") == "true"
    tops = tops_of(page, drawn)
    assert tops[0] > tops[1] > tops[5] > tops[4] > tops[3]


def test_what_mlflow_logs_by_itself_is_drawn(page, pages, workspace, monkeypatch):
    """By autologging, of the system, as tables, and as frameworks log: each as what it is."""
    pytest.importorskip("psutil")
    linear_model = pytest.importorskip("sklearn.linear_model")
    mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
    mlflow.set_experiment("mlflow")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING", "1")
    mlflow.sklearn.autolog(log_models=False, log_datasets=False)
    cpu = "system/cpu_utilization_percentage"
    try:
        with mlflow.start_run(log_system_metrics=True) as started:
            linear_model.LinearRegression().fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 3.0])
            for step in range(4, 20, 5):
                mlflow.log_metrics({"train_loss": 1 / step, "epoch": step // 10}, step=step)
            mlflow.log_table({"question": ["a", "b"], "n": [1, 2]}, "answers.json")
            mlflow.log_table({"x": [1, 2, 3], "y": [5, 6, 4]}, "curve.json")
            run_id = started.info.run_id
            history = workspace.client.get_metric_history
            wait_until(lambda: len(history(run_id, cpu)) > 2, WAIT_S)
    finally:
        mlflow.sklearn.autolog(disable=True)
    page.goto(pages.page(f"/runs/{run_id}", "team-a"))
    losses = read_points(page, figure(page, "train_loss"))
    assert losses == [(step, pytest.approx(1 / step, rel=1e-5)) for step in range(4, 20, 5)]
    assert read_points(page, figure(page, "epoch")) == [(4, 0), (9, 0), (14, 1), (19, 1)]
    score = figure(page, "training_mean_squared_error")
    assert kind_of(score) == "number"
    assert "0.055556" in score.inner_text()
    taken = read_points(page, figure(page, cpu))
    assert taken == [
        (each.step, pytest.approx(each.value, rel=1e-5)) for each in history(run_id, cpu)
    ]
    table = figure(page, "answers.json")
    assert kind_of(table) == "table"
    rows = "all => all.map(row => [...row.cells].map(cell => cell.textContent))"
    assert table.locator("tbody tr").evaluate_all(rows) == [["a", "1"], ["b", "2"]]
    assert read_points(page, figure(page, "curve.json")) == [(1, 5), (2, 6), (3, 4)]


def read(page, drawn):
    """What the keys say of each point of a curve, from the first to the last."""
    plot = drawn.get_by_role("img").first
    spoken = drawn.locator(".mw-spoken")
    plot.focus()
    page.keyboard.press("Home")
    said = [spoken.text_content().strip()]
    while True:
        page.keyboard.press("ArrowRight")
        if spoken.text_content().strip() == said[-1]:
            return said
        said.append(spoken.text_content().strip())


def tops_of(page, drawn):
    """Where each point of a curve is drawn, in pixels from the top; None of one that is not."""
    plot, dot = drawn.get_by_role("img").first, drawn.locator(".mw-dot")
    plot.focus()
    tops = []
    for index in range(len(read(page, drawn))):
        page.keyboard.press("ArrowRight" if index else "Home")
        found = dot.evaluate_all("all => all.map(each => parseFloat(each.style.top))")
        tops.append(found[0] if found else None)
    return tops
