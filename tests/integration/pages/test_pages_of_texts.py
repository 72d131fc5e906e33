"""Metrics with texts: a page of one costs what is on it, and what came to it costs what is new."""

import json
import math
import random

import pytest
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.figures.ids import figure_id
from mlflow_workspace_plugin.journal.files.records import Kind, body, line, parse
from mlflow_workspace_plugin.overview.figures import mixed_values
from mlflow_workspace_plugin.overview.figures.figures import figures_of_run, rows_of
from mlflow_workspace_plugin.overview.figures.logged import LoggedRun
from mlflow_workspace_plugin.overview.figures.mixed_values import all_values, page_of_values
from mlflow_workspace_plugin.overview.live.tick import tick
from mlflow_workspace_plugin.overview.runs.facts import METRIC, Column, facts_of_ids
from mlflow_workspace_plugin.overview.source import source_of
from mlflow_workspace_plugin.runs.metrics import descriptors
from mlflow_workspace_plugin.runs.metrics.descriptors import Descriptor
from mlflow_workspace_plugin.stores.reads import exact_values
from mlflow_workspace_plugin.stores.reads.exact_values import FOLDER
from tests.deliveries import deliver_all

NOW = 1_700_000_000_000


@pytest.fixture
def source(workspace):
    return source_of(workspace.get_mlflow_tracking_uri())


@pytest.fixture
def run(workspace):
    run = Experiment(workspace, "experiment").start_logging(outputs=None)
    yield run
    run.complete()


class Read:
    """What is read of a run: points of the database, and bytes of files."""

    def __init__(self, source, run, monkeypatch):
        self.points = self.bytes = 0
        store, repository = type(source.store), type(source.repository(run.id))

        def counted(kind, name, count):
            read = getattr(kind, name)

            def counting(*arguments, **options):
                found = read(*arguments, **options)
                count(found)
                return found

            monkeypatch.setattr(kind, name, counting)

        counted(store, "points_page", lambda found: self.add(len(found[0])))
        counted(store, "points_at", lambda found: self.add(len(found)))
        counted(store, "get_run_points", lambda found: self.add(sum(map(len, found.values()))))
        counted(repository, "read_from", lambda found: self.add(0, len(found)))

    def add(self, points, size=0):
        self.points += points
        self.bytes += size

    def taken(self):
        """What was read since this was asked last: points and bytes."""
        taken = self.points, self.bytes
        self.points = self.bytes = 0
        return taken


@pytest.mark.hubs
def test_page_and_what_comes_cost_what_is_new(source, run, monkeypatch):
    """Of 10,000 texts and 2,000 numbers; the first page twice, the last, and one while it grows."""
    count, numbers = 10_000, 2_000
    run.log_list("mixed", [*map(float, range(numbers)), *(f"text {n}" for n in range(count))])
    run.flush()
    mixed = figure_id("metric", "mixed")
    read = Read(source, run, monkeypatch)

    def first():
        [figure] = figures_of_run(source, run.id, names=["mixed"])
        assert (figure["total"], len(figure["rows"])) == (numbers + count, 100)
        assert figure["rows"][7] == [7, 7]

    first()
    points, size = read.taken()
    assert points == 100
    assert size > count * len("text 0")
    first()
    points, again = read.taken()
    assert points == 100
    assert again <= size / 1_000
    page = rows_of(source, run.id, mixed, numbers + count - 1, 100)
    assert page["rows"] == [[numbers + count - 1, f"text {count - 1}"]]
    assert rows_of(source, run.id, mixed, numbers - 1, 2)["rows"] == [
        [numbers - 1, numbers - 1],
        [numbers, "text 0"],
    ]
    points, again = read.taken()
    assert points <= mixed_values._WINDOW + 200
    assert again <= size / 500
    cursor = tick(source, run.id).cursor
    cursor = tick(source, run.id, json.loads(json.dumps(cursor))).cursor
    for number in range(10):
        run.log("mixed", f"new {number}")
    run.flush()
    read.taken()
    assert tick(source, run.id, json.loads(json.dumps(cursor))).again == ["mixed"]
    [figure] = figures_of_run(source, run.id, names=["mixed"])
    assert figure["total"] == numbers + count + 10
    last = rows_of(source, run.id, mixed, numbers + count, 10)["rows"]
    assert [value for _, value in last] == [f"new {number}" for number in range(10)]
    points, again = read.taken()
    assert points <= mixed_values._WINDOW + 200
    assert again <= size / 100


