"""Metrics as charts show them: few points of many, the same by each database as by an oracle."""

import itertools
import math
import random
from bisect import bisect_right

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, RunStatus
from mlflow.exceptions import MlflowException
from sqlalchemy import select, text

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.hub.tables import CHARTS
from mlflow_workspace_plugin.stores import garbage
from mlflow_workspace_plugin.stores.build import open_workspace_store
from mlflow_workspace_plugin.stores.charts import kept, reading, recent, since
from mlflow_workspace_plugin.stores.charts.charts import Charts
from mlflow_workspace_plugin.stores.charts.point import Point

pytestmark = pytest.mark.store

INSERT = text(
    "INSERT INTO metrics (run_uuid, key, step, timestamp, value, is_nan) "
    "VALUES (:run_id, :key, :step, :timestamp, :value, :is_nan)"
)
LATEST = text(
    "INSERT INTO latest_metrics (run_uuid, key, step, timestamp, value, is_nan) "
    "VALUES (:run_id, :key, :step, :timestamp, :value, :is_nan)"
)


@pytest.fixture
def store(workspace):
    return open_workspace_store(workspace.get_mlflow_tracking_uri())


@pytest.fixture
def experiment(store):
    return store.create_experiment("charts")


@pytest.fixture
def new_run(store, experiment):
    """Make a run with points of metric ``m``, past all that checks and counts them."""

    def make(points, *, key="m", status=None):
        run_id = store.create_run(experiment, "me", 0, [], None).info.run_id
        add(store, run_id, points, key)
        if status is not None:
            store.update_run_info(run_id, RunStatus.from_string(status), 1, None)
        return run_id

    return make


def add(store, run_id, points, key="m"):
    rows = [{"run_id": run_id, "key": key, **point._asdict()} for point in points]
    with store._hub.engine.begin() as connection:
        if rows:
            connection.execute(INSERT, rows)
            connection.execute(
                text("DELETE FROM latest_metrics WHERE run_uuid = :r"), {"r": run_id}
            )
            connection.execute(LATEST, max(rows, key=lambda row: (row["step"], row["timestamp"])))


