"""The page of a run in a browser: what it tells, what is chosen on it, when it asks, on a phone."""

import io
import json
import time
import zipfile
from urllib.parse import parse_qs, urlsplit

import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.data.uses import MODE_TAG, NAME_TAG
from tests.chromium import figure, kind_of
from tests.pages import PLANTED as MARKUP
from tests.pages import quiet_page
from tests.waiting import wait_until

WAIT_S = 120
"""Of a machine that does much else."""
CURVES = [f"curve {number:02}" for number in range(30)]
ROWS = 250
HIDDEN = """state => {
  Object.defineProperty(document, "visibilityState", { get: () => state, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture(scope="module")
def workspace(pages):
    return Workspace.create("team-a", hub=pages.hub)


@pytest.fixture(scope="module")
def filled(workspace, tmp_path_factory):
    """A run in the middle of a tree, with data, models, images, a long table and many curves."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("filled")
    code = tmp_path_factory.mktemp("code")
    (code / "train.py").write_text("rate = 0.1\n")
    client, store = workspace.client, workspace.tracking_store
    experiment = Experiment(workspace, "whole")
    parent = experiment.start_logging(display_name=f"parent {MARKUP}", outputs=None)
    run = parent.child_run("middle")
    run.take_snapshot(str(code))
    fold = run.child_run("fold")
    below = fold.child_run("below")
    for each, name in ((run, "middle"), (fold, "fold"), (below, f"below {MARKUP}")):
        client.update_run(each.id, name=name)
    below.complete()
    fold.complete()
    run.add_properties({f"of {MARKUP}": f"value {MARKUP}"})
    data = Dataset(f"data {MARKUP}", "d1e2", "local", json.dumps({"uri": f"file {MARKUP}"}))
    tags = {NAME_TAG: "train", MODE_TAG: "mount", "mlflow.data.context": "training"}
    used = DatasetInput(data, [InputTag(*tag) for tag in tags.items()])
    client.log_inputs(run.id, [used])
    model = store.create_logged_model(str(experiment.id), "logged-model", run.id)
    client.log_outputs(run.id, [LoggedModelOutput(model.model_id, 0)])
    client.create_registered_model("registered model")
    source = f"{client.get_run(run.id).info.artifact_uri}/outputs"
    client.create_model_version("registered model", source, run.id)
    for width in (10, 20, 30):
        Image.new("RGB", (width, 8), "red").save(folder / f"{width}.png")
        run.log_image("picture", str(folder / f"{width}.png"))
    words = {"number": list(range(ROWS)), "word": [f"word {number}" for number in range(ROWS)]}
    run.log_table("words", words)
    for name in CURVES:
        run.log_list(name, [1.0, 3.0, 1.0, 5.0])
    run.complete()
    run.flush()
    parent.complete()
    return run


@pytest.fixture
def opened(page, pages, filled):
    page.goto(pages.page(f"/runs/{filled.id}", "team-a"))
    page.get_by_role("heading", name="middle").wait_for()
    return page


def test_data_models_and_properties_are_told(opened, filled):
    """Each dataset with how it was used and where it is, each model with a link; as text."""
    side = opened.get_by_role("complementary")

    def part(heading):
        found = side.locator("section").filter(
            has=opened.get_by_role("heading", name=heading, exact=True)
        )
        return found.inner_text()

    assert f"data {MARKUP} read as train by mount training" in part("Data")
    assert f"file {MARKUP}" in part("Data")
    assert "d1e2" in part("Data")
    assert "logged-model logged" in part("Models")
    assert "registered model, version 1 registered" in part("Models")
    model = side.get_by_role("link", name="registered model, version 1").get_attribute("href")
    assert "#/models/registered%20model/versions/1" in model
    assert f"value {MARKUP}" in part("Properties")
    assert opened.evaluate("document.querySelectorAll('main b, main img[src=x]').length") == 0
    del filled


