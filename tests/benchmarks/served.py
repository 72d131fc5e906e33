"""A served hub beside MLflow's own server: single requests, what accounts add, fifty clients.

Both serve with as many workers, on the same machine as their clients. What was stored is counted in
the database.
"""

import configparser
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests
from mlflow.entities import Metric

from mlflow_workspace_plugin.settings import JOURNAL
from tests import python_processes
from tests.benchmarks.datasets import START
from tests.benchmarks.measure import Bench, Workload, in_turn, progress, stopwatch
from tests.benchmarks.report import Line
from tests.benchmarks.sides import WORKSPACE, Side
from tests.served import PASSWORD, served_hub
from tests.servers import free_port, serving

CLIENTS = 50
_USER = "somebody"
_BATCH = 1000
_RUNS = "/api/2.0/mlflow/runs"
_SERVER_ONLY = ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN")

CLIENT = """
import json, sys, time
from mlflow import MlflowClient
from mlflow.entities import Metric
run_id, seconds, batch, start = sys.argv[1], *map(int, sys.argv[2:])
client = MlflowClient()
client.get_run(run_id)
print(flush=True)
sys.stdin.readline()
begin = time.perf_counter()
longest, stored, errors, step = 0.0, 0, [], 0
while time.perf_counter() - begin < seconds:
    values = [Metric("loss", 0.5, start + step + n, step + n) for n in range(batch)]
    step += batch
    asked = time.perf_counter()
    try:
        client.log_batch(run_id, metrics=values)
        stored += batch
    except Exception as error:
        errors.append(str(error)[:200])
    longest = max(longest, time.perf_counter() - asked)
print(json.dumps({"longest": longest, "stored": stored, "errors": errors}), flush=True)
"""


ONE_BY_ONE = """
import json, sys, time
import mlflow
run_id, calls, start = sys.argv[1], *map(int, sys.argv[2:])
with mlflow.start_run(run_id=run_id):
    begin = time.perf_counter()
    for step in range(calls):
        mlflow.log_metric("loss", 0.5, step=step, timestamp=start + step)
    returned = time.perf_counter() - begin
    flush = getattr(mlflow.MlflowClient()._tracking_client.store, "flush", None)
    if flush is not None:
        flush(600)
    stored = time.perf_counter() - begin
print(json.dumps([returned, stored]), flush=True)
"""


@dataclass(frozen=True)
class Server:
    """A server, as its clients reach it.

    Args:
        side: whose database it has.
        address: of it.
        headers: that let somebody in.
        client: the variables that MLflow's clients need.
    """

    side: Side
    address: str
    headers: dict[str, str] = field(default_factory=dict)
    client: dict[str, str] = field(default_factory=dict)

    def session(self) -> requests.Session:
        """Return what asks it."""
        session = requests.Session()
        session.headers.update(self.headers)
        return session


def served(bench: Bench) -> list[Line]:
    """Everything, on fresh databases."""
    sides = bench.datasets.empty("served")
    with without_settings(), TemporaryDirectory() as folder:
        return [
            *_logged(bench, sides, Path(folder)),
            *_one_by_one(bench, sides, Path(folder)),
            *_at_once(bench, sides, Path(folder)),
        ]


@contextmanager
def without_settings() -> Iterator[None]:
    """Leave out what is set for all other workloads: a server has no journal, its clients do."""
    before = os.environ.pop(JOURNAL.name, None)
    try:
        yield
    finally:
        if before is not None:
            os.environ[JOURNAL.name] = before


