"""Figures as a browser draws them: all of their kinds, read by hand and keys, and asked again."""

import copy
import csv

import pytest

from mlflow_workspace_plugin.web.bundle import module_bundle, style_sheet, uplot_script
from mlflow_workspace_plugin.web.palette import COLOURS
from tests.chromium import read_points
from tests.figure_cases import FOLDER
from tests.figure_page import FigurePage, figure_page, golden

NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
BLUE, ORANGE = COLOURS[:2]


@pytest.fixture(scope="module")
def address():
    with figure_page() as served:
        yield served


@pytest.fixture(scope="module")
def opened(browser, address):
    """A page of a browser that speaks German."""
    page = browser.new_page(viewport={"width": 1280, "height": 900}, locale="de-DE")
    yield FigurePage(page, address)
    page.close()


@pytest.fixture
def shown(opened):
    """The page without a figure, in which nothing has gone wrong at the end."""
    opened.clear()
    yield opened
    assert opened.faults == []


def case(name):
    return golden(FOLDER / f"{name}.json")


def curve(**changed):
    """A figure of one curve of 40 points."""
    figure = copy.deepcopy(case("line"))
    figure["series"][0].update(changed)
    return figure


def point_of(shown, element, x, y):
    """Move over a place of a plot, told as shares of its width and height."""
    box = element.locator(".u-over").bounding_box()
    shown.page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * y)
    shown.settle()


def drag(shown, element, start, end):
    point_of(shown, element, *start)
    shown.page.mouse.down()
    point_of(shown, element, *end)
    shown.page.mouse.up()
    shown.settle()


# One of each kind, and those that are broad.
BROAD = [
    *{case(name)["kind"]: name for name in NAMES}.values(),
    *(name for name in NAMES if any(word in name for word in ("long", "wide", "of-many"))),
]


@pytest.mark.parametrize(
    ("names", "seen"),
    [
        (NAMES, {"viewport": {"width": 1280, "height": 900}}),
        (BROAD, {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}),
    ],
    ids=["wide and light", "a dark phone"],
)
def test_every_figure_is_drawn(browser, address, names, seen):
    """Each kind with whatever may be in it, within the width of the screen."""
    page = browser.new_page(**seen)
    shown = FigurePage(page, address)
    figures = [case(name) for name in names]
    shown.draw(*figures)
    drawn = page.locator(".mw-figure").evaluate_all(
        """figures => figures.map((figure) => ({
          kinds: [...figure.classList],
          title: figure.querySelector("h3").textContent,
          plots: figure.querySelectorAll("canvas").length,
        }))"""
    )
    for name, figure, found in zip(names, figures, drawn, strict=True):
        assert "is-broken" not in found["kinds"], name
        assert f"is-{figure['kind']}" in found["kinds"], name
        assert found["title"] == figure["title"], name
        assert found["plots"] == (figure["kind"] in {"lines", "bars", "band"}), name
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert shown.faults == []
    # Labels of axes are not cut.
    for label in shown.written():
        assert label["left"] >= -1, label
        assert label["right"] <= label["canvas"] + 1, label
    page.close()


def test_markup_is_text(shown):
    """Titles, names, labels, cells and texts that are markup make no element and run nothing."""
    marked = [case(name) for name in NAMES if "markup" in name]
    before = shown.page.locator("script").count()
    shown.draw(*marked)
    for plot in shown.page.locator(".mw-plot").all():
        plot.hover(position={"x": 120, "y": 90})
        shown.page.locator(".mw-readout.is-shown").first.wait_for()
    assert len(marked) > 5
    assert shown.page.locator("script").count() == before
    assert shown.page.locator("main img[src=x], main [onerror]").count() == 0


def test_numbers_are_written_alike_in_every_language(shown):
    """Points are points for a German browser, on axes, under the pointer and in tables."""
    element = shown.draw(curve(y=[each / 8000 for each in range(40)]))
    written = [label["text"] for label in shown.written()]
    assert "0.002" in written
    assert not any("," in text for text in written)
    point_of(shown, element, 0.5, 0.5)
    assert element.locator(".mw-readout-value").text_content() in {"0.002375", "0.0025"}
    table = shown.draw(case("table"))
    assert "2.5" in table.locator("td").all_text_contents()


