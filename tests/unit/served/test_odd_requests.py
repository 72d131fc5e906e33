"""What is sent to our pages, and what data say, may be anything: the answer is never a fault."""

import asyncio
import json
import math
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from mlflow_workspace_plugin.app.own_threads import OwnThreads
from mlflow_workspace_plugin.app.pages.answers import Asked, _status_of, posting
from mlflow_workspace_plugin.app.pages.compare_routes import _runs
from mlflow_workspace_plugin.app.pages.figure_routes import names_asked
from mlflow_workspace_plugin.app.pages.guard import _refusal
from mlflow_workspace_plugin.cli.seen import output
from mlflow_workspace_plugin.errors import SnapshotException, UserErrorException
from mlflow_workspace_plugin.figures.tables import of_columns
from mlflow_workspace_plugin.overview.computes.shared_answers import SharedAnswers
from mlflow_workspace_plugin.overview.figures import table_files
from mlflow_workspace_plugin.overview.figures.asked import Asked as Part
from mlflow_workspace_plugin.overview.figures.logged import _by_numbers
from mlflow_workspace_plugin.overview.live.tick import _seen_log, _seen_metrics
from mlflow_workspace_plugin.overview.run.overview import _source_of
from mlflow_workspace_plugin.overview.runs.facts import number_of
from mlflow_workspace_plugin.overview.runs.views import shown
from mlflow_workspace_plugin.stores.views import View

DEEP = "[" * 10 * sys.getrecursionlimit()


def asked(**query):
    return Asked(None, {}, query)


def test_bodies_are_read_beside_the_event_loop(monkeypatch):
    """One keeps no other request waiting; what is too deep, or of too many values, is refused."""
    read_in, loads = [], json.loads

    class Sources:
        def of(self, _name):
            return None

    def noted(*args, **options):
        read_in.append(threading.get_ident())
        return loads(*args, **options)

    route = posting("/odd", lambda asked: {"sent": asked.body})
    app = Starlette(routes=[route])
    app.state.sources = Sources()

    def answer_to(body):
        sent = []
        # It is of one loop.
        app.state.threads = OwnThreads(1)

        async def receive():
            return {"type": "http.request", "body": body}

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": route.path, "headers": []}
        asyncio.run(app({**scope, "query_string": b"", "root_path": ""}, receive, send))
        return sent[0]["status"], sent[1]["body"]

    monkeypatch.setattr(json, "loads", noted)
    assert answer_to(b'{"a": [1]}') == (200, b'{"sent":{"a":[1]}}')
    assert answer_to(b"") == (200, b'{"sent":null}')
    for odd, said in (
        (DEEP.encode(), b"no JSON"),
        (b"[" + b"[]," * 300_000 + b"[]]", b"too large"),
    ):
        status, answer = answer_to(odd)
        assert status == 400
        assert said in answer
    assert len(read_in) == 2
    assert threading.get_ident() not in read_in


@pytest.mark.parametrize(
    "text", ["1" * 30, "-" + "1" * 30, "1" * 9_000, "x", "1.5", "1_000", "\u0663", " 1"]
)
def test_number_that_no_database_has_is_refused(text):
    """A number of more than 64 bits, or none at all, is said to be that."""
    with pytest.raises(UserErrorException, match="offset="):
        asked(offset=text).number("offset")


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity", "1e999", "1_000", "x", "0x1"])
def test_end_of_a_range_that_is_no_finite_number_is_refused(text):
    """A range of a chart is of numbers, with fractions or without, and of any size."""
    with pytest.raises(UserErrorException, match="start="):
        asked(start=text).real("start")


def test_range_is_asked_for_as_it_is_and_of_a_database_in_64_bits():
    """What is between 0 and 1 is not rounded where x is a number, and is where it is a step."""
    given = asked(start="0.25", end="1e+30")
    part = Part("step", given.real("start"), given.real("end"))
    assert (part.start, part.end) == (0.25, 1e30)
    assert part.of_store(None)["start"] == 0
    assert part.of_store(None)["end"] == (1 << 63) - 1
    assert asked(start=str(2**62 + 1)).real("start") == 2**62 + 1


@pytest.mark.parametrize(
    ("value", "number"),
    [("1e-3", 1e-3), (" -2 ", -2.0), ("1_000", None), ("nan", None), ("inf", None), (True, None)],
)
def test_text_of_a_param_is_a_number_as_others_write_one(value, number):
    """What only Python takes for a number is a text, and so is what says that it is none."""
    assert number_of(value) == number


@pytest.mark.parametrize("names", [DEEP, "", "5", "[1]", json.dumps(["a"] * 3)])
def test_names_that_are_no_list_or_too_many_are_refused(names):
    """JSON that is too deep to be read is no list of names, and an answer has an end."""
    with pytest.raises(UserErrorException, match=r"no list|3 names"):
        names_asked(asked(names=names), 2)


