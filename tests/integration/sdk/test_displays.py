"""What Azure ML's studio promised to show of each value that is logged, on the page of the run.

In a browser. The lines are those of the documentation's table of "value, code, display".
"""

import math
import os
import re

import pytest
from click.testing import CliRunner

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.runs.search import TYPE_TAG
from tests.chromium import figure, kind_of, new_page, read_points
from tests.conftest import TESTS
from tests.demo_runs import train
from tests.pages import served_pages

ANGLES = [i / 2.0 for i in range(-10, 10)]
FIBONACCI = [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89]


@pytest.fixture(scope="module")
def logged(copied_hub, tmp_path_factory):
    """A run that has run each line's code."""
    np = pytest.importorskip("numpy")
    from PIL import Image

    folder = tmp_path_factory.mktemp("displays")
    Image.new("RGB", (64, 48), "tan").save(folder / "breadpudding.jpg")
    workspace = Workspace.create("team-a", hub=copied_hub(folder / "hub"))
    run = Experiment(workspace, "logging-api-test").start_logging(display_name="displays")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run.log_list(name="Fibonacci", value=[0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89])
        sines = {"angle": [], "sine": []}
        for i in range(-10, 10):
            run.log(name="Sigmoid", value=1 / (1 + np.exp(-i)))
            angle = i / 2.0
            run.log_row(name="Cosine Wave", angle=angle, cos=np.cos(angle))
            sines["angle"].append(angle)
            sines["sine"].append(np.sin(angle))
        run.log_table(name="Sine Wave", value=sines)
        run.log_image(name="food", path="./breadpudding.jpg", plot=None, description="desert")
    run.complete()
    return run


@pytest.fixture(scope="module")
def pages(logged):
    with served_pages(logged.experiment.workspace._hub.path) as served:
        yield served


@pytest.fixture(scope="module")
def page(browser, pages, logged):
    """The page of the run."""
    opened = new_page(browser, viewport={"width": 1280, "height": 900})
    opened.goto(pages.page(f"/runs/{logged.id}", "team-a"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def trained(logged, tmp_path_factory):
    """Runs that look like those of a training."""
    experiment = Experiment(logged.experiment.workspace, "pets")
    found = []
    for rate in (0.1, 0.2, 0.4):
        run = experiment.start_logging(display_name=f"rate-{rate}")
        train(run, rate, tmp_path_factory.mktemp("trained"), children=0 if found else 3)
        found.append(run)
    return found


@pytest.fixture
def pictures(tmp_path):
    """Where pictures go: by PICTURES=docs/pictures those that the documentation shows."""
    named = os.environ.get("PICTURES")
    return TESTS.parent / named if named else tmp_path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Fibonacci", list(enumerate(FIBONACCI))),
        ("Sigmoid", [(i + 10, 1 / (1 + math.exp(-i))) for i in range(-10, 10)]),
        ("Cosine Wave", [(angle, math.cos(angle)) for angle in ANGLES]),
        ("Sine Wave", [(angle, math.sin(angle)) for angle in ANGLES]),
    ],
    ids=["numbers at once", "one number again and again", "rows of two", "a table of two"],
)
def test_numbers_are_a_line(page, name, expected):
    """Of one variable over the index; of two columns the second over the first."""
    found = figure(page, name)
    assert kind_of(found) == "lines"
    points = read_points(page, found)
    assert [x for x, _ in points] == [x for x, _ in expected]
    assert [y for _, y in points] == pytest.approx([y for _, y in expected], rel=1e-5, abs=1e-5)


def test_image_is_a_picture(page):
    """With its whole width; and it is in the record of the run."""
    found = figure(page, "food")
    assert kind_of(found) == "images"
    picture = found.locator("img")
    picture.wait_for()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 64


def test_run_of_automl_is_shown_as_any_other(browser, pages, logged):
    """With what it logged, and a sentence that says so; in the terminal, too."""
    workspace = logged.experiment.workspace
    run = Experiment(workspace, "automl").start_logging(display_name="AutoML_1")
    workspace.client.set_tag(run.id, TYPE_TAG, "automl")
    run.log_list("accuracy", [0.5, 0.75])
    run.complete()
    opened = new_page(browser)
    opened.goto(pages.page(f"/runs/{run.id}", "team-a"))
    assert read_points(opened, figure(opened, "accuracy")) == [(0, 0.5), (1, 0.75)]
    opened.get_by_text("This is a run of automated machine learning").wait_for()
    opened.close()
    done = CliRunner().invoke(
        main, ["watch", run.id, "--once", "--hub", str(workspace._hub.path), "-w", "team-a"]
    )
    assert "This is a run of automated machine learning" in done.output


_KINDS = {
    "loss": "lines",
    "val_accuracy": "lines",
    "Cosine Wave": "lines",
    "note": "text",
    "errors": "table",
    "features": "images",
    "confusion": "heatmap",
    "residuals": "bars",
    "predictions": "band",
    "accuracy ROC": "lines",
}


def take_picture(opened, file):
    """Keep what a page looks like at its top; the folder of a test is in no documentation."""
    opened.evaluate("document.querySelector('.mw-hub').textContent = '/srv/hubs/pets'")
    opened.evaluate("scrollTo(0, 0)")
    opened.screenshot(path=file)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_picture_of_the_page_of_a_run(browser, pages, trained, pictures, scheme):
    """Every kind of figure is on it, and nothing that a script failed at."""
    opened = new_page(browser, viewport={"width": 1280, "height": 2000}, color_scheme=scheme)
    faults = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.goto(pages.page(f"/runs/{trained[0].id}", "team-a"))
    for title, kind in _KINDS.items():
        assert kind_of(figure(opened, title)) == kind
    take_picture(opened, pictures / f"run-{scheme}.png")
    assert faults == []
    opened.close()


def test_picture_of_a_comparison(browser, pages, trained, pictures):
    """Curves in one figure, and what the runs differ in."""
    opened = new_page(browser, viewport={"width": 1280, "height": 1600})
    faults = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    ids = ",".join(run.id for run in trained)
    opened.goto(pages.page("/compare", "team-a", runs=ids))
    plot = figure(opened, "loss").get_by_role("img").first
    assert "3 curves" in plot.get_attribute("aria-label")
    opened.get_by_role("row").get_by_text("learning_rate").first.wait_for()
    take_picture(opened, pictures / "compare.png")
    assert faults == []
    opened.close()


def test_picture_of_the_terminal(trained, pictures):
    """What ``watch`` shows, as a picture that has its text."""
    from rich.console import Console

    from mlflow_workspace_plugin.cli.seen.followed import Followed
    from mlflow_workspace_plugin.cli.seen.screen import screen
    from mlflow_workspace_plugin.overview.source import source_of

    workspace = trained[0].experiment.workspace
    followed = Followed(source_of(workspace.get_mlflow_tracking_uri()), trained[0].id, "pets")
    followed.look()
    with (pictures / "watch.txt").open("w") as nowhere:
        console = Console(width=100, height=32, record=True, file=nowhere)
        console.print(screen(followed.seen(), 100, 32))
    (pictures / "watch.txt").unlink()
    picture = console.export_svg(title="mlflow-workspace watch rate-0.1")
    # No font from elsewhere.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    (pictures / "watch.svg").write_text(picture)
    assert "val_accuracy" in picture
    assert "epoch" in picture
    assert "url(http" not in picture
