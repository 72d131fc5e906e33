"""The pages about several runs, in a browser: comparisons, views, computes, experiments."""

import json
import math
import re
import time

import pytest
import requests
from mlflow.entities import Metric, Param

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.jobs.engines.engine import Compute
from mlflow_workspace_plugin.overview.runs import views
from mlflow_workspace_plugin.overview.source import source_of
from mlflow_workspace_plugin.stores.views import View
from tests.chromium import figure, kind_of, read_points
from tests.pages import PLANTED as MARKUP
from tests.waiting import wait_until

COMPARED = re.compile(r"/api/compare\?")
LOSS = re.compile(r"/api/compare/figures\?.*%22loss%22")


@pytest.fixture(scope="module")
def workspace(pages):
    return Workspace.create("team-a", hub=pages.hub)


@pytest.fixture(scope="module")
def source(workspace):
    return source_of(workspace.get_mlflow_tracking_uri())


@pytest.fixture(scope="module")
def runs(workspace, tmp_path_factory):
    """Three runs that have everything that is compared; the name of the last is planted markup."""
    from PIL import Image

    experiment = Experiment(workspace, "ridge")
    folder = tmp_path_factory.mktemp("images")
    made = []
    for number, (lr, name) in enumerate(((0.3, "fast"), (0.1, "slow"), (0.03, MARKUP))):
        run = experiment.start_logging(display_name=name, outputs=None, snapshot_directory=None)
        for key, value in (("lr", lr), ("size", 64), ("optimizer", ["adam", "sgd"][number % 2])):
            workspace.client.log_param(run.id, key, value)
        for step in range(30):
            run.log("loss", math.exp(-step * lr / 3))
        for angle in range(12):
            run.log_row("wave", angle=angle / 2, cos=math.cos(angle / 2) * (number + 1))
        run.log("score", number / 10)
        run.log("note", MARKUP)
        Image.new("RGB", (40, 30), ["red", "green", "blue"][number]).save(folder / f"{number}.png")
        run.log_image("sample", str(folder / f"{number}.png"))
        run.tag("owner", MARKUP if number else "ann")
        run.complete()
        run.flush()
        made.append(run.id)
    return made


@pytest.fixture
def compared(page, pages, runs):
    page.goto(pages.page("/compare", "team-a", runs=",".join(runs)))
    page.get_by_role("heading", name="Compare 3 runs").wait_for()
    return page


def api(pages, path, method="GET", workspace="team-a", headers=None, **options):
    address = f"{pages.address}/pages/api{path}"
    return requests.request(
        method, address, params={"workspace": workspace}, headers=headers, timeout=30, **options
    )