def test_tree_is_followed_up_and_down(opened, pages, filled):
    """To the parent, and to children of children, which are asked for where they are opened."""
    tree = opened.get_by_role("tree", name="Children")
    assert tree.get_by_role("link", name="below").count() == 0
    tree.get_by_role("button", name="Children of fold").click()
    below = tree.get_by_role("link", name=f"below {MARKUP}")
    below.wait_for()
    tree.get_by_role("button", name="Children of fold").click()
    below.wait_for(state="hidden")
    opened.get_by_role("link", name=f"Parent: parent {MARKUP}").click()
    opened.get_by_role("heading", name=f"parent {MARKUP}").wait_for()
    opened.get_by_role("tree", name="Children").get_by_role("link", name="middle").click()
    opened.get_by_role("heading", name="middle").wait_for()
    assert urlsplit(opened.url).path == urlsplit(pages.page(f"/runs/{filled.id}", "")).path


def test_receipt_is_asked_for_again(opened):
    """When somebody wants to know."""
    again = opened.get_by_role("button", name="Look again")
    again.wait_for()
    with opened.expect_response("**/receipt?*"):
        again.click()
    opened.get_by_text("All that was logged is stored.").wait_for()


def test_what_is_chosen_is_for_all_curves(opened):
    """Those that are there, and those that are drawn when they come into view."""
    first, last = CURVES[0], CURVES[-1]

    def chosen(name):
        drawn = figure(opened, name)
        plot = drawn.get_by_role("img").first
        plot.focus()
        opened.keyboard.press("End")
        spoken = drawn.locator(".mw-spoken").text_content()
        log = drawn.get_by_role("button", name="log", exact=True).get_attribute("aria-pressed")
        return drawn.get_by_label("Over").input_value(), log, spoken

    over, log, spoken = chosen(first)
    assert (over, log) == ("step", "false")
    assert spoken.strip() == "step 3: 5"
    opened.get_by_label("What curves are over").select_option("relative")
    opened.get_by_label("Log scale").check()
    for name in (first, last):
        over, log, at_time = chosen(name)
        assert (over, log) == ("relative", "true")
        assert at_time != spoken
    opened.get_by_label("What curves are over").select_option("x as it is")
    opened.get_by_label("Log scale").uncheck()
    for name in (first, last):
        assert chosen(name) == ("step", "false", spoken)


def test_table_is_paged(opened):
    """Each page is asked for; its rows are those behind the page before."""
    words = figure(opened, "words")
    assert kind_of(words) == "table"

    def numbers():
        return [int(cell) for cell in words.locator("tbody td:first-child").all_text_contents()]

    for title, first, last in (
        (None, 0, 100),
        ("Rows after", 100, 200),
        ("Last rows", 200, 250),
        ("Rows before", 100, 200),
        ("First rows", 0, 100),
    ):
        if title is not None:
            words.get_by_role("button", name=title).click()
        words.get_by_text(f"{first + 1}-{last} of {ROWS} rows").wait_for()
        assert numbers() == list(range(first, last))


def test_images_are_gone_through(opened):
    """From the last one back, by the keys of the slider, too; each is the file of its step."""
    picture = figure(opened, "picture")
    image = picture.locator("img")

    def is_shown(at, width):
        wait_until(lambda: image.evaluate("image => image.naturalWidth") == width, WAIT_S)
        assert f"({at} of 3)" in picture.locator("output").text_content()

    is_shown(3, 30)
    picture.get_by_role("button", name="Step before").click()
    is_shown(2, 20)
    picture.get_by_label("Step", exact=True).press("ArrowLeft")
    is_shown(1, 10)


def test_code_is_downloaded(opened, tmp_path):
    """As one zip."""
    link = opened.get_by_role("link", name="Download as zip")
    code = opened.get_by_role("heading", name="Code")
    # It is asked for when it comes into view, which figures above it may push it out of.
    wait_until(lambda: code.scroll_into_view_if_needed() or link.count(), WAIT_S)
    with opened.expect_download() as download:
        link.click()
    download.value.save_as(tmp_path / "code.zip")
    with zipfile.ZipFile(tmp_path / "code.zip") as archive:
        assert archive.read("train.py") == b"rate = 0.1\n"