@pytest.mark.databases
def test_pages_are_the_parts_of_all_values(source, run, monkeypatch):
    """Whatever is logged in whatever order, also where numbers are far from texts."""
    monkeypatch.setattr(mixed_values, "_WINDOW", 4)
    chosen = random.Random(0)
    kinds = [0.5, 1, None, math.nan, "a", "b", 2**60, True, -0.0, math.inf]
    for name, among in {"even": kinds, "texts": ["a"] * 9 + [1], "few": [0.5] * 9 + ["b"]}.items():
        run.log_list(name, [chosen.choice(among) for _ in range(60)])
    run.log_list("apart", ["a"] * 40 + [1.5] * 40 + ["b"] * 20)
    run.log_list("back", [1.5] * 40 + ["a"] * 40 + [2.5] * 20)
    for step in range(60):
        run.log("steps", chosen.choice(kinds), step=step % 3)
    run.flush()
    looked = LoggedRun(source, source.store.get_run(run.id))
    assert len(looked.metrics) == 6
    for logged in looked.metrics:
        wanted = list(map(repr, all_values(looked, logged)))
        for offset in (*range(0, len(wanted), 7), len(wanted) - 1, len(wanted), 1_000):
            page, total = page_of_values(looked, logged, offset, 9)
            assert list(map(repr, page)) == wanted[offset : offset + 9], (logged.name, offset)
            assert total == len(wanted)


@pytest.mark.databases
def test_page_among_many_sorts_the_numbers_once(source, run, monkeypatch):
    """Where it begins among them is found by counting."""
    monkeypatch.setattr(mixed_values, "_WINDOW", 4)
    run.log_list("mixed", [each for n in range(200) for each in (n + 0.5, f"text {n}")])
    run.flush()
    looked = LoggedRun(source, source.store.get_run(run.id))
    [logged] = looked.metrics
    asked = []
    points_page = type(source.store).points_page

    def counted(self, run_id, keys, offset, limit):
        asked.append(limit)
        return points_page(self, run_id, keys, offset, limit)

    monkeypatch.setattr(type(source.store), "points_page", counted)
    page, total = page_of_values(looked, logged, 200, 2)
    assert total == 400
    assert [value for _, value in page] == [100.5, "text 100"]
    assert len([limit for limit in asked if limit > 0]) == 1
    for place, count in (((-1 << 70, 0), 0), ((1 << 70, 1 << 70), 200)):
        assert source.store.count_points_up_to(run.id, logged.keys, *place) == count


def test_numbers_that_moved_are_told_across_pages(source, run, direct):
    """Equal ones of one step and one millisecond, of which some stand for None, and of two keys."""
    keys = ("m", "m--other")
    for key in keys:
        tags = dict(Descriptor("m", "scalar", (descriptors.Column("", key, "double"),), NOW).tags())
        direct.log_values(run.id, [], (), tags)
    chosen = random.Random(1)
    for number in range(40):
        key, is_none = chosen.choice(keys), chosen.random() < 0.5
        exact = [[key, NOW, 0, None]] if is_none else []
        content = [[[key, math.nan, NOW, 0]], exact, None]
        record = parse(line(1, body(Kind.TYPED, run.id, NOW, content))[:-1])
        assert deliver_all(direct, f"writer{number}", [record]) == [None]
    content = [[], [["m", NOW + 20, 0, "a text", True]], None]
    record = parse(line(1, body(Kind.TYPED, run.id, NOW, content))[:-1])
    assert deliver_all(direct, "writer", [record]) == [None]
    looked = LoggedRun(source, source.store.get_run(run.id))
    [logged] = looked.metrics
    assert sorted(logged.keys) == sorted(keys)
    wanted = [repr(value) for _, value in all_values(looked, logged)]
    assert len(wanted) == 41
    assert wanted.count("None") > 5
    found = []
    for offset in range(0, 41, 3):
        page, _ = page_of_values(looked, logged, offset, 3)
        found += [repr(value) for _, value in page]
    assert found == wanted


