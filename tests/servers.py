"""A server in a process of its own, and an environment in which this package is not installed."""

import os
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(command: list[str], port: int, log: Path, **options) -> Iterator[str]:
    """Run a server until the block is left; yields its address once it answers."""
    address = f"http://127.0.0.1:{port}"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, start_new_session=True, **options
        )
        try:
            deadline = time.monotonic() + 120
            while True:
                assert process.poll() is None, log.read_text()[-4000:]
                assert time.monotonic() < deadline, log.read_text()[-4000:]
                try:
                    with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
                        if answer.status == 200:
                            break
                except OSError:
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
