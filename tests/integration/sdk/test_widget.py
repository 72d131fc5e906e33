"""``RunDetails(run).show()`` in JupyterLab: what a browser shows of runs that go on elsewhere."""

import json
import math

import pytest
from mlflow import MlflowClient

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.hub.hub import create_hub
from mlflow_workspace_plugin.overview.source import source_of
from tests.jupyterlab import CHROMIUM, Notebook, jupyterlab, open_jupyterlab
from tests.postgres import postgresql

pytestmark = pytest.mark.sqlite

START = """
import threading, time
from pathlib import Path
import mlflow_workspace_plugin.azureml
from azureml.core import Workspace
from azureml.widgets import RunDetails
ws = Workspace.from_config()
"""
RICH = """
import os
os.environ["MLFLOW_WORKSPACE_WIDGET"] = ""
"""
SHOW = """
for run_id in {run_ids!r}:
    RunDetails(ws.get_run(run_id)).show()
"""
BUSY = """
while not Path({flag!r}).exists():
    time.sleep(0.02)
print("busy no more")
"""
THREADS = """
print([each.name for each in threading.enumerate() if each.name.startswith("RunDetails")])
"""
WIDGETS = "@jupyter-widgets/jupyterlab-manager"
MATRIX = {
    "schema_type": "confusion_matrix",
    "schema_version": "1.0.0",
    "data": {"class_labels": ["cat", "dog"], "matrix": [[38, 3], [4, 41]]},
}


NOISE = [math.sin(step * step) for step in range(1_000)]


@pytest.fixture(scope="module")
def hub(copied_hub, tmp_path_factory):
    return copied_hub(tmp_path_factory.mktemp("widget") / "hub")


@pytest.fixture(scope="module")
def shown_workspace(hub):
    return Workspace.create("team-a", hub=hub)