@contextmanager
def mlflow_server(side: Side, folder: Path, workers: int, *, accounts: bool) -> Iterator[Server]:
    """Run MLflow's own server."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", side.uri]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    command += ["--artifacts-destination", str(folder / "files")]
    environment = {**os.environ}
    server = Server(side, f"http://127.0.0.1:{port}")
    if accounts:
        command += ["--app-name", "basic-auth"]
        environment |= _accounts_of_mlflow(folder)
        basic = requests.auth._basic_auth_str("admin", PASSWORD)
        server = Server(side, server.address, {"Authorization": basic})
    client = {"MLFLOW_TRACKING_URI": server.address}
    if accounts:
        client |= {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": PASSWORD}
    name = f"mlflow-{workers}-{'accounts' if accounts else 'open'}"
    with serving(command, port, folder / name, env=environment):
        yield Server(side, server.address, server.headers, client)


def _accounts_of_mlflow(folder: Path) -> dict[str, str]:
    settings = configparser.ConfigParser()
    settings["mlflow"] = {
        "default_permission": "NO_PERMISSIONS",
        "database_uri": f"sqlite:///{folder}/accounts.db",
        "admin_username": "admin",
        "admin_password": PASSWORD,
    }
    file = folder / "accounts.ini"
    with file.open("w") as written:
        settings.write(written)
    return {"MLFLOW_AUTH_CONFIG_PATH": str(file), "MLFLOW_FLASK_SERVER_SECRET_KEY": "any"}


@contextmanager
def our_server(side: Side, folder: Path, workers: int, *, accounts: bool) -> Iterator[Server]:
    """Serve our side's hub: with accounts, or as ``ui`` does, which has one worker."""
    assert side.hub is not None
    header = {"X-MLFLOW-WORKSPACE": WORKSPACE}
    if not accounts:
        port = free_port()
        command = [sys.executable, "-m", "mlflow_workspace_plugin.cli", "ui", "--hub", side.hub]
        with serving([*command, "--no-token", "--port", str(port)], port, folder / "ui") as address:
            yield Server(side, address, header)
        return
    log = folder / f"served-{workers}"
    options = ("--workers", str(workers), "--no-access-log")
    with served_hub(Path(side.hub), log, *options) as running:
        if _USER not in [each.name for each in running.people.list()]:
            running.add_user(_USER, **{WORKSPACE: "member"})
        token = running.token(_USER)
        client = {
            "MLFLOW_TRACKING_URI": f"workspace://127.0.0.1:{running.port}/{WORKSPACE}",
            "MLFLOW_TRACKING_TOKEN": token,
        }
        bearer = {"Authorization": f"Bearer {token}"}
        yield Server(side, running.address, {**header, **bearer}, client)


