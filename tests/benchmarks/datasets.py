"""Databases with many rows: the same rows on both sides, written past the stores.

Logging three million values and ten thousand runs through MLflow would take hours. So the tables
are filled by the database's driver, and then each side is used once, by its API, in a new process.
"""

import hashlib
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import psycopg

from tests.benchmarks.measure import child, progress
from tests.benchmarks.sides import Side, prepare, sides_in
from tests.benchmarks.sizes import Sizes
from tests.postgres import PostgreSQL

METRIC = "loss"
METRICS, PARAMS, TAGS = 20, 10, 10
START = 1_700_000_000_000
LONG_RUN = hashlib.md5(b"long").hexdigest()
UNSTEPPED_RUN = hashlib.md5(b"unstepped").hexdigest()
LARGE_RUN = hashlib.md5(b"large").hexdigest()
TENTH_RUN = hashlib.md5(b"tenth").hexdigest()
SPIKE = 1e6

_METRIC_COLUMNS = ("key", "value", "timestamp", "step", "is_nan", "run_uuid")
_RUN_COLUMNS = (
    "run_uuid",
    "name",
    "source_type",
    "source_name",
    "entry_point_name",
    "user_id",
    "status",
    "start_time",
    "end_time",
    "source_version",
    "lifecycle_stage",
    "artifact_uri",
    "experiment_id",
)


def run_id_of(number: int | str) -> str:
    """Return the id of one of the runs, the same on both sides."""
    return hashlib.md5(str(number).encode()).hexdigest()


class Datasets:
    """The databases of one kind; each is made when it is first asked for.

    Args:
        folder: where to keep them.
        server: of the databases; None for SQLite, whose filled databases are used again if they
            are there.
        sizes: how many rows to fill them with.
    """

    def __init__(self, folder: Path, server: PostgreSQL | None, sizes: Sizes) -> None:
        self._folder = folder / sizes.name / ("sqlite" if server is None else "postgresql")
        self._server = server
        self._sizes = sizes
        self._made: dict[str, list[Side]] = {}

    def empty(self, name: str = "empty") -> list[Side]:
        """Return the two sides of a comparison, with nothing in them."""
        if name not in self._made:
            sides = self._prepared(name)
            for side in sides:
                side.create()
            self._made[name] = sides
        return self._made[name]

    def filled(self, name: str) -> list[Side]:
        """Return the two sides with the rows that ``FILLERS`` has under a name."""
        if name not in self._made:
            complete = self._folder / name / "complete"
            if self._server is not None or not complete.exists():
                self._fill(name, self._prepared(name))
                complete.touch()
            self._made[name] = sides_in(self._folder / name, self._server)
        return self._made[name]

    def _prepared(self, name: str) -> list[Side]:
        folder = self._folder / name
        sides = sides_in(folder, self._server)
        prepare(folder, sides, self._server)
        return sides

    def _fill(self, name: str, sides: list[Side]) -> None:
        progress(f"filling {name!r}")
        both = [side.to_json() for side in sides]
        child("fill", name, self._sizes.name, *both)
        child("use", *both)
        if self._server is not None:
            for side in sides:
                wait_for_autovacuum(side)
        os.sync()  # or the disk would still be at it when the first workload begins


def fill_present(side: Side, sizes: Sizes) -> None:
    """Many runs, each with some values of the one metric."""
    _insert_runs(side, [run_id_of(number) for number in range(sizes.present_runs)])
    _insert_history(
        side,
        chain.from_iterable(
            _history(run_id_of(number), sizes.points, START + number * sizes.points)
            for number in range(sizes.present_runs)
        ),
        sizes.points,
    )


def fill_history(side: Side, sizes: Sizes) -> None:
    """The same, and one run with very many values of that metric, and one without their steps."""
    fill_present(side, sizes)
    _insert_runs(side, [LONG_RUN, UNSTEPPED_RUN])
    start = START + sizes.present_runs * sizes.points
    _insert_history(side, _history(LONG_RUN, sizes.history, start), sizes.history)
    start += sizes.history
    rows = _history(UNSTEPPED_RUN, sizes.history, start)
    unstepped = ((*row[:3], 0, *row[4:]) for row in rows)
    insert(side, "metrics", _METRIC_COLUMNS, unstepped)