def test_points_are_read_by_keys(shown):
    """Whoever has no pointer reads each point, one after the other."""
    element = shown.draw(case("rows-y-over-x"))
    series = case("rows-y-over-x")["series"][0]
    found = read_points(shown.page, element)
    assert [x for x, _ in found] == pytest.approx(series["x"], rel=1e-4)
    assert [y for _, y in found] == pytest.approx(series["y"], rel=1e-4, abs=1e-6)


def test_keys_read_farther_and_set_the_scale(shown):
    """The first, the last, one back, and a twentieth of all; ``l`` is the logarithmic scale."""
    element = shown.draw(curve())
    element.locator(".mw-plot").focus()
    spoken = element.locator(".mw-spoken")
    said = []
    for key in ("End", "ArrowLeft", "PageUp", "PageDown", "Home", "PageDown"):
        shown.page.keyboard.press(key)
        said.append(spoken.text_content().split(":")[0])
    assert said == [f"step {step}" for step in (39, 38, 36, 38, 0, 2)]
    log = element.get_by_role("button", name="log")
    for pressed in ("true", "false"):
        shown.page.keyboard.press("l")
        assert log.get_attribute("aria-pressed") == pressed


def test_keys_zoom_and_move(shown):
    """In and out by half, to the sides by a fifth; Escape shows all again."""
    shown.answer_ranges(curve())
    element = shown.draw(case("line-of-many"))
    element.locator(".mw-plot").focus()

    def asked_by(key):
        shown.page.keyboard.press(key)
        shown.settle()
        [[_, asked]] = shown.asked()
        return asked["start"], asked["end"]

    start, end = asked_by("+")
    assert (start, end) == pytest.approx((250_000, 750_000), rel=0.01)
    part = (end - start) / 5
    assert asked_by("Shift+ArrowRight") == pytest.approx((start + part, end + part))
    assert asked_by("Shift+ArrowLeft") == pytest.approx((start, end))
    quarter = (end - start) / 4
    assert asked_by("+") == pytest.approx((start + quarter, end - quarter))
    assert asked_by("-") == pytest.approx((start, end))
    zoomed = element.get_by_role("button", name="Reset zoom")
    assert zoomed.count() == 1
    shown.page.keyboard.press("Escape")
    shown.settle()
    assert zoomed.count() == 0
    assert shown.asked() == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "residuals",
            ["-3 to -1: count 2", "-1 to 0: count 30", "1 to 3: count 5", "0 to 1: count 41"],
        ),
        ("residuals-unbounded", ["-2 to -1: count 2", "-1 to 0: count 30", "1 to 2: count 5"]),
        (
            "predictions",
            [
                "true value 0.5: high 0.7, predicted value 0.6, low 0.5",
                "true value 1.5: high 1.7, predicted value 1.4, low 1.1",
                "true value 3.5: high 4.7, predicted value 3.9, low 3.1",
                "true value 1.5: high 1.7, predicted value 1.4, low 1.1",
            ],
        ),
    ],
)
def test_bins_are_read_by_keys(shown, name, expected):
    """The first, the next, the last and the one before it."""
    element = shown.draw(case(name))
    element.locator(".mw-plot").focus()
    said = []
    for key in ("Home", "ArrowRight", "End", "ArrowLeft")[: len(expected)]:
        shown.page.keyboard.press(key)
        said.append(element.locator(".mw-spoken").text_content())
    assert said == expected
    assert BLUE in shown.colours(element) or name.startswith("residuals")


def test_values_that_are_not_finite_are_marked_and_read(shown):
    """NaN and infinities have marks at the edge, and the pointer says which."""
    element = shown.draw(case("line-odd-values"))
    shown.page.locator(".mw-plot").focus()
    spoken = element.locator(".mw-spoken")
    said = []
    for key in ["Home", *["ArrowRight"] * 4]:
        shown.page.keyboard.press(key)
        said.append(spoken.text_content().split(": ")[1].strip())
    assert said == ["0.5", "NaN", "Infinity", "0.75", "-Infinity"]
    assert "marked at the edge" in element.locator(".mw-note").text_content()
    assert BLUE in shown.colours(shown.draw(case("line-of-nothing-but-nan")))