def test_page_begins_between_numbers_of_one_place(source, run, direct):
    """Which two writers logged: what one of them stands for is no later number's."""
    tags = dict(Descriptor("m", "scalar", (descriptors.Column("", "m", "double"),), NOW).tags())
    direct.log_values(run.id, [], (), tags)
    logged_by = [
        ([["m", math.nan, NOW, 0]], [["m", NOW, 0, None]]),
        ([["m", 5.0, NOW, 0]], []),
        ([["m", math.nan, NOW + 5, 0]], []),
        ([["m", 1.0, NOW + 5, 1]], [["m", NOW + 5, 1, True]]),
        ([["m", 2.0, NOW + 5, 1]], []),
        ([["m", 1.0, NOW + 9, 1]], []),
        ([], [["m", NOW + 20, 0, "a text", True]]),
    ]
    for writer, (numbers, exact) in enumerate(logged_by):
        record = parse(line(1, body(Kind.TYPED, run.id, NOW, [numbers, exact, None]))[:-1])
        assert deliver_all(direct, f"writer{writer}", [record]) == [None]
    looked = LoggedRun(source, source.store.get_run(run.id))
    [logged] = looked.metrics
    wanted = [repr(value) for _, value in all_values(looked, logged)]
    assert wanted == ["None", "5.0", "nan", "True", "2.0", "1.0", "'a text'"]
    for size in range(1, len(wanted)):
        found = []
        for offset in range(0, len(wanted), size):
            page, _ = page_of_values(looked, logged, offset, size)
            found += [repr(value) for _, value in page]
        assert found == wanted, size


@pytest.mark.databases
def test_what_anybody_stored_among_values_costs_no_others(source, run, direct, monkeypatch):
    """What is none of ours is left out; more than a server reads is refused, and said."""
    run.log_list("words", ["a", "b"])
    run.log("loss", 0.5)
    run.log("loss", None)
    run.flush()
    odd = [
        "[" * 100_000,
        json.dumps([1]),
        body(Kind.TYPED, run.id, NOW, 7),
        *(
            body(Kind.TYPED, run.id, NOW, content)
            for content in (
                ["words"],
                [["words"]],
                [["words", "now", 0, "c", True]],
                [["words", NOW, None, "c", True]],
                [[["words"], NOW, 0, "c", True]],
                [["words", NOW, 0, {"c": []}, True]],
                [["words", NOW, 0, "c", True, 1]],
            )
        ),
    ]
    lines = [*(line(number, each) for number, each in enumerate(odd, 1)), b"\xff" * 50 + b"\n"]
    many = f'["typed","{run.id}",1,[{"[]," * 200_000}[]]]'
    folder = direct.get_run(run.id).info.artifact_uri
    repository = source_of(direct.tracking_uri).repository_at(folder)
    repository.append(f"{FOLDER}/forged", b"".join([*lines, line(99, many)]))
    repository.append(f"{FOLDER}/folder/forged", b"".join(lines))
    assert run.get_metrics() == {"words": ["a", "b"], "loss": [0.5, None]}
    words = figure_id("metric", "words")
    assert rows_of(source, run.id, words, 0, 10)["rows"] == [[0, "a"], [1, "b"]]
    [facts] = facts_of_ids(source, [run.id])
    assert facts.cells([Column(METRIC, "loss")]) == [None]
    monkeypatch.setattr(exact_values, "MOST_READ", 100)
    with pytest.raises(MlflowException, match=r"run\.get_metrics\(\)"):
        rows_of(source, run.id, words, 0, 10)
    figures = figures_of_run(source, run.id)
    assert all("get_metrics()" in each["note"] for each in figures)
    [facts] = facts_of_ids(source, [run.id])
    assert facts.cells([Column(METRIC, "loss")]) == [{"number": "NaN"}]
    assert run.get_metrics() == {"words": ["a", "b"], "loss": [0.5, None]}
    stored = direct.run_receipts(run.id, [])
    assert "get_metrics()" in repr(stored)
