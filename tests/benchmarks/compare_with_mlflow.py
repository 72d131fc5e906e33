"""Time a workspace against MLflow's own SQLite store, side by side in one run.

    python tests/benchmarks/compare_with_mlflow.py [--rounds 5]

Both are measured in turn, round by round, so that a drift of the machine's speed falls on both.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import mlflow
from mlflow.entities import Metric
from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine

from mlflow_workspace_plugin import Workspace


class Store:
    """One of the two stores, with a run to log to."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        self.experiment = self.client.create_experiment("benchmark")
        self.run_id = self.new_run()
        self.history = self.new_run()
        for start in range(0, 10_000, 1000):
            batch = [Metric("h", i, start + i, start + i) for i in range(1000)]
            self.client.log_batch(self.history, batch)
        for number in range(200):
            run = self.new_run()
            self.client.log_batch(run, [Metric(f"m{i}", number, 1, 0) for i in range(20)])
        self.step = 0

    def new_run(self) -> str:
        return self.client.create_run(self.experiment).info.run_id

    def log_metric(self) -> None:
        self.step += 1
        mlflow.log_metric("single", 0.5, step=self.step)

    def log_metrics(self) -> None:
        self.step += 1
        mlflow.log_metrics({f"fifty-{i}": 0.5 for i in range(50)}, step=self.step)

    def log_batch(self) -> None:
        self.step += 1000
        metrics = [Metric("batch", 0.5, self.step + i, self.step + i) for i in range(1000)]
        self.client.log_batch(self.run_id, metrics)

    def read_history(self) -> None:
        assert len(self.client.get_metric_history(self.history, "h")) == 10_000

    def search(self) -> None:
        assert len(self.client.search_runs([self.experiment], "metrics.m1 >= 0")) == 200


def seconds_of(action: Callable[[], None], times: int) -> list[float]:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return taken


WORKLOADS = (
    ("mlflow.log_metric, one", Store.log_metric, 100),
    ("mlflow.log_metrics of 50", Store.log_metrics, 20),
    ("log_batch of 1000", Store.log_batch, 5),
    ("history of 10,000 values", Store.read_history, 2),
    ("search, 200 runs x 20 metrics", Store.search, 3),
)


def measure(stores: dict[str, Store], rounds: int) -> dict[tuple[str, str], list[float]]:
    samples: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for name, store in stores.items():
            mlflow.set_tracking_uri(store.uri)
            with mlflow.start_run(run_id=store.run_id):
                for workload, action, times in WORKLOADS:
                    taken = seconds_of(lambda store=store, action=action: action(store), times)
                    samples.setdefault((workload, name), []).extend(taken)
    return samples


def settings_of(database: Path) -> str:
    engine = create_engine(f"sqlite:///{database}")
    with engine.connect() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
    return f"journal_mode={mode}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        mlflow_database = Path(folder) / "mlflow.db"
        hub = Path(folder) / "hub"
        stores = {
            "MLflow": Store(f"sqlite:///{mlflow_database}"),
            "workspace": Store(Workspace.create("bench", hub=hub).get_mlflow_tracking_uri()),
        }
        samples = measure(stores, rounds)
        settings = (settings_of(mlflow_database), settings_of(hub / "hub.db"))
    table = Table(title=f"Milliseconds, {rounds} rounds in turn, MLflow {mlflow.__version__}")
    for column in ("workload", "MLflow p50", "p99", "workspace p50", "p99", "p50 ratio"):
        table.add_column(column, justify="left" if column == "workload" else "right")
    for workload, _, _ in WORKLOADS:
        cells, medians = [], []
        for name in stores:
            taken = sorted(samples[workload, name])
            medians.append(statistics.median(taken))
            cells += [f"{medians[-1] * 1e3:.2f}", f"{taken[int(len(taken) * 0.99)] * 1e3:.2f}"]
        table.add_row(workload, *cells, f"{medians[0] / medians[1]:.1f}x")
    Console(width=110).print(table)
    print(f"MLflow: {settings[0]}, synchronous=FULL (SQLite's default: fsync at each commit).")
    print(f"workspace: {settings[1]}, synchronous=NORMAL (fsync at each checkpoint of the log).")


if __name__ == "__main__":
    main()
