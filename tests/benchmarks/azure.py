"""Workloads of a hub whose files are in Azure Blob Storage, against MLflow's own repository.

Both, and Azure's SDK alone, upload to the same Azurite in the same run: directly, and as if it
were as far away as a cloud.
"""

import itertools
import os
import random
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from azure.storage.blob import ContainerClient

from tests.azurite import Azurite, azurite, connection_string
from tests.benchmarks.distance import at_distance
from tests.benchmarks.measure import MEGABYTE, child, in_turn, worker_command
from tests.benchmarks.report import Line
from tests.benchmarks.sides import MLFLOW, OURS
from tests.benchmarks.sizes import Sizes
from tests.benchmarks.uploads import CONNECTION, CONTAINER, SDK
from tests.fault_proxy import Request, fault_proxy

SMALL = 10_000
DISTANCE_S = 0.020
BEST, GROWTH = " (left: the SDK with its best settings)", ", growth of memory (left: MLflow's)"
_numbers = itertools.count()


@contextmanager
def paths() -> Iterator[dict[str, str]]:
    """Run an Azurite; yield the connection strings for the ways to it, by name."""
    with azurite() as server, at_distance(server.port, DISTANCE_S) as port:
        far = server.endpoint.replace(str(server.port), str(port))
        yield {
            "loopback": server.connection_string,
            f"{DISTANCE_S * 1e3:.0f} ms away": connection_string(far),
        }


@contextmanager
def container(way: str) -> Iterator[None]:
    """Let the processes that are started use a new, empty container, over one of the ways.

    It is deleted afterwards: Azurite takes the longer for a request the more blobs it holds.
    """
    name = f"benchmark-{next(_numbers)}"
    environment = {CONNECTION: way, CONTAINER: name}
    client = ContainerClient.from_connection_string(way, name)
    client.create_container()
    os.environ.update(environment)
    try:
        yield
    finally:
        for each in environment:
            del os.environ[each]
        client.delete_container()


def upload(uploader: str, way: str, path: Path, times: int) -> dict[str, Any]:
    """Upload in a process of its own, to where nothing is."""
    with container(way):
        return child("upload", uploader, str(path), str(times))


def taken(way: str, path: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Upload twice by each uploader in turn; return medians by uploader."""
    actions = {each: partial(upload, each, way, path, 2) for each in (MLFLOW, OURS)}
    actions[SDK] = partial(upload, SDK, way, path, 1)
    return {
        uploader: {
            "first": median(each["seconds"][0] for each in results),
            "second": median(each["seconds"][-1] for each in results),
            "megabytes": max(each["megabytes"] for each in results),
        }
        for uploader, results in in_turn(actions, rounds).items()
    }


def small_files(sizes: Sizes, rounds: int) -> list[Line]:
    """Many small files, and again without a change."""
    lines = []
    with tempfile.TemporaryDirectory() as folder, paths() as ways:
        for number in range(sizes.small_files):
            Path(folder, f"{number}.bin").write_bytes(random.randbytes(SMALL))
        for name, way in ways.items():
            took = taken(way, Path(folder), rounds)
            mlflow, ours, sdk = (took[each] for each in (MLFLOW, OURS, SDK))
            title = f"upload of {sizes.small_files:,} files of 10 kB, Azurite, {name}"
            far = way != ways["loopback"]
            for note, left, right, wanted in (
                ("", mlflow["first"], ours["first"], 8 if far else None),
                (" (left: a pool of SDK clients)", sdk["first"], ours["first"], 0.85),
                (", unchanged", mlflow["second"], ours["second"], 20),
            ):
                speeds = (sizes.small_files / seconds for seconds in (left, right))
                lines.append(Line(title + note, "", "files/s", *speeds, rounds, wanted=wanted))
    return lines


def large_file(sizes: Sizes, rounds: int) -> list[Line]:
    """One large file, again without a change, and after a kill."""
    lines = []
    size = f"{sizes.large_file / 2**30:g} GiB"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "large.bin")
        with file.open("wb") as stream:
            for _ in range(sizes.large_file // 2**20):
                stream.write(random.randbytes(2**20))
        with paths() as ways:
            for name, way in ways.items():
                took = taken(way, file, rounds)
                mlflow, ours, sdk = (took[each] for each in (MLFLOW, OURS, SDK))
                title = f"upload of a file of {size}, Azurite, {name}"
                for note, unit, left, right, wanted in (
                    ("", "s", mlflow["first"], ours["first"], {}),
                    (BEST, "s", sdk["first"], ours["first"], {"wanted": 0.83}),
                    (", unchanged", "s", mlflow["second"], ours["second"], {"wanted": 4}),
                    (GROWTH, "MB", mlflow["megabytes"], ours["megabytes"], {"at_most": 200}),
                ):
                    lines.append(Line(title + note, "", unit, left, right, rounds, **wanted))
        with azurite() as server:
            sent = bytes_with_a_kill(server, file)
    title = f"bytes sent for a file of {size} with a kill -9 in the middle (left: its size)"
    total = sizes.large_file / MEGABYTE
    return [*lines, Line(title, "", "MB", total, sent / MEGABYTE, 1, at_most=1.1 * total)]


def bytes_with_a_kill(server: Azurite, file: Path) -> int:
    """Upload in a process that is killed in the middle, and in another; return what both sent."""
    with fault_proxy(server.port) as proxy, container(connection_string(proxy.endpoint)):
        process = subprocess.Popen(worker_command("upload", OURS, str(file), "1"))

        def kill(_: Request) -> None:
            if proxy.sent > file.stat().st_size / 2:
                process.kill()

        proxy.fault = kill
        assert process.wait() == -signal.SIGKILL, "It was too fast to be killed."
        proxy.fault = lambda _: None
        child("upload", OURS, str(file), "1")
        return proxy.sent


WORKLOADS = {"azure_small": small_files, "azure_large": large_file}
