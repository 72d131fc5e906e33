"""An Azurite server of the tests' own, on a free port: Microsoft's emulator of Blob Storage."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from azure.storage.blob import ContainerClient, generate_container_sas

from tests.servers import free_port

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_PROGRAM = "azurite-blob"
_START_S = 60


@dataclass
class Azurite:
    """A server that can be stopped and started again; it keeps what it has."""

    port: int
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def endpoint(self) -> str:
        """The URL of the account."""
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        """What a client needs to know."""
        return connection_string(self.endpoint)

    def container(self, name: str) -> ContainerClient:
        """Return a client for a container, which is made if it is not there."""
        client = ContainerClient(self.endpoint, name, credential=KEY)
        if not client.exists():
            client.create_container()
        return client

    def start(self) -> None:
        """Start it, and wait until it answers."""
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [
                program_path(),
                "--silent",
                "--skipApiVersionCheck",
                "--disableTelemetry",
                "--blobHost=127.0.0.1",
                f"--blobPort={self.port}",
                f"--location={self.folder}",
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        end = time.monotonic() + _START_S
        while True:
            assert self.process.poll() is None, (self.folder / "log").read_text()[-4000:]
            assert time.monotonic() < end, (self.folder / "log").read_text()[-4000:]
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it; connections are refused then. When asked to end it keeps what it has."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, how)
            self.process.wait(60)
            self.process = None


def connection_string(endpoint: str, key: str = KEY) -> str:
    """Return the connection string of the account behind an address."""
    return f"AccountName={ACCOUNT};AccountKey={key};BlobEndpoint={endpoint}"


def sas(container: str, permission: str = "racwdl", hours: float = 1) -> str:
    """Return a SAS for a container, which expires in so many hours."""
    now = datetime.now(timezone.utc)
    return generate_container_sas(
        ACCOUNT,
        container,
        account_key=KEY,
        permission=permission,
        start=now - timedelta(hours=24),
        expiry=now + timedelta(hours=hours),
    )


@contextmanager
def azurite() -> Iterator[Azurite]:
    """Run a server until the block is left."""
    folder = Path(tempfile.mkdtemp(prefix="azurite-"))
    server = Azurite(free_port(), folder)
    try:
        server.start()
        yield server
    finally:
        server.stop(signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def program_path() -> str:
    """Find Azurite: on the PATH, or where npm installed it beside the tests or above."""
    found = shutil.which(_PROGRAM)
    if found is not None:
        return found
    for folder in (Path(__file__).parent, *Path(__file__).parent.parents):
        program = folder / "node_modules" / ".bin" / _PROGRAM
        if program.exists():
            return str(program)
    raise AssertionError("Install Azurite: npm install -g azurite")