class TestCompare:
    def test_curves_are_overlaid_and_rows_drawn_y_over_x(self, compared):
        """A curve for each run, in one chart; rows of two numbers, too."""
        for name, x in (("loss", "step"), ("wave", "angle")):
            drawn = figure(compared, name)
            assert kind_of(drawn) == "lines"
            label = drawn.get_by_role("img").first.get_attribute("aria-label")
            assert f"{name}: 3 curves, {90 if x == 'step' else 36} points" in label
        assert "cos" in figure(compared, "wave").inner_text()

    def test_images_are_side_by_side(self, compared):
        """One of each run, which says whose it is."""
        images = figure(compared, "sample").locator("img")
        wait_until(lambda: images.count() == 3)
        widths = "all => all.map(each => each.naturalWidth)"
        wait_until(lambda: images.evaluate_all(widths) == [40, 40, 40])
        assert MARKUP in figure(compared, "sample").inner_text()

    def test_the_table_has_differences_only(self, compared):
        """What is the same in all runs is counted, and not listed."""
        table = compared.locator(".mw-differences table")
        table.scroll_into_view_if_needed()
        rows = {
            row.locator("th").inner_text(): row.locator("td").all_inner_texts()
            for row in table.locator("tbody tr").all()
        }
        assert rows["lr"] == ["param", "0.3", "0.1", "0.03"]
        assert rows["owner"] == ["tag", "ann", MARKUP, MARKUP]
        assert "size" not in rows
        assert "note" not in rows
        assert "more are the same" in compared.locator(".mw-content").inner_text()

    def test_runs_are_lines_across_axes_and_chosen_by_drawing_on_one(self, compared):
        """What does not go through what was drawn is taken out of the charts."""
        axes = compared.locator(".mw-parallel")
        axes.scroll_into_view_if_needed()
        assert axes.locator(".mw-parallel-line").count() == 3
        titles = axes.locator(".mw-parallel-title").evaluate_all(
            "all => all.map(each => each.childNodes[0].data)"
        )
        assert titles == ["lr", "optimizer", "loss", "score", "wave/cos"]
        brush = axes.locator(".mw-parallel-brush").first
        box = brush.bounding_box()
        x = box["x"] + box["width"] / 2
        compared.mouse.move(x, box["y"] + 2)
        compared.mouse.down()
        compared.mouse.move(x, box["y"] + 60)
        compared.mouse.up()
        compared.get_by_text("1 of 3 runs go through").wait_for()
        assert "1 of 3" in compared.get_by_role("heading", name="Runs (").inner_text()
        assert compared.locator(".mw-runs li:not(.is-hidden)").inner_text().startswith("fast")

    def test_runs_are_chosen_by_keys(self, compared):
        """Whoever has no pointer takes ends of an axis off, and back; Escape shows all again."""
        axes = compared.locator(".mw-parallel")
        axes.scroll_into_view_if_needed()
        score = axes.get_by_role("group", name="Range of score.")
        score.focus()
        said = compared.locator(".mw-parallel + .mw-note")
        for key, chosen in (
            # fast has the least score, and is at the foot; slow is in the middle.
            ("ArrowDown", "2 of 3 runs"),
            ("ArrowUp", "3 of 3 runs"),
            ("Shift+ArrowUp", "2 of 3 runs"),
            ("Shift+ArrowDown", "3 of 3 runs"),
            ("ArrowDown", "2 of 3 runs"),
            ("Shift+ArrowUp", "1 of 3 runs"),
        ):
            compared.keyboard.press(key)
            assert said.inner_text().startswith(chosen), key
        assert compared.locator(".mw-runs li:not(.is-hidden)").inner_text().startswith("slow")
        compared.keyboard.press("Escape")
        assert "Draw along an axis" in said.inner_text()
        assert compared.locator(".mw-runs li:not(.is-hidden)").count() == 3

    def test_long_names_leave_room_for_others(self, page, pages, workspace, runs):
        """Of runs, above the table; of categories, between axes that stand close together."""
        client, experiment = workspace.client, Experiment(workspace, "long")
        long = client.create_run(experiment.id, run_name="long-" * 30).info.run_id
        params = [Param(f"category {n}", f"a long word of {n}") for n in range(12)]
        client.log_batch(long, params=params)
        client.set_terminated(long)
        page.goto(pages.page("/compare", "team-a", runs=",".join([long, *runs])))
        page.get_by_role("heading", name="Differences").wait_for()
        head = page.locator(".is-by-fact thead th").filter(has_text="long-long-")
        assert head.evaluate("head => head.offsetWidth") < 250
        ticks = page.locator(".mw-parallel-tick[text-anchor=end]")
        spans = ticks.evaluate_all(
            """all => all.map(tick => {
              const lines = [...tick.ownerSVGElement.querySelectorAll(".mw-parallel-axis")];
              const at = Number(tick.getAttribute("x"));
              const before = lines.map(line => line.x2.baseVal.value).filter(x => x < at);
              return [tick.getBBox().x, Math.max(0, ...before)];
            })"""
        )
        assert len(spans) > 12
        assert [left >= before for left, before in spans] == [True] * len(spans)

    def test_runs_are_taken_out_and_the_address_says_which_are_left(self, compared, runs):
        """So what one sees can be sent."""
        compared.get_by_role("button", name="Take slow out").click()
        compared.get_by_role("heading", name="Compare 2 runs").wait_for()
        assert runs[1] not in compared.url
        assert runs[0] in compared.url

    def test_what_was_chosen_last_is_shown(self, compared):
        """Though the answer to what was chosen before comes after it."""
        late = []
        compared.route("**/api/compare?*", lambda route: late.append(route), times=1)
        compared.get_by_role("button", name="Take slow out").click()
        wait_until(lambda: compared.wait_for_timeout(50) or late)
        compared.get_by_role("button", name="Take fast out").click()
        compared.get_by_role("heading", name="Compare one run").wait_for()
        with compared.expect_response("**/api/compare?*"):
            late[0].continue_()
        compared.wait_for_timeout(100)
        assert compared.get_by_role("heading", name="Compare one run").count() == 1
        assert compared.locator(".mw-runs li").count() == 1

    def test_a_run_that_is_not_there_is_named(self, page, pages, runs):
        """The others are compared all the same."""
        page.goto(pages.page("/compare", "team-a", runs=f"{runs[0]},{'0' * 32}"))
        page.get_by_text("One run is not in this workspace").wait_for()
        assert kind_of(figure(page, "loss")) == "lines"

    def test_what_is_logged_meanwhile_is_drawn(self, page, pages, workspace, runs):
        """And the end of a run is seen."""
        live = Experiment(workspace, "live").start_logging(
            display_name="live", outputs=None, snapshot_directory=None
        )
        live.log("loss", 1.0)
        live.log("loss", 0.5)
        live.flush()
        page.goto(pages.page("/compare", "team-a", runs=f"{live.id},{runs[0]}"))
        plot = figure(page, "loss").get_by_role("img").first
        wait_until(lambda: "32 points" in plot.get_attribute("aria-label"))
        live.log("loss", 0.25)
        live.flush()
        wait_until(lambda: "33 points" in plot.get_attribute("aria-label"), 30)
        legend = page.locator(f".mw-runs li[data-run='{live.id}']")
        assert "Running" in legend.inner_text()
        live.complete()
        wait_until(lambda: "Running" not in legend.inner_text(), 30)

    def test_late_points_of_other_clients_are_drawn(self, page, pages, workspace, source):
        """Below the last step, by clients that keep no receipt: as when the page is opened anew."""
        live = workspace.client.create_run(Experiment(workspace, "live").id).info.run_id
        now = int(time.time() * 1000)

        def log(steps, late_ms):
            # The store has no journal.
            metrics = [Metric("late", 1 / (1 + step), now - late_ms, step) for step in steps]
            source.store.log_batch(live, metrics, [], [])

        log(range(20, 40), 0)
        page.goto(pages.page("/compare", "team-a", runs=live))
        drawn = figure(page, "late")
        plot = drawn.get_by_role("img").first
        wait_until(lambda: "20 points" in plot.get_attribute("aria-label"))
        log(range(10), 1_000)
        wait_until(lambda: "30 points" in plot.get_attribute("aria-label"), 60)
        log(range(10, 20), 50_000)
        wait_until(lambda: "40 points" in plot.get_attribute("aria-label"), 60)
        points = read_points(page, drawn)
        assert [x for x, _ in points] == list(range(40))
        page.reload()
        assert read_points(page, figure(page, "late")) == points

    def test_the_end_of_a_run_is_seen_while_the_page_reads(self, page, pages, workspace, runs):
        """A run ends, and logs before, between two answers to one look: neither is lost."""
        live = Experiment(workspace, "live").start_logging(outputs=None, snapshot_directory=None)

        def log(**values):
            for name, value in values.items():
                live.log(name, value)
            live.flush()

        log(loss=1.0, accuracy=0.1)
        log(accuracy=0.2)
        page.goto(pages.page("/compare", "team-a", runs=f"{live.id},{runs[0]}"))
        plot = figure(page, "accuracy").get_by_role("img").first
        wait_until(lambda: "2 points" in plot.get_attribute("aria-label"))
        held = []
        page.route(COMPARED, lambda route: held.append(route), times=1)
        log(loss=0.5)
        wait_until(lambda: page.wait_for_timeout(50) or held, 60)
        log(accuracy=0.3)
        live.complete()
        live.flush()
        held[0].continue_()
        legend = page.locator(f".mw-runs li[data-run='{live.id}']")
        wait_until(lambda: "Running" not in legend.inner_text(), 60)
        wait_until(lambda: "3 points" in plot.get_attribute("aria-label"), 60)

    def test_what_was_logged_before_columns_were_chosen_is_drawn(
        self, page, pages, workspace, runs
    ):
        """Though the answer to that choice is the first that tells of it, also of the end."""
        live = Experiment(workspace, "live").start_logging(outputs=None, snapshot_directory=None)
        live.log("loss", 1.0)
        live.flush()
        page.goto(pages.page("/compare", "team-a", runs=f"{live.id},{runs[0]}"))
        plot = figure(page, "loss").get_by_role("img").first
        wait_until(lambda: "31 points" in plot.get_attribute("aria-label"))
        held = []
        # No look is answered from here on.
        page.route("**/compare/marks?*", lambda route: held.append(route))
        wait_until(lambda: page.wait_for_timeout(50) or held, 60)
        live.log("loss", 0.5)
        live.flush()
        page.get_by_role("button", name="Columns", exact=True).click()
        page.get_by_role("button", name="Apply").click()
        figure(page, "loss")
        wait_until(lambda: "32 points" in plot.get_attribute("aria-label"), 60)
        live.log("loss", 0.25)
        live.complete()
        live.flush()
        page.get_by_role("button", name="Differences only").click()
        figure(page, "loss")
        wait_until(lambda: "33 points" in plot.get_attribute("aria-label"), 60)

    def test_charts_are_left_alone_as_long_as_they_take(self, page, pages, workspace, runs):
        """What a slow server takes minutes for is not asked for at each look.

        Neither while it is being read, nor when one of many runs ends; but no day later either.
        """
        experiment = Experiment(workspace, "live")
        live, other = (
            experiment.start_logging(outputs=None, snapshot_directory=None) for _ in range(2)
        )

        def log(value):
            live.log("loss", value)
            live.flush()

        def end_other():
            other.complete()
            other.flush()

        def see(change, *given):
            """Change something, and wait for the look that finds it, and what is asked then."""
            looks.clear()
            change(*given)
            wait_until(lambda: page.clock.run_for(500) or page.wait_for_timeout(50) or looks, 60)
            page.wait_for_timeout(200)

        looks, asked = [], []
        log(1.0)
        page.clock.install()
        page.goto(pages.page("/compare", "team-a", runs=f"{live.id},{other.id},{runs[0]}"))
        plot = figure(page, "loss").get_by_role("img").first
        wait_until(lambda: "31 points" in plot.get_attribute("aria-label"))
        held = []
        page.route(LOSS, lambda route: held.append(route), times=1)
        log(0.5)
        wait_until(lambda: page.clock.run_for(1000) or held, 60)
        page.on("response", lambda each: COMPARED.search(each.url) and looks.append(each))
        page.on("request", lambda each: LOSS.search(each.url) and asked.append(each))
        see(log, 0.25)
        see(log, 0.125)
        page.clock.fast_forward(600_000)
        assert asked == []
        held[0].continue_()
        wait_until(lambda: "34 points" in plot.get_attribute("aria-label"), 60)
        see(end_other)
        see(log, 0.0625)
        assert asked == []
        page.clock.fast_forward(700_000)
        wait_until(lambda: "35 points" in plot.get_attribute("aria-label"), 60)
        live.complete()

    def test_many_runs_are_compared_on_a_phone_and_in_the_dark(self, browser, pages, source):
        """100 runs: a table of runs, whose order can be chosen; nothing leaves the screen."""
        client = source.store
        experiment = client.create_experiment("sweep")
        for number in range(100):
            run = client.create_run(experiment, "me", 1, [], f"trial {number}").info.run_id
            metrics = [Metric("accuracy", (number * 7 % 100) / 100, 1, 0)]
            client.log_batch(run, metrics, [Param("depth", str(number % 8))], [])
        ids = [each.info.run_id for each in client.search_runs([experiment], "", 1)]
        context = browser.new_context(
            viewport={"width": 390, "height": 800}, color_scheme="dark", has_touch=True
        )
        phone = context.new_page()
        phone.goto(pages.page("/compare", "team-a", runs=",".join(ids)))
        phone.get_by_role("heading", name="Compare 100 runs").wait_for()
        wait_until(lambda: phone.locator(".mw-parallel-line").count() == 100, 30)
        phone.locator(".mw-differences").get_by_role("button", name="accuracy").click()
        first = phone.locator(".mw-differences tbody tr").first
        assert "trial 0" in first.inner_text()
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390
        context.close()


