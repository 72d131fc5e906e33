"""SDK v1's metrics: every kind and type is read back as it was logged, and MLflow sees each number.

What is read is read by a process that logged none of it.
"""

import json
import math
import pickle
from contextlib import ExitStack
from functools import partial
from subprocess import PIPE

import mlflow
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.errors import AzureMLException, UserErrorException
from tests import python_processes

pytestmark = [pytest.mark.hubs, pytest.mark.alike]

NUMBERS = st.one_of(st.floats(), st.integers(-(2**70), 2**70))
VALUES = st.one_of(NUMBERS, st.booleans(), st.none(), st.text(max_size=5), st.just(10**400))
NAMES = st.one_of(
    st.sampled_from(["loss", "a", "a/b", "a b", "50 %", "@home", "精度", "..", "/", "x" * 500]),
    # No file of UTF-8 holds half of a pair.
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8),
)
EXAMPLES = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
COLUMNS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=3)


@pytest.fixture
def run(workspace):
    return Experiment(workspace, "experiment").start_logging(outputs=False)


READER = """
import json, pickle, sys
from mlflow_workspace_plugin import Workspace
for line in sys.stdin:
    hub, workspace, run_id, name = json.loads(line)
    run = Workspace.get(workspace, hub=hub).get_run(run_id)
    pickle.dump(run.get_metrics(name), sys.stdout.buffer)
    sys.stdout.flush()
"""


@pytest.fixture(scope="module")
def reader():
    """Read the metrics of a run of a hub in another process, as ``get_metrics`` returns them."""
    with ExitStack() as running:
        # Not before the first run is there: the process is to have the variables of its hub.
        started = []

        def read(hub, run, name=None):
            if not started:
                process = python_processes.Popen(["-c", READER], stdin=PIPE, stdout=PIPE)
                started.append(running.enter_context(process))
            where = [str(hub), run.experiment.workspace.name, run.id, name]
            started[0].stdin.write(json.dumps(where).encode() + b"\n")
            started[0].stdin.flush()
            return pickle.load(started[0].stdout)

        yield read


@pytest.fixture
def read_elsewhere(hub, reader):
    """Read the metrics of a run of the test's hub in another process."""
    return partial(reader, hub)


