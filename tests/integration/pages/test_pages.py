"""Our pages beside MLflow's: who may ask, what of which workspace, and the page of a run, live."""

import io
import json
import math
import os
import re
import shutil
import time
from pathlib import Path

import pytest
import requests
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.app.pages.answers import API
from mlflow_workspace_plugin.app.pages.pages import routes
from mlflow_workspace_plugin.data.uses import MODE_TAG, NAME_TAG
from mlflow_workspace_plugin.figures.ids import figure_id
from mlflow_workspace_plugin.overview.runs import views
from mlflow_workspace_plugin.overview.source import source_of
from mlflow_workspace_plugin.stores.build import open_workspace_store
from tests.chromium import figure, kind_of
from tests.pages import PLANTED as MARKUP
from tests.pages import served_pages
from tests.waiting import wait_until

WAIT_S = 120
"""Of a machine that does much else."""
MARK = "sEcReT"
IMAGE = "<img src=x onerror=alert(1)>"
"""A name where a slash may not be."""
FILE = f"{IMAGE}.txt"
PLANTED_ELEMENTS = "document.querySelectorAll('main b, main img[src=x]').length"
SVG = f"<svg xmlns='http://www.w3.org/2000/svg'><script>{MARKUP}</script></svg>"

# What each route is asked for by somebody of another workspace: its parameters, and what is sent.
# One that is missing here fails the test.
OF_ANOTHER = {
    "GET /hub": ({}, None),
    "GET /runs/{run_id}": ({}, None),
    "GET /runs/{run_id}/children": ({}, None),
    "GET /runs/{run_id}/receipt": ({}, None),
    "GET /runs/{run_id}/log": ({}, None),
    "POST /runs/{run_id}/tick": ({}, {}),
    "GET /runs/{run_id}/names": ({}, None),
    "GET /runs/{run_id}/figures": ({"names": f'["{MARK}"]'}, None),
    "GET /runs/{run_id}/figure": ({"id": figure_id("metric", MARK)}, None),
    "GET /runs/{run_id}/rows": ({"id": figure_id("metric", f"{MARK}rows")}, None),
    "GET /runs/{run_id}/csv": ({"id": figure_id("metric", f"{MARK}rows")}, None),
    "GET /runs/{run_id}/files": ({"path": "outputs"}, None),
    "GET /runs/{run_id}/preview": ({"path": f"outputs/{MARK}.txt"}, None),
    "GET /runs/{run_id}/file": ({"path": f"outputs/{MARK}.txt"}, None),
    "GET /runs/{run_id}/snapshot": ({}, None),
    "GET /runs/{run_id}/snapshot/file": ({"path": f"{MARK}.py"}, None),
    "GET /runs/{run_id}/snapshot/difference": ({"other": "{other_id}"}, None),
    "GET /runs/{run_id}/snapshot/zip": ({}, None),
    "GET /compare": ({"runs": "{run_id},{other_id}"}, None),
    "GET /compare/figures": ({"runs": "{run_id},{other_id}", "names": f'["{MARK}"]'}, None),
    "GET /compare/csv": (
        {"runs": "{run_id},{other_id}", "id": figure_id("metric", f"{MARK}rows")},
        None,
    ),
    "GET /compare/marks": ({"runs": "{run_id},{other_id}"}, None),
    "GET /experiments": ({}, None),
    "GET /experiments/{experiment_id}": ({}, None),
    "GET /views": ({}, None),
    "POST /views": ({}, {"name": "mine", "definition": None}),
    "POST /views/import": ({}, {"text": "{{}}"}),
    "POST /views/runs": ({}, {"runs": {"ids": ["{run_id}"]}}),
    "GET /views/{view_id}": ({}, None),
    "GET /views/{view_id}/text": ({}, None),
    "PATCH /views/{view_id}": ({}, {"name": "taken"}),
    "DELETE /views/{view_id}": ({}, None),
    "GET /computes": ({}, None),
    "GET /computes/room": ({"compute": "local"}, None),
}

