"""``mlflow-workspace ui``: who is let in, what is shown, and how it ends. In a real browser."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest
import requests
from click.testing import CliRunner

from mlflow_workspace_plugin import Experiment, Workspace, uris
from mlflow_workspace_plugin.cli import main
from tests.servers import free_port
from tests.waiting import wait_until

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
_LINK = re.compile(r"http://127\.0\.0\.1:\d+/\S*")


@contextmanager
def ui_of(hub, *options, env=None):
    """Run the command; yields its process and the link that it printed."""
    command = [sys.executable, "-m", "mlflow_workspace_plugin.cli", "ui", "--hub", str(hub)]
    with subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | (env or {}),
    ) as process:
        printed = []
        try:
            for line in process.stdout:
                printed.append(line)
                if found := _LINK.search(line):
                    yield process, found[0], "".join(printed)
                    return
            pytest.fail("".join(printed) + process.stderr.read())
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="module")
def filled(copied_hub, tmp_path_factory):
    """A hub with a run in a workspace that is not ``default``, with an image and a dataset."""
    from PIL import Image

    from mlflow_workspace_plugin.data.lineage import record_use
    from mlflow_workspace_plugin.sdk.data.datasets.dataset import Dataset
    from mlflow_workspace_plugin.sdk.data.datasets.noted import used

    hub = copied_hub(tmp_path_factory.mktemp("ui") / "hub")
    workspace = Workspace.create("team-a", hub=hub)
    run = Experiment(workspace, "seen").start_logging(display_name="a-run-to-look-at")
    folder = tmp_path_factory.mktemp("images")
    Image.new("RGB", (40, 30), "red").save(folder / "red.png")
    run.log_image("pictures", str(folder / "red.png"))
    run.log("notes", "a text")
    run.log("loss", 0.5)
    datastore = workspace.get_default_datastore()
    datastore.upload(str(folder), "pictures", show_progress=False)
    dataset = Dataset.File.from_files((datastore, "pictures")).register(workspace, "reds")
    told = used(workspace, dataset)
    record_use(workspace.tracking_store, run.id, told, used_as="files", mode="mount")
    run.complete()
    return run


def page_of_mlflow(run):
    """Where MLflow's own page of a run is, behind the address of the server."""
    return uris.ui_fragment(f"experiments/{run.experiment.id}/runs/{run.id}", "team-a")


@pytest.fixture(scope="module")
def served(filled, tmp_path_factory):
    """The UI of that hub, open to this machine."""
    state = {"XDG_STATE_HOME": str(tmp_path_factory.mktemp("state"))}
    hub = filled.experiment.workspace._hub.path
    with ui_of(hub, "--no-token", "--port", str(free_port()), env=state) as (_, link, _printed):
        yield link.partition("/#")[0]


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    assert CHROMIUM, "Install Chromium (Debian: apt-get install chromium)."
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def test_image_shows_in_every_workspace(filled, served, browser):
    """An <img> names no workspace, and its run is found all the same."""
    names = filled.get_file_names()
    path = next(name for name in names if name.endswith("red.png"))
    page = browser.new_page()
    page.goto(f"{served}/#/experiments?workspace=team-a")
    width = page.evaluate(
        """source => new Promise(done => {
            const image = new Image()
            image.onload = image.onerror = () => done(image.naturalWidth)
            image.src = source
        })""",
        f"/get-artifact?path={path}&run_uuid={filled.id}",
    )
    page.close()
    assert width == 40
    answer = requests.get(
        f"{served}/get-artifact", {"path": path, "run_uuid": "0" * 32}, timeout=30
    )
    assert answer.status_code == 404


def test_link_opens_where_a_data_scientist_looks(filled, served, browser):
    """A run's link shows its page, and no panel of an assistant beside it."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{served}/{page_of_mlflow(filled)}")
    page.get_by_text("a-run-to-look-at").first.wait_for(timeout=60_000)
    page.get_by_text("Model metrics").first.wait_for(timeout=60_000)
    assert page.locator("[data-assistant-ui]:visible").count() == 0
    assert page.evaluate("localStorage['mlflow.assistant.panelOpen_v1']") == "false"
    assert [url for url in asked if not url.startswith((served, "data:", "blob:"))] == []
    page.close()


def test_last_text_is_on_the_page_of_its_run_and_no_chart(filled, served, browser):
    """Among the tags of the overview; where the charts are there is none of it, and no NaN."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(f"{served}/{page_of_mlflow(filled)}")
    page.get_by_text("text/notes").first.wait_for(timeout=60_000)
    assert page.get_by_text("a text").count() == 1
    page.get_by_text("Model metrics").first.click()
    page.get_by_text("Add chart").first.wait_for(timeout=60_000)
    page.get_by_text("loss", exact=True).first.wait_for(timeout=60_000)
    shown = page.locator("body").inner_text()
    assert "notes" not in shown
    assert "nan" not in shown.lower()
    page.close()


