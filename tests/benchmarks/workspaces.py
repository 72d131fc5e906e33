"""Workloads of a hub with very many workspaces."""

from click.testing import CliRunner
from mlflow.store.workspace.sqlalchemy_store import SqlAlchemyStore

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.cli import main
from tests.benchmarks.datasets import insert
from tests.benchmarks.measure import Bench, Workload, in_turn, stopwatch
from tests.benchmarks.report import Line
from tests.benchmarks.sides import MLFLOW, OURS
from tests.postgres import for_mlflow

WORKSPACES = 1_000
LIST_MS = 300
GC_S = 3


def many(bench: Bench) -> list[Line]:
    """Listing them, which MLflow's store of workspaces does by name only; looking for garbage."""
    mlflow, ours = bench.datasets.empty("workspaces")
    store = SqlAlchemyStore(for_mlflow(mlflow.database_url))
    for side in (mlflow, ours):
        insert(side, "workspaces", ("name",), ((f"w{n:04}",) for n in range(WORKSPACES)))

    def milliseconds(action) -> float:
        with stopwatch() as watch:
            action()
        return watch.seconds * 1e3

    def collect() -> None:
        done = CliRunner().invoke(
            main, ["gc", "--all-workspaces", "--dry-run", "--hub", str(ours.hub)]
        )
        assert done.exit_code == 0, done.output

    taken = in_turn(
        {
            MLFLOW: lambda: milliseconds(store.list_workspaces),
            OURS: lambda: milliseconds(lambda: Workspace.list(None, hub=ours.hub)),
            "gc": lambda: milliseconds(collect),
        },
        bench.rounds,
    )
    named, listed, gc = (sorted(taken[name])[bench.rounds // 2] for name in (MLFLOW, OURS, "gc"))
    title = f"{WORKSPACES:,} workspaces: "
    return [
        Line(
            f"{title}Workspace.list (left: MLflow's names of them)",
            bench.database,
            "ms",
            named,
            listed,
            bench.rounds,
            at_most=LIST_MS,
        ),
        Line(
            f"{title}gc --all-workspaces --dry-run",
            bench.database,
            "s",
            None,
            gc / 1e3,
            bench.rounds,
            at_most=GC_S,
        ),
    ]


WORKLOADS = (Workload("workspaces", many),)