class TestViews:
    def test_one_is_saved_opened_by_its_link_changed_and_deleted(self, compared, runs, source):
        """It keeps charts, runs and columns; that it is not saved is said."""
        compared.get_by_role("button", name="Save as a view").click()
        compared.get_by_label("Name", exact=True).fill(f"by lr {MARKUP}")
        compared.get_by_role("button", name="Save", exact=True).click()
        compared.wait_for_url(re.compile(r"/pages/views/[0-9a-f]{32}\?"))
        compared.get_by_role("heading", name=f"by lr {MARKUP}").wait_for()
        compared.get_by_text("who alone may change it here").wait_for()
        figure(compared, "note")
        compared.get_by_role("button", name="Take note off").click()
        compared.get_by_label("Log scale").check()
        compared.get_by_text("changed, not saved").wait_for()
        compared.get_by_role("button", name="Save", exact=True).click()
        compared.get_by_text("Saved.", exact=True).wait_for()
        (kept,) = views.listed(source)
        names = [chart["metric"] for chart in kept["definition"]["charts"]]
        assert "loss" in names
        assert "note" not in names
        assert kept["definition"]["log_scale"]
        assert kept["definition"]["runs"] == {"ids": runs}
        compared.reload()
        assert kind_of(figure(compared, "loss")) == "lines"
        assert compared.locator(".mw-figure-title", has_text="note").count() == 0
        compared.get_by_role("button", name="Rename").click()
        compared.get_by_label("Name", exact=True).fill("renamed")
        compared.get_by_role("button", name="Rename").last.click()
        compared.get_by_role("heading", name="renamed").wait_for()
        compared.get_by_role("button", name="Delete").click()
        compared.get_by_role("button", name="Delete").last.click()
        compared.get_by_text("There are none yet.").wait_for()
        assert views.listed(source) == []

    def test_what_was_zoomed_to_is_kept(self, compared, source):
        """Of steps, over a chart's own x, and of an x of rows' own; over another x it is not."""

        def press(name, *keys):
            figure(compared, name).get_by_role("img").focus()
            for key in keys:
                compared.keyboard.press(key)

        def kept():
            (view,) = views.listed(source)
            ranges = view["definition"].get("ranges", {})
            return {json.loads(figure_id)[1]: each for figure_id, each in ranges.items()}

        def zoomed(name):
            return figure(compared, name).get_by_role("button", name="Reset zoom")

        def save():
            compared.get_by_role("button", name="Save", exact=True).click()
            compared.get_by_text("Saved.", exact=True).wait_for()
            compared.reload()

        press("loss", "+", "+")
        press("wave", "+")
        compared.get_by_role("button", name="Save as a view").click()
        compared.get_by_label("Name", exact=True).fill("the middle")
        compared.get_by_role("button", name="Save", exact=True).click()
        compared.wait_for_url(re.compile(r"/pages/views/"))
        ranges = kept()
        assert {name: each["x"] for name, each in ranges.items()} == {"loss": "step", "wave": None}
        assert 0 < ranges["loss"]["from"] < ranges["loss"]["to"] < 29
        for name in ranges:
            zoomed(name).wait_for()
        press("loss", "Home")
        first = re.search(r"step (\d+)", compared.locator(".mw-readout:visible").inner_text())
        assert int(first[1]) == math.ceil(ranges["loss"]["from"])
        assert compared.get_by_text("changed, not saved").count() == 0
        press("loss", *["-"] * 4)
        zoomed("loss").wait_for(state="hidden")
        figure(compared, "loss").get_by_label("Over").select_option("relative")
        # There is nothing between two numbers that are next to each other.
        press("loss", *["+"] * 60)
        save()
        assert kept()["loss"]["x"] == "relative"
        zoomed("loss").wait_for()
        # What is set for all leaves a chart the x of its own.
        compared.get_by_label("Smoothing", exact=True).first.fill("0.5")
        compared.get_by_label("Smoothing", exact=True).first.dispatch_event("change")
        save()
        assert kept()["loss"]["x"] == "relative"
        zoomed("loss").wait_for()
        press("loss", "-")
        zoomed("loss").wait_for()
        compared.get_by_label("Over", exact=True).first.select_option("time")
        save()
        assert list(kept()) == ["wave"]
        zoomed("wave").wait_for()
        assert zoomed("loss").count() == 0
        views.drop(source, views.listed(source)[0]["id"])

    def test_it_is_exported_to_a_file_and_read_from_one(self, page, pages, runs, source, tmp_path):
        """The file is a text, and the same when it is exported again."""
        view = views.create(source, "日本語 one", {"runs": {"ids": runs}, "x": "time"})
        page.goto(pages.page("/views", "team-a"))
        with page.expect_download() as download:
            page.get_by_role("link", name="Export").click()
        file = tmp_path / download.value.suggested_filename
        download.value.save_as(file)
        assert file.name == "日本語 one.view.json"
        assert file.read_text() == views.exported(view)
        page.get_by_label("File of a view").set_input_files(file)
        page.get_by_text("It is saved, and yours.").wait_for()
        page.get_by_label("Text of a view").fill("{}")
        page.get_by_role("button", name="Read the text").click()
        page.get_by_text("This is no view").wait_for()
        for each in views.listed(source):
            assert each["definition"] == view.definition
            views.drop(source, each["id"])

    def test_that_of_somebody_else_says_whose_it_is_and_is_copied(self, page, pages, source):
        """Nothing on the page changes it, and the server refuses what comes otherwise."""
        definition = views.checked({"runs": {"experiment": "ridge"}})
        view = source.store.put_view(View("d" * 32, "theirs", "somebody-else", definition))
        page.goto(pages.page(f"/views/{view.id}", "team-a"))
        page.get_by_text("Saved by somebody-else, who alone may change it").wait_for()
        page.get_by_role("heading", name="Runs (3)").wait_for()
        assert page.get_by_role("button", name="Rename").count() == 0
        assert page.get_by_role("button", name="Delete").count() == 0
        json_type = {"Content-Type": "application/json"}
        for method in ("PATCH", "DELETE"):
            answer = api(pages, f"/views/{view.id}", method, headers=json_type, json={"name": "x"})
            assert answer.status_code == 403
            assert "Save a copy" in answer.json()["message"]
        source.store.drop_view(view.id)

    def test_no_other_site_changes_one(self, pages, source):
        """Nor does a form of one, whatever it is sent as."""
        view = views.create(source, "kept", {"runs": {}})
        body = json.dumps({"name": "taken", "definition": {"runs": {}}})
        for headers in (
            {"Content-Type": "application/json", "Origin": "https://evil.example"},
            {"Content-Type": "application/json", "Origin": "null"},
            {"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"},
            {"Content-Type": "text/plain"},
            {"Content-Type": "application/x-www-form-urlencoded"},
            {"Content-Type": "application/json", "Host": "evil.example"},
        ):
            for method, path in (
                ("POST", "/views"),
                ("POST", "/views/import"),
                ("PATCH", f"/views/{view.id}"),
                ("DELETE", f"/views/{view.id}"),
            ):
                answer = api(pages, path, method, headers=headers, data=body)
                assert answer.status_code == 403, (method, path, headers)
        assert [each["name"] for each in views.listed(source)] == ["kept"]
        views.drop(source, view.id)


