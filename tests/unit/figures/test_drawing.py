"""Figures as pictures without a script, and a run as HTML."""

import base64
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_workspace_plugin.drawing.figure import picture_of, svg_of
from mlflow_workspace_plugin.drawing.run_html import MOST_BYTES, html_of_run
from mlflow_workspace_plugin.drawing.run_text import text_of_run
from mlflow_workspace_plugin.drawing.scales import Scale, limits, ticks
from mlflow_workspace_plugin.drawing.seen_run import ChildSeen, MetricSeen, SeenRun
from mlflow_workspace_plugin.drawing.texts import cell_text, duration_text, number_text
from mlflow_workspace_plugin.figures.ids import figure_id
from mlflow_workspace_plugin.figures.lines import Curve, over_steps
from tests import figure_cases

CASES = [each.stem for each in sorted(figure_cases.FOLDER.glob("*.json"))]
DRAWN = {"svg", "title", "text", "line", "path", "rect", "image"}


def stored(name):
    return json.loads((figure_cases.FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def elements(svg):
    """The elements of a picture, by name; it is XML, and holds what we draw only."""
    found = {}
    for each in ElementTree.fromstring(svg).iter():
        found.setdefault(each.tag.removeprefix("{http://www.w3.org/2000/svg}"), []).append(each)
    assert set(found) <= DRAWN
    return found


def line(values, steps=None):
    times = [1_790_000_000_000 + index for index in range(len(values))]
    curve = Curve("loss", steps or list(range(len(values))), values, len(values), time=times)
    return over_steps(figure_id("metric", "loss"), "loss", [curve])


@pytest.mark.parametrize("name", CASES)
def test_every_figure_is_a_picture(name):
    """XML of a bounded size, that holds nothing but what we draw, whatever the names are."""
    figure = stored(name)
    svg = svg_of(figure)
    found = elements(svg)
    assert found["title"][0].text.startswith(figure["title"].split("\n")[0][:20])
    assert len(svg) < 32_000
    prefix, _, content = picture_of(figure).partition(",")
    assert prefix == "data:image/svg+xml;base64"
    assert base64.b64decode(content).decode() == svg


def test_spike_among_many_points_is_drawn():
    """One value of 100,000 that is far from the others reaches the top of the picture."""
    values = [0.0] * 100_000
    values[77_777] = 1.0
    (path,) = elements(svg_of(line(values)))["path"]
    _, *steps = re.findall(r"-?\d+", path.get("d"))
    # Pairs of steps, of which the second goes up or down, in tenths of pixels.
    assert len(steps) < 2_000
    heights = [int(step) for step in steps[2::2]]
    assert min(heights) < -1_000
    assert max(heights) > 1_000


def test_what_is_no_number_is_marked():
    """NaN and infinities break the curve, and stand as crosses at its edges."""
    found = elements(svg_of(line([0.0, 1.0, math.nan, 2.0, math.inf, 3.0])))
    crosses = [each for each in found["path"] if each.get("stroke") == "#d33"]
    assert len(re.findall("M", crosses[0].get("d"))) == 2
    curves = [each for each in found["path"] if "l" in each.get("d") and each not in crosses]
    assert len(curves) == 1


def test_curves_that_hide_each_other_are_dashed():
    """Of two equal curves the upper one lets the lower one through."""
    paths = elements(svg_of(stored("lines-that-coincide")))["path"]
    dashed = [each.get("stroke-dasharray") for each in paths if each.get("stroke-width") == "16"]
    assert dashed[0] is None
    assert dashed[1] is not None


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(FINITE, max_size=5), st.sampled_from(["number", "time", "duration"]))
def test_any_axis_has_ticks(values, kind):
    """Few of them, in order, each within the axis, and none written as another is."""
    scale = Scale(*limits(values), 0, 400)
    found = ticks(scale, kind, 5)
    assert 1 <= len(found) <= 20
    places = [scale.place(each.value) for each in found]
    assert places == sorted(places)
    assert all(-1 <= place <= 401 for place in places)
    assert all(each.text for each in found)


@given(st.lists(st.floats(), min_size=1, max_size=30))
def test_any_values_are_drawn(values):
    """Whatever floats a curve is of, its picture is XML with finite places."""
    svg = svg_of(line(values))
    elements(svg)
    assert not re.search(r"[\"\s,](nan|inf)", svg, re.IGNORECASE)


@settings(max_examples=50)
@given(st.text(max_size=300))
def test_any_text_is_a_title(text):
    """A name may hold what XML does not take."""
    figure = over_steps(figure_id("metric", text), text, [Curve(text, [1, 2], [1, 2], 2)])
    elements(svg_of(figure))
    elements(svg_of({**stored("text"), "value": text, "title": text}))


def test_numbers_are_written_as_on_pages():
    """Whole ones in full, others with five digits, in no locale."""
    written = {
        0: "0",
        1234567: "1,234,567",
        0.95432187: "0.95432",
        123456.789: "123,456.8",
        1e-9: "1e-9",
        -2.5e200: "-2.5e200",
        math.nan: "NaN",
        -math.inf: "-Infinity",
    }
    assert {number: number_text(number) for number in written} == written
    assert cell_text({"number": "12345678901234567890"}) == "12,345,678,901,234,567,890"
    assert [duration_text(ms) for ms in (350, 12_340, 65_000, 3_720_000, 90_000_000)] == [
        *("350 ms", "12.3 s", "1 min 05 s", "1 h 02 min", "1 d 01 h")
    ]


class Tags(HTMLParser):
    """Collects the tags, attributes, addresses and text of HTML."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.addresses, self.text = set(), set(), [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def parsed(run):
    tags = Tags()
    tags.feed(html_of_run(run))
    assert tags.tags <= {*("div", "b", "span", "a", "table", "tr", "th", "td", "img", "pre", "br")}
    assert tags.attributes <= {"style", "href", "target", "rel", "src", "alt", "width"}
    return tags


RUN = SeenRun(
    run_id="0" * 32,
    name="a run",
    experiment="an experiment",
    status="Running",
    is_over=False,
    at=1_790_000_000_000,
    duration_ms=65_000,
    page="http://127.0.0.1:5000/pages/runs/0?workspace=w",
    metrics=[MetricSeen("loss", 0.25, 0.125, 1.5, 1_000)],
    log_name="user_logs/std_log.txt",
    log="epoch 1\nepoch 2\n",
)


def test_run_is_html():
    """Status, duration, metrics in three values, charts, children and log; pictures are images."""
    run = replace(
        RUN,
        figures=[stored("line"), stored("table"), stored("confusion-matrix"), stored("images")],
        images={"images/1.png": "data:image/png;base64,"},
        children=[
            ChildSeen(0, "fold", "1" * 32, "Completed"),
            ChildSeen(1, "x", "2" * 32, "Failed"),
        ],
    )
    found = parsed(run)
    for said in ("a run", "Running", "1 min 05 s", "0.25", "0.125", "1.5", "1,000", "fold"):
        assert said in found.text
    assert "epoch 1\nepoch 2" in found.text
    assert "svg" not in found.tags
    assert sum(each.startswith("data:image/svg+xml;base64,") for each in found.addresses) == 2


def test_html_of_any_run_is_bounded():
    """Of more than there is room for it says how much it is."""
    long = "<&>" * 10_000
    run = replace(
        RUN,
        name=long,
        reason=long,
        log=f"{long}\n" * 100,
        metrics=[MetricSeen(f"{number}{long}", long) for number in range(1_000)],
        children=[ChildSeen(depth, long, long, long) for depth in range(200)],
        facts=[("Parameters", long)],
        figures=[stored(name) for name in CASES] * 3,
    )
    html = html_of_run(run)
    assert len(html.encode()) <= MOST_BYTES
    text = parsed(run).text
    assert re.search(r"9\d\d more metrics", text)
    assert "More children" in text
    assert re.search(r"\d+ more figures", text)


def test_run_is_text():
    """What a plain Python prints of it."""
    assert text_of_run(RUN).splitlines()[:4] == [
        f"Run:        a run ({'0' * 32})",
        "Experiment: an experiment",
        "Status:     Running",
        "Duration:   1 min 05 s",
    ]
    assert "  loss: 0.25 (least 0.125, greatest 1.5)" in text_of_run(RUN)


@settings(max_examples=50)
@given(st.text(max_size=50))
def test_nothing_is_html(text):
    """Whatever is said of a run, the tags are ours."""
    parsed(
        replace(
            RUN,
            name=text,
            experiment=text,
            reason=text,
            log_name=text,
            log=text,
            note=text,
            metrics=[MetricSeen(text, text)],
            children=[ChildSeen(0, text, text, text)],
            figures=[{**stored("table"), "title": text, "columns": [text], "rows": [[text]]}],
        )
    )