def test_zoom_into_sampled_points_asks_for_the_range(shown):
    """What is dragged out is asked for again, shown with what is said of it, and left again."""
    sampled = case("line-of-many")
    exact = curve(x=list(range(250_000, 250_040)), time=None)
    exact["note"] = "40 points of 1,000,000."
    shown.answer_ranges(exact)
    element = shown.draw(sampled)
    assert "shown as" in element.locator(".mw-note").text_content()
    drag(shown, element, (0.25, 0.5), (0.5, 0.52))
    [[name, asked]] = shown.asked()
    assert name == sampled["id"]
    assert asked["x"] == "step"
    assert asked["start"] == pytest.approx(250_000, rel=0.03)
    assert asked["end"] == pytest.approx(500_000, rel=0.03)
    assert "40 points of 1,000,000." in element.locator(".mw-note").text_content()
    element.get_by_role("button", name="Reset zoom").click()
    shown.settle()
    assert "shown as" in element.locator(".mw-note").text_content()
    assert shown.asked() == []
    assert element.get_by_role("button", name="Reset zoom").count() == 0


def test_zoom_into_exact_points_asks_nobody(shown):
    """They are here, so it is only larger; a double click, or a key, shows all again."""
    element = shown.draw(curve())
    shown.written()
    drag(shown, element, (0.0, 0.5), (0.25, 0.52))
    assert "8" in [label["text"] for label in shown.written()]
    element.locator(".u-over").dblclick(position={"x": 50, "y": 50})
    shown.settle()
    assert "30" in [label["text"] for label in shown.written()]
    element.locator(".mw-plot").focus()
    for key in ("+", "0"):
        shown.page.keyboard.press(key)
        shown.settle()
        zoomed = element.get_by_role("button", name="Reset zoom").count()
        assert zoomed == (1 if key == "+" else 0)
    assert shown.asked() == []


def test_zoom_keeps_while_points_come(shown):
    """A run that goes on does not take away what somebody looks at."""
    element = shown.draw(curve())
    drag(shown, element, (0.0, 0.5), (0.25, 0.52))
    shown.written()
    longer = curve(
        x=list(range(80)), time=list(range(80)), y=[1 / (step + 1) for step in range(80)]
    )
    shown.update(longer)
    labels = [label["text"] for label in shown.written()]
    assert "8" in labels
    assert "40" not in labels
    element.get_by_role("button", name="Reset zoom").click()
    shown.settle()
    assert "60" in [label["text"] for label in shown.written()]


def test_answer_that_comes_late_is_not_shown(shown):
    """Of two ranges that are asked for, the picture is that of the second."""
    shown.page.evaluate(
        """figure => {
          window.waiting = [];
          window.answers.range = (id, asked) => new Promise((done) => {
            window.waiting.push(() => done({ ...figure, note: `from ${asked.start}` }));
          });
        }""",
        curve(),
    )
    element = shown.draw(case("line-of-many"))
    drag(shown, element, (0.2, 0.5), (0.6, 0.52))
    drag(shown, element, (0.2, 0.5), (0.6, 0.52))
    first, second = (asked["start"] for _, asked in shown.asked())
    shown.page.evaluate("() => window.waiting.reverse().forEach((answer) => answer())")
    shown.settle()
    assert second > first
    assert f"from {second}" in element.locator(".mw-note").text_content()


def test_range_that_cannot_be_read_is_said(shown):
    """With the reason, while the points that are here stay."""
    shown.page.evaluate(
        "() => { window.answers.range = async () => { throw new Error('the hub is away') } }"
    )
    element = shown.draw(case("line-of-many"))
    drag(shown, element, (0.2, 0.5), (0.6, 0.52))
    assert "the hub is away" in element.get_by_role("alert").text_content()
    assert BLUE in shown.colours(element)


def test_exact_points_are_shown_over_time_without_a_question(shown):
    """Step, time since the start, and the clock are three views of the same points."""
    element = shown.draw(case("line"))
    shown.written()
    element.get_by_label("Over").select_option("relative")
    shown.settle()
    assert "30 s" in [label["text"] for label in shown.written()]
    element.get_by_label("Over").select_option("time")
    shown.settle()
    assert any("2026-09-21" in label["text"] for label in shown.written())
    assert shown.asked() == []