# What these say has no name in it that a user gave.
TELL_NOTHING = (
    "GET /hub",
    "GET /compare/marks",
    "GET /computes/room",
    "GET /runs/{run_id}/snapshot/difference",
)


@pytest.fixture(scope="module")
def workspace(pages):
    return Workspace.create("team-a", hub=pages.hub)


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    """A folder of code, in which markup is planted."""
    folder = tmp_path_factory.mktemp("code")
    (folder / "train.py").write_text("rate = 0.1\n")
    (folder / "<b>.py").write_text(MARKUP)
    return folder


@pytest.fixture(scope="module")
def filled(workspace, code, tmp_path_factory):
    """A run that has something of everything, with markup planted wherever text may be."""
    experiment = Experiment(workspace, "seen")
    before = experiment.start_logging(display_name="before", snapshot_directory=code, outputs=None)
    before.complete()
    (code / "train.py").write_text("rate = 0.2\n")
    run = experiment.start_logging(
        display_name=f"run {MARKUP}", snapshot_directory=code, outputs=None
    )
    run.before = before.id
    run.set_tags({MARKUP: MARKUP, "owner": "ana"})
    run.add_properties({"of": MARKUP})
    workspace.client.log_param(run.id, "rate", MARKUP)
    for step in range(40):
        run.log("loss", math.exp(-step / 9))
    run.log(MARKUP, 1.5)
    run.log("note", MARKUP)
    run.log_row("errors", actual=MARKUP, count=3)
    run.upload_file("outputs/report.html", io.BytesIO(MARKUP.encode()))
    run.upload_file("outputs/drawn.svg", io.BytesIO(SVG.encode()))
    run.upload_file(f"outputs/{FILE}", io.BytesIO(MARKUP.encode()))
    run.upload_file("outputs/numbers.bin", io.BytesIO(bytes(range(256))))
    run.upload_file("user_logs/std_log.txt", io.BytesIO(f"epoch 1\n{MARKUP}\n".encode()))
    plant_in_the_rest(workspace, run, tmp_path_factory.mktemp("planted"))
    run.child_run(f"child {MARKUP}").complete()
    run.fail(MARKUP)
    run.flush()
    return run


def plant_in_the_rest(workspace, run, folder):
    """Markup in what a run has of MLflow's, in what is drawn of it, and in names of its files."""
    from PIL import Image

    Image.new("RGB", (4, 3), "red").save(folder / "red.png")
    run.log_image(IMAGE, path=str(folder / "red.png"))
    run.log_table(f"table {MARKUP}", {f"column {MARKUP}": ["x", "y"]})
    run.log_confusion_matrix(
        f"matrix {MARKUP}",
        {
            "schema_type": "confusion_matrix",
            "schema_version": "1.0.0",
            "data": {"class_labels": [f"label {MARKUP}", "b"], "matrix": [[3, 1], [2, 4]]},
        },
    )
    run.upload_file(f"user_logs/{FILE}", io.BytesIO(MARKUP.encode()))
    client = workspace.client
    client.set_tag(run.id, "mlflow.note.content", f"description {MARKUP}")
    source = json.dumps({"uri": f"source {MARKUP}"})
    dataset = Dataset(f"dataset {MARKUP}", "0123", f"type {MARKUP}", source)
    tags = [
        InputTag(NAME_TAG, f"used as {MARKUP}"),
        InputTag(MODE_TAG, f"mode {MARKUP}"),
        InputTag(MLFLOW_DATASET_CONTEXT, f"context {MARKUP}"),
    ]
    client.log_inputs(run.id, [DatasetInput(dataset, tags)])
    client.create_registered_model(IMAGE)
    outputs = f"{client.get_run(run.id).info.artifact_uri}/outputs"
    client.create_model_version(IMAGE, outputs, run.id)