@pytest.fixture(scope="module")
def lab(shown_workspace, hub, record_of_trust, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab") / "notebooks"
    folder.mkdir()
    variables = {
        "MLFLOW_TRACKING_URI": shown_workspace.get_mlflow_tracking_uri(),
        "MLFLOW_WORKSPACE_HUB": str(hub),
        "MLFLOW_WORKSPACE_JOURNAL_DIR": str(folder.parent / "journal"),
        "MLFLOW_WORKSPACE_TRUST_FILE": str(record_of_trust),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_WORKSPACE_WIDGET": "html",
    }
    with jupyterlab(folder, variables) as address:
        yield address, folder


@pytest.fixture(scope="module")
def page(lab):
    from playwright.sync_api import sync_playwright

    assert CHROMIUM, "Install Chromium (Debian: apt-get install chromium)."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield open_jupyterlab(browser.new_context(), f"{lab[0]}/lab")
        browser.close()


@pytest.fixture
def notebook(lab, page, request):
    """Make a notebook of cells, open it and run it, in the tab of all or another."""
    opened = []

    def run(*cells, within=page):
        file = lab[1] / f"{request.node.name}.ipynb"
        opened.append(Notebook(within, file, [START, *cells]))
        opened[-1].run_all()
        return opened[-1]

    yield run
    for each in opened:
        each.shut_kernel_down()


@pytest.fixture
def start(shown_workspace):
    """Start runs in this process, which is not the notebook's."""
    started = []

    def begin(name):
        run = Experiment(shown_workspace, "seen").start_logging(display_name=name, outputs=False)
        started.append(run)
        return run

    yield begin
    for run in started:
        run.complete()


def test_runs_that_go_on_are_live(notebook, start, tmp_path):
    """Five at once, while the kernel is busy with the next cell; after the end nothing is asked."""
    runs = [start(f"run-{number}") for number in range(5)]
    flag = tmp_path / "flag"
    run_ids = [run.id for run in runs]
    opened = notebook(SHOW.format(run_ids=run_ids), BUSY.format(flag=str(flag)), THREADS)
    for run in runs:
        opened.wait_for_text(1, run.name)
    for value in range(3):
        for number, run in enumerate(runs):
            run.log("loss", value + number / 10 + 0.0625)
        for number in range(5):
            opened.wait_for_text(1, str(value + number / 10 + 0.0625)[:7])
    assert opened.pictures(1) == [420] * 5
    assert "busy no more" not in opened.output(2).inner_text()
    for run in runs:
        run.complete()
    opened.output(1).get_by_text("Completed").nth(4).wait_for()
    assert "Running" not in opened.output(1).inner_text()
    flag.touch()
    opened.wait_for_text(3, "[]")


@pytest.fixture
def far(tmp_path):
    """A run of a hub on a PostgreSQL server, and the server, which may be stopped."""
    with postgresql() as server:
        opened_hub, _ = create_hub(tmp_path / "hub", database=server.create_database("shown"))
        opened_hub.engine.dispose()
        workspace = Workspace.create("team-p", hub=tmp_path / "hub")
        run = Experiment(workspace, "seen").start_logging(display_name="far", outputs=False)
        yield run, server
        run.complete()
        run.flush()


def test_what_goes_wrong_is_said(notebook, start, hub, far, tmp_path):
    """The hub is away, the kernel is restarted, the run deleted: the last picture stays."""
    run, (far_run, server) = start("tried"), far
    run.log("loss", 0.5)
    far_run.log("loss", 0.75)
    far_run.flush()
    of_server = f"ws = Workspace.get('team-p', hub={str(tmp_path / 'hub')!r})"
    shown_far = f"{of_server}\n{SHOW.format(run_ids=[far_run.id])}"
    opened = notebook(SHOW.format(run_ids=[run.id]), "print('done')", shown_far)
    opened.wait_for_text(1, "0.5")

    opened.wait_for_text(3, "0.75")
    server.stop()
    opened.wait_for_text(3, "cannot be read now")
    assert "0.75" in opened.output(3).inner_text()
    server.start()
    with server.paused():
        # Who looks once waits a little, and not for a server that is silent.
        assert "could not be read within" in far_run._repr_html_()
    far_run.log("loss", 0.625)
    opened.wait_for_text(3, "0.625")
    assert "cannot be read now" not in opened.output(3).inner_text()

    away = hub.with_name("away")
    hub.rename(away)
    opened.wait_for_text(1, "cannot be read now")
    assert "0.5" in opened.output(1).inner_text()
    away.rename(hub)
    run.log("loss", 0.25)
    opened.wait_for_text(1, "0.25")
    assert "cannot be read now" not in opened.output(1).inner_text()

    opened.restart_kernel()
    assert "0.25" in opened.output(1).inner_text()
    opened.run_all()
    opened.wait_for_text(2, "done")
    run.log("loss", 0.125)
    opened.wait_for_text(1, "0.125")

    client = MlflowClient(run.experiment.workspace.get_mlflow_tracking_uri())
    client.delete_run(run.id)
    opened.wait_for_text(1, "Deleted")
    assert "0.125" in opened.output(1).inner_text()
    client.restore_run(run.id)


def test_notebook_that_is_saved(notebook, start, lab, page, run_new_python):
    """It shows the final state when it is opened again, by who trusts it or not, and as HTML."""
    from nbconvert import HTMLExporter

    folder = lab[1]
    run = start("kept")
    run.log_list("loss", [1 / (step + 1) for step in range(3_000)])
    run.log_row("errors", actual="cat", predicted="dog")
    run.log_confusion_matrix("matrix", MATRIX)
    run.log_list("noise", [math.sin(step * step) for step in range(3_000)])
    for step in range(60):
        run.log_row("wave", angle=step / 10, cos=math.cos(step / 10))
    run.log_table("several", {"epoch": list(range(500)), "a": NOISE[:500], "b": NOISE[500:]})
    opened = notebook(SHOW.format(run_ids=[run.id]))
    opened.wait_for_text(1, "Running")
    run.log("accuracy", 0.875)
    run.complete()
    opened.wait_for_text(1, "Completed")
    saved = opened.save()
    outputs = [each for cell in saved["cells"] for each in cell["outputs"]]
    assert [set(each["data"]) for each in outputs] == [{"text/html", "text/plain"}]
    assert len(json.dumps(outputs)) < 100_000

    opened.open()
    is_as_it_was(opened)

    # Who changed a notebook is not whom Jupyter trusts.
    theirs = folder / "theirs.ipynb"
    theirs.write_text(opened.file.read_text().replace("kept", "sent"))
    untrusted = Notebook(page, theirs)
    assert untrusted.output(1).get_by_text("sent").count() > 0
    is_as_it_was(untrusted)
    untrusted.shut_kernel_down()
    opened.open()

    html, _ = HTMLExporter().from_filename(str(opened.file))
    is_in_html(html)
    # Whoever runs a notebook without a browser finds what the run was in it, too.
    uri = run.experiment.workspace.get_mlflow_tracking_uri()
    convert = ["-m", "nbconvert", "--to", "html", "--output", "page.html", "--execute"]
    run_new_python(*convert, str(opened.file), MLFLOW_TRACKING_URI=uri)
    is_in_html((folder / "page.html").read_text())


def is_in_html(html):
    """Whether a page shows the run, with its five pictures."""
    assert "Completed" in html
    for name in ("lines: loss", "lines: noise", "lines: several", "lines: wave", "heatmap: matrix"):
        assert html.count(f'alt="{name}"') == 1


def is_as_it_was(notebook):
    """Whether a notebook that was opened shows the run whose outputs are stored in it."""
    notebook.wait_for_text(1, "Completed")
    assert "0.875" in notebook.output(1).inner_text()
    assert notebook.pictures(1) == [420] * 5
    assert notebook.page.get_by_text("Error displaying widget").count() == 0


def test_richer_layer(notebook, start, page, lab, tmp_path):
    """With anywidget charts are drawn by the page's own renderer, and at the end HTML is left.

    While the kernel is busy with the next cell. A page that is loaded again goes on, too.
    """
    run = start("rich")
    run.log("loss", 1)
    run.log("loss", 0.5)
    busy = BUSY.format(flag=str(tmp_path / "flag"))
    opened = notebook(RICH, SHOW.format(run_ids=[run.id]), busy)
    shown = opened.output(2)
    shown.locator(".mw-run canvas").first.wait_for()
    run.log("loss", 0.1875)
    shown.locator(".mw-run").get_by_text("0.1875").first.wait_for()
    assert shown.locator("img").count() == 1
    assert not shown.locator("img").is_visible()
    opened.save()
    again = open_jupyterlab(page.context, f"{lab[0]}/lab/workspaces/again/tree/{opened.file.name}")
    shown_again = again.locator(".mw-run")
    (tmp_path / "flag").touch()
    shown_again.get_by_text("0.1875").first.wait_for()
    run.log("loss", 0.125)
    shown_again.get_by_text("0.125").first.wait_for()
    run.complete()
    shown.get_by_text("Completed").locator("visible=true").wait_for()
    # Who loaded the page again has the widget, which the kernel tells of the end.
    shown_again.get_by_text("Completed").wait_for()
    assert shown_again.locator("canvas").count() == 1
    again.close()
    assert shown.locator(".mw-run").count() == 0
    assert opened.pictures(2) == [420]
    assert shown.locator("img").is_visible()
    saved = opened.save()
    outputs = saved["cells"][2]["outputs"]
    assert [set(each["data"]) for each in outputs] == [{"text/html", "text/plain"}] * 2
    assert len(json.dumps(saved)) < 100_000


def test_front_end_without_widgets_is_live(notebook, start, page, lab):
    """A JupyterLab in whose own environment no widgets are installed, as in the kernel's."""
    run = start("plain")
    run.log("loss", 0.5)
    plain = open_jupyterlab(page.context, f"{lab[0]}/lab/workspaces/plain", without=WIDGETS)
    opened = notebook(RICH, SHOW.format(run_ids=[run.id]), within=plain)
    opened.wait_for_text(2, "0.5")
    for value in (0.1875, 0.125):
        run.log("loss", value)
        opened.wait_for_text(2, str(value), timeout_s=60)
    assert opened.pictures(2) == [420]
    assert plain.locator(".mw-run canvas").count() == 0
    run.complete()
    opened.wait_for_text(2, "Completed")


def test_log_child_and_image(notebook, start, tmp_path):
    """They are seen as pictures and in the richer layer, and so is what comes to the log."""
    from PIL import Image

    run = start("whole")
    Image.new("RGB", (64, 48), "tan").save(tmp_path / "dish.png")
    run.log_image("dish", path=str(tmp_path / "dish.png"))
    child = run.child_run("fold")
    uri = run.experiment.workspace.get_mlflow_tracking_uri()
    repository = source_of(uri).repository(run.id)
    repository.append("user_logs/std_log.txt", b"epoch 1\n", goes_on=True)
    show = SHOW.format(run_ids=[run.id])
    opened = notebook(show, RICH, show)
    pictures, rich = opened.output(1), opened.output(3).locator(".mw-run")
    for shown in pictures, rich:
        for text in ("std_log.txt", "epoch 1", "whole>fold"):
            shown.get_by_text(text).first.wait_for()
        shown.locator("img").first.wait_for()
        assert shown.locator("img").evaluate_all("all => all.map(e => e.naturalWidth)") == [64]
    repository.append("user_logs/std_log.txt", b"epoch 2\n", goes_on=True)
    child.complete()
    for shown in pictures, rich:
        shown.get_by_text("epoch 2").first.wait_for()
        shown.get_by_text("Completed").first.wait_for()