def fill_large(side: Side, sizes: Sizes) -> None:
    """Two runs with very many values, one with ten times as many; each has a spike somewhere."""
    _insert_runs(side, [LARGE_RUN, TENTH_RUN])
    start = START
    for run_id, points in ((LARGE_RUN, sizes.large), (TENTH_RUN, sizes.large // 10)):
        spike = random.randrange(points)
        progress(f"the spike of {points:,} values is at step {spike:,}")
        rows = _history(run_id, points, start)
        with_spike = ((row[0], SPIKE, *row[2:]) if row[3] == spike else row for row in rows)
        _insert_history(side, with_spike, points)
        start += points


def fill_runs(side: Side, sizes: Sizes) -> None:
    """Many runs with metrics of one value, params and tags."""
    run_ids = [run_id_of(number) for number in range(sizes.runs)]
    _insert_runs(side, run_ids)
    chance = random.Random(0)
    values = [
        (f"m{metric}", chance.random(), START + number, 0, False, run_id)
        for number, run_id in enumerate(run_ids)
        for metric in range(METRICS)
    ]
    for table in ("metrics", "latest_metrics"):
        insert(side, table, _METRIC_COLUMNS, values)
    for table, prefix, count in (("params", "p", PARAMS), ("tags", "t", TAGS)):
        rows = (
            (f"{prefix}{i}", f"value {i} of {run_id}", run_id)
            for run_id in run_ids
            for i in range(count)
        )
        insert(side, table, ("key", "value", "run_uuid"), rows)


@dataclass(frozen=True)
class Seen:
    """A run, or several alike, that are looked at.

    Args:
        name: of them, from which their ids come.
        runs: how many there are.
        metrics: how many each has.
        points: how many values of each metric there are.
    """

    name: str
    runs: int
    metrics: int
    points: int

    @property
    def run_ids(self) -> list[str]:
        """The ids of the runs."""
        return [run_id_of(f"{self.name} {each}") for each in range(self.runs)]

    @property
    def keys(self) -> list[str]:
        """The names of the metrics."""
        return [f"metric {each:03}" for each in range(self.metrics)]

    def rows(self) -> Iterator[tuple]:
        """Yield the values, of one metric after the other."""
        chance = random.Random(self.name)
        for run_id in self.run_ids:
            for key in self.keys:
                value = 1.0
                for step in range(self.points):
                    value += chance.random() - 0.5
                    yield (key, value, START + 1000 * step, step, False, run_id)


def seen_runs(sizes: Sizes) -> dict[str, Seen]:
    """Return what the pages are measured with: of much, and of a tenth of it."""
    many, history = sizes.history // 100, sizes.history
    found = (
        Seen("long", 1, 1, history),
        Seen("long, a tenth", 1, 1, history // 10),
        Seen("wide", 1, 100, many),
        Seen("wide, a tenth", 1, 100, many // 10),
        Seen("compared", 100, 10, many // 10),
    )
    return {each.name: each for each in found}


def fill_seen(side: Side, sizes: Sizes) -> None:
    """Runs that are looked at; they go on, so that nothing of them is kept for the next time."""
    for each in seen_runs(sizes).values():
        _insert_runs(side, each.run_ids, status="RUNNING")
        _insert_history(side, each.rows(), each.points)


FILLERS: dict[str, Callable[[Side, Sizes], None]] = {
    "present": fill_present,
    "history": fill_history,
    "large": fill_large,
    "runs": fill_runs,
    "seen": fill_seen,
}


def insert(side: Side, table: str, columns: Iterable[str], rows: Iterable[tuple]) -> None:
    """Insert rows by the driver, in one transaction."""
    names = ", ".join(f'"{column}"' for column in columns)
    with side.driver() as connection:
        if side.sqlite_file:
            marks = ", ".join("?" for _ in columns)
            connection.execute("PRAGMA synchronous = OFF")  # of this connection only
            connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)
        else:
            with connection.cursor().copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)


def _insert_runs(side: Side, run_ids: list[str], status: str = "FINISHED") -> None:
    root = side.client.get_experiment(side.experiment).artifact_location
    rows = (_run(side, root, *each, status) for each in enumerate(run_ids))
    insert(side, "runs", _RUN_COLUMNS, rows)
    names = (("mlflow.runName", f"run-{n}", run_id) for n, run_id in enumerate(run_ids))
    insert(side, "tags", ("key", "value", "run_uuid"), names)


def _run(side: Side, root: str, number: int, run_id: str, status: str) -> tuple:
    """Return the row that MLflow writes for a run."""
    start = START + number * 1000
    end = start + 1000 if status == "FINISHED" else None
    names = (run_id, f"run-{number}", "UNKNOWN", "", "", "unknown", status)
    artifacts = f"{root}/{run_id}/artifacts"
    return (*names, start, end, "", "active", artifacts, int(side.experiment))


def _history(run_id: str, points: int, start: int) -> Iterator[tuple]:
    chance = random.Random(run_id)
    for step in range(points):
        yield (METRIC, chance.random(), start + step, step, False, run_id)


def _insert_history(side: Side, rows: Iterable[tuple], points: int) -> None:
    latest = []

    def passing() -> Iterator[tuple]:
        for row in rows:
            if row[3] == points - 1:
                latest.append(row)
            yield row

    insert(side, "metrics", _METRIC_COLUMNS, passing())
    insert(side, "latest_metrics", _METRIC_COLUMNS, latest)


def wait_for_autovacuum(side: Side, patience: float = 300) -> None:
    """Wait until the server has been over what was filled, as it does by itself a while later."""
    pending = (
        "SELECT count(*) FROM pg_stat_user_tables WHERE n_live_tup > 5000"
        " AND (last_autoanalyze IS NULL OR last_autovacuum IS NULL)"
    )
    deadline = time.monotonic() + patience
    time.sleep(1)  # until the statistics have arrived
    while time.monotonic() < deadline:
        with psycopg.connect(side.database_url.replace("+psycopg", "")) as connection:
            if connection.execute(pending).fetchone()[0] == 0:
                return
        time.sleep(1)
    progress(f"PostgreSQL has not been over {side.database_url} within {patience:.0f} s")