def test_files_of_open_folders_are_seen_while_they_come(pages, workspace, page):
    """However deep; those of closed folders when one looks, and what is not open stays closed."""
    run = Experiment(workspace, "files").start_logging(outputs=None)
    run.upload_file("outputs/checkpoints/1.bin", io.BytesIO(bytes(range(256))))
    run.upload_file("model/1.bin", io.BytesIO(b"1"))
    page.goto(pages.page(f"/runs/{run.id}", "team-a"))
    tree = page.get_by_role("tree", name="Files")
    for folder in ("outputs", "checkpoints"):
        tree.get_by_role("button", name=folder).click()
    tree.get_by_role("button", name="1.bin").click()
    page.get_by_text("This is no text").wait_for()
    for path in ("outputs/checkpoints/2.bin", "model/2.bin"):
        run.upload_file(path, io.BytesIO(b"2"))
    tree.get_by_role("button", name="2.bin").wait_for()
    assert tree.get_by_role("button", name="2.bin").count() == 1
    chosen = tree.locator("[aria-current=true]")
    assert chosen.get_attribute("title") == "outputs/checkpoints/1.bin"
    run.complete()
    page.locator("html[data-over]").wait_for(state="attached")
    tree.get_by_role("button", name="model").click()
    wait_until(lambda: tree.get_by_role("button", name="2.bin").count() == 2, WAIT_S)


def folder_of(url):
    """The folder whose files are asked for."""
    return parse_qs(urlsplit(url).query).get("path", [""])[0]


def wait_for_followed(page):
    """Wait until open folders are followed: a tick named them, and what it told was looked at."""
    for _ in range(3):
        with page.expect_response("**/tick?*"):
            pass


@pytest.mark.parametrize("lost", [1, 2])
def test_what_came_to_an_open_folder_is_asked_for_until_it_is_shown(pages, workspace, page, lost):
    """The tick tells it once; what is there, and then all that is shown, are two requests."""
    run = Experiment(workspace, "files").start_logging(outputs=None)
    run.upload_file("outputs/checkpoints/1.bin", io.BytesIO(b"1"))
    page.goto(pages.page(f"/runs/{run.id}", "team-a"))
    tree = page.get_by_role("tree", name="Files")
    for folder in ("outputs", "checkpoints"):
        tree.get_by_role("button", name=folder).click()
    tree.get_by_role("button", name="1.bin").wait_for()
    wait_for_followed(page)
    asked = []

    def answer(route):
        is_asked = folder_of(route.request.url) == "outputs/checkpoints"
        asked.extend([True] * is_asked)
        return route.abort() if is_asked and len(asked) == lost else route.continue_()

    page.route("**/files?*", answer)
    run.upload_file("outputs/checkpoints/2.bin", io.BytesIO(b"2"))
    tree.get_by_role("button", name="2.bin").wait_for()
    assert len(asked) > lost
    run.complete()


def test_folder_that_is_opened_while_files_are_asked_for_is_open(pages, workspace, page):
    """It may have been built closed by then."""
    run = Experiment(workspace, "files").start_logging(outputs=None)
    run.upload_file("outputs/1.bin", io.BytesIO(b"1"))
    run.upload_file("model/weights.bin", io.BytesIO(b"1"))
    page.goto(pages.page(f"/runs/{run.id}", "team-a"))
    tree = page.get_by_role("tree", name="Files")
    tree.get_by_role("button", name="outputs").click()
    tree.get_by_role("button", name="1.bin").wait_for()
    wait_for_followed(page)
    held = []
    page.route(
        lambda url: "/files?" in url and folder_of(url) == "outputs",
        lambda route: held.append(route),
        times=1,
    )
    run.upload_file("2.bin", io.BytesIO(b"2"))
    wait_until(lambda: page.wait_for_timeout(100) or held, WAIT_S)
    tree.get_by_role("button", name="model").click()
    tree.get_by_role("button", name="weights.bin").wait_for()
    held[0].continue_()
    tree.get_by_role("button", name="2.bin").wait_for()
    assert tree.get_by_role("button", name="weights.bin").count() == 1
    run.complete()


def test_slow_looks_are_few(pages, workspace, page):
    """As many times as long as one took no other one is made."""
    run = Experiment(workspace, "slow").start_logging(outputs=None)
    page.clock.install()
    page.goto(pages.page(f"/runs/{run.id}", "team-a"))
    page.locator("html[data-looked]").wait_for(state="attached")
    held, ticks = [], []
    page.route("**/tick?*", lambda route: held.append(route), times=1)
    wait_until(lambda: page.clock.run_for(1000) or held, WAIT_S)
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 5)
    page.on("request", lambda request: "/tick?" in request.url and ticks.append(request))
    held[0].continue_()
    is_looked = "document.documentElement.dataset.looked === String(Date.now())"
    wait_until(lambda: page.evaluate(is_looked), WAIT_S)
    page.clock.run_for(15_000)
    page.wait_for_timeout(200)
    assert ticks == []
    wait_until(lambda: page.clock.run_for(1000) or ticks, WAIT_S)
    run.complete()


