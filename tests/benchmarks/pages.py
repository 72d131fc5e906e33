"""Our pages in a browser beside MLflow's own of the same data, and what keeping up with runs costs.

Both servers run at the same time. The runs go on, so that no answer about them is kept.
"""

import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

import requests
from mlflow.entities import Metric

from tests.benchmarks.datasets import START, Seen, seen_runs
from tests.benchmarks.measure import Bench, Workload, in_turn, progress, stopwatch
from tests.benchmarks.report import Line
from tests.benchmarks.sides import WORKSPACE, Side
from tests.chromium import chromium
from tests.servers import free_port, serving

TICKS = 20
_AGAIN = 3
_HISTORY = "ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
_SAMPLED = 320
_PATIENCE_MS = 60_000
# Of all that is compared, so that whatever draws what is seen only draws it all.
_TALL = {"width": 1280, "height": 6000}
_OURS_DRAWN = """count => [...document.querySelectorAll(".mw-figure [role=img]")].filter(
    plot => plot.querySelector("canvas") && /[1-9][0-9,]* points/.test(plot.ariaLabel)
).length >= count"""
_MLFLOWS_DRAWN = """count => [...document.querySelectorAll(".js-plotly-plot")].filter(
    plot => plot.querySelector(".scatterlayer .trace")
).length >= count"""


@dataclass(frozen=True)
class Served:
    """A side whose pages are served.

    Args:
        side: the side.
        address: of its server.
        port: of its server.
    """

    side: Side
    address: str
    port: int

    @property
    def is_ours(self) -> bool:
        """Whether the pages are ours."""
        return self.side.hub is not None

    def run_page(self, run_id: str) -> str:
        """Return the address of the page that draws the metrics of a run."""
        if self.is_ours:
            return f"{self.address}/pages/runs/{run_id}?workspace={WORKSPACE}"
        experiment = self.side.experiment
        return f"{self.address}/#/experiments/{experiment}/runs/{run_id}/model-metrics"

    def comparison(self, run_ids: list[str]) -> str:
        """Return the address of the page that draws the metrics of runs in one place."""
        if self.is_ours:
            query = urlencode({"workspace": WORKSPACE, "runs": ",".join(run_ids)})
            return f"{self.address}/pages/compare?{query}"
        return f"{self.address}/#/experiments/{self.side.experiment}/runs?compareRunsMode=CHART"

    def processor_seconds(self) -> float:
        """Return how much processor time the server has taken so far."""
        import psutil

        times = []
        for each in psutil.Process().children(recursive=True):
            # The browser's processes come and go meanwhile.
            with suppress(psutil.Error, OSError):
                if f"{self.port}" in " ".join(each.cmdline()):
                    times.append(each.cpu_times())
        return sum(each.user + each.system for each in times)


def pages(bench: Bench) -> list[Line]:
    """The page of a run, a comparison, and ticks."""
    runs = seen_runs(bench.sizes)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        served = [
            stack.enter_context(_served(side, folder)) for side in bench.datasets.filled("seen")
        ]
        browser = stack.enter_context(chromium())
        return [*_drawn(bench, browser, served, runs), *_ticks(bench, served, runs)]


@contextmanager
def _served(side: Side, folder: Path) -> Iterator[Served]:
    port = free_port()
    if side.hub is None:
        command = ["mlflow", "server", "--backend-store-uri", side.uri, "--workers", "1"]
        command += ["--host", "127.0.0.1"]
    else:
        command = ["mlflow_workspace_plugin.cli", "ui", "--hub", side.hub, "--no-token"]
    command = [sys.executable, "-m", *command, "--port", str(port)]
    with serving(command, port, folder / f"{side.name}.log") as address:
        yield Served(side, address, port)