def test_markup_in_what_is_around_a_run_is_text(pages, filled, page, workspace):
    """Its description, its user, datasets and models; columns, labels, images and logs."""
    page.goto(pages.page(f"/runs/{filled.id}", "team-a"))
    page.locator(".mw-description").get_by_text(f"description {MARKUP}").wait_for()
    side = page.get_by_role("complementary")
    for each in ("dataset", "source", "used as", "mode", "context"):
        side.get_by_text(f"{each} {MARKUP}").first.wait_for()
    side.get_by_role("link", name=f"{IMAGE}, version 1").wait_for()
    for title, kind, said in (
        (f"table {MARKUP}", "table", f"column {MARKUP}"),
        (f"matrix {MARKUP}", "heatmap", f"label {MARKUP}"),
        (IMAGE, "images", IMAGE),
    ):
        drawn = figure(page, title)
        assert kind_of(drawn) == kind
        assert said in drawn.inner_text()
    drawn = figure(page, IMAGE).locator(".mw-figure-body img")
    assert drawn.evaluate("image => image.decode().then(() => image.naturalWidth)") == 4
    logs = page.get_by_label("Which log").locator("option").all_text_contents()
    assert f"user_logs/{FILE}" in logs
    store = workspace.tracking_store
    theirs = store.create_run(
        str(filled.experiment.id), f"user {MARKUP}", int(time.time() * 1000), [], "of a stranger"
    )
    page.goto(pages.page(f"/runs/{theirs.info.run_id}", "team-a"))
    page.get_by_text(f"user {MARKUP}").first.wait_for()
    assert page.evaluate(PLANTED_ELEMENTS) == 0


@pytest.fixture(scope="module")
def secret(pages, tmp_path_factory):
    """Everything that a workspace may hold, of a workspace that is not asked, all with a mark."""
    workspace = Workspace.create("team-b", hub=pages.hub)
    folder = tmp_path_factory.mktemp("secret")
    (folder / f"{MARK}.py").write_text(MARK)
    experiment = Experiment(workspace, f"{MARK}-experiment")
    other = experiment.start_logging(display_name="other", outputs=None, snapshot_directory=None)
    other.complete()
    run = experiment.start_logging(
        display_name=f"{MARK} run", snapshot_directory=folder, outputs=None
    )
    run.log(MARK, 0.5)
    run.log_row(f"{MARK}rows", word=MARK, count=3)
    run.upload_file(f"outputs/{MARK}.txt", io.BytesIO(MARK.encode()))
    run.upload_file("user_logs/std_log.txt", io.BytesIO(MARK.encode()))
    run.child_run(f"{MARK} child").complete()
    run.complete()
    run.flush()
    source = source_of(workspace.get_mlflow_tracking_uri())
    view = views.create(source, f"{MARK} view", {"runs": {"ids": [run.id]}})
    source.store.create_job(
        str(experiment.id),
        run_name=f"{MARK} job",
        tags=[],
        definition={},
        compute="local",
        engine="foreground",
    )
    return {
        "run_id": run.id,
        "other_id": run.id,
        "experiment_id": str(experiment.id),
        "view_id": view.id,
    }


def api_routes():
    """All routes below the API, as ``GET /runs/{run_id}``."""
    return [
        f"{method} {route.path.removeprefix(API)}"
        for route in routes()
        if route.path.startswith(f"{API}/")
        for method in sorted(route.methods - {"HEAD"})
    ]


def ask(pages, name, ids, workspace):
    """Ask a route, as a page of ours does."""
    method, _, path = name.partition(" ")
    parameters, sent = OF_ANOTHER[name]
    parameters = {key: value.format(**ids) for key, value in parameters.items()}
    body = None if method == "GET" else json.dumps(sent).replace("{run_id}", ids["run_id"])
    return requests.request(
        method,
        f"{pages.address}{API}{path.format(**ids)}",
        params={**parameters, "workspace": workspace},
        data=body,
        headers={"Content-Type": "application/json"},
        timeout=60,
    )


