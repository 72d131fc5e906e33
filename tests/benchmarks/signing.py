"""Files of a served hub, straight to the storage account with what the hub signs.

Beside it MLflow's client at MLflow's server, which passes each byte on to the same account: without
accounts, while ours asks who may. All of it is on this machine, so the account takes its share of
the processors either way.
"""

import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from statistics import median
from typing import Any
from unittest import mock

from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.artifacts.daemon_threads import DaemonThreads
from mlflow_workspace_plugin.hub.hub import create_hub
from tests.azurite import ACCOUNT, Azurite, azurite
from tests.benchmarks.azure import SMALL
from tests.benchmarks.measure import MEGABYTE, in_turn
from tests.benchmarks.report import Line
from tests.benchmarks.sides import MLFLOW, OURS, WORKSPACE
from tests.benchmarks.sizes import Sizes
from tests.fault_proxy import Proxy, fault_proxy
from tests.served import served_hub
from tests.servers import free_port, serving

_CONNECTION = "AZURE_STORAGE_CONNECTION_STRING"
_THREADS = 16
"""As many as our uploader has."""


def file_times(sizes: Sizes, rounds: int) -> list[Line]:
    """Many small files, with one thread and with as many as our uploader has."""
    lines = []
    with ExitStack() as stack:
        files = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for number in range(sizes.small_files):
            (files / f"{number}.bin").write_bytes(random.randbytes(SMALL))
        server = stack.enter_context(azurite())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = {**os.environ, _CONNECTION: server.connection_string}
        stack.enter_context(mock.patch.dict(os.environ, environment))
        theirs = stack.enter_context(_mlflow(server, folder))
        ours = stack.enter_context(_workspace(server, folder))
        for threads, wanted in ((1, 2.0), (_THREADS, 1.3)):
            actions = {
                MLFLOW: partial(_through_mlflow, theirs, files, threads),
                OURS: partial(_signed, ours, files, threads),
            }
            taken = in_turn(actions, rounds)
            speeds = (sizes.small_files / median(taken[each]) for each in (MLFLOW, OURS))
            title = f"{sizes.small_files:,} files of 10 kB to a served hub, {_said(threads)}"
            lines.append(Line(title, "", "files/s", *speeds, rounds, wanted=wanted))
        lines.append(_bytes_line(sizes, files, theirs, ours))
    return lines


def _said(threads: int) -> str:
    return "one thread" if threads == 1 else f"{threads} threads"


def _bytes_line(sizes: Sizes, files: Path, theirs: str, ours: Any) -> Line:
    """Say how much the clients sent to each server for the same files."""
    sent = []
    for address, upload in (
        (theirs, partial(_through_mlflow, files=files, threads=1)),
        (ours.address, partial(_signed_at, ours, files=files)),
    ):
        with fault_proxy(int(address.rpartition(":")[2])) as proxy:
            upload(_address_of(proxy))
            sent.append(proxy.sent / MEGABYTE)
    title = f"sent to the server for {sizes.small_files:,} files of 10 kB: names, and no file"
    return Line(title, "", "MB", *sent, 1, at_most=0.05 * sizes.small_files * SMALL / MEGABYTE)


def _address_of(proxy: Proxy) -> str:
    return f"http://127.0.0.1:{proxy.port}"


@contextmanager
def _mlflow(server: Azurite, folder: Path) -> Iterator[str]:
    """Run MLflow's own server in front of the account; yield its address."""
    container, port = server.container("mlflow").container_name, free_port()
    place = f"wasbs://{container}@{ACCOUNT}.blob.core.windows.net/files"
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", place, "--serve-artifacts"]
    with serving(command, port, folder / "mlflow.log") as address:
        yield address


@contextmanager
def _workspace(server: Azurite, folder: Path) -> Iterator[Any]:
    """Run a served hub with its files in the account; yield the server."""
    container = server.container("workspace").container_name
    endpoint = f"azure://{ACCOUNT}/{container}/files?endpoint={server.endpoint}"
    create_hub(folder / "hub", artifacts=endpoint)
    Workspace.create(WORKSPACE, hub=folder / "hub", show_output=False)
    with served_hub(folder / "hub", folder / "workspace.log") as served:
        served.add_user("member", **{WORKSPACE: "member"})
        yield served


def _through_mlflow(address: str, files: Path, threads: int) -> float:
    """Upload by MLflow's client; return the seconds that it took."""
    repository = MlflowArtifactsRepository(
        f"mlflow-artifacts:/{time.time_ns()}", tracking_uri=address
    )
    start = time.perf_counter()
    if threads == 1:
        repository.log_artifacts(str(files))
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(repository.log_artifact, map(str, files.iterdir())))
    return time.perf_counter() - start


def _signed(served: Any, files: Path, threads: int) -> float:
    return _signed_at(served, served.address, files, threads)


def _signed_at(served: Any, address: str, files: Path, threads: int = _THREADS) -> float:
    """Upload as a script does; return the seconds that it took."""
    from mlflow_workspace_plugin.remote.files.open import repository_at
    from mlflow_workspace_plugin.uris import ServedWorkspaceUri, parse

    uri = parse(f"{address.replace('http', 'workspace')}/{WORKSPACE}")
    assert isinstance(uri, ServedWorkspaceUri)
    log_in = {
        "MLFLOW_TRACKING_URI": str(uri),
        "MLFLOW_TRACKING_TOKEN": served.token("member"),
    }
    with mock.patch.dict(os.environ, log_in):
        place = PurePosixPath("workspaces", WORKSPACE, "datastores", f"{time.time_ns()}")
        repository = repository_at(uri, place, is_quiet=True)
        transfer = repository.transfer
        before = transfer.container._files
        transfer.container._files = DaemonThreads(threads, "workspace-file")
        try:
            start = time.perf_counter()
            repository.log_artifacts(str(files))
            return time.perf_counter() - start
        finally:
            transfer.container._files = before


WORKLOADS = {"signing": file_times}