def same(found, expected):
    """Whether two values are equal, and of one type: NaN is NaN, and True no 1."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[k], expected[k]) for k in found)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if type(found) is not type(expected):
        return False
    if isinstance(expected, float):
        return repr(found) == repr(expected)
    return found == expected


def unwrapped(values):
    return values[0] if len(values) == 1 else values


class TestRoundTrip:
    @EXAMPLES
    @given(logged=st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=12))
    def test_scalars(self, workspace, read_elsewhere, logged):
        """Values of any type under any name, several of one mixed."""
        run = Experiment(workspace, "scalars").start_logging(outputs=False)
        expected: dict[str, list] = {}
        for name, value in logged:
            run.log(name, value)
            expected.setdefault(name, []).append(value)
        wanted = {name: unwrapped(values) for name, values in expected.items()}
        assert same(run.get_metrics(), wanted)
        run.complete()
        assert same(read_elsewhere(run), wanted)

    @EXAMPLES
    @given(logged=st.lists(st.tuples(st.sampled_from(["t", "t/u"]), COLUMNS), max_size=6))
    def test_rows(self, workspace, read_elsewhere, logged):
        """Rows with any columns; what a row lacks is None."""
        run = Experiment(workspace, "rows").start_logging(outputs=False)
        rows: dict[str, list] = {}
        for name, row in logged:
            run.log_table(name, row)
            rows.setdefault(name, []).append(row)
        wanted = {}
        for name, of_table in rows.items():
            columns = dict.fromkeys(column for row in of_table for column in row)
            wanted[name] = {
                column: unwrapped([row.get(column) for row in of_table]) for column in columns
            }
        run.complete()
        assert same(read_elsewhere(run), wanted)

    @EXAMPLES
    @given(values=st.lists(VALUES.filter(lambda each: each != 10**400), min_size=1, max_size=8))
    def test_lists(self, workspace, read_elsewhere, values):
        """A list of one type comes back as it is; ints among floats are floats, as in SDK v1."""
        run = Experiment(workspace, "lists").start_logging(outputs=False)
        run.log_list("list", values)
        if type(values[0]) in (int, float) and any(type(value) is float for value in values):
            values = [float(value) if type(value) is int else value for value in values]
        run.complete()
        assert same(read_elsewhere(run), {"list": unwrapped(values)})


class TestShapes:
    """SDK v1's: one value comes back bare, several as a list; rows as columns."""

    def test_one_and_several(self, run):
        """Of values, lists, rows and tables."""
        run.log("one", 0.5)
        for value in (1, 2):
            run.log("several", value)
            run.log_row("rows", x=value, y="text")
        run.log_list("list", (1, 2, 3))
        run.log_list("list", [4])
        run.log_list("list of one", [True])
        run.log_row("row", x=1, y=None)
        run.log_table("table", {"x": [1, 2], "y": [0.5, 2]})
        run.log_table("table of one", {"x": [1]})
        run.log_row("empty row")
        assert run.get_metrics() == {
            "one": 0.5,
            "several": [1, 2],
            "rows": {"x": [1, 2], "y": ["text", "text"]},
            "list": [1, 2, 3, 4],
            "list of one": True,
            "row": {"x": 1, "y": None},
            "table": {"x": [1, 2], "y": [0.5, 2]},
            "table of one": {"x": 1},
            "empty row": {},
        }
        assert run.get_metrics("row") == {"row": {"x": 1, "y": None}}
        assert run.get_metrics("missing") == {}

    def test_row_without_a_column(self, run):
        """It has None there; SDK v1 could not read it back."""
        run.log_row("r", x=1)
        run.log_row("r", y="text")
        assert run.get_metrics("r") == {"r": {"x": [1, None], "y": [None, "text"]}}

    def test_descendants(self, run):
        """By run id, its own last; runs without metrics are absent."""
        child = run.child_run("child", outputs=False)
        grandchild = child.child_run("grandchild", outputs=False)
        grandchild.log("depth", 2)
        run.log("depth", 0)
        found = run.get_metrics(recursive=True)
        assert found == {grandchild.id: {"depth": 2}, run.id: {"depth": 0}}
        assert list(found)[-1] == run.id

    def test_of_plain_mlflow(self, workspace, run):
        """Floats in the order of their milliseconds, beside what SDK v1's calls logged."""
        mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
        with mlflow.start_run(run_id=run.id):
            for place, value in enumerate((3, 1, 2)):
                mlflow.log_metric("plain", value, timestamp=1_700_000_000_000 + place)
            mlflow.log_metric("nan", math.nan)
        run.log("typed", True)
        found = run.get_metrics()
        assert same(found, {"plain": [3.0, 1.0, 2.0], "nan": math.nan, "typed": True})

    def test_another_object_goes_on(self, workspace, run):
        """With the steps and the columns of what is there."""
        run.log_row("t", x=1, s="a")
        run.log("n", 1)
        again = workspace.get_run(run.id)
        again.log_row("t", x=2, s="b")
        again.log("n", 2)
        assert run.get_metrics() == {"t": {"x": [1, 2], "s": ["a", "b"]}, "n": [1, 2]}
        steps = [m.step for m in workspace.client.get_metric_history(run.id, "n")]
        assert steps == [0, 1]


class TestForMlflow:
    def test_every_number_is_a_metric(self, workspace, run):
        """Rows grouped under their name; 0 and 1 for truth values, NaN for None, none for text."""
        run.log("n", 2**60 + 1)
        run.log("flag", True)
        run.log("nothing", None)
        run.log("text", "good")
        run.log_table("t", {"x": [1, 2], "ok": [True, False], "text": ["a", None]})
        metrics = workspace.client.get_run(run.id).data.metrics
        assert math.isnan(metrics.pop("nothing"))
        assert metrics == {"n": float(2**60), "flag": 1, "t/x": 2, "t/ok": 0}

    def test_value_beside_a_row(self, workspace, run):
        """A metric ``a/b`` and column ``b`` of row ``a`` are two."""
        run.log("a/b", 0.5)
        run.log_row("a", b=1)
        run.log_row("c", d=1)
        run.log("c/d", 0.5)
        assert run.get_metrics() == {"a/b": 0.5, "a": {"b": 1}, "c": {"d": 1}, "c/d": 0.5}
        assert len(workspace.client.get_run(run.id).data.metrics) == 4

    def test_descriptors_are_no_tags_of_sdk_v1(self, run):
        """What describes metrics is not shown as a tag."""
        run.log("flag", True)
        assert run.get_tags() == {}

    def test_descriptors_are_left_out_of_a_search(self, workspace, run):
        """Whose time would grow with the metrics of all runs."""
        run.log("flag", True)
        (found,) = workspace.client.search_runs([run.experiment.id])
        assert found.data.metrics == {"flag": 1}
        assert not any("metric" in key for key in found.data.tags)


