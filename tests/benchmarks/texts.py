"""A metric of texts: its pages, and keeping up with it. MLflow has no such metric."""

import statistics
from collections.abc import Iterator

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.figures.ids import figure_id
from mlflow_workspace_plugin.overview.figures.figures import figures_of_run, rows_of
from mlflow_workspace_plugin.overview.live.tick import tick
from mlflow_workspace_plugin.overview.source import source_of
from tests.benchmarks.measure import Bench, Workload, stopwatch
from tests.benchmarks.report import Line
from tests.benchmarks.sides import EXPERIMENT

_TEXTS = {"full": 10_000, "quick": 1_000}
_PAGE = 100


def texts(bench: Bench) -> Iterator[Line]:
    """The first page and the last, and a tick with a text that came, in a process that shows it."""
    _, ours = bench.datasets.empty()
    count = _TEXTS[bench.sizes.name]
    experiment = Experiment(ours.workspace, EXPERIMENT)
    run = experiment.start_logging(outputs=False, snapshot_directory=None)
    run.log_list("note", [f"text {number}" for number in range(count)])
    run.flush()
    source, figure = source_of(ours.uri), figure_id("metric", "note")

    def page(offset: int) -> float:
        with stopwatch() as watch:
            found = rows_of(source, run.id, figure, offset, _PAGE)
        assert len(found["rows"]) == _PAGE
        return watch.seconds * 1e3

    def looked(number: int) -> float:
        nonlocal cursor
        run.log("note", f"another text {number}")
        run.flush()
        with stopwatch() as watch:
            found = tick(source, run.id, cursor)
            figures_of_run(source, run.id, names=found.again)
        cursor = found.cursor
        assert found.again == ["note"]
        return watch.seconds * 1e3

    of = f"of {count:,} texts"
    taken = {f"a page {of}, read for the first time": [page(0)]}
    taken[f"first page {of}"] = [page(0) for _ in range(bench.rounds)]
    taken[f"last page {of}"] = [page(count - _PAGE) for _ in range(bench.rounds)]
    cursor = tick(source, run.id).cursor
    taken[f"tick and figure, one more {of}"] = list(map(looked, range(bench.rounds)))
    run.complete()
    for title, times in taken.items():
        ours_took = statistics.median(times)
        yield Line(title, bench.database, "ms", ours=ours_took, rounds=len(times))


WORKLOADS = (Workload("texts", lambda bench: list(texts(bench))),)