def test_sampled_points_are_asked_for_over_time(shown):
    """They were chosen by their steps; over time, others are."""
    shown.answer_ranges(case("line-by-time"))
    element = shown.draw(case("line-of-many"), x="time")
    assert [asked for _, asked in shown.asked()] == [{"x": "time", "start": None, "end": None}]
    assert element.get_by_label("Over").input_value() == "time"
    assert any("2026-09-21" in label["text"] for label in shown.written())


def test_curves_that_lie_on_each_other_are_both_seen(shown):
    """As stripes of their colours."""
    element = shown.draw(case("lines-that-coincide"))
    assert {BLUE, ORANGE} <= shown.colours(element)


def test_legend_hides_and_takes_two_lines_at_most(shown):
    """However many curves there are."""
    element = shown.draw(case("lines-of-many-runs"))
    assert element.locator(".mw-legend").bounding_box()["height"] <= 48
    few = shown.draw(case("lines-that-coincide"))
    entry = few.get_by_role("button", name="two")
    entry.click()
    shown.page.mouse.move(0, 0)
    shown.settle()
    assert entry.get_attribute("aria-pressed") == "false"
    assert ORANGE not in shown.colours(few)
    assert BLUE in shown.colours(few)


def test_page_sets_smoothing_and_scale_for_metrics(shown):
    """Of what was measured over steps, not of a curve such as ROC, whose x is no course of time."""
    noisy = curve(y=[(step % 2) + 1 for step in range(40)])
    element = shown.draw(noisy)
    shown.set_for_all(smoothing=0.95)
    point_of(shown, element, 0.99, 0.5)
    smooth, raw = element.locator(".mw-readout-value").text_content().rstrip(")").split(" (")
    assert float(raw) == 2
    assert 1.3 < float(smooth) < 1.7
    shown.set_for_all(smoothing=0, logScale=True)
    assert element.get_by_role("button", name="log").get_attribute("aria-pressed") == "true"
    roc = shown.draw(case("accuracy-table-roc"), smoothing=0.9, logScale=True)
    assert roc.get_by_role("button", name="log").get_attribute("aria-pressed") == "false"


def test_logarithmic_scale_says_what_it_leaves_out(shown):
    """Zeros and less have no place on it; of nothing above 0 there is no such scale."""
    element = shown.draw(curve(y=[step - 10 for step in range(40)]), logScale=True)
    assert "11 of 0 or less" in element.locator(".mw-note").text_content()
    below = shown.draw(curve(y=[-1] * 40), logScale=True)
    assert "not logarithmic" in below.locator(".mw-note").text_content()


def test_what_came_while_nobody_could_look_is_shown(shown):
    """A figure in a part of the page that was folded is as new as others."""
    element = shown.draw(curve())
    element.evaluate("figure => { figure.style.display = 'none' }")
    shown.update(curve(x=list(range(100, 140))))
    shown.written()
    element.evaluate("figure => { figure.style.display = '' }")
    shown.settle()
    shown.settle()
    assert "120" in [label["text"] for label in shown.written()]


def test_figure_whose_kind_changes_is_drawn_anew(shown):
    """One point is a number, two are a curve."""
    element = shown.draw(case("number"))
    shown.update(case("line"))
    assert "is-lines" in element.get_attribute("class")
    assert element.locator("canvas").count() == 1
    assert element.locator(".mw-number").count() == 0


def test_figure_that_cannot_be_drawn_harms_no_other(shown):
    """It says so in its place."""
    broken = case("line") | {"series": None}
    element = shown.draw(broken)
    assert "cannot be drawn" in element.text_content()
    shown.update(case("line"))
    assert element.locator("canvas").count() == 1
    assert "cannot be drawn" not in element.text_content()
    unknown = shown.draw({"id": "x", "title": "of tomorrow", "kind": "toString", "note": None})
    assert "toString" in unknown.text_content()
    assert shown.draw(case("line")).locator("canvas").count() == 1


