"""A Ray cluster of the tests' own: a head on this machine, on free ports of the loopback."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import requests

from tests.processes import of_folder
from tests.servers import free_port

_START_S = 90


@dataclass
class RayCluster:
    """A head that can be killed, and started again on the same port of its dashboard."""

    folder: Path
    variables: Mapping[str, str]
    cpus: int = 2
    dashboard: int = field(default_factory=free_port)

    @property
    def address(self) -> str:
        """Where its dashboard is."""
        return f"http://127.0.0.1:{self.dashboard}"

    @property
    def log(self) -> Path:
        """What it prints."""
        return self.folder / "ray.log"

    def start(self, tries: int = 3) -> None:
        """Start it, and wait until it takes jobs.

        Args:
            tries: how often, on other ports: one that was free may be another's when it is bound.
        """
        try:
            self._start()
        except (AssertionError, subprocess.SubprocessError) as error:
            self.kill()
            if tries == 1:
                raise AssertionError(self.log.read_text()[-4000:]) from error
            self.start(tries - 1)

    def _start(self) -> None:
        ports = {
            name: free_port()
            for name in (
                "port",
                "dashboard-agent-listen-port",
                "dashboard-agent-grpc-port",
                "metrics-export-port",
                "ray-client-server-port",
            )
        }
        # Its processes are on their own from then on, as they are where people type this.
        with self.log.open("ab") as log:
            subprocess.run(
                [
                    *(program_path(), "start", "--head", "--disable-usage-stats"),
                    *("--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1"),
                    *(
                        f"--dashboard-port={self.dashboard}",
                        f"--num-cpus={self.cpus}",
                        "--num-gpus=1",
                    ),
                    *("--min-worker-port=0", "--max-worker-port=0"),
                    *(f"--object-store-memory={80 * 2**20}", f"--temp-dir={self.folder}/t"),
                    *(f"--{name}={port}" for name, port in ports.items()),
                ],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=_START_S,
                check=True,
                env={**_of_a_node(self.folder), **self.variables},
            )
        end = time.monotonic() + _START_S
        while not self._takes_jobs():
            assert time.monotonic() < end
            time.sleep(0.2)

    def kill(self) -> None:
        """Kill all of it, and every process that it has started, at once."""
        while found := of_folder(self.folder):
            for each in found:
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)
            time.sleep(0.1)

    def of_kind(self, word: str) -> list[int]:
        """Return its processes whose command line has a word: ``gcs_server``, ``raylet``."""
        return of_folder(self.folder, word)

    def _takes_jobs(self) -> bool:
        # A list of jobs is answered before the agent that takes them is there.
        with suppress(requests.RequestException):
            headers = {"Authorization": f"Bearer {self.variables.get('RAY_AUTH_TOKEN', '')}"}
            answer = requests.post(
                f"{self.address}/api/jobs/",
                json={"entrypoint": "true", "submission_id": "first"},
                headers=headers,
                timeout=30,
            )
            return answer.ok or "already exists" in answer.text
        return False


def _of_a_node(folder: Path) -> dict[str, str]:
    """Return an environment in which nothing is said of a run, a hub or a user's secrets."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLFLOW_", "AZURE", "RAY_", "PYTEST_"))
    }
    own = {
        f"MLFLOW_WORKSPACE_{name}_DIR": str(folder / name) for name in ("JOBS", "JOURNAL", "CACHE")
    }
    return {**kept, **own, "MLFLOW_DISABLE_TELEMETRY": "true"}


@contextmanager
def ray_cluster(**variables: str) -> Iterator[RayCluster]:
    """Run a cluster until the block is left.

    Args:
        variables: environment variables of ``ray start``, which every job of it sees.
    """
    # Paths of its sockets have to be short.
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    cluster = RayCluster(folder, variables)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.kill()
        shutil.rmtree(folder, ignore_errors=True)


def program_path() -> str:
    """Return the program ``ray``: of the tests' Python, or, to try another version, of RAY."""
    return os.environ.get("RAY", str(Path(sys.executable).with_name("ray")))
