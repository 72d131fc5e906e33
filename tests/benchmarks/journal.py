"""Workloads of the journal: what the caller waits for, and how soon everything is stored."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median

from mlflow_workspace_plugin.settings import JOURNAL
from tests.benchmarks.measure import Bench, Workload, child, in_turn
from tests.benchmarks.report import Line


@contextmanager
def journal() -> Iterator[None]:
    """Let the processes that are started have a journal; all other workloads have none."""
    before = os.environ.pop(JOURNAL.name, None)
    try:
        yield
    finally:
        if before is not None:
            os.environ[JOURNAL.name] = before


def both(
    bench: Bench, action: str, calls: tuple[int, int], *arguments: str
) -> tuple[dict[str, float], dict[str, float]]:
    """Run an action on both sides in turn, MLflow's with fewer calls; return medians."""
    sides = bench.datasets.empty()
    with journal():
        taken = in_turn(
            {
                side.name: partial(child, "caller", side.to_json(), action, str(number), *arguments)
                for side, number in zip(sides, calls, strict=True)
            },
            bench.rounds,
        )
    mlflow, ours = (
        {field: median(each[field] for each in rounds) for field in rounds[0]}
        for rounds in (taken[side.name] for side in sides)
    )
    return mlflow, ours


def of_caller(bench: Bench) -> list[Line]:
    """One value, on the caller's thread."""
    calls = (bench.sizes.calls, 40 * bench.sizes.calls)
    lines = []
    for title, action in (("MlflowClient.log_metric", "client_call"), ("Run.log", "sdk_call")):
        mlflow, ours = both(bench, action, calls)
        for field, at_most in (("p50", 20), ("p99", 200)):
            lines.append(
                Line(
                    f"{title}, journalled, {field}",
                    bench.database,
                    "us",
                    mlflow[field],
                    ours[field],
                    bench.rounds,
                    at_most=at_most,
                )
            )
    return lines


def of_fluent(bench: Bench) -> list[Line]:
    """``mlflow.log_metric`` and ``log_metrics``, with and without the registry's URI set."""
    calls = (bench.sizes.calls, 20 * bench.sizes.calls)
    lines = []
    for registry, stored, many in (("", 25, 50), ("registry", 90, 100)):
        title = " (registry URI set)" if registry else ""
        with journal():
            _, ours_side = bench.datasets.empty()
            own = child("caller", ours_side.to_json(), "floor", str(calls[1]), registry)
        mlflow, ours = both(bench, "fluent_call", calls, registry)
        lines += [
            Line(
                f"mlflow.log_metric{title}, journalled, p50 (MLflow's part: {own['p50']:.0f})",
                bench.database,
                "us",
                mlflow["p50"],
                ours["p50"],
                bench.rounds,
                at_most=own["p50"] + 20,
            ),
            Line(
                f"{calls[1]:,} mlflow.log_metric{title} to all stored",
                bench.database,
                "calls/s",
                mlflow["stored_per_s"],
                ours["stored_per_s"],
                bench.rounds,
                wanted=stored,
            ),
        ]
        mlflow, ours = both(bench, "fluent_batch", (calls[0] // 5, calls[1] // 50), registry)
        title = f"mlflow.log_metrics of 50{title}, journalled, p50"
        figures = (mlflow["p50"], ours["p50"], bench.rounds)
        lines.append(Line(title, bench.database, "us", *figures, wanted=many))
    return lines


def processor(bench: Bench) -> list[Line]:
    """Seconds of processor time, of all threads."""
    lines = []
    for title, action, calls in (
        ("log_metric", "client_call", (bench.sizes.calls, 40 * bench.sizes.calls)),
        ("log_batch(1000)", "batch", (bench.sizes.batches, 5 * bench.sizes.batches)),
    ):
        mlflow, ours = both(bench, action, calls)
        # Microseconds for a value are seconds for a million.
        lines.append(
            Line(
                f"processor time of a million values by {title}, journalled",
                bench.database,
                "s",
                mlflow["cpu_us"],
                ours["cpu_us"],
                bench.rounds,
                wanted=5,
            )
        )
    return lines


def loop(bench: Bench) -> list[Line]:
    """A loop in pure Python that logs 1,000 values a second."""
    _, side = bench.datasets.empty()
    with journal():
        rounds = [child("caller", side.to_json(), "loop", "2") for _ in range(bench.rounds)]
    sdk, client, own = (median(each[how] for each in rounds) for how in ("sdk", "client", "floor"))
    title = "a loop that logs 1,000 values/s by {}, journalled: slower by"
    by_client = f"MlflowClient (MLflow's part: {own:.1f})"
    return [
        Line(title.format("Run.log"), bench.database, "%", None, sdk, bench.rounds, at_most=5),
        Line(
            title.format(by_client),
            bench.database,
            "%",
            None,
            client,
            bench.rounds,
            at_most=own + 5,
        ),
    ]


def forks(bench: Bench) -> list[Line]:
    """A fork beside a thread that logs without a pause."""
    _, side = bench.datasets.empty()
    with journal():
        rounds = [child("caller", side.to_json(), "forks", "3") for _ in range(bench.rounds)]
    quiet, logging = (median(each[how] for each in rounds) for how in ("quiet", "logging"))
    return [
        Line(
            f"fork beside a thread that logs at full speed, p99 (without: {quiet:.0f})",
            bench.database,
            "ms",
            None,
            logging,
            bench.rounds,
            at_most=quiet + 100,
        )
    ]


WORKLOADS = (
    Workload("journal_caller", of_caller),
    Workload("journal_fluent", of_fluent),
    Workload("journal_processor", processor),
    Workload("journal_loop", loop),
    Workload("journal_forks", forks),
)