def _drawn(
    bench: Bench, browser: Any, served: list[Served], runs: dict[str, Seen]
) -> Iterator[Line]:
    long, compared = runs["long"], runs["compared"]
    pages_of: dict[str, tuple[Callable[[Served], str], int, float]] = {
        f"page of a run of {long.points:,} values, drawn": (
            lambda each: each.run_page(long.run_ids[0]),
            1,
            1.5,
        ),
        f"{compared.runs} runs of {compared.metrics} x {compared.points:,} values compared, "
        "drawn (MLflow: the first of its charts, of the runs that it chooses)": (
            lambda each: each.comparison(compared.run_ids),
            compared.metrics,
            2.0,
        ),
    }
    for title, (address, figures, at_most) in pages_of.items():
        progress(f"{bench.database}: {title}")
        taken = in_turn(
            {
                each.side.name: partial(_seconds, browser, each, address(each), figures)
                for each in served
            },
            bench.rounds,
        )
        mlflow, ours = (_median(taken[each.side.name]) for each in served)
        yield Line(title, bench.database, "s", mlflow, ours, bench.rounds, at_most=at_most)


def _median(seconds: list[float | None]) -> float | None:
    return statistics.median(each for each in seconds if each is not None) if any(seconds) else None


def _seconds(browser: Any, served: Served, address: str, figures: int) -> float | None:
    """Open a page in a browser that has nothing kept; return when its figures were drawn.

    Of MLflow's, which draws those that are in sight, when the first one was; None if none was.
    """
    from playwright.sync_api import TimeoutError as NothingDrawn

    context = browser.new_context(viewport=_TALL)
    try:
        page = context.new_page()
        drawn, count = (_OURS_DRAWN, figures) if served.is_ours else (_MLFLOWS_DRAWN, 1)
        with stopwatch() as watch:
            page.goto(address, wait_until="commit")
            page.wait_for_function(drawn, arg=count, timeout=_PATIENCE_MS, polling=10)
        return watch.seconds
    except NothingDrawn:
        if served.is_ours:
            raise
        return None
    finally:
        context.close()


def _ticks(bench: Bench, served: list[Served], runs: dict[str, Seen]) -> Iterator[Line]:
    mlflow, ours = served
    for name in "wide", "long":
        run, tenth = runs[name], runs[f"{name}, a tenth"]
        title = f"keeping up with a run of {run.metrics} x {run.points:,} values"
        progress(f"{bench.database}: {title}")
        again = _charts_again(mlflow, run)
        tick = _tick(ours, run)
        small = _tick(ours, tenth)
        # What MLflow's page reads when it is brought up to date.
        cost, size = f"{title}: processor time of the server", f"{title}: answer"
        yield Line(cost, bench.database, "ms", again[0], tick[0], TICKS, at_most=50)
        yield Line(size, bench.database, "kB", again[1], tick[1], TICKS, at_most=50)
        yield Line(
            f"{title}: processor time, against a tenth of the values",
            bench.database,
            "x",
            ours=tick[0] / small[0] if small[0] else 1.0,
            rounds=TICKS,
            at_most=1.2,
        )


def _tick(served: Served, run: Seen) -> tuple[float, float]:
    """Return what a tick with a new value of each metric takes: milliseconds and kilobytes."""
    (run_id,) = run.run_ids
    address = f"{served.address}/pages/api/runs/{run_id}/tick?workspace={WORKSPACE}"
    cursor, sizes, step = {}, [], run.points
    before = 0.0
    with requests.Session() as session:
        for number in range(-_AGAIN, TICKS):
            if number == 0:
                sizes, before = [], served.processor_seconds()
            step += 1
            now = START + 1000 * step
            values = [Metric(key, 0.5, now, step) for key in run.keys]
            served.side.client.log_batch(run_id, values)
            answer = session.post(address, json=cursor, timeout=600)
            answer.raise_for_status()
            cursor = answer.json()["cursor"]
            sizes.append(len(answer.content))
    taken = served.processor_seconds() - before
    return taken / TICKS * 1e3, statistics.median(sizes) / 1e3


def _charts_again(served: Served, run: Seen) -> tuple[float, float]:
    """Return what MLflow's page takes to draw its charts again: milliseconds and kilobytes."""
    (run_id,) = run.run_ids
    before, size = served.processor_seconds(), 0
    with requests.Session() as session:
        for _ in range(_AGAIN):
            for key in run.keys:
                query = {"run_ids": run_id, "metric_key": key, "max_results": _SAMPLED}
                answer = session.get(f"{served.address}/{_HISTORY}", params=query, timeout=600)
                answer.raise_for_status()
                size += len(answer.content)
    taken = served.processor_seconds() - before
    return taken / _AGAIN * 1e3, size / _AGAIN / 1e3


WORKLOADS = (Workload("pages", pages),)