def test_run_that_ended_long_ago_is_looked_at_once(pages, workspace, page):
    """Nothing is on its way any more."""
    run = Experiment(workspace, "ended").start_logging(outputs=None)
    run.log("loss", 1.5)
    run.flush()
    ended = int(time.time() * 1000) - 3_600_000
    workspace.client.set_terminated(run.id, "FINISHED", ended)
    page.clock.install()
    ticks = []
    page.on("request", lambda request: "/tick?" in request.url and ticks.append(request))
    page.goto(pages.page(f"/runs/{run.id}", "team-a"))
    page.locator("html[data-over]").wait_for(state="attached")
    page.clock.run_for(60_000)
    page.wait_for_timeout(200)
    assert len(ticks) == 1


def test_last_look_is_for_whoever_sees_it(pages, workspace, page):
    """What was on its way at the end is asked for when the page is visible again."""
    run = Experiment(workspace, "ends").start_logging(outputs=None)
    page.clock.install()
    page.goto(pages.page(f"/runs/{run.id}", "team-a"))
    page.locator("html[data-looked]").wait_for(state="attached")
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 1)
    run.complete()
    over = page.locator("html[data-over]")
    wait_until(lambda: page.clock.run_for(1000) or over.count(), WAIT_S)
    page.evaluate(HIDDEN, "hidden")
    ticks = []
    page.on("request", lambda request: "/tick?" in request.url and ticks.append(request))
    page.clock.run_for(60_000)
    page.wait_for_timeout(200)
    assert ticks == []
    page.evaluate(HIDDEN, "visible")
    wait_until(lambda: page.clock.run_for(1000) or ticks, WAIT_S)


def test_nothing_is_asked_while_nobody_looks_nor_after_the_end(pages, workspace, page):
    """Whoever comes back sees at once what was logged meanwhile."""
    run = Experiment(workspace, "hidden").start_logging(outputs=None)
    run.log("loss", 1.5)
    run.flush()
    page.clock.install()
    page.goto(pages.page(f"/runs/{run.id}", "team-a"))
    assert kind_of(figure(page, "loss")) == "number"
    asked = []
    page.on("request", lambda request: asked.append(request.url))

    def is_quiet():
        asked.clear()
        page.clock.run_for(60_000)
        page.wait_for_timeout(200)
        return asked == []

    page.evaluate(HIDDEN, "hidden")
    # What was on its way comes first.
    wait_until(is_quiet, WAIT_S)
    run.log("loss", 0.5)
    run.flush()
    assert is_quiet()
    page.evaluate(HIDDEN, "visible")
    wait_until(lambda: page.clock.run_for(1000) or kind_of(figure(page, "loss")) == "lines", WAIT_S)
    run.complete()
    page.locator("html[data-over]").wait_for(state="attached")
    # The last look is behind the end.
    wait_until(is_quiet, WAIT_S)
    assert is_quiet()


def test_pages_fit_a_phone(browser, pages, filled):
    """Of a run, an experiment, a workspace, its views and computes: nothing leaves the screen."""
    experiment = filled.experiment.id
    with quiet_page(browser, viewport={"width": 390, "height": 800}, has_touch=True) as phone:
        for path, heading in (
            (f"/runs/{filled.id}", "middle"),
            (f"/experiments/{experiment}", "whole"),
            ("/", "team-a"),
            ("/views", "Views"),
            ("/computes", "Computes"),
        ):
            phone.goto(pages.page(path, "team-a"))
            phone.get_by_role("heading", name=heading, exact=True).first.wait_for()
            if path.startswith("/runs/"):
                assert kind_of(figure(phone, CURVES[0])) == "lines"
                assert kind_of(figure(phone, "words")) == "table"
            phone.wait_for_load_state("networkidle")
            assert phone.evaluate("document.documentElement.scrollWidth") <= 390, path