class TestComputes:
    def test_the_queue_of_each_is_seen_and_goes_on(self, page, pages, workspace, source):
        """What waits becomes what has ended, without a reload."""
        experiment = Experiment(workspace, "jobs")
        made = source.store.create_job(
            experiment.id,
            run_name=f"job {MARKUP}",
            tags=[],
            definition={},
            compute="local",
            engine="local",
        )
        run_id = made.info.run_id
        page.goto(pages.page("/computes", "team-a"))
        card = page.get_by_role("region", name="local")
        card.get_by_text("0 running, 1 waiting").wait_for()
        assert MARKUP in card.inner_text()
        assert "NotStarted" in card.inner_text()
        card.get_by_text(re.compile(r"\d+ of \d+ slots are taken")).wait_for()
        source.store.cancel_job(run_id)
        card.get_by_text("Nothing runs, and nothing waits.").wait_for()
        card.get_by_text("The last one that ended").click()
        card.get_by_text("Canceled", exact=True).wait_for()

    def test_markup_in_a_compute_target_is_text(self, page, pages, source):
        """Its address and its settings."""
        settings = {
            "python": f"python {MARKUP}",
            "hub": f"hub {MARKUP}",
            "options": {f"option {MARKUP}": f"value {MARKUP}"},
        }
        source.store.put_compute(Compute("marked", "slurm", f"address {MARKUP}", settings))
        page.goto(pages.page("/computes", "team-a"))
        card = page.get_by_role("region", name="marked")
        card.get_by_text(f"address {MARKUP}").wait_for()
        for each in ("python", "hub", "option", "value"):
            assert f"{each} {MARKUP}" in card.inner_text()
        assert page.evaluate("document.querySelectorAll('main b, main img').length") == 0

    def test_cards_begin_at_one_height_and_reasons_are_read_whole(self, page, pages, workspace):
        """Also where nobody has said that jobs may go there, which is a long sentence."""
        other = Workspace.create("team-b", hub=workspace._hub.path)
        store = source_of(other.get_mlflow_tracking_uri()).store
        store.put_compute(Compute("far", "ray", "http://127.0.0.1:1"))
        store.create_job(
            Experiment(other, "jobs").id,
            run_name="job",
            tags=[],
            definition={},
            compute="far",
            engine="ray",
        )
        page.goto(pages.page("/computes", "team-b"))
        reason = page.get_by_role("region", name="far").locator("tbody td").last
        reason.wait_for()
        assert len(reason.inner_text()) > 80
        assert reason.evaluate("cell => cell.scrollWidth <= cell.clientWidth")
        tops = "all => all.map(card => card.getBoundingClientRect().top)"
        first, second = page.locator(".mw-compute").evaluate_all(tops)
        assert first == second