class TestValues:
    def test_numpy(self, run):
        """Scalars and arrays without dimensions are their number; np.int64 is an int."""
        for value in (np.int64(5), np.uint64(2**63), np.float32(0.5), np.bool_(True), np.str_("x")):
            run.log("numpy", value)
        run.log("numpy", np.array(7))
        run.log_list("list", np.arange(3))
        run.log_row("row", n=np.int64(1))
        run.log_table("table", {"x": np.arange(2), "y": ("a", None)})
        found = run.get_metrics()
        assert same(found["numpy"], [5, 2**63, 0.5, True, "x", 7])
        assert same(found["list"], [0, 1, 2])
        assert same(found["row"], {"n": 1})
        assert same(found["table"], {"x": [0, 1], "y": ["a", None]})

    def test_data_frame(self, run):
        """It is a table, whose columns are called by the text of their names."""
        run.log_table("table", pd.DataFrame({0: [1, 2], "x": [0.5, 1.5]}))
        assert same(run.get_metrics("table"), {"table": {"0": [1, 2], "x": [0.5, 1.5]}})

    def test_other_objects_are_text(self, run, caplog):
        """As in SDK v1, with a warning."""
        run.log("object", {"b": 1})
        assert run.get_metrics() == {"object": "{'b': 1}"}
        assert "'object' was given an object of type dict" in caplog.text

    def test_array_of_one_element_is_that(self, run):
        """Of any number of dimensions; SDK v1 kept the text of its ``repr``."""
        values = [7, 0.5, True, "x"]
        for value in values:
            run.log("array", np.full((1,), value))
            run.log("cube", np.full((1, 1, 1), value))
        run.log_row("row", cell=np.array([[0.5]]))
        found = run.get_metrics()
        assert same(found, {"array": values, "cube": values, "row": {"cell": 0.5}})

    def test_other_libraries_arrays_of_one_element(self, run):
        """A column of pandas, and an array that only NumPy's can be made of."""

        class EagerTensor:
            shape = (1,)

            def numpy(self):
                return np.array([0.25])

        run.log("series", pd.Series([3]))
        run.log("tensor", EagerTensor())
        assert same(run.get_metrics(), {"series": 3, "tensor": 0.25})

    def test_one_value_is_refused_by_log_list(self, run):
        """Which names ``log``; nothing is logged."""
        for value in [5, 0.5, None, np.array(0.5)]:
            with pytest.raises(UserErrorException, match="Use log for one value"):
                run.log_list("several", value)
        assert run.get_metrics() == {}

    @pytest.mark.parametrize("name", ["", None, 5])
    def test_metric_without_a_name_is_refused(self, run, name):
        """By every call that logs; nothing is logged."""
        for log in [
            lambda: run.log(name, 1),
            lambda: run.log(name, 0.5),
            lambda: run.log_list(name, [1]),
            lambda: run.log_row(name, x=1),
            lambda: run.log_table(name, {"x": [1]}),
            lambda: run.log_image(name, path="missing.png"),
            lambda: run.log_confusion_matrix(name, {}),
        ]:
            with pytest.raises(UserErrorException, match="The name of a metric"):
                log()
        assert run.get_metrics() == {}

    @pytest.mark.parametrize("value", [[1], range(3), (each for each in [1])])
    def test_several_values_are_refused(self, run, value):
        """By ``log``, which names ``log_list``; nothing is logged."""
        with pytest.raises(UserErrorException, match="log_list"):
            run.log("several", value)
        assert run.get_metrics() == {}

    @pytest.mark.parametrize(
        "log",
        [
            lambda run: run.log_list("l", [1, {}]),
            lambda run: run.log_row("r", x=[1]),
            lambda run: run.log_row("r", x=object()),
            lambda run: run.log_table("t", {"x": [1], "y": [1, 2]}),
            lambda run: run.log_table("t", {"x": [1, {}]}),
            lambda run: run.log_table("t", [1, 2]),
            lambda run: run.log("m", 1, step=2**63),
        ],
    )
    def test_bad_cells_are_refused(self, run, log):
        """With SDK v1's exception, and none of the call is logged."""
        with pytest.raises(AzureMLException):
            log(run)
        assert run.get_metrics() == {}

    def test_nothing_to_log_is_said(self, run, caplog):
        """SDK v1 raised an AttributeError."""
        run.log_list("empty", [])
        run.log_table("none", {"x": []})
        assert run.get_metrics() == {}
        assert caplog.text.count("nothing is logged") == 2