def test_table_is_paged_and_sorted_only_where_it_is_whole(shown):
    """Sorting one page of many would say of it what is not so."""
    whole = shown.draw(case("table-knot"))
    whole.get_by_role("button", name="b", exact=True).click()
    assert whole.locator("td:nth-child(2)").all_text_contents() == ["1", "2", "3"]
    whole.get_by_role("button", name="b", exact=True).click()
    assert whole.locator("td:nth-child(2)").all_text_contents() == ["3", "2", "1"]
    shown.page.evaluate(
        """() => { window.answers.rows = (id, offset, limit) => ({
          offset, total: 250, rows: Array.from({ length: Math.min(limit, 250 - offset) },
            (_, at) => [offset + at, `row ${offset + at}`, true]) }) }"""
    )
    paged = shown.draw(case("table-second-page"))
    assert paged.locator("th button").count() == 0
    assert "101-200 of 250 rows" in paged.text_content()
    paged.get_by_role("button", name="Last rows").click()
    shown.settle()
    assert [asked[1:] for asked in shown.asked()] == [[200, 100]]
    assert "201-250 of 250 rows" in paged.text_content()
    assert paged.get_by_role("button", name="Rows after").is_disabled()


def test_table_that_grew_is_paged_by_what_a_page_has(shown):
    """Not by the two rows that it had at first; its last page is renewed."""

    def table(total, shown_rows):
        rows = [[at, f"row {at}", True] for at in range(shown_rows)]
        return {**case("table-second-page"), "offset": 0, "rows": rows, "total": total}

    shown.page.evaluate(
        """() => { window.total = 150; window.answers.rows = (id, offset, limit) => {
          const length = Math.min(limit, window.total - offset);
          const rows = Array.from({ length }, (_, at) => [offset + at, `row ${offset + at}`, true]);
          return { offset, total: window.total, rows };
        } }"""
    )
    drawn = shown.draw(table(2, 2))
    shown.update(table(150, 100))
    drawn.get_by_role("button", name="Rows after").click()
    shown.settle()
    assert "101-150 of 150 rows" in drawn.text_content()
    shown.page.evaluate("() => { window.total = 160 }")
    shown.update(table(160, 100))
    shown.settle()
    assert "101-160 of 160 rows" in drawn.text_content()
    assert [asked[1:] for asked in shown.asked()] == [[100, 100], [100, 100]]


def test_images_are_stepped_through(shown):
    """By a slider, from the last; those of several runs stand side by side."""
    element = shown.draw(case("images"))
    images = case("images")["images"]
    assert element.locator("img").get_attribute("alt") == images[-1]["label"]
    element.get_by_role("slider").press("Home")
    shown.settle()
    assert element.locator("img").get_attribute("title") == images[0]["path"]
    beside = shown.draw(case("images-side-by-side"))
    assert beside.locator("img").count() > 1


def test_heat_map_shows_counts_or_shares(shown):
    """Each cell's number is legible on its colour, in light and in dark."""
    figure = case("confusion-matrix")
    for scheme in ("light", "dark"):
        shown.page.emulate_media(color_scheme=scheme)
        element = shown.draw(figure)
        for name, text in (("Normalised", "0.94"), ("Counts", "50")):
            element.get_by_role("button", name=name).click()
            assert element.locator("tbody td").first.text_content() == text
            contrasts = element.locator("tbody td").evaluate_all(
                """cells => cells.map((cell) => {
                  const light = (colour) => {
                    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => {
                      const share = part / 255;
                      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
                    });
                    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
                  };
                  const { color, backgroundColor } = getComputedStyle(cell);
                  const [a, b] = [light(color), light(backgroundColor)];
                  return Math.max(a, b) / Math.min(a, b);
                })"""
            )
            assert min(contrasts) >= 4.5, (scheme, contrasts)


def test_dark_is_drawn_dark_when_it_becomes_so(shown):
    """Canvases have colours of their own, and follow."""
    element = shown.draw(case("line"))
    assert BLUE in shown.colours(element)
    shown.page.emulate_media(color_scheme="dark")
    shown.settle()
    assert {BLUE, "#262c34"} <= shown.colours(element)
    shown.page.evaluate("() => { document.documentElement.dataset.theme = 'light' }")
    shown.settle()
    assert BLUE in shown.colours(element)
    assert element.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(255, 255, 255)"


def test_enlarged_figure_fills_the_window_and_goes_back(shown):
    """The others stay where they are."""
    element = shown.draw(case("line"))
    other = shown.draw(case("number"))
    before = other.bounding_box(), element.bounding_box()
    element.get_by_role("button", name="Enlarge").click()
    shown.settle()
    assert element.bounding_box()["width"] > 1200
    assert element.locator("canvas").bounding_box()["height"] > 600
    assert other.bounding_box() == before[0]
    shown.page.keyboard.press("Escape")
    shown.settle()
    assert element.bounding_box() == before[1]


