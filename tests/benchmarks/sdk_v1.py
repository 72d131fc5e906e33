"""Workloads of SDK v1's metrics, against the same numbers by MLflow's own calls."""

from mlflow_workspace_plugin import Experiment
from tests.benchmarks.journal import both
from tests.benchmarks.measure import Bench, Workload, in_turn, stopwatch
from tests.benchmarks.report import Line
from tests.benchmarks.sides import MLFLOW, OURS

NAMES = 1_000


def rows(bench: Bench) -> list[Line]:
    """A row of 15 columns to each of three tables; MLflow logs each row as a batch."""
    mlflow, ours = both(bench, "rows", (bench.sizes.calls // 5, 2 * bench.sizes.calls))
    title = "3 log_row of 15 columns, journalled"
    return [
        Line(f"{title}, p50", bench.database, "us", mlflow["p50"], ours["p50"], bench.rounds),
        Line(
            f"{title}, to stored",
            bench.database,
            "values/s",
            mlflow["stored_per_s"],
            ours["stored_per_s"],
            bench.rounds,
        ),
    ]


def search_of_typed(bench: Bench) -> list[Line]:
    """Searching runs with a thousand metrics each, which are ints.

    Ours only: in the column of MLflow stand runs with as many metrics of plain floats.
    """
    workspace = bench.datasets.empty("typed")[1].workspace
    experiments = {MLFLOW: Experiment(workspace, "plain"), OURS: Experiment(workspace, "typed")}
    for name, experiment in experiments.items():
        for _ in range(max(bench.sizes.found // 100, 2)):
            run = experiment.start_logging(outputs=False)
            for number in range(NAMES):
                run.log(f"metric {number}", number if name == OURS else number + 0.5)
            run.complete()

    def milliseconds(experiment: Experiment) -> float:
        with stopwatch() as watch:
            workspace.client.search_runs([experiment.id])
        return watch.seconds * 1e3

    actions = {name: lambda each=each: milliseconds(each) for name, each in experiments.items()}
    taken = in_turn(actions, bench.rounds)
    plain, typed = (sorted(taken[name])[bench.rounds // 2] for name in (MLFLOW, OURS))
    title = f"search_runs, runs of {NAMES:,} ints of Run.log (left: ours, of floats)"
    return [Line(title, bench.database, "ms", plain, typed, bench.rounds)]


WORKLOADS = (Workload("sdk_v1_rows", rows), Workload("sdk_v1_search", search_of_typed))