class TestAfterTheEnd:
    """What is logged to a run that has ended is stored, and said once."""

    @pytest.mark.parametrize("end", ["complete", "fail", "cancel"])
    def test_ended_by_this_object(self, run, caplog, end):
        """A float, which goes the quick way, and any other value."""
        run.log("loss", 0.5)
        getattr(run, end)()
        assert "has ended" not in caplog.text
        run.log("loss", 0.25)
        run.log("epoch", 1)
        assert run.get_metrics() == {"loss": [0.5, 0.25], "epoch": 1}
        assert caplog.text.count("has ended") == 1
        assert f"Run {run.id} has ended ({run.status})" in caplog.text

    def test_ended_by_mlflow(self, run, workspace, caplog):
        """Or before this object was made."""
        run.log("loss", 0.5)
        workspace.client.set_terminated(run.id)
        run.log("loss", 0.25)
        assert caplog.text.count("has ended") == 1
        workspace.get_run(run.id).log_row("row", x=1)
        assert caplog.text.count("has ended") == 2

    def test_started_again(self, run, caplog):
        """Nothing is to be said."""
        run.complete()
        run.start()
        run.log("loss", 0.5)
        assert "has ended" not in caplog.text


LOG_ROWS = f"""
import sys
from mlflow_workspace_plugin import Workspace
hub, workspace, run_id, number = *sys.argv[1:4], int(sys.argv[4])
run = Workspace.get(workspace, hub=hub).get_run(run_id)
{python_processes.WAIT_FOR_THE_OTHERS}
for index in range(100):
    run.log_row("table", process=number, index=index, text=f"{{number}}-{{index}}")
    run.log_row("own columns", **{{f"column {{number}}": index}})
    run.log("flag", index % 2 == 0)
    run.log("equal", 1)
"""


def test_processes_lose_nothing(hub, workspace, run):
    """Rows of one table from four processes: each is whole, and in the order of its process."""
    python_processes.run_at_once(
        [["-c", LOG_ROWS, hub, workspace.name, run.id, str(number)] for number in range(4)]
    )
    found = run.get_metrics()
    rows = list(zip(*(found["table"][c] for c in ("process", "index", "text")), strict=True))
    assert sorted(rows) == [(n, i, f"{n}-{i}") for n in range(4) for i in range(100)]
    for number in range(4):
        assert [index for each, index, _ in rows if each == number] == list(range(100))
        column = found["own columns"][f"column {number}"]
        assert [each for each in column if each is not None] == list(range(100))
    assert sorted(found["flag"]) == [False] * 200 + [True] * 200
    assert found["equal"] == [1] * 400


class TestLimits:
    """What SDK v1's service dropped or refused."""

    def test_many_metrics_and_columns(self, run):
        """300 metrics, of which one has 100 columns, under names of 500 characters."""
        for number in range(300):
            run.log(f"{number}" * 170, number)
        run.log_row("wide", **{f"column {number}": number for number in range(100)})
        found = run.get_metrics()
        assert len(found) == 301
        assert found["7" * 170] == 7
        assert len(found["wide"]) == 100

    @pytest.mark.sqlite
    def test_many_rows(self, run):
        """100,000 rows of one metric are read back."""
        count = 100_000
        run.log_table("t", {"x": list(range(count)), "even": [n % 2 == 0 for n in range(count)]})
        found = run.get_metrics("t")["t"]
        assert found["x"] == list(range(count))
        assert found["even"][:3] == [True, False, True]