def test_question_of_which_no_thread_can_be_started_is_asked_again(monkeypatch):
    """It is not answered then, and later it is."""
    answers = SharedAnswers(new_s=0.0, wait_s=10.0)
    with monkeypatch.context() as without:
        without.setattr("threading.Thread.start", raising_runtime_error)
        assert answers.get("question", lambda: 1) is None
    assert answers.get("question", lambda: 2) == 2


def raising_runtime_error(_thread):
    raise RuntimeError("can't start new thread")


def test_all_runs_that_are_asked_for_are_counted():
    """However many runs an address names, each is known, so that what is left out can be said."""
    ids = [f"{number:032x}" for number in range(300)]
    assert _runs(asked(runs=",".join([*ids, ids[0]]))) == ids


def test_origin_that_is_no_address_is_refused():
    """What is sent with an origin that cannot be read is another site's."""
    headers = [(b"host", b"localhost:5000"), (b"origin", b"http://[")]
    refusal = _refusal({"type": "http", "method": "POST", "headers": headers})
    assert refusal is not None
    assert "another site" in refusal


@pytest.mark.parametrize(
    "metrics",
    [
        5,
        {"loss": None},
        {"loss": ["mark"]},
        {"loss": [1, 2, 3, 4, 5, 6]},
        {"loss": ["mark", "2", 3, 4, 5, 6]},
        {"loss": ["mark", 10**30, 3, 4, 5, 6]},
    ],
)
def test_cursor_that_is_none_of_ours_is_none(metrics):
    """A cursor comes from a browser: what is none is as if nothing was seen."""
    assert _seen_metrics({"metrics": metrics}) is None


@pytest.mark.parametrize("log", [5, {"a": 1}, ["a"], ["a", "1"], [1, 1], ["a", True], ["a", -1]])
def test_log_of_a_cursor_that_is_none_of_ours_is_none(log):
    """So is what it says of the log."""
    assert _seen_log({"log": log}) is None


def test_cursor_of_ours_is_read():
    """What a tick returned is taken as it was."""
    given = {"metrics": {"loss": ["mark", 2, 3, None, 5, 6]}, "log": ["a.txt", 7]}
    assert _seen_metrics(json.loads(json.dumps(given))) == {"loss": ("mark", 2, 3, None, 5, 6)}
    assert _seen_log(given) == ("a.txt", 7)


@pytest.mark.parametrize("definition", [None, [1], "x", 5])
def test_view_that_is_no_object_says_so(definition):
    """A row that holds any JSON is a view with a fault, beside the others."""
    view = shown(View("a" * 32, "odd", "somebody", definition))
    assert view["definition"] is None
    assert "no JSON object" in view["fault"]
    assert not view["may_change"]


def test_names_of_any_digits_are_ordered():
    """A name that is digits only is ordered, whatever number that is."""
    assert sorted(["9" * 9_000, "b", "10", "9"], key=_by_numbers) == ["9", "10", "9" * 9_000, "b"]


def test_source_of_a_dataset_may_be_any_text():
    """A source that is no JSON, or deep, is shown as it is."""
    assert _source_of(DEEP) == DEEP
    assert _source_of('{"uri": "s3://a"}') == "s3://a"


def test_numbers_that_no_float_holds_are_drawn():
    """Integers of any length are numbers to a table in a file."""
    huge = 10**400
    figure = of_columns("[]", "huge", {"x": list(range(4_000)), "y": [huge] * 4_000}, points=100)
    assert figure["kind"] == "lines"
    assert {*figure["series"][0]["y"]} == {"Infinity"}


def test_table_of_few_bytes_and_many_rows_is_not_read(tmp_path, monkeypatch):
    """How many cells a file has is known before they are read."""
    import pandas as pd

    file = tmp_path / "x.parquet"
    pd.DataFrame({"a": [1] * 1_000, "b": [2] * 1_000}).to_parquet(file)
    assert table_files._of_parquet(file).total == 1_000
    monkeypatch.setattr(table_files, "MOST_CELLS", 1_999)
    with pytest.raises(table_files._TooLargeError, match="1,000 rows"):
        table_files._of_parquet(file)


@given(st.integers(0, 2_500), st.integers(0, 2_600), st.integers(1, 1_200))
def test_rows_of_a_table_in_pieces_are_those_of_the_table(total, offset, limit):
    """A page is what it would be of all rows, whichever pieces it is in."""
    rows = [[number, math.nan if number % 7 else None] for number in range(total)]
    table = table_files.TableFile.of(["a", "b"], rows)
    assert repr(table.rows(offset, limit)) == repr(rows[offset : offset + limit])
    assert table.columns()["a"] == list(range(total))


@pytest.mark.parametrize(
    ("error", "status"), [(SnapshotException("none"), 409), (UserErrorException("odd"), 400)]
)
def test_state_that_is_refused_is_no_fault_of_the_server(error, status):
    """That a run lacks what was asked for is not told as a failure of the server."""
    assert _status_of(error) == status


def test_file_is_named_in_so_many_bytes_as_a_folder_takes():
    """The default name of a file is cut where a character begins, in bytes."""
    name = output._file_name("損失" * 250)
    assert 0 < len(name.encode()) <= 100
    assert {*name} == {"損", "失"}