def _logged(bench: Bench, sides: list[Side], folder: Path) -> Iterator[Line]:
    """One script that logs value by value, as most do: until all calls returned, and are stored.

    With accounts, on both sides.
    """
    # MLflow's client stores some five a second.
    calls = {"mlflow": bench.sizes.calls // 5, "ours": 20 * bench.sizes.calls}
    counts = f"{calls['ours']:,} calls (MLflow: {calls['mlflow']:,})"
    title = f"served: mlflow.log_metric with accounts, {counts}"
    progress(f"{bench.database}: {title}")
    found = {}
    for name, side, server in zip(calls, sides, (mlflow_server, our_server), strict=True):
        with server(side, folder, 1, accounts=True) as started:
            rates = [_rates(started, calls[name]) for _ in range(bench.slow_rounds)]
        found[name] = [statistics.median(each) for each in zip(*rates, strict=True)]
    for place, what, wanted in ((0, "returned", 400), (1, "stored", 150)):
        yield Line(
            f"{title}: {what}",
            bench.database,
            "calls/s",
            found["mlflow"][place],
            found["ours"][place],
            bench.slow_rounds,
            wanted=wanted,
        )


def _rates(server: Server, calls: int) -> tuple[float, float]:
    """Return how many calls a second returned, and were stored."""
    run_id = server.side.new_run()
    kept = {name: text for name, text in os.environ.items() if name not in _SERVER_ONLY}
    done = python_processes.run(
        ["-c", ONE_BY_ONE, run_id, str(calls), str(START)],
        stdout=subprocess.PIPE,
        text=True,
        env={**kept, **server.client},
        timeout=900,
    )
    assert server.side.stored_values(run_id) == calls
    returned, stored = json.loads(done.stdout.splitlines()[-1])
    return calls / returned, calls / stored


def _one_by_one(bench: Bench, sides: list[Side], folder: Path) -> Iterator[Line]:
    """One client, one worker: what a request takes, and what accounts add to it."""
    with ExitStack() as stack:
        started = {
            (name, accounts): stack.enter_context(server(side, folder, 1, accounts=accounts))
            for name, server, side in (
                ("mlflow", mlflow_server, sides[0]),
                ("ours", our_server, sides[1]),
            )
            for accounts in (False, True)
        }
        progress(f"{bench.database}: requests with and without accounts")
        actions = {
            "a run is read": _read,
            "a value is logged": _log_value,
            f"{_BATCH:,} values are logged": _log_batch,
        }
        for title, action in actions.items():
            taken = in_turn(
                {
                    f"{name} {accounts}": partial(
                        _milliseconds, server, action, bench.sizes.calls // 20
                    )
                    for (name, accounts), server in started.items()
                },
                bench.rounds,
            )
            ms = {name: statistics.median(each) for name, each in taken.items()}
            yield Line(
                f"served: {title} by REST, with accounts against without",
                bench.database,
                "x",
                ms["mlflow True"] / ms["mlflow False"],
                ms["ours True"] / ms["ours False"],
                bench.rounds,
                at_most=2,
            )
            is_batch = action is _log_batch
            for accounts, wanted in ((False, 4.0), (True, 3.0)):
                yield Line(
                    f"served: {title} by REST, {'with' if accounts else 'without'} accounts "
                    "(left: MLflow's without)",
                    bench.database,
                    "ms",
                    ms["mlflow False"],
                    ms[f"ours {accounts}"],
                    bench.rounds,
                    wanted=wanted if is_batch else None,
                )


def _milliseconds(server: Server, action: Any, times: int) -> float:
    """Return what a request takes, the median of so many."""
    run_id = server.side.new_run()
    taken: list[float] = []
    with server.session() as session:
        for number in range(1 + times):
            with stopwatch() as watch:
                answer = action(session, server.address, run_id, number)
            answer.raise_for_status()
            taken.append(watch.seconds * 1e3)
    # The first one is not like the others.
    return statistics.median(taken[1:])


def _read(session: requests.Session, address: str, run_id: str, _: int) -> requests.Response:
    return session.get(f"{address}{_RUNS}/get", params={"run_id": run_id}, timeout=60)


def _log_value(session: requests.Session, address: str, run_id: str, step: int) -> Any:
    value = {"run_id": run_id, "key": "loss", "value": 0.5, "timestamp": START, "step": step}
    return session.post(f"{address}{_RUNS}/log-metric", json=value, timeout=60)


def _log_batch(session: requests.Session, address: str, run_id: str, number: int) -> Any:
    first = number * _BATCH
    values = [dict(Metric("loss", 0.5, START + first + n, first + n)) for n in range(_BATCH)]
    sent = {"run_id": run_id, "metrics": values}
    return session.post(f"{address}{_RUNS}/log-batch", json=sent, timeout=60)


def _at_once(bench: Bench, sides: list[Side], folder: Path) -> Iterator[Line]:
    """Fifty processes that log as fast as they can, each to a run of its own."""
    seconds = 10 if bench.sizes.name == "full" else 2
    title = f"served: {CLIENTS} processes, log_batch({_BATCH:,}) for {seconds} s"
    progress(f"{bench.database}: {title}")
    found = []
    for side, server in zip(sides, (mlflow_server, our_server), strict=True):
        with server(side, folder, 2, accounts=side.hub is not None) as started:
            found.append(_clients(started, seconds))
    mlflow, ours = found
    for name, unit, at_most in (
        ("calls that failed", "calls", 0),
        ("values of calls that returned, and are not stored", "values", 0),
        ("the longest call", "s", 5),
    ):
        yield Line(
            f"{title}: {name}", bench.database, unit, mlflow[name], ours[name], 1, at_most=at_most
        )
    yield Line(
        f"{title}: stored",
        bench.database,
        "values/s",
        mlflow["stored a second"],
        ours["stored a second"],
        1,
    )


def _clients(server: Server, seconds: int) -> dict[str, float]:
    """Let the clients log; return what became of it."""
    run_ids = [server.side.new_run() for _ in range(CLIENTS)]
    kept = {name: text for name, text in os.environ.items() if name not in _SERVER_ONLY}
    with ExitStack() as stack:
        clients = [
            stack.enter_context(
                python_processes.Popen(
                    ["-c", CLIENT, run_id, str(seconds), str(_BATCH), str(START)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env={**kept, **server.client},
                )
            )
            for run_id in run_ids
        ]
        for each in clients:
            each.stdout.readline()
        with stopwatch() as watch:
            for each in clients:
                each.stdin.write("\n")
                each.stdin.flush()
            said = [json.loads(each.communicate(timeout=600)[0]) for each in clients]
        at_end = sum(map(server.side.stored_values, run_ids))
    if server.side.hub is not None:
        # What a process could not send before its end waits, and is not lost.
        command = [sys.executable, "-m", "mlflow_workspace_plugin.cli", "sync"]
        subprocess.run(command, env={**kept, **server.client}, timeout=300, check=False)
    stored = {run_id: server.side.stored_values(run_id) for run_id in run_ids}
    lost = [
        max(0, each["stored"] - stored[run_id]) for each, run_id in zip(said, run_ids, strict=True)
    ]
    for error in {error for each in said for error in each["errors"]}:
        progress(f"{server.side.name}: {error}")
    return {
        "calls that failed": sum(len(each["errors"]) for each in said),
        "values of calls that returned, and are not stored": sum(lost),
        "the longest call": max(each["longest"] for each in said),
        # To the end of the last process, which waits for what it logged.
        "stored a second": at_end / watch.seconds,
    }


WORKLOADS = (Workload("served", served),)
