"""All workloads, on one database after the other."""

import os
import platform
import traceback
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial

import mlflow

from tests.benchmarks import (
    azure,
    charts,
    datastores,
    figures,
    imports,
    job_needs,
    jobs,
    journal,
    latencies,
    mounts,
    pages,
    ray_jobs,
    reads,
    sdk_v1,
    served,
    signing,
    start,
    tables,
    texts,
    workspaces,
    writes,
)
from tests.benchmarks.datasets import Datasets
from tests.benchmarks.measure import Bench, Workload, progress
from tests.benchmarks.report import Line
from tests.benchmarks.sides import Side
from tests.benchmarks.sizes import FULL, QUICK, Sizes
from tests.postgres import postgresql, program_path

WORKLOADS: tuple[Workload, ...] = (
    *writes.WORKLOADS,
    *reads.WORKLOADS,
    *charts.WORKLOADS,
    *journal.WORKLOADS,
    *sdk_v1.WORKLOADS,
    *workspaces.WORKLOADS,
    *pages.WORKLOADS,
    *texts.WORKLOADS,
    *served.WORKLOADS,
)
# What has nothing to do with a database.
OTHERS: dict[str, Callable[[Sizes, int], list[Line]]] = {
    "figures": figures.drawing_times,
    "import": lambda _, rounds: imports.import_time(rounds),
    "start": lambda _, rounds: start.start_times(rounds),
    "jobs": lambda _, rounds: jobs.job_times(rounds),
    "latencies": lambda _, rounds: latencies.latencies(rounds),
    "mounts": mounts.mount_times,
    "ray": lambda _, rounds: ray_jobs.ray_times(rounds),
    "data": datastores.data_times,
    "tables": tables.rows_of_files,
    **azure.WORKLOADS,
    **signing.WORKLOADS,
    **job_needs.WORKLOADS,
}
TITLES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
NOTES = (
    "Medians of the rounds; MLflow and the workspace are measured in turn in each round. A ratio "
    "above 1 is in favour of the workspace.",
    "Both sides are called through MlflowClient, but for Run.get_metrics (compared with MLflow's "
    "get_metric_history), mlflow.log_metric(s), and the curves, which only MLflow's store offers.",
    "What is called journalled returns before the database has stored it; everything else is "
    "measured without a journal, to stored.",
    "Files go to Azurite, Microsoft's emulator, on this machine; to be as far away as a cloud it "
    "is behind a process that passes on what is sent to it 20 ms later.",
    "How long a start takes is processor time, of new processes whose modules are compiled.",
    "Rows that were there before are the same on both sides, inserted past the stores. Then each "
    "side logged one batch and ended one run in a fresh process. Nobody called ANALYZE by hand: "
    "what statistics there are, MLflow, the workspace or PostgreSQL's autovacuum made.",
)


def run(options: Namespace) -> tuple[list[Line], list[str]]:
    """Run what the options ask for; return the lines of the table, and the notes below it."""
    check_names(options.only)
    if "postgresql" in options.databases:
        program_path("initdb")  # better missed now than after SQLite's turn
    lines: list[Line] = []
    notes = [machine(), *NOTES]
    for database in options.databases:
        for measured, settings in measure_on(database, options):
            lines += measured
            notes += settings
    for name, measure in OTHERS.items():
        if wanted(name, options):
            lines += guarded("", name, partial(measure, sizes_of(options), options.rounds))
    return lines, notes


def check_names(only: list[str] | None) -> None:
    """Exit with a message if there is no such workload."""
    names = [*(workload.name for workload in WORKLOADS), *OTHERS]
    unknown = sorted(set(only or ()) - set(names))
    if unknown:
        raise SystemExit(f"There is no workload {unknown[0]!r}. Name one of: {', '.join(names)}")


def sizes_of(options: Namespace) -> Sizes:
    """Return how much of everything was asked for."""
    return QUICK if options.quick else FULL


def wanted(name: str, options: Namespace, *, large: bool = False) -> bool:
    """Whether a workload was asked for: by its name, or with that of which it is the large one."""
    if options.only:
        of = name.removesuffix("_large") if large and options.large else name
        return name in options.only or of in options.only
    return options.large or not large


def measure_on(database: str, options: Namespace) -> Iterator[tuple[list[Line], list[str]]]:
    """Run the workloads on one kind of database; yield lines and notes."""
    chosen = [each for each in WORKLOADS if wanted(each.name, options, large=each.large)]
    if not chosen:
        return
    title, sizes = TITLES[database], sizes_of(options)
    with server_of(database) as server:
        datasets = Datasets(options.folder, server, sizes)
        bench = Bench(title, datasets, sizes, options.rounds, options.slow_rounds)
        try:
            yield [], [settings_note(title, *datasets.empty())]
        except Exception as error:  # noqa: BLE001  as in guarded()
            traceback.print_exc()
            yield [Line("all workloads", title, failure=f"failed: {type(error).__name__}")], []
            return
        for workload in chosen:
            yield guarded(title, workload.name, partial(workload.measure, bench)), []


def settings_note(title: str, mlflow_side: Side, our_side: Side) -> str:
    """Say what each side waits for at a commit, as its own connections report it."""
    return (
        f"{title} {our_side.version()}: MLflow {mlflow_side.settings()}; "
        f"workspace {our_side.settings()}."
    )


@contextmanager
def server_of(database: str) -> Iterator:
    """Run a server of the benchmark's own, with PostgreSQL's defaults but for two; None: SQLite."""
    if database == "sqlite":
        yield None
        return
    # Its autovacuum looks after the filled tables within seconds, and not in the middle of a round.
    with postgresql(fsync="on", autovacuum_naptime="5s") as server:
        yield server


def guarded(database: str, name: str, measure: Callable[[], list[Line]]) -> list[Line]:
    """Measure a workload; if that fails, say so in its line, so that the others are not lost."""
    progress(f"{database} {name}".strip())
    try:
        return measure()
    except Exception as error:  # noqa: BLE001  whatever it is, the other figures are wanted
        traceback.print_exc()
        return [Line(name, database, failure=f"failed: {type(error).__name__}")]


def machine() -> str:
    """Describe what the figures were taken on."""
    return (
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {os.cpu_count()} cores, {platform.machine()}, "
        f"{platform.system()}, Python {platform.python_version()}, MLflow {mlflow.__version__} "
        "(its telemetry off)."
    )