@pytest.mark.parametrize("name", api_routes())
def test_no_route_tells_of_another_workspace(pages, secret, name):
    """Whatever is named in it; what is of the other workspace is not there, as if it never was."""
    assert name in OF_ANOTHER, f"{name} is new: say above what it is asked for."
    answer = ask(pages, name, secret, "team-a")
    assert MARK not in answer.text
    if "_id}" in name:
        assert answer.status_code == 404, answer.text
    # Were it asked of its own workspace, it would tell.
    if name.startswith("GET ") and name not in TELL_NOTHING:
        of_its_own = ask(pages, name, secret, "team-b")
        assert of_its_own.status_code == 200, of_its_own.text
        assert MARK.encode() in of_its_own.content


def test_views_of_another_workspace_are_still_there(pages, secret):
    """After others tried to change and to drop them."""
    answer = requests.get(
        f"{pages.address}{API}/views/{secret['view_id']}", {"workspace": "team-b"}, timeout=30
    )
    assert answer.json()["name"] == f"{MARK} view"


def test_unknown_workspace_is_said(pages):
    """With its name, in JSON, whatever was asked."""
    answer = requests.get(f"{pages.address}{API}/hub", {"workspace": "nowhere"}, timeout=30)
    assert answer.status_code == 404
    assert "nowhere" in answer.json()["message"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:5000", "127.0.0.1.evil.example", ""]
)
def test_other_hosts_are_refused(pages, filled, host):
    """A site whose name leads here reads nothing; nor does it get the page itself."""
    for path in ("/pages/", f"/pages/runs/{filled.id}", f"{API}/runs/{filled.id}"):
        answer = requests.get(
            pages.address + path, {"workspace": "team-a"}, headers={"Host": host}, timeout=30
        )
        assert answer.status_code in (400, 403)
        assert "seen" not in answer.text


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:80", "box.example:8443"])
def test_own_hosts_are_answered(pages, filled, host, monkeypatch):
    """This machine's, and those that who serves it names."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_UI_URL", "https://box.example:8443/")
    answer = requests.get(
        f"{pages.address}{API}/hub", {"workspace": "team-a"}, headers={"Host": host}, timeout=30
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ],
)
def test_nothing_is_sent_by_another_site(pages, filled, headers):
    """As a script, or as a form, which sends without asking."""
    url = f"{pages.address}{API}/runs/{filled.id}/tick?workspace=team-a"
    kept = {"Content-Type": "application/json", **headers}
    answer = requests.post(url, data="null", headers=kept, timeout=30)
    assert answer.status_code == 403
    assert filled.id not in answer.text
    own = {"Content-Type": "application/json", "Origin": pages.address}
    assert requests.post(url, data="null", headers=own, timeout=30).status_code == 200


def test_pages_may_load_nothing_from_elsewhere(pages, filled):
    """Each answer says so, and that its type is not to be guessed."""
    for path in ("/pages/", f"/pages/runs/{filled.id}", f"{API}/hub"):
        answer = requests.get(pages.address + path, {"workspace": "team-a"}, timeout=30)
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "<script>" not in answer.text


def test_assets_are_kept_by_their_version(pages):
    """For ever; another version is not answered with this one, and nothing beside them is."""
    frame = requests.get(f"{pages.address}/pages/", timeout=30).text
    path = re.search(r'src="(/pages/assets/\w+/)pages/front.js"', frame)[1]
    answer = requests.get(f"{pages.address}{path}pages/front.js", timeout=30)
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Type"].startswith("text/javascript")
    for other in ("/pages/assets/0/pages/front.js", f"{path}bundle.py", f"{path}..%2f__init__.py"):
        assert requests.get(pages.address + other, timeout=30).status_code == 404


def test_zip_of_a_snapshot_is_made_while_it_is_sent(pages, workspace, tmp_path):
    """Nothing is read for who does not read on, and nothing more is done for who has left."""
    (tmp_path / "noise").write_bytes(os.urandom(2**20))
    for number in range(8_000):
        (tmp_path / f"link{number}").symlink_to("noise")
    run = Experiment(workspace, "left").start_logging(snapshot_directory=tmp_path, outputs=None)
    run.complete()

    def is_at_it():
        packs = pages.hub / "artifacts/workspaces/team-a/.mlflow-workspace/snapshots/packs"
        opened = [Path(os.path.realpath(each)) for each in Path("/proc/self/fd").iterdir()]
        return any(packs in each.parents for each in opened)

    url = f"{pages.address}{API}/runs/{run.id}/snapshot/zip"
    with requests.get(url, {"workspace": "team-a"}, stream=True, timeout=30) as answer:
        assert answer.headers["Content-Type"] == "application/zip"
        assert answer.raw.read(4) == b"PK\3\4"
        assert is_at_it()
    wait_until(lambda: not is_at_it(), 30)


def test_files_are_never_pages_of_ours(pages, filled):
    """Markup is saved and not shown, images are sandboxed, and no path leads out."""

    def file(path, **parameters):
        url = f"{pages.address}{API}/runs/{filled.id}/file"
        query = {"workspace": "team-a", "path": path, **parameters}
        return requests.get(url, query, timeout=30)

    report = file("outputs/report.html")
    assert report.headers["Content-Type"] == "application/octet-stream"
    assert report.headers["Content-Disposition"].startswith("attachment")
    drawn = file("outputs/drawn.svg")
    assert drawn.headers["Content-Type"] == "image/svg+xml"
    for answer in (report, drawn):
        assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert file("outputs/numbers.bin").content == bytes(range(256))
    for path in ("../../x", "/etc/passwd", "outputs/../../meta", "outputs", "", "a\0b", "no.txt"):
        assert file(path).status_code in (400, 404), path


def test_page_of_a_run_shows_what_there_is(pages, filled, page, workspace):
    """Its head, facts, figures, log, files, code and children; and planted markup as text."""
    page.goto(pages.page(f"/runs/{filled.id}", "team-a"))
    page.get_by_role("heading", name=f"run {MARKUP}").wait_for()
    assert page.locator(".mw-run-head .mw-status").text_content() == "Failed"
    assert page.locator(".mw-reason pre").text_content() == MARKUP
    assert page.locator(".mw-hub").text_content() == str(filled.experiment.workspace._hub.path)
    side = page.get_by_role("complementary")
    side.get_by_text("ana").wait_for()
    side.get_by_role("link", name=f"child {MARKUP}").wait_for()
    side.get_by_text("Logged", exact=True).wait_for()
    assert kind_of(figure(page, "loss")) == "lines"
    assert kind_of(figure(page, MARKUP)) == "number"
    assert kind_of(figure(page, "note")) == "text"
    assert kind_of(figure(page, "errors")) == "table"
    assert MARKUP in page.get_by_role("log").text_content()
    # They are read when they are seen.
    page.get_by_role("tree", name="Files").scroll_into_view_if_needed()
    page.get_by_role("button", name="outputs").click()
    page.get_by_role("button", name="report.html").click()
    assert page.locator(".mw-preview-text").text_content() == MARKUP
    page.get_by_role("button", name=FILE).click()
    page.locator(".mw-pane-look").get_by_text(FILE).wait_for()
    page.get_by_role("button", name="drawn.svg").click()
    page.locator(".mw-preview-image").wait_for()
    page.get_by_role("button", name="<b>.py").click()
    page.locator(".mw-preview-text").get_by_text(MARKUP).wait_for()
    page.get_by_label("Id of another run").fill(filled.before)
    page.get_by_role("button", name="Compare").click()
    page.get_by_text("1 files are different, 1 are the same").wait_for()
    assert page.locator("[data-line='+']").text_content() == "+rate = 0.2"
    page.get_by_label("Filter figures by name").fill("LOS")
    assert page.locator(".mw-figure:visible").count() == 1
    assert page.evaluate(PLANTED_ELEMENTS) == 0
    # MLflow takes any name, and so does what leads to it.
    of_mlflow = workspace.client.create_experiment(f"of mlflow {MARKUP}")
    workspace.client.create_run(of_mlflow, run_name=f"run {MARKUP}")
    page.goto(pages.page("/", "team-a"))
    page.get_by_role("link", name=f"of mlflow {MARKUP}").click()
    page.get_by_role("heading", name=f"of mlflow {MARKUP}").wait_for()
    page.locator("main").get_by_role("link", name=f"run {MARKUP}").wait_for()
    assert page.evaluate(PLANTED_ELEMENTS) == 0


def test_live_picture_is_the_one_that_is_seen_later(pages, workspace, page):
    """While points come in order, late, from other clients and by texts, and at the end."""
    run = Experiment(workspace, "live").start_logging(outputs=None)
    other = open_workspace_store(workspace.get_mlflow_tracking_uri())
    page.goto(pages.page(f"/runs/{run.id}", "team-a"))
    page.get_by_text("No metric, image or table was logged yet.").wait_for()
    for step in range(60, 100):
        run.log("loss", step / 7, step=step)
    run.log("note", "begun")
    for value in (0.5, 0.25):
        run.log("gaps", value)
    run.log("odd", math.nan)
    run.log("odd", 1.0)
    run.flush()
    wait_until(lambda: len(shown(page, "loss")) == 40, WAIT_S)
    wait_until(lambda: len(shown(page, "gaps")) == len(shown(page, "odd")) == 2, WAIT_S)
    for step in range(100, 110):
        run.log("loss", step / 7, step=step)
    run.flush()
    now = int(time.time() * 1000)
    # Below the steps that are shown: of a minute ago by whoever, of hours ago by our clients.
    late = [Metric("loss", step / 7, now - 20_000 + step, step) for step in range(25)]
    other.log_batch(run.id, late, [], [])
    later = [Metric("loss", step / 7, now - 7_200_000 + step, step) for step in range(25, 60)]
    run._store.log_batch(run.id, later, [], [])
    run.log("note", "done")
    run.log("gaps", None)
    run.log("odd", math.nan)
    run.flush()
    wait_until(lambda: len(shown(page, "loss")) == 110, WAIT_S)
    wait_until(lambda: len(shown(page, "gaps")) == len(shown(page, "odd")) == 3, WAIT_S)
    repository = source_of(workspace.get_mlflow_tracking_uri()).repository(run.id)
    repository.append("logs/user_log.txt", b"epoch 1\n")
    wait_until(lambda: "epoch 1" in (page.get_by_role("log").text_content() or ""), WAIT_S)
    repository.append("logs/user_log.txt", b"epoch 2\n")
    wait_until(lambda: "epoch 1\nepoch 2\n" in page.get_by_role("log").text_content(), WAIT_S)
    before_end = picture(page)
    run.complete()
    page.get_by_text("Completed", exact=True).first.wait_for()
    page.locator("html[data-over]").wait_for(state="attached")
    reopened = page.context.new_page()
    reopened.goto(pages.page(f"/runs/{run.id}", "team-a"))
    wait_until(lambda: len(picture(reopened)) == 4, WAIT_S)
    assert picture(page) == picture(reopened)
    for name in ("loss", "gaps", "odd"):
        of_name = figure_id("metric", name)
        assert before_end[of_name] == picture(reopened)[of_name]
    assert [value for _, value in shown(reopened, "gaps")] == [0.5, 0.25, None]
    assert shown(reopened, "loss") == [[step, step / 7] for step in range(110)]


def picture(page):
    """What the figures of a page are drawn from, by their ids."""
    return page.evaluate("mlflowWorkspaceRun.figures()")


def shown(page, name):
    """The points of a curve as they are shown now."""
    found = picture(page).get(figure_id("metric", name))
    if found is None or found["kind"] != "lines":
        return []
    curve = found["series"][0]
    return [list(point) for point in zip(curve["x"], curve["y"], strict=True)]


def test_deleted_run_and_server_that_is_away_keep_the_last_picture(
    pages, workspace, page, sqlite_template, tmp_path
):
    """The page says what is the matter, and goes on when the server is back."""
    run = Experiment(workspace, "away").start_logging(outputs=None)
    run.log("loss", 1.5)
    run.flush()
    with served_pages(pages.hub) as served:
        page.goto(served.page(f"/runs/{run.id}", "team-a"))
        assert kind_of(figure(page, "loss")) == "number"
        page.locator("html[data-looked]").wait_for(state="attached")
    page.get_by_text("The server does not answer").wait_for()
    assert page.locator(".mw-number").text_content() == "1.5"
    port = int(served.address.rpartition(":")[2])
    other = shutil.copytree(sqlite_template, tmp_path / "other")
    Workspace.create("team-a", hub=other)
    with served_pages(other, port):
        look(page)
        page.get_by_text("Another hub is served here now").wait_for()
    with served_pages(pages.hub, port):
        look(page)
        page.get_by_role("status").filter(has_text="Another hub").wait_for(state="hidden")
        run.log("accuracy", 0.75)
        run.flush()
        assert kind_of(figure(page, "accuracy")) == "number"
        run._store._hard_delete_run(run.id)
        page.get_by_text("it was deleted for good").wait_for()
        assert page.locator(".mw-number").all_text_contents() == ["0.75", "1.5"]


def look(page):
    """Let a page ask at once, as when somebody comes back to it."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_what_was_chosen_last_is_shown(pages, filled, page):
    """Though the answer to what was chosen before comes after it."""
    page.goto(pages.page(f"/runs/{filled.id}", "team-a"))
    # They are read when they are seen.
    page.get_by_role("tree", name="Files").scroll_into_view_if_needed()
    page.get_by_role("button", name="outputs").click()
    late = []
    page.route("**/preview?*report.html*", lambda route: late.append(route))
    page.get_by_role("button", name="report.html").click()
    wait_until(lambda: page.wait_for_timeout(50) or late, WAIT_S)
    page.get_by_role("button", name="numbers.bin").click()
    page.get_by_text("This is no text").wait_for()
    with page.expect_response("**/preview?*report.html*"):
        late[0].continue_()
    page.wait_for_timeout(100)
    assert page.get_by_text("This is no text").count() == 1


def test_log_in_another_encoding_is_shown_from_its_beginning(pages, workspace, page):
    """Piece by piece, each line once, however many bytes its characters have."""
    run = Experiment(workspace, "seen").start_logging(outputs=None)
    lines = [f"époque {number} à µ=½ « fin »" for number in range(1500)]
    run.upload_file("user_logs/std_log.txt", io.BytesIO("\n".join(lines).encode("latin-1")))
    run.complete()
    page.goto(pages.page(f"/runs/{run.id}", "team-a"))
    log, earlier = page.get_by_role("log"), page.get_by_role("button", name="Earlier")
    log.wait_for()
    for pieces in (1, 2):
        earlier.click()
        size = 1000 * 12 * pieces
        wait_until(lambda size=size: len(log.text_content()) > size, WAIT_S)
    earlier.wait_for(state="hidden")
    shown = ["".join(filter(str.isascii, line)) for line in lines]
    found = log.text_content().replace("\ufffd", "").splitlines()
    assert ["".join(filter(str.isascii, line)) for line in found] == shown
