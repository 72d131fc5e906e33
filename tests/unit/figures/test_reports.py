"""What goes into a report of a given size, and the file around it."""

import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_workspace_plugin.cli.seen.fitted import _SENTENCES, POINTS, Room, length, picture_key
from mlflow_workspace_plugin.cli.seen.one_file import json_in_html, page_of

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=20,
)
NASTY = "</script><img src=x onerror=alert(1)><!-- \u2028"


def room_for(bytes_):
    return Room(bytes_ + _SENTENCES)


def lines(points, name="loss"):
    xs = list(range(points))
    series = {"name": name, "run": None, "x": xs, "time": None, "y": xs, "total": 10_000}
    return {"id": name, "title": name, "kind": "lines", "note": None, "series": [series]}


def images(*paths, run="r"):
    found = [{"path": path, "step": None, "time": None, "label": "", "run": run} for path in paths]
    return {"id": "i", "title": "i", "kind": "images", "note": None, "images": found}


class _Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = [("", {})]
        self.texts = {}

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        tag, attrs = self.found[-1]
        self.texts[tag, attrs.get("id")] = self.texts.get((tag, attrs.get("id")), "") + data


@given(JSON)
def test_data_in_a_page_are_the_data(data):
    """Whatever is in them, nothing of it is markup, and all of it comes out."""
    text = json_in_html(data)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == data


def test_page_loads_nothing_and_runs_its_own_script_only():
    """Its policy names the script and the style by their hashes."""
    page = page_of(NASTY, "p { color: red }", "draw()", {"name": NASTY})
    read = _Elements()
    read.feed(page.decode())
    assert [tag for tag, _ in read.found if tag in ("script", "img", "style", "link")] == [
        "style",
        "script",
        "script",
    ]
    policy = next(each["content"] for _, each in read.found if "http-equiv" in each)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert not re.search("unsafe|http|self", policy)
    assert read.texts["title", None].rstrip("\n") == NASTY
    assert json.loads(read.texts["script", "data"]) == {"name": NASTY}
    assert page == page_of(NASTY, "p { color: red }", "draw()", {"name": NASTY})


def test_fewer_points_where_there_is_less_room():
    """All of them where they fit; else as many as do, which is said."""
    asked = []

    def read(points):
        asked.append(points)
        return [lines(points)]

    room = Room(1_000_000)
    assert room.figures(read) == [lines(2000)]
    assert (room.left_out, asked) == ([], [2000])
    room = room_for(length(lines(500)) + 100)
    assert room.figures(read) == [lines(500)]
    assert room.left_out == ["Curves are drawn from at most 500 points each."]
    assert room.bytes >= 0


def test_figures_that_do_not_fit_are_named():
    """The first ones are kept."""
    figures = [lines(60, f"m{number}") for number in range(100)]
    room = room_for(10 * (length(figures[0]) + 2))
    taken = room.figures(lambda points: [each for each in figures if points in POINTS])
    assert taken == figures[: len(taken)]
    assert len(taken) in (9, 10)
    first = len(taken)
    assert room.left_out[1].startswith(
        f"{100 - first} figures are left out: m{first}, m{first + 1},"
    )


def test_tables_of_which_a_page_is_here_are_named():
    """With how many of their rows are, and no more than five of them."""

    def table(name, rows, total):
        head = {"id": name, "title": name, "kind": "table", "note": None, "columns": ["a"]}
        return {**head, "rows": [[1]] * rows, "total": total, "offset": 0}

    room = Room(1_000_000)
    figures = [table("whole", 2, 2), table("t" * 200, 100, 2_500)]
    room.figures(lambda _points: figures)
    assert room.left_out == [f"Of 1 table the first rows are shown: {'t' * 80}… (100 of 2,500)."]
    room = Room(1_000_000)
    room.figures(lambda _points: [table(f"t{each}", 1, 2) for each in range(7)])
    (sentence,) = room.left_out
    assert sentence.startswith("Of 7 tables the first rows are shown: t0 (1 of 2), t1 (1 of 2),")
    assert sentence.endswith("t4 (1 of 2), ....")


def test_pictures_as_far_as_they_fit():
    """The last of each figure first; what no browser shows is left out, too."""
    files = {"a1.png": b"1" * 300, "a2.png": b"2" * 300, "b.jpg": b"3" * 300, "c.tiff": b"4"}
    figures = [images("a1.png", "a2.png"), images("b.jpg"), images("c.tiff"), lines(3)]
    room = room_for(1000)
    taken = room.pictures(figures, lambda _run, path, most: files[path][:most])
    assert list(taken) == [picture_key("r", "a2.png"), picture_key("r", "b.jpg")]
    assert taken[picture_key("r", "b.jpg")].startswith("data:image/jpeg;base64,MzMz")
    assert room.left_out == ["2 images are left out: c.tiff, a1.png."]
    assert room.bytes >= 0


@pytest.mark.parametrize("many", [{"tags": {"k": "x" * 5000}}, {"children": list(range(501))}])
def test_facts_that_are_long_are_cut_which_is_said(many):
    """Only then."""
    room = Room(1_000_000)
    assert room.facts({"a": "b"}) == {"a": "b"}
    assert room.left_out == []
    assert room.facts(many) != many
    assert "first" in room.left_out[0]


@given(JSON)
def test_length_is_what_data_take(data):
    """So that a file is as small as it was asked to be."""
    assert length(data) >= len(json_in_html(data).encode())