def test_datasets_of_a_run_are_on_its_page(filled, served, browser):
    """By name and digest, which begins with the version; behind that, where the files are."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(f"{served}/{page_of_mlflow(filled)}")
    page.get_by_text(re.compile(r"reds")).first.click(timeout=60_000)
    page.get_by_text(re.compile(r"v1-[0-9a-f]{33}")).first.wait_for(timeout=60_000)
    shown = page.locator("body").inner_text()
    assert "/workspaces/team-a/datastores/workspaceblobstore/pictures" in shown
    page.close()


@pytest.mark.parametrize("name", ["demo/generate", "assistant/config", "ui-telemetry"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_routes_that_do_more_than_show_are_closed(served, name, method):
    """Whoever reaches the UI makes no demo in a workspace, and runs nothing on the machine."""
    address = f"{served}/ajax-api/3.0/mlflow/{name}"
    headers = {"X-MLFLOW-WORKSPACE": "team-a"}
    answer = requests.request(method, address, json={}, headers=headers, timeout=30)
    assert answer.status_code == 403


def test_ui_lists_no_files_that_only_this_package_reads(filled, served):
    """The first level of the UI's own listing shows what was logged; the API shows all of it."""

    def listed(route, **parameters):
        answer = requests.get(
            f"{served}/{route}",
            {"run_id": filled.id, **parameters},
            headers={"X-MLFLOW-WORKSPACE": "team-a"},
            timeout=30,
        )
        return {each["path"] for each in answer.json().get("files", [])}

    shown = listed("ajax-api/2.0/mlflow/artifacts/list")
    everything = listed("api/2.0/mlflow/artifacts/list")
    assert ".mlflow-workspace" in everything
    assert "images" in everything
    assert everything - shown == {".mlflow-workspace", "images"}
    assert listed("ajax-api/2.0/mlflow/artifacts/list", path="images")


def test_only_the_user_of_the_link_comes_in(filled, browser, monkeypatch, tmp_path):
    """Without the link nothing is answered; with it one browser is let in, and stays."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    hub = filled.experiment.workspace._hub.path
    with ui_of(hub, "-w", "team-a", "--port", str(free_port())) as (_, link, _printed):
        address = link.partition("/?")[0]
        for path in (
            "",
            "ajax-api/2.0/mlflow/experiments/search",
            f"get-artifact?run_uuid={filled.id}",
        ):
            answer = requests.get(f"{address}/{path}", timeout=30)
            assert answer.status_code == 403, path
            assert "mlflow-workspace ui" in answer.text
        assert requests.get(f"{address}/health", timeout=30).status_code == 200
        printed = CliRunner().invoke(main, ["open", filled.id, "--hub", str(hub), "--print"])
        another = printed.output.strip()
        assert another.startswith(f"{filled.get_portal_url()}&token=")
        assert requests.get(another, timeout=30).status_code == 200
        assert filled.get_portal_url().startswith(address)
        context = browser.new_context()
        page = context.new_page()
        page.goto(link)
        page.get_by_text("seen").first.wait_for(timeout=60_000)
        assert "token" not in page.url
        assert "workspace=team-a" in page.url
        # The same browser, again; and another one, with the used link.
        page.goto(filled.get_portal_url())
        page.get_by_role("heading", name="a-run-to-look-at").wait_for(timeout=60_000)
        page.get_by_role("link", name="In MLflow's UI").click()
        page.get_by_text("Model metrics").first.wait_for(timeout=60_000)
        other = browser.new_context()
        assert other.new_page().goto(link).status == 403
        context.close()
        other.close()
    assert not filled.get_portal_url().startswith(address)


def test_taken_port_is_passed_over_and_links_follow(filled, monkeypatch, tmp_path):
    """Where 5000 is in use the next free one is taken and said, and links name it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    hub = filled.experiment.workspace._hub.path
    with socket.socket() as busy:
        # Somebody else may have it already.
        with contextlib.suppress(OSError):
            busy.bind(("127.0.0.1", 5000))
            busy.listen()
        with ui_of(hub) as (_, link, printed):
            assert "Port 5000 is in use" in printed
            assert filled.get_portal_url().startswith(link.partition("/?")[0])
            assert ":5000/" not in link


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_end_leaves_no_server_and_no_traceback(filled, number, monkeypatch, tmp_path):
    """However the command is ended, the server ends with it; Ctrl-C is no error."""
    import psutil

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    hub = filled.experiment.workspace._hub.path
    with ui_of(hub, "--port", str(free_port())) as (process, _link, printed):
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.send_signal(number)
        status = process.wait(30)
        said = printed + process.stdout.read() + process.stderr.read()
    wait_until(lambda: not any(map(_runs, children)))
    assert status == (0 if number != signal.SIGKILL else -signal.SIGKILL)
    assert "Traceback" not in said
    # The link and how to end it: nothing that a user could not act on.
    assert [line for line in said.splitlines() if "://" not in line] == [
        f"Hub {hub} is served at",
        "Ctrl-C stops it.",
    ]


def _runs(process):
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
