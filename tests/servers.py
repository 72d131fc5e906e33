"""A server in a process of its own, and an environment in which this package is not installed."""

import os
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_INFO = "/api/3.0/mlflow/server-info"


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(
    command: list[str], port: int, log: Path, *, env: Mapping[str, str] = os.environ, **options
) -> Iterator[str]:
    """Run a server until the block is left; yields its address once it answers quickly.

    Each of its workers opens the store at its first request, which takes a while, and MLflow's
    clients wait 3 s for an answer to this one.
    """
    # For jobs that nobody asks for, MLflow would start a process for each kind.
    variables = {**env, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    address = f"http://127.0.0.1:{port}"
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=variables,
            **options,
        )
        try:
            deadline = time.monotonic() + 300
            while True:
                assert process.poll() is None, log.read_text()[-4000:]
                assert time.monotonic() < deadline, log.read_text()[-4000:]
                if all(_answers_within(1, f"{address}{_INFO}") for _ in range(3)):
                    break
                time.sleep(0.2)
            yield address
        finally:
            # MLflow's server has workers of its own, in its process group.
            os.killpg(process.pid, 15)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()


def _answers_within(seconds: float, address: str) -> bool:
    start = time.monotonic()
    try:
        with urllib.request.urlopen(address, timeout=30):
            return time.monotonic() - start < seconds
    except OSError:
        return False


def without_this_package(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return a Python, and variables for it, in which all is installed but this package.

    A folder of links to what is in site-packages takes its place. Nothing is switched off or
    replaced, so MLflow is the stock one.
    """
    skipped = ("mlflow_workspace_plugin", "__editable__.mlflow_workspace_plugin", "__pycache__")
    packages = folder / "site-packages"
    packages.mkdir()
    for place in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(place).iterdir():
            link = packages / entry.name
            if not entry.name.startswith(skipped) and not link.exists():
                link.symlink_to(entry)
    variables = {"PYTHONPATH": str(packages), "PYTHONNOUSERSITE": "1"}
    return [sys.executable, "-S"], variables