def test_two_fingers_zoom(browser, address):
    """What is below them stays there; one finger reads."""
    page = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True)
    shown = FigurePage(page, address)
    element = shown.draw(curve())
    box = element.locator(".u-over").bounding_box()
    middle, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = page.context.new_cdp_session(page)

    def touch(kind, *lefts):
        points = [{"x": left, "y": y, "id": place} for place, left in enumerate(lefts)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", middle)
    assert element.locator(".mw-readout.is-shown").count() == 1
    touch("touchStart", middle, middle + 40)
    touch("touchMove", middle, middle + 160)
    touch("touchEnd")
    shown.settle()
    assert element.get_by_role("button", name="Reset zoom").count() == 1
    assert shown.faults == []
    page.close()


def test_what_is_far_below_is_drawn_when_it_is_scrolled_to(shown):
    """A page of hundreds of figures opens at once."""
    shown.draw(*[case("line")] * 60, isEager=False)
    shown.page.wait_for_function("document.querySelectorAll('canvas').length > 2")
    assert shown.page.locator("canvas").count() < 60
    shown.page.locator(".mw-figure").last.scroll_into_view_if_needed()
    shown.page.locator(".mw-figure").last.locator("canvas").wait_for()


def test_figures_are_drawn_from_one_file(browser, tmp_path):
    """Put together, without a server, and under a policy that lets nothing else in."""
    script = f"{uplot_script()}\n{module_bundle('figures/figure.js')}"
    kinds = {case(name)["kind"]: name for name in NAMES}
    names = [*kinds.values(), "line-markup", "text-markup"]
    figures = "[" + ",".join((FOLDER / f"{name}.json").read_text() for name in names) + "]"
    policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
    file = tmp_path / "figures.html"
    file.write_text(
        f"""<!doctype html><meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="{policy}">
        <style>{style_sheet()}</style><body class="mw"><main></main>
        <script type="application/json" id="data">{figures.replace("<", chr(92) + "u003c")}</script>
        <script type="module">{script}
        for (const figure of JSON.parse(document.getElementById("data").textContent)) {{
          drawFigure(document.querySelector("main"), figure, {{ isEager: true }});
        }}</script>""",
        encoding="utf-8",
    )
    page = browser.new_page()
    page.set_default_timeout(60_000)
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(file.as_uri())
    assert page.locator(".mw-figure:not(.is-broken)").count() == len(names)
    assert faults == []
    page.close()


def rows_of(figure):
    """How many rows a figure has as CSV."""
    return {
        "lines": lambda: sum(len(series["x"]) for series in figure["series"]),
        "bars": lambda: len(figure["counts"]),
        "band": lambda: len(figure["xs"]),
        "heatmap": lambda: len(figure["rows"]) * len(figure["columns"]),
        "table": lambda: len(figure["rows"]),
        "images": lambda: len(figure["images"]),
    }.get(figure["kind"], lambda: 1)()


@pytest.mark.parametrize("name", {case(name)["kind"]: name for name in NAMES}.values())
def test_figure_is_saved_by_keys(shown, name):
    """Its values as CSV, its picture as PNG, whatever kind it is of; then it is as it was."""
    from PIL import Image

    figure = case(name)
    element = shown.draw(figure)
    before = element.bounding_box()
    saved = {}
    for button in ("CSV", "PNG"):
        element.get_by_label("Save", exact=True).press("Enter")
        with shown.page.expect_download() as download:
            element.get_by_role("button", name=button).press("Enter")
        assert download.value.suggested_filename.endswith(f".{button.lower()}")
        saved[button] = download.value.path()
    with saved["CSV"].open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert len(rows) == rows_of(figure)
    assert {len(row) for row in rows} <= {len(header)}
    if figure["kind"] == "lines":
        values = [str(y) for series in figure["series"] for y in series["y"] if y is not None]
        told = [float(row[-1]) for row in rows if row[-1]]
        assert sorted(map(str, told)) == sorted(str(float(each)) for each in values)
    with Image.open(saved["PNG"]) as picture:
        assert picture.width >= before["width"]
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 8
    assert element.bounding_box() == before
    assert element.locator("details[open]").count() == 0