class TestExperiment:
    def test_a_run_that_is_started_later_is_seen(self, page, pages, workspace):
        """Where there was none, and where all had ended; what is the same is not drawn anew."""
        experiment_id = workspace.client.create_experiment("later")
        experiment = Experiment(workspace, "later")
        page.clock.install()
        page.goto(pages.page(f"/experiments/{experiment_id}", "team-a"))
        page.get_by_text("No runs.").wait_for()
        for number in range(1, 3):
            run = experiment.start_logging(outputs=None, snapshot_directory=None)
            run.log("score", number)
            run.complete()
            run.flush()
            page.clock.fast_forward(30_000)
            page.get_by_role("heading", name="1 run" if number == 1 else "2 runs").wait_for()
        page.evaluate("document.querySelector('.mw-runs-table').isSame = true")
        with page.expect_response("**/api/experiments/*"):
            page.clock.fast_forward(30_000)
        page.wait_for_timeout(200)
        assert page.evaluate("document.querySelector('.mw-runs-table').isSame")

    def test_any_metric_over_runs_and_chosen_runs_compared(self, page, pages, workspace, runs):
        """A point for each run, over time or over another value; chosen runs lead to the next."""
        experiment = Experiment(workspace, "ridge")
        page.goto(pages.page(f"/experiments/{experiment.id}", "team-a"))
        chart = page.get_by_role("region", name="score")
        wait_until(lambda: chart.locator(".mw-point").count() == 3)
        page.get_by_label("Over").select_option(label="param lr")
        first = chart.locator(".mw-point").first
        wait_until(lambda: "lr: 0.03" in first.get_attribute("aria-label"))
        page.get_by_role("button", name="Take loss off").click()
        assert page.get_by_role("region", name="loss").count() == 0
        page.get_by_label("Add a chart of a metric").fill("loss")
        page.get_by_label("Add a chart of a metric").press("Enter")
        page.get_by_role("region", name="loss").wait_for()
        filters = page.get_by_label("Filter of runs")
        filters.fill("params.optimizer = 'adam'")
        filters.press("Enter")
        page.get_by_role("heading", name="2 runs").wait_for()
        filters.fill("nonsense !!")
        filters.press("Enter")
        page.get_by_role("alert").get_by_text("Invalid").wait_for()
        page.get_by_label("Choose all that are shown").check()
        page.get_by_role("button", name="Compare 2").click()
        page.get_by_role("heading", name="Compare 2 runs").wait_for()