def oracle(points, x, start, end, count):
    """What a chart shows, said as simply as it can be: all points, sorted, in lists."""

    def at(point):
        return point.step if x == "step" else point.timestamp

    def place(point):
        first, second = (0, 1) if by == "step" else (1, 0)
        return point[first], point[second], point.value, point.is_nan

    lowest = -math.inf if start is None else start
    greatest = math.inf if end is None else end
    points = [point for point in points if lowest <= at(point) <= greatest]
    by = "time" if len({point.step for point in points}) == 1 else x
    points.sort(key=place)
    if len(points) <= count:
        return points
    xs = [place(point)[0] for point in points]
    low, span = xs[0], xs[-1] - xs[0] + 1
    number = min(max(reading.BUCKETS, count), span)
    for _ in range(4):
        cells = stretches(points, xs, low, span, number)
        found = fitted(cells, number, points, count, place)
        if number == span or count // len(found) < 2:
            break
        number = min(span, number * (count // len(found)))
    return found


def stretches(points, xs, low, span, number):
    """Each stretch that holds a point: which it is, and what is kept of it."""
    cells = []
    position = 0
    while position < len(points):
        place = (xs[position] - low) * number // span
        after = bisect_right(xs, low - (-(place + 1) * span // number) - 1)
        cells.append((place, points[position:after]))
        position = after
    return cells


def kept_of(members, place):
    numbers = [point for point in members if not point.is_nan]
    found = [point for point in members if point.is_nan][:1]
    if numbers:
        found.append(min(numbers, key=lambda point: (point.value, place(point))))
        found.append(max(numbers, key=lambda point: (point.value, place(point))))
    return found


def fitted(cells, number, points, count, place):
    if count == 1:
        return [points[-1]]

    def joined(width):
        together = itertools.groupby(cells, lambda cell: cell[0] * width // number)
        members = [[point for _, each in cell for point in each] for _, cell in together]
        return {points[0], points[-1]}.union(*(kept_of(each, place) for each in members))

    width, best = min(number, max(1, (count - 2) // 2)), None
    while True:
        found = joined(width)
        more = min(number, width * count // len(found))
        if len(found) <= count:
            best = found
            if more <= width or len(found) >= 0.95 * count:
                break
        elif best or width == 1:
            break
        else:
            more = max(1, min(more, width - 1))
        width = more
    ordered = sorted(best or found, key=place)
    return ordered if len(ordered) <= count else [*ordered[: count - 1], ordered[-1]]


def points_of(kind, count, seed):
    """Points as runs have them, each (step, timestamp, value) once."""
    chance = random.Random(seed)
    start = 1_700_000_000_000

    def value(index):
        kinds = {
            "rising": float(index),
            "constant": 0.5,
            "steps": float(chance.randrange(3)),
            "ties": float(chance.randrange(2)),
            "spike": 1e300 if index == count // 3 else chance.random(),
        }
        return kinds.get(kind, chance.gauss(0, 1))

    def step(index):
        kinds = {
            "unstepped": 0,
            "few": index % 7,
            "ties": index % 50,
            "outlier": 10**9 if index == 0 else index,
            "huge": (index - count // 2) * (2**63 // count),
            "backwards": -index,
            "gap": index + (index > count // 2) * 10**7,
        }
        return kinds.get(kind, index)

    def time(index):
        kinds = {
            "nanoseconds": start * 10**6 + index,
            "late": start + chance.randrange(10**6),
            "ties": start + chance.randrange(10**6),
            "gap": start + index + (index > count // 2) * 10**9,
            "at once": start,
        }
        return kinds.get(kind, start + index)

    found = set()
    for index in range(count):
        is_nan = kind == "only nan" or (kind in ("nan", "late") and chance.random() < 0.05)
        found.add(Point(step(index), time(index), 0.0 if is_nan else value(index), is_nan))
    return sorted(found)


KINDS = [
    "noise", "rising", "constant", "steps", "spike", "unstepped", "few", "outlier", "huge",
    "backwards", "gap", "nanoseconds", "late", "at once", "nan", "only nan", "ties",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_equal_to_the_oracle(store, new_run, monkeypatch, kind):
    """Over steps and over time, whole and in parts, many points and few; by each way."""
    monkeypatch.setattr(reading, "BUCKETS", 64)
    is_sqlite = store._hub.engine.dialect.name == "sqlite"
    # So few are read as they are; on SQLite so few by one way, and more by another.
    ways = [(10_000, 0), (0, 20_000), (0, 0)] if is_sqlite else [(10_000, 0), (0, 0)]
    points = points_of(kind, 700, seed=1)
    run_id = new_run(random.Random(2).sample(points, len(points)))
    middle = points[len(points) // 2]
    for x, at in (("step", middle.step), ("time", middle.timestamp)):
        for start, end in ((None, None), (at, None), (at - 200, at + 200)):
            for count in (1, 2, 10, 50, 150):
                expected = oracle(list(points), x, start, end, count)
                for way in ways:
                    at_hand, few = way
                    monkeypatch.setattr(reading, "AT_HAND", at_hand)
                    monkeypatch.setattr(reading, "_FEW", few)
                    reading._count.cache_clear()
                    found = store.chart_points(run_id, "m", x=x, start=start, end=end, points=count)
                    assert found.points == expected, (x, start, end, count, way)


@pytest.mark.parametrize("kind", ["rising", "constant", "noise", "outlier", "gap", "unstepped"])
def test_what_is_allowed_is_filled(store, new_run, kind):
    """Of more points than fit, nearly as many are shown as may be; never more."""
    points = points_of(kind, 6_000, seed=1)
    run_id = new_run(points)
    for count in (100, 1_000):
        for x in ("step", "time"):
            found = store.chart_points(run_id, "m", x=x, points=count)
            assert (found.total, found.nans, found.is_exact) == (6_000, 0, False)
            assert 0.5 * count < len(found.points) <= count, (count, x)
            if kind in ("rising", "constant", "noise"):
                assert len(found.points) > 0.9 * count, (count, x)


def test_part_is_exact_where_it_fits(store, new_run):
    """A range with few points has them all; what is outside is not counted."""
    points = points_of("nan", 6_000, seed=1)
    run_id = new_run(points)
    part = [point for point in points if 100 <= point.step <= 900]
    found = store.chart_points(run_id, "m", start=100, end=900, points=2_000)
    nans = sum(point.is_nan for point in part)
    assert (found.points, found.total, found.nans, found.is_exact) == (part, 801, nans, True)
    assert store.chart_points(run_id, "m", start=10**7).points == []
    assert store.chart_points(run_id, "m", start=-(2**70), end=2**70, points=6_000).is_exact
    for name in ("none", "</script>", "\0", "x" * 500):
        assert store.chart_points(run_id, name).total == 0


def test_few_points_by_mlflows_method(store, new_run):
    """What MLflow's UI asks for goes by the same way, NaN and spikes included."""
    points = points_of("spike", 5_000, seed=1)
    points[10] = Point(10, points[10].timestamp, 0.0, True)
    run_ids = [new_run(points), new_run(points[:50])]
    found = store.get_metric_history_bulk_interval(run_ids, "m", 320, None, None)
    of_first = [each for each in found if each.run_id == run_ids[0]]
    assert len(found) - len(of_first) == 50
    assert 290 < len(of_first) <= 320
    assert max(each.value for each in of_first if not math.isnan(each.value)) == 1e300
    assert [each.step for each in of_first if math.isnan(each.value)] == [10]
    of_both = store.chart_points_of_runs(run_ids, "m", points=320)
    assert [len(of_both[run_id].points) for run_id in run_ids] == [len(of_first), 50]


def kept_rows(store):
    with store._hub.engine.connect() as connection:
        return connection.execute(select(CHARTS)).all()


class TestKept:
    """What was found of a long metric of a run that has ended."""

    @pytest.fixture(autouse=True)
    def long_at_once(self, monkeypatch):
        monkeypatch.setattr(kept, "LONG", 5_000)
        monkeypatch.setattr(reading, "AT_HAND", 0)
        monkeypatch.setattr(reading, "AT_HAND_OF_MANY", 0)

    def test_next_reader_need_not_read(self, store, new_run, monkeypatch):
        """It gets the same, for as many points as it likes, over steps and over time."""
        run_id = new_run(points_of("nan", 6_000, seed=1), status="FINISHED")
        asked = [(x, count) for x in ("step", "time") for count in (2, 100, 2_000)]
        fresh = [store.chart_points(run_id, "m", x=x, points=count) for x, count in asked]
        assert sorted(row.x for row in kept_rows(store)) == ["step", "time"]
        monkeypatch.setattr("mlflow_workspace_plugin.stores.charts.charts.read_sketch", None)
        assert [store.chart_points(run_id, "m", x=x, points=n) for x, n in asked] == fresh

    def test_read_for_fewer_points(self, store, new_run):
        """Who asks for more sees as many as if nobody had asked before; that is kept then."""
        points = points_of("outlier", 6_000, seed=1)
        run_id, unread = new_run(points, status="FINISHED"), new_run(points, status="FINISHED")
        store.chart_points(run_id, "m", points=3)
        more = store.chart_points(run_id, "m", points=2_000)
        assert more == store.chart_points(unread, "m", points=2_000)
        assert len(more.points) > 1_000
        kept_at_last = kept_rows(store)
        store.chart_points(run_id, "m", points=3)
        assert kept_rows(store) == kept_at_last

    def test_of_few_steps(self, store, new_run, monkeypatch):
        """There are fewer stretches than points may be shown, and what is kept is used."""
        run_id = new_run(points_of("few", 6_000, seed=1), status="FINISHED")
        fresh = store.chart_points(run_id, "m")
        monkeypatch.setattr("mlflow_workspace_plugin.stores.charts.charts.read_sketch", None)
        assert store.chart_points(run_id, "m") == fresh

    def test_only_of_long_metrics_of_ended_runs(self, store, new_run):
        """Nothing is kept of a run that goes on, of a part, or of what is read at once."""
        points = points_of("noise", 6_000, seed=1)
        goes_on = new_run(points)
        store.chart_points(goes_on, "m")
        store.chart_points(new_run(points[:5_000], status="FAILED"), "m")
        ended = new_run(points, status="KILLED")
        store.chart_points(ended, "m", start=1)
        store.chart_points(ended, "m", points=6_000)
        assert kept_rows(store) == []
        store.chart_points(ended, "m")
        assert [row.run_uuid for row in kept_rows(store)] == [ended]

    @pytest.mark.parametrize("late", [Point(3, 1, 1e9, False), Point(10**6, 10**15, 1e9, False)])
    def test_late_value_is_seen(self, store, new_run, late):
        """One before the latest value, and one that is the latest: what was kept is replaced."""
        points = points_of("noise", 6_000, seed=1)
        run_id = new_run(points, status="FINISHED")
        store.chart_points(run_id, "m")
        store.log_batch(run_id, [Metric("m", late.value, late.timestamp, late.step)], [], [])
        assert late in store.chart_points(run_id, "m").points
        assert [row.total for row in kept_rows(store)] == [6_001]

    def test_another_versions_is_not_used(self, store, new_run, monkeypatch):
        """Whatever it holds."""
        run_id = new_run(points_of("noise", 6_000, seed=1), status="FINISHED")
        fresh = store.chart_points(run_id, "m")
        with store._hub.engine.begin() as connection:
            connection.execute(CHARTS.update().values(version=0, buckets=b"what"))
        assert store.chart_points(run_id, "m") == fresh
        assert [row.version for row in kept_rows(store)] == [kept.VERSION]

    def test_goes_with_the_run(self, store, new_run, experiment):
        """By gc; of a run that somebody else removed for good, it goes with the next gc."""
        points = points_of("noise", 6_000, seed=1)
        ours, of_others, stays = (new_run(points, status="FINISHED") for _ in range(3))
        store.chart_points_of_runs([ours, of_others, stays], "m")
        assert len(kept_rows(store)) == 3
        store.delete_run(ours)
        with store._hub.engine.begin() as connection:
            for table in ("metrics", "latest_metrics", "tags", "runs"):
                connection.execute(
                    text(f"DELETE FROM {table} WHERE run_uuid = :r"), {"r": of_others}
                )
        hub, workspace = store.place
        garbage.free(hub, workspace, garbage.find_garbage(hub, workspace))
        assert [row.run_uuid for row in kept_rows(store)] == [stays]

    def test_nobody_waits_for_it(self, store, new_run):
        """While another writes, the answer comes all the same, and is not kept."""
        run_id = new_run(points_of("noise", 6_000, seed=1), status="FINISHED")
        with store._hub.engine.connect() as connection:
            is_sqlite = connection.dialect.name == "sqlite"
            writes = (
                "BEGIN IMMEDIATE" if is_sqlite else f"LOCK TABLE {CHARTS.name} IN EXCLUSIVE MODE"
            )
            connection.exec_driver_sql(writes)
            assert store.chart_points(run_id, "m").total == 6_000
        assert kept_rows(store) == []


def test_what_changed(workspace, experiment, new_run, monkeypatch):
    """The latest points, those from a time on, and how many our clients stored."""
    client = MlflowClient(workspace.get_mlflow_tracking_uri())
    store = client._tracking_client.store
    run_id = client.create_run(experiment).info.run_id
    for step in range(5):
        client.log_metric(run_id, "a", step, timestamp=1_000 + step, step=step)
    client.log_metric(run_id, "b", math.nan, timestamp=1_003)
    client.log_param(run_id, "p", 1)
    assert store.latest_points(run_id) == {
        "a": Point(4, 1_004, 4.0, False),
        "b": Point(0, 1_003, 0.0, True),
    }
    found = store.points_since(run_id, None, 1_003, 10)
    a = [Point(3, 1_003, 3.0, False), Point(4, 1_004, 4.0, False)]
    assert found == {"a": a, "b": [Point(0, 1_003, 0.0, True)]}
    assert store.points_since(run_id, ["a", "none"], 1_003, 1) == {"a": a[:1]}
    assert store.points_since(run_id, ["a"], 2_000, 10) == {}
    assert store.stored_counts(run_id) == {"a": 5, "b": 1}
    # What others logged under the same name since then is not looked through.
    monkeypatch.setattr(since, "MOST_PASSED", 20)
    new_run([Point(step, 5_000 + step, 0.0, False) for step in range(100)], key="a")
    assert store.points_since(run_id, None, 1_003, 10) == found
    assert store.points_since(run_id, ["a"], 1_003, 1) == {"a": a[1:]}


def test_recent_points_are_counted(store, new_run, monkeypatch):
    """Within windows of each metric, in the runs asked for; or they are said to be too many."""
    points = [Point(step, 9_000 - step, 0.0, False) for step in range(8)]
    first, second = new_run(points), new_run(points[:2])
    new_run(points)
    last = (1 << 63) - 1
    windows = {"m": [(8_993, 8_994), (8_997, last)], "none": [(0, last)], "\0": [(0, last)]}
    found = store.recent_counts_of_runs([first, second], windows)
    assert found == {first: {"m": (6, 9_000)}, second: {"m": (2, 9_000)}}
    assert store.recent_counts_of_runs([first], {}) == {first: {}}
    monkeypatch.setattr(recent, "MOST_COUNTED", 6)
    monkeypatch.setattr(recent, "FEWEST_COUNTED", 1)
    found = store.recent_counts_of_runs([first], {"m": [(8_000, last)]})
    assert found == {first: {"m": (None, 9_000)}}
    # Of a window that is counted whole nothing is lost by another one: each has its share.
    monkeypatch.setattr(recent, "MOST_COUNTED", 8)
    found = store.recent_counts_of_runs([second], {"m": [(8_999, 8_999), (9_000, last)]})
    assert found == {second: {"m": (2, 9_000)}}


def test_of_another_workspace(store, new_run, workspace):
    """Its runs are not found, by any of the methods, whatever is kept of them."""
    other = Workspace.create("other", hub=str(workspace._hub.path))
    others = open_workspace_store(other.get_mlflow_tracking_uri())
    run_id = new_run(points_of("noise", 10, seed=1))
    calls = {
        "chart_points": lambda: others.chart_points(run_id, "m"),
        "chart_points_of_runs": lambda: others.chart_points_of_runs([run_id], "m"),
        "get_metric_history_bulk_interval": lambda: others.get_metric_history_bulk_interval(
            [run_id], "m", 10, None, None
        ),
        "latest_points": lambda: others.latest_points(run_id),
        "latest_points_of_runs": lambda: others.latest_points_of_runs([run_id]),
        "points_since": lambda: others.points_since(run_id, None, 0, 10),
        "stored_counts": lambda: others.stored_counts(run_id),
        "stored_counts_of_runs": lambda: others.stored_counts_of_runs([run_id]),
        "recent_counts_of_runs": lambda: others.recent_counts_of_runs([run_id], {"m": [(0, 1)]}),
    }
    assert set(calls) == {name for name in vars(Charts) if not name.startswith("_")}
    for call in calls.values():
        with pytest.raises(MlflowException, match="not found"):
            call()
